"""Health of this installation, answered beside Django.

``/health/live``: the process serves; depends on nothing (T195).
``/health/ready``: JSON of the parts; 503 when one that every request needs is down.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import structlog
from django.conf import settings
from django.core.cache import cache
from django.db import connection, transaction

from hub.core.edge import Receive, Scope, Send, send_error

log = structlog.get_logger("hub.health")

#: A probe that is slower than this counts as down: nobody waits longer for a page either.
PROBE_TIMEOUT_S: Final = 5.0
#: Answers are reused for this long, so that anonymous callers cannot turn probes into load.
CACHE_S: Final = 1.0
#: Where workers leave the time of their last heartbeat (``hub.celery``); read with one command, without a broadcast.
WORKERS_KEY: Final = "agora:workers"
WORKER_FRESH_S: Final = 45.0


@dataclass(frozen=True, slots=True)
class Part:
    """One part: ``required`` ones decide readiness, the others inform."""

    name: str
    probe: Callable[[], dict[str, Any]]
    required: bool


def probe_database() -> dict[str, Any]:
    """Read and write: a read-only, locked or full database is not ready (T195). Nothing stays written."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("UPDATE django_migrations SET app = app WHERE id = (SELECT MIN(id) FROM django_migrations)")
        transaction.set_rollback(True)
    return {"vendor": connection.vendor}


def probe_migrations() -> dict[str, Any]:
    from django.db.migrations.executor import MigrationExecutor  # noqa: PLC0415 -- slow import

    executor = MigrationExecutor(connection)
    pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if pending:
        raise RuntimeError(f"{len(pending)} migrations are not applied")
    return {}


def probe_broker() -> dict[str, Any]:
    from hub.celery import broker_client  # noqa: PLC0415 -- slow import

    with broker_client(timeout_s=2.0) as client:
        client.ping()
    return {}


def probe_storage() -> dict[str, Any]:
    """Write, sync and remove one small file under the data directory."""
    root = Path(settings.HUB_DATA_DIR)
    with tempfile.NamedTemporaryFile(dir=root, prefix=".health-") as probe:
        probe.write(b"ok")
        probe.flush()
        os.fsync(probe.fileno())
    return {"free_bytes": shutil.disk_usage(root).free}


def probe_git() -> dict[str, Any]:
    path = shutil.which("git")
    if path is None:
        raise FileNotFoundError("git is not on PATH")
    return {}


def probe_workers() -> dict[str, Any]:
    from hub.celery import broker_client  # noqa: PLC0415 -- slow import

    with broker_client(timeout_s=2.0) as client:
        seen = client.hgetall(WORKERS_KEY)
    fresh = sorted(name.decode() for name, at in seen.items() if time.time() - float(at) < WORKER_FRESH_S)
    if not fresh:
        raise RuntimeError("no worker was seen in the last 45 seconds")
    return {"seen": len(fresh)}


def probe_cache() -> dict[str, Any]:
    cache.set("agora:health", 1, timeout=5)
    return {}


PARTS: Final = (
    Part("database", probe_database, required=True),
    Part("migrations", probe_migrations, required=True),
    Part("storage", probe_storage, required=True),
    Part("git", probe_git, required=True),
    Part("broker", probe_broker, required=True),
    Part("cache", probe_cache, required=False),
    Part("workers", probe_workers, required=False),
)


def check_parts(parts: tuple[Part, ...] = PARTS) -> tuple[bool, dict[str, dict[str, Any]]]:
    """Run every probe; returns readiness and a JSON-ready report without any internal detail (T150)."""
    report = {part.name: _check(part) for part in parts}
    ready = all(report[part.name]["status"] == "ok" for part in parts if part.required)
    return ready, report


def _check(part: Part) -> dict[str, Any]:
    started = time.monotonic()
    try:
        facts = part.probe()
        status = "ok"
    except Exception as error:  # a probe fails in as many ways as its part has
        say = log.warning if part.required else log.debug
        say("probe_failed", part=part.name, error=f"{type(error).__name__}: {error}")
        facts, status = {}, "down"
    ms = round((time.monotonic() - started) * 1000, 1)
    return {"status": status, "required": part.required, "ms": ms, **facts}


class HealthApp:
    """ASGI application of ``/health/*``. Probes run on one thread of their own, one at a time."""

    def __init__(self, parts: tuple[Part, ...] = PARTS) -> None:
        self._parts = parts
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="health")
        self._lock = threading.Lock()
        self._cached: tuple[float, bool, dict[str, Any]] = (0.0, False, {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] not in ("GET", "HEAD"):
            await send_error(send, 405, "Use GET.", headers=[(b"allow", b"GET, HEAD")])
        elif scope["path"] == "/health/live":
            await _send_json(send, 200, {"status": "ok"}, head=scope["method"] == "HEAD")
        elif scope["path"] == "/health/ready":
            await self._ready(send, head=scope["method"] == "HEAD")
        else:
            await send_error(send, 404, "Not found.")

    async def _ready(self, send: Send, *, head: bool) -> None:
        loop = asyncio.get_running_loop()
        try:
            ready, report = await asyncio.wait_for(
                loop.run_in_executor(self._pool, self._check_cached), PROBE_TIMEOUT_S * 2
            )
        except TimeoutError:
            ready, report = False, {}
        body = {"status": "ok" if ready else "down", "parts": report}
        await _send_json(send, 200 if ready else 503, body, head=head)

    def _check_cached(self) -> tuple[bool, dict[str, Any]]:
        with self._lock:
            at, ready, report = self._cached
            if not report or time.monotonic() - at > CACHE_S:
                ready, report = check_parts(self._parts)
                # This thread is no request: nothing else would return its connection.
                connection.close()
                self._cached = (time.monotonic(), ready, report)
            return ready, report

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)


async def _send_json(send: Send, status: int, payload: dict[str, Any], *, head: bool) -> None:
    body = json.dumps(payload).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head else body})
