"""Health routes in both states, through the ASGI application that serves them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hub import health
from hub.health import HealthApp, Part

pytestmark = pytest.mark.django_db(transaction=True)


async def call(app: HealthApp, path: str, method: str = "GET") -> tuple[int, dict[str, Any], bytes]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    await app({"type": "http", "method": method, "path": path, "headers": []}, receive, send)
    body = b"".join(message.get("body", b"") for message in sent[1:])
    return sent[0]["status"], json.loads(body) if body else {}, body


async def test_live_depends_on_nothing() -> None:
    """T195."""
    status, body, _ = await call(HealthApp(parts=()), "/health/live")

    assert (status, body) == (200, {"status": "ok"})


async def test_ready_names_every_part_when_all_work() -> None:
    status, body, _ = await call(HealthApp(), "/health/ready")

    assert (status, body["status"]) == (200, "ok"), body
    assert set(body["parts"]) == {part.name for part in health.PARTS}
    assert {name for name, part in body["parts"].items() if part["required"] and part["status"] == "ok"} == {
        "database",
        "migrations",
        "storage",
        "git",
        "broker",
    }


async def test_storage_that_cannot_be_written_makes_503(settings, tmp_path: Path) -> None:
    """T195. A file in place of the directory fails for every account, root too."""
    blocked = tmp_path / "file"
    blocked.touch()
    settings.HUB_DATA_DIR = blocked

    status, body, raw = await call(HealthApp(), "/health/ready")

    assert (status, body["status"], body["parts"]["storage"]["status"]) == (503, "down", "down")
    assert str(tmp_path).encode() not in raw  # T150: says which part, not where it lies


async def test_a_broker_that_does_not_answer_makes_503(settings, tmp_path: Path) -> None:
    settings.REDIS_URL = f"unix://{tmp_path}/none.sock"

    status, body, _ = await call(HealthApp(), "/health/ready")

    assert (status, body["parts"]["broker"]["status"]) == (503, "down")
    assert body["parts"]["database"]["status"] == "ok"


async def test_git_missing_from_path_makes_503(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    status, body, _ = await call(HealthApp(), "/health/ready")

    assert (status, body["parts"]["git"]["status"]) == (503, "down")


async def test_parts_that_only_inform_do_not_decide() -> None:
    def broken() -> dict[str, Any]:
        raise RuntimeError("inner detail")

    app = HealthApp(parts=(Part("extra", broken, required=False),))
    status, body, raw = await call(app, "/health/ready")

    assert (status, body["parts"]["extra"]["status"]) == (200, "down")
    assert b"inner detail" not in raw


async def test_answers_are_reused_for_a_second() -> None:
    """Strangers cannot turn probes into load."""
    calls: list[int] = []

    def counted() -> dict[str, Any]:
        calls.append(1)
        return {}

    app = HealthApp(parts=(Part("counted", counted, required=True),))
    for _ in range(5):
        await call(app, "/health/ready")

    assert len(calls) == 1


async def test_head_get_and_nothing_else() -> None:
    head = await call(HealthApp(parts=()), "/health/live", "HEAD")
    post = await call(HealthApp(parts=()), "/health/live", "POST")

    assert (head[0], head[2]) == (200, b"")
    assert post[0] == 405
    assert (await call(HealthApp(parts=()), "/health/other"))[0] == 404
