"""A small HTTP/1.1 server in a thread, for driving an ASGI app with the real git client."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from urllib.parse import unquote

MAX_HEAD_BYTES = 64 * 1024


class AsgiServer:
    """Serve `app` on `port` of the loopback address between `start` and `stop`."""

    def __init__(self, app: Callable, port: int = 0) -> None:
        self.app = app
        self.port = port
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()), daemon=True)

    def start(self) -> AsgiServer:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def _main(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._connection, "127.0.0.1", self.port, limit=MAX_HEAD_BYTES)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await self._request(reader, writer)
        writer.close()

    async def _request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target, _ = head[0].split(" ")
        headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in head[1:] if line)}
        if headers.get("expect") == "100-continue":
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        path, _, query = target.partition("?")
        scope = {
            "type": "http",
            "method": method,
            "path": unquote(path),
            "query_string": query.encode(),
            "headers": [(k.encode(), v.encode()) for k, v in headers.items()],
            "client": writer.get_extra_info("peername"),
        }
        body = self._body(reader, headers)

        async def receive() -> dict:
            try:
                chunk = await anext(body, None)
                if chunk is not None:
                    return {"type": "http.request", "body": chunk[0], "more_body": chunk[1]}
                await reader.read(1)
            except (ConnectionError, asyncio.IncompleteReadError):
                pass
            return {"type": "http.disconnect"}

        async def send(message: dict) -> None:
            if message["type"] == "http.response.start":
                lines = [b"%s: %s\r\n" % pair for pair in message["headers"]]
                writer.write(b"HTTP/1.1 %d X\r\n%sconnection: close\r\n\r\n" % (message["status"], b"".join(lines)))
            else:
                writer.write(message["body"])
            await writer.drain()

        await self.app(scope, receive, send)

    async def _body(self, reader: asyncio.StreamReader, headers: dict):
        if headers.get("transfer-encoding") == "chunked":
            while size := int(await reader.readline(), 16):
                yield await reader.readexactly(size), True
                await reader.readline()
            await reader.readline()
            yield b"", False
            return
        left = int(headers.get("content-length", 0))
        while left > 1 << 16:
            left -= 1 << 16
            yield await reader.readexactly(1 << 16), True
        yield await reader.readexactly(left), False
