"""The little of HTTP that the gateway needs: bounded bodies, JSON answers, server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, Final

import orjson

from hub.core.edge import Receive, Scope, Send
from inference.protocol.errors import InferenceError, InvalidInput
from inference.protocol.limits import MAX_BODY_BYTES

_BODY_IDLE_S: Final = 30
_NO_STORE: Final = (b"cache-control", b"no-store")


class ClientLeft(Exception):
    """The caller closed the connection."""


async def read_body(receive: Receive) -> bytes:
    """The whole body.

    Raises:
        InvalidInput: over the limit (413).
        InferenceError: nothing came for too long (408).
        ClientLeft: the connection ended before the body did.
    """
    chunks, size = [], 0
    while True:
        try:
            message = await asyncio.wait_for(receive(), _BODY_IDLE_S)
        except TimeoutError as error:
            raise InferenceError("body_timeout", "The body did not arrive in time.", status=408) from error
        if message["type"] == "http.disconnect":
            raise ClientLeft
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            raise InvalidInput("body", f"The body is larger than {MAX_BODY_BYTES} bytes.", status=413)
        chunks.append(chunk)
        if not message.get("more_body"):
            return b"".join(chunks)


def parse_json(body: bytes) -> Any:
    """Raises InvalidInput: orjson refuses NaN, lone surrogates and deep nesting by itself (T106)."""
    try:
        return orjson.loads(body)
    except (orjson.JSONDecodeError, RecursionError) as error:
        raise InvalidInput("body", "The body is not valid JSON.", status=400) from error


def header(scope: Scope, name: bytes) -> str:
    for key, value in scope["headers"]:
        if key == name:
            return value.decode("latin-1")
    return ""


async def send_json(send: Send, status: int, value: Any, headers: Iterable[tuple[bytes, bytes]] = ()) -> int:
    """Answer with JSON; returns the body's length in bytes."""
    body = orjson.dumps(value)
    start = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), _NO_STORE]
    await send({"type": "http.response.start", "status": status, "headers": [*start, *headers]})
    await send({"type": "http.response.body", "body": body})
    return len(body)


class EventStream:
    """A text/event-stream answer; the head goes out with the first event, so that early errors keep their status."""

    def __init__(self, send: Send, headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
        self._send = send
        self._headers = list(headers)
        self.is_open = False
        self.sent_bytes = 0

    async def event(self, value: Any) -> None:
        await self._write(b"data: " + orjson.dumps(value) + b"\n\n")

    async def comment(self, text: str) -> None:
        """A line that clients skip; it shows proxies that the stream lives (T143)."""
        await self._write(b": " + text.encode() + b"\n\n")

    async def heartbeat(self) -> None:
        await self.comment("waiting")

    async def done(self) -> None:
        await self._write(b"data: [DONE]\n\n")

    async def close(self) -> None:
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _write(self, data: bytes) -> None:
        if not self.is_open:
            self.is_open = True
            head = [
                (b"content-type", b"text/event-stream; charset=utf-8"),
                (b"x-accel-buffering", b"no"),
                _NO_STORE,
                *self._headers,
            ]
            await self._send({"type": "http.response.start", "status": 200, "headers": head})
        self.sent_bytes += len(data)
        await self._send({"type": "http.response.body", "body": data, "more_body": True})


async def until_disconnect(receive: Receive) -> None:
    """Return when the caller is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
