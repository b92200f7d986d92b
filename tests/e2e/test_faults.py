"""Parts that die by SIGKILL in the middle of work: nothing is lost, callers are told, the next call is served.

Each test waits until the hub is whole again: the same hub serves the other tests.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import httpx
import psutil
import pytest

from tests.e2e.live import FullHub, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

MODEL = "ada/murmur"
MIB = 1024 * 1024


# ---- uploads


def test_an_upload_resumes_after_the_web_process_was_killed(full_hub: FullHub) -> None:
    """T190: parts that were answered stay; the one in flight and those after it are sent again."""
    data = os.urandom(150 * MIB)
    oid = hashlib.sha256(data).hexdigest()
    repo_id = "ada/killed-midway"
    api = httpx.Client(base_url=full_hub.url, headers=full_hub.bearer("write"), timeout=60)
    assert api.post("/api/repos/create", json={"name": "killed-midway"}).status_code == 200
    grant = _batch(api, repo_id, oid, len(data))
    part_size = int(grant["header"]["chunk_size"])
    urls = [grant["header"][key] for key in sorted((key for key in grant["header"] if key.isdigit()), key=int)]
    pieces = [data[at : at + part_size] for at in range(0, len(data), part_size)]
    assert len(pieces) == len(urls) >= 3
    kept = {1: _put(api, urls[0], pieces[0])}

    web = full_hub.part("web")
    cut = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(_put_slowly, urls[1], pieces[1], cut)
        time.sleep(0.5)
        _kill_with_children(web)
        cut.set()
        assert isinstance(sending.exception(timeout=30), httpx.TransportError)
    wait_for(full_hub.is_ready, within_s=60, what="the web process back")

    assert full_hub.part("web").pid != web.pid
    again = _batch(api, repo_id, oid, len(data))
    for number in range(2, len(pieces) + 1):
        kept[number] = _put(api, again["header"][f"{number:05d}"], pieces[number - 1])
    parts = [{"partNumber": number, "etag": etag} for number, etag in sorted(kept.items())]
    done = api.post(again["href"], json={"oid": oid, "parts": parts})
    assert done.status_code == 200, done.text
    _commit_pointer(api, repo_id, "weights.bin", oid, len(data))

    fetched = api.get(f"/{repo_id}/resolve/main/weights.bin", follow_redirects=True)
    assert hashlib.sha256(fetched.content).hexdigest() == oid
    api.close()


def _batch(api: httpx.Client, repo_id: str, oid: str, size: int) -> dict[str, Any]:
    body = {
        "operation": "upload",
        "transfers": ["multipart"],
        "hash_algo": "sha256",
        "objects": [{"oid": oid, "size": size}],
    }
    headers = {"Accept": "application/vnd.git-lfs+json", "Content-Type": "application/vnd.git-lfs+json"}
    answer = api.post(f"/{repo_id}.git/info/lfs/objects/batch", content=json.dumps(body), headers=headers)
    assert answer.status_code == 200, answer.text
    return dict(answer.json()["objects"][0]["actions"]["upload"])


def _put(api: httpx.Client, url: str, piece: bytes) -> str:
    answer = api.put(url, content=piece)
    assert answer.status_code == 200, answer.text
    return str(answer.headers["etag"])


def _put_slowly(url: str, piece: bytes, cut: threading.Event) -> None:
    """Half of a part, then nothing until the other side is gone."""

    def trickle() -> Iterator[bytes]:
        yield piece[: len(piece) // 2]
        cut.wait(30)
        yield piece[len(piece) // 2 :]

    httpx.put(url, content=trickle(), headers={"Content-Length": str(len(piece))}, timeout=30)


def _commit_pointer(api: httpx.Client, repo_id: str, path: str, oid: str, size: int) -> None:
    lines = [
        {"key": "header", "value": {"summary": f"Add {path}"}},
        {"key": "lfsFile", "value": {"path": path, "algo": "sha256", "oid": oid, "size": size}},
    ]
    body = "\n".join(json.dumps(line) for line in lines)
    answer = api.post(
        f"/api/models/{repo_id}/commit/main", content=body, headers={"Content-Type": "application/x-ndjson"}
    )
    assert answer.status_code == 200, answer.text


# ---- calls


@dataclass
class Stream:
    """A long answer being read in a thread of its own."""

    hub: FullHub
    pieces: int = 0
    error: dict[str, Any] = field(default_factory=dict)
    is_broken: bool = False
    ended_at: float = 0.0

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        wait_for(lambda: self.pieces > 5 or self.ended_at, within_s=90, what="the answer's beginning")
        assert not self.ended_at, self.error

    def _read(self) -> None:
        body = {"model": MODEL, "prompt": "the quick brown fox", "max_tokens": 1024, "stream": True}
        headers = self.hub.bearer("inference")
        try:
            with httpx.stream(
                "POST", f"{self.hub.url}/v1/completions", headers=headers, json=body, timeout=120
            ) as answer:
                for line in answer.iter_lines():
                    self._take(line)
        except httpx.HTTPError:
            self.is_broken = True
        self.ended_at = time.monotonic()

    def _take(self, line: str) -> None:
        if not line.startswith("data: {"):
            return
        chunk = json.loads(line.removeprefix("data: "))
        if "error" in chunk:
            self.error = chunk["error"]
        self.pieces += 1

    def end(self, within_s: float) -> float:
        """Wait for the end; returns when it was (monotonic clock)."""
        self._thread.join(within_s)
        assert self.ended_at, f"the caller still waits after {within_s} s"
        return self.ended_at


def _call(hub: FullHub) -> httpx.Response:
    body = {"model": MODEL, "prompt": "the quick", "max_tokens": 2}
    return httpx.post(f"{hub.url}/v1/completions", headers=hub.bearer("inference"), json=body, timeout=120)


def _next_call_works(hub: FullHub, within_s: float = 60) -> None:
    """Retry as a client would, on answers that say that it may."""

    def ask() -> bool:
        answer = _call(hub)
        assert answer.status_code in (200, 503), answer.text
        return answer.status_code == 200

    assert wait_for(ask, within_s=within_s, every_s=0.5, what="an answer")


@pytest.fixture
def loaded(full_hub: FullHub) -> FullHub:
    """The hub with the generator loaded."""
    full_hub.until_inspected(MODEL)
    _next_call_works(full_hub, within_s=120)
    return full_hub


def _runner_pid(hub: FullHub) -> int:
    return int(wait_for(lambda: hub.model_beat(MODEL).get("runner_pid"), within_s=10, what="a runner in a heartbeat"))


def test_a_killed_runner_is_told_and_replaced(loaded: FullHub) -> None:
    """T141, T165."""
    pid = _runner_pid(loaded)
    stream = Stream(loaded)
    _kill_with_children(psutil.Process(pid))

    stream.end(within_s=10)

    assert stream.error["code"] == "runner_died"
    assert "again" in stream.error["message"]
    _next_call_works(loaded)
    assert wait_for(lambda: loaded.model_beat(MODEL).get("runner_pid") not in (None, pid), what="another runner")


def test_a_killed_worker_is_told_and_replaced(loaded: FullHub) -> None:
    """T165: by the silence of its heartbeat, although its successor is up before that."""
    worker, runner_pid = loaded.part("inference"), _runner_pid(loaded)
    stream = Stream(loaded)
    begun = time.monotonic()
    worker.kill()

    took_s = stream.end(within_s=20) - begun

    assert stream.error["code"] == "worker_lost"
    assert "again" in stream.error["message"]
    assert took_s < 9
    assert not psutil.pid_exists(runner_pid)
    _next_call_works(loaded)
    assert loaded.part("inference").pid != worker.pid


def test_a_killed_broker_is_told_and_replaced(loaded: FullHub) -> None:
    """T165: the call in flight ends with an error, the hub heals by itself, and files are served meanwhile."""
    broker = loaded.part("broker")
    stream = Stream(loaded)
    broker.kill()

    page = httpx.get(f"{loaded.url}/ada/pebble-embedder/raw/main/README.md", timeout=10)
    stream.end(within_s=20)

    assert page.status_code == 200
    assert stream.is_broken or stream.error.get("code") in ("broker_down", "worker_lost")
    wait_for(loaded.is_ready, within_s=60, what="readiness")
    _next_call_works(loaded)
    assert loaded.part("broker").pid != broker.pid


def _kill_with_children(process: psutil.Process) -> None:
    family = [*process.children(recursive=True), process]
    for member in family:
        try:
            member.kill()
        except psutil.NoSuchProcess:
            continue
