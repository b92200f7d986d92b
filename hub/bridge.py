"""ASGI→WSGI bridge: Django's WSGI handler on a fixed pool of threads inside the ASGI process.

request body → spooled file (loop) → WSGI application (one of N threads) → chunks, one in flight → ``send`` (loop)

Why not Django's ASGI handler: it spools any body before routing, costs ten times the CPU and leaves the number of
threads and database connections open. Here both are exactly ``threads``.

The body is read before a thread is taken, so that slow clients hold memory of one chunk, never a thread (T180).
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import errno
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, cast
from urllib.parse import unquote_to_bytes

import structlog

from hub.core.edge import REQUEST_ID_KEY, Message, Receive, Scope, Send, header_values, raw_path_of, send_error

Environ = dict[str, Any]
StartResponse = Callable[..., Callable[[bytes], None]]
WsgiApp = Callable[[Environ, StartResponse], Iterable[bytes]]
ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]

SPOOL_BYTES: Final = 1024 * 1024
COALESCE_BYTES: Final = 64 * 1024
_HOP_BY_HOP: Final = frozenset(
    {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
)

log = structlog.get_logger("hub.bridge")


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may cost. ``max_body_bytes`` depends on the request: few routes take large bodies."""

    max_body_bytes: Callable[[Scope], int]
    deadline_s: float = 60.0
    body_idle_s: float = 30.0
    body_grace_s: float = 60.0
    min_body_rate: int = 1024  # bytes per second, after the grace
    write_idle_s: float = 30.0
    max_waiting: int = 256  # requests that have a body but no thread yet


class _Refused(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class _ClientGone(Exception):
    """The client left: nothing more can be sent, the iterable is to be closed."""


class WsgiBridge:
    """Serve a WSGI application to an ASGI server.

    ``threads`` is both the concurrency of pages and the number of database connections.
    ``spool_dir`` holds bodies above 1 MiB while their request lasts.
    """

    def __init__(self, application: WsgiApp, *, threads: int, limits: Limits, spool_dir: Path | None = None) -> None:
        self._application = application
        self._limits = limits
        self._spool_dir = spool_dir
        self._waiting = 0
        self._pool = concurrent.futures.ThreadPoolExecutor(threads, thread_name_prefix="wsgi")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with tempfile.SpooledTemporaryFile(
            max_size=SPOOL_BYTES, dir=str(self._spool_dir) if self._spool_dir else None
        ) as body:
            stream = cast(IO[bytes], body)
            try:
                size = await _Body(scope, receive, self._limits).read_into(stream)
                if self._waiting >= self._limits.max_waiting:
                    raise _Refused(503, "The server is busy. Try again in a few seconds.")
            except _Refused as refused:
                await send_error(send, refused.status, refused.message, headers=_refusal_headers(refused.status))
            except _ClientGone:
                return
            else:
                await self._answer(scope, receive, send, build_environ(scope, stream, size))

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, environ: Environ) -> None:
        exchange = _Exchange(self._application, environ, send, asyncio.get_running_loop(), self._limits.write_idle_s)
        self._waiting += 1
        job = self._pool.submit(exchange.run, self._thread_taken)
        done = asyncio.wrap_future(job)
        watcher = asyncio.ensure_future(_disconnected(receive))
        try:
            await asyncio.wait({done, watcher}, timeout=self._limits.deadline_s, return_when=asyncio.FIRST_COMPLETED)
            if not done.done():
                await self._interrupt(exchange, job, left=watcher.done())
            # A cancelled job never took a thread; every other one ends by itself, and its body must outlive it.
            if not job.cancelled():
                await done
                await exchange.flush()
        finally:
            watcher.cancel()
            if job.cancelled():
                self._waiting -= 1

    def _thread_taken(self) -> None:
        self._waiting -= 1

    async def _interrupt(self, exchange: _Exchange, job: concurrent.futures.Future[None], *, left: bool) -> None:
        """Give up on a request whose client left or whose time is over; a streamed answer may outlast the deadline."""
        if left:
            exchange.abandon()
            job.cancel()
        elif not exchange.started:
            exchange.abandon()
            status = 503 if job.cancel() else 504
            log.warning("deadline_passed", status=status)
            await exchange.refuse(status, "The server took too long to answer. Try again in a few seconds.")


