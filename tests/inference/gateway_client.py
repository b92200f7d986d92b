"""Calls the gateway's ASGI application directly: headers and body in, status, headers and events out."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

from inference.gateway.app import Gateway


@dataclass(slots=True)
class Answer:
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def events(self) -> list[Any]:
        """The data of each server-sent event, ``[DONE]`` aside."""
        lines = self.body.decode().splitlines()
        return [json.loads(line[6:]) for line in lines if line.startswith("data: ") and line != "data: [DONE]"]

    @property
    def text(self) -> str:
        choices = [event["choices"][0] for event in self.events if event.get("choices")]
        return "".join(choice["delta"].get("content", "") for choice in choices)


class Connection:
    """One request whose caller may leave (``leave``) or stop reading (``pause``, ``resume``)."""

    def __init__(self, gateway: Gateway, method: str, path: str, body: bytes, headers: dict[str, str]) -> None:
        self.answer = Answer()
        self.got_event = asyncio.Event()
        self._left = asyncio.Event()
        self._readable = asyncio.Event()
        self._readable.set()
        self._body: bytes | None = body
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
            "client": ("127.0.0.1", 5000),
        }
        self.task = asyncio.create_task(gateway(scope, self._receive, self._send))

    def leave(self) -> None:
        self._left.set()

    def pause(self) -> None:
        self._readable.clear()

    def resume(self) -> None:
        self._readable.set()

    async def _receive(self) -> dict[str, Any]:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: dict[str, Any]) -> None:
        await self._readable.wait()
        if message["type"] == "http.response.start":
            assert not self.answer.status, "the head of an answer is sent once"
            self.answer.status = message["status"]
            self.answer.headers = {name.decode(): value.decode("latin-1") for name, value in message["headers"]}
            return
        self.answer.body += message["body"]
        if b"data: " in message["body"]:
            self.got_event.set()


class Caller:
    """One gateway, as one web process has it."""

    def __init__(self) -> None:
        self.gateway = Gateway()

    def open(self, method: str, path: str, value: Any = None, **headers: str) -> Connection:
        body = value if isinstance(value, bytes) else b"" if value is None else json.dumps(value).encode()
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        return Connection(self.gateway, method, path, body, named)

    async def post(self, path: str, value: Any = None, **headers: str) -> Answer:
        connection = self.open("POST", path, value, **headers)
        await asyncio.wait_for(connection.task, 30)
        return connection.answer

    async def get(self, path: str, **headers: str) -> Answer:
        connection = self.open("GET", path, **headers)
        await asyncio.wait_for(connection.task, 30)
        return connection.answer

    async def close(self) -> None:
        if self.gateway._inbox is not None:
            await self.gateway._inbox.stop()
        if self.gateway._redis is not None:
            await self.gateway._redis.aclose()
