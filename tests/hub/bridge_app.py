"""What the bridge tests serve: a WSGI application whose every path shows one behaviour of the bridge."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

from hub.bridge import Limits, WsgiBridge
from hub.core.edge import Edge
from hub.core.proxies import parse_networks

MARKS = Path(os.environ["BRIDGE_MARKS"])


def echo(environ, start_response):
    shown = {key: value for key, value in environ.items() if isinstance(value, str)}
    shown["body_bytes"] = len(environ["wsgi.input"].read())
    body = json.dumps(shown).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


class Stream:
    """Yield until the consumer leaves; leave a mark when closed."""

    def __init__(self, chunk: bytes, count: int, pause_s: float) -> None:
        self.sent = 0
        self._chunk, self._count, self._pause_s = chunk, count, pause_s

    def __iter__(self) -> Iterator[bytes]:
        for _ in range(self._count):
            self.sent += 1
            yield self._chunk
            time.sleep(self._pause_s)

    def close(self) -> None:
        # Whole or not there at all: the test reads it as soon as it exists.
        draft = MARKS / "closed.part"
        draft.write_text(str(self.sent))
        draft.replace(MARKS / "closed")


def stream(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/event-stream")])
    return Stream(b"data: x\n\n", 100, 0.05)


def flood(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    return Stream(b"x" * 65536, 16384, 0)


def slow(environ, start_response):
    time.sleep(4)
    return echo(environ, start_response)


def crash(environ, start_response):
    raise RuntimeError("the secret is swordfish")


ROUTES = {"/stream": stream, "/flood": flood, "/slow": slow, "/crash": crash}


def wsgi(environ, start_response):
    return ROUTES.get(environ["PATH_INFO"], echo)(environ, start_response)


application = Edge(
    WsgiBridge(
        wsgi,
        threads=2,
        limits=Limits(max_body_bytes=lambda scope: 8 * 1024 * 1024, deadline_s=2.0, body_idle_s=1.5, write_idle_s=2.0),
    ),
    trusted_proxies=parse_networks(os.environ.get("BRIDGE_TRUSTED", "").split()),
)