class _Body:
    """Read a request body into a spooled file, within size, idle and rate limits."""

    def __init__(self, scope: Scope, receive: Receive, limits: Limits) -> None:
        self._receive = receive
        self._limits = limits
        self._cap = limits.max_body_bytes(scope)
        declared = header_values(scope, b"content-length")
        self._declared = int(declared[0]) if declared else None
        self._empty = self._declared == 0 or (self._declared is None and not header_values(scope, b"transfer-encoding"))

    async def read_into(self, stream: IO[bytes]) -> int:
        """Return the size in bytes, with ``stream`` at its start.

        Raises: _Refused (408, 413, 507), _ClientGone.
        """
        if self._declared is not None and self._declared > self._cap:
            raise self._too_large()
        size = 0
        started = time.monotonic()
        more = not self._empty or await self._first_of_unframed(stream)
        while more:
            message = await self._next(started, size)
            chunk = message.get("body", b"")
            size += len(chunk)
            if size > self._cap:
                raise self._too_large()
            await _store(stream, chunk, size)
            more = message.get("more_body", False)
        stream.seek(0)
        return size

    async def _first_of_unframed(self, stream: IO[bytes]) -> bool:
        """A request without a length has no body in HTTP/1; its one empty message must still be taken."""
        message = await self._next(time.monotonic(), 0)
        if message.get("body"):
            raise _Refused(400, "A request body needs a length.")
        return False

    async def _next(self, started: float, size: int) -> Message:
        limits = self._limits
        try:
            message = await asyncio.wait_for(self._receive(), limits.body_idle_s)
        except TimeoutError:
            raise _Refused(408, f"No data came for {limits.body_idle_s:.0f} seconds.") from None
        if message["type"] == "http.disconnect":
            raise _ClientGone
        elapsed = time.monotonic() - started
        if elapsed > limits.body_grace_s and size / elapsed < limits.min_body_rate:
            raise _Refused(408, "The request body came too slowly.")
        return message

    def _too_large(self) -> _Refused:
        return _Refused(413, f"The request body is larger than {self._cap} bytes.")


async def _store(stream: IO[bytes], chunk: bytes, size: int) -> None:
    try:
        if size <= SPOOL_BYTES:
            stream.write(chunk)
        else:  # on disk by now: a slow disk must not stop the loop
            await asyncio.to_thread(stream.write, chunk)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _Refused(507, "The server is out of storage space.") from error
        raise


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _refusal_headers(status: int) -> list[tuple[bytes, bytes]]:
    """The rest of a refused body is unread, so the connection cannot be used again."""
    retry = [(b"retry-after", b"5")] if status == 503 else []
    return [(b"connection", b"close"), *retry]


