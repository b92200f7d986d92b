"""A hub with the demo models for the length of a benchmark, and the light client that calls it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.inputs import EMBEDDER, GENERATOR
from tests.e2e.live import NO_LIMITS
from tests.e2e.live_hub import ROOT, LiveHub

#: A person may have ten calls in flight: 32 callers are four people.
PEOPLE = ("first", "second", "third", "fourth")
_DEMO_WITHIN_S = 600


@dataclass
class BenchHub:
    """``tokens``: one of each person, with the write scope."""

    live: LiveHub
    tokens: list[str]

    @property
    def port(self) -> int:
        return self.live.port

    def snapshot(self, repo_id: str) -> Path:
        """The folder that the worker loaded ``repo_id`` from."""
        head = _json(f"{self.live.url}/api/models/{repo_id}")["sha"]
        found = next((path for path in (self.live.data_dir / "snapshots").rglob(f"*{head}*") if path.is_dir()), None)
        if found is None:
            raise SystemExit(f"no snapshot of {repo_id}: was it called?")
        return found


class WebAlone(LiveHub):
    """A hub without workers: nothing in the background takes the processors from a transfer that is measured."""

    def start(self) -> WebAlone:
        self.data_dir.mkdir(parents=True, exist_ok=True)
        argv = [sys.executable, str(ROOT / "manage.py"), "up", "--only", "broker,web"]
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                argv, cwd=ROOT, env=self.environment, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
            )
        self.wait_ready()
        return self


@contextlib.contextmanager
def web_alone(data_dir: Path) -> Iterator[BenchHub]:
    """A fresh hub without demo models and workers, and one person on it."""
    settings = NO_LIMITS | {"HUB_LOG_LEVEL": "WARNING", "HUB_QUOTA_BYTES": "0"}
    live = WebAlone(data_dir, settings=settings)
    try:
        live.start()
        live.create_user(PEOPLE[0])
        yield BenchHub(live, [live.create_token(PEOPLE[0])])
    finally:
        live.stop()


@contextlib.contextmanager
def bench_hub(data_dir: Path) -> Iterator[BenchHub]:
    live = LiveHub(data_dir, settings=NO_LIMITS | {"HUB_DEMO": "1", "HUB_LOG_LEVEL": "WARNING"})
    try:
        live.start()
        for name in PEOPLE:
            live.create_user(name)
        hub = BenchHub(live, [live.create_token(name) for name in PEOPLE])
        _wait_for_demo(live.url)
        yield hub
    finally:
        live.stop()


def _wait_for_demo(url: str) -> None:
    deadline = time.monotonic() + _DEMO_WITHIN_S
    for repo_id in (EMBEDDER, GENERATOR):
        while _state(url, repo_id) not in ("cold", "ready"):
            if time.monotonic() > deadline:
                raise SystemExit(f"{repo_id} was not published (no network?)")
            time.sleep(1)


def _state(url: str, repo_id: str) -> str:
    with contextlib.suppress(OSError):
        return str(_json(f"{url}/api/inference/{repo_id}/state")["state"])
    return ""


def _json(url: str) -> dict[str, str]:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return dict(json.load(answer))


def request_bytes(port: int, token: str, path: str, body: dict[str, object]) -> bytes:
    """A whole HTTP request, made once: the client must not take the processor from what is measured."""
    content = json.dumps(body).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost:{port}\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


class Caller:
    """One kept-alive connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def connect(cls, port: int) -> Caller:
        return cls(*await asyncio.open_connection("127.0.0.1", port, limit=1024 * 1024))

    async def ask(self, request: bytes) -> int:
        """Send and read the whole answer; returns the status."""
        self._writer.write(request)
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        length = head.partition(b"content-length:")[2].partition(b"\r\n")[0]
        await self._reader.readexactly(int(length))
        return int(head.split(b" ", 2)[1])

    async def first_data(self, request: bytes) -> float:
        """Send; seconds until the first event with text arrives. The rest of the stream is read, too."""
        begun = time.perf_counter()
        self._writer.write(request)
        took_s = 0.0
        while not (line := await self._reader.readline()).startswith(b"data: [DONE]"):
            if not line:
                raise ConnectionError("the stream was cut off")
            if not took_s and line.startswith(b"data: {"):
                took_s = time.perf_counter() - begun
        self._writer.close()
        return took_s