class _Exchange:
    """One request between its thread (``run``) and the loop (everything async).

    A short answer crosses over once, when it is complete. A streamed one (no Content-Length) crosses chunk by chunk;
    the thread waits until each is on its way, which is the back-pressure.
    """

    def __init__(
        self, application: WsgiApp, environ: Environ, send: Send, loop: asyncio.AbstractEventLoop, write_idle_s: float
    ) -> None:
        self._application = application
        self._environ = environ
        self._send = send
        self._loop = loop
        self._write_idle_s = write_idle_s
        self._gone = threading.Event()
        self._head: Message | None = None
        self._sized = False
        self._buffer: list[bytes] = []
        self._buffered = 0
        self.started = False

    # ---- in the thread

    def run(self, thread_taken: Callable[[], None]) -> None:
        self._loop.call_soon_threadsafe(thread_taken)
        if self._gone.is_set():
            return
        structlog.contextvars.bind_contextvars(request_id=self._environ.get(REQUEST_ID_KEY, ""))
        try:
            self._iterate()
        except _ClientGone:
            pass
        finally:
            structlog.contextvars.clear_contextvars()

    def _iterate(self) -> None:
        result = self._application(self._environ, self._start_response)
        try:
            for chunk in result:
                self._emit(chunk)
        finally:
            # Also on a disconnect: Django frees files and database connections here, in the thread that owns them.
            close = getattr(result, "close", None)
            if close is not None:
                close()

    def _start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: ExcInfo | None = None
    ) -> Callable[[bytes], None]:
        if exc_info is not None and self.started:
            raise exc_info[1].with_traceback(exc_info[2])
        wire = [
            (name.lower().encode("latin-1"), value.encode("latin-1"))
            for name, value in headers
            if name.lower() not in _HOP_BY_HOP
        ]
        self._sized = any(name == b"content-length" for name, _ in wire)
        self._head = {"type": "http.response.start", "status": int(status.split(" ", 1)[0]), "headers": wire}
        return self._emit

    def _emit(self, chunk: bytes) -> None:
        if self._gone.is_set():
            raise _ClientGone
        if not chunk:
            return
        self._buffer.append(chunk)
        self._buffered += len(chunk)
        if not self._sized or self._buffered >= COALESCE_BYTES:
            self._hand_over()

    def _hand_over(self) -> None:
        future = asyncio.run_coroutine_threadsafe(self._write(more=True), self._loop)
        try:
            future.result(self._write_idle_s)
        except (TimeoutError, concurrent.futures.CancelledError, OSError) as error:
            future.cancel()
            self._gone.set()
            raise _ClientGone from error

    # ---- on the loop

    async def _write(self, *, more: bool) -> None:
        if self._gone.is_set():
            return
        if not self.started and self._head is not None:
            self.started = True
            await self._send(self._head)
        body, self._buffer, self._buffered = b"".join(self._buffer), [], 0
        await self._send({"type": "http.response.body", "body": body, "more_body": more})

    async def flush(self) -> None:
        """Send what is left after the thread ended."""
        if self._head is not None:
            await self._write(more=False)

    def abandon(self) -> None:
        self._gone.set()

    async def refuse(self, status: int, message: str) -> None:
        self.started = True
        await send_error(self._send, status, message, headers=_refusal_headers(status))


def build_environ(scope: Scope, stream: IO[bytes], size: int) -> Environ:
    """Return the WSGI environ (PEP 3333) of an ASGI request.

    PATH_INFO is decoded, as the standard asks; REQUEST_URI and RAW_URI keep what was sent, for routes in which
    ``%2F`` is not ``/`` (revisions).
    """
    raw_path = raw_path_of(scope)
    query = bytes(scope.get("query_string", b""))
    root = scope.get("root_path", "").encode("utf-8")
    host, port = scope.get("server") or ("localhost", 80)
    client_host, client_port = scope.get("client") or ("", 0)
    uri = (raw_path + (b"?" + query if query else b"")).decode("latin-1")
    path = unquote_to_bytes(raw_path)
    environ: Environ = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": root.decode("latin-1"),
        "PATH_INFO": path.removeprefix(root).decode("latin-1"),
        "QUERY_STRING": query.decode("latin-1"),
        "REQUEST_URI": uri,
        "RAW_URI": uri,
        "SERVER_NAME": host,
        "SERVER_PORT": str(port or 0),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": client_host,
        "REMOTE_PORT": str(client_port),
        REQUEST_ID_KEY: scope.get(REQUEST_ID_KEY, ""),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.get("scheme", "http"),
        "wsgi.input": stream,
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    _add_headers(environ, scope["headers"])
    environ["CONTENT_LENGTH"] = str(size) if size or scope["method"] in ("POST", "PUT", "PATCH") else ""
    return environ


def _add_headers(environ: Environ, headers: Iterable[tuple[bytes, bytes]]) -> None:
    for raw_name, raw_value in headers:
        name = raw_name.decode("latin-1")
        # `X_Forwarded_For` and `X-Forwarded-For` would share one key: only the second may exist (T157).
        if "_" in name or name == "transfer-encoding":
            continue
        key = name.upper().replace("-", "_")
        if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            key = "HTTP_" + key
        value = raw_value.decode("latin-1")
        separator = "; " if key == "HTTP_COOKIE" else ","
        environ[key] = f"{environ[key]}{separator}{value}" if key in environ else value
