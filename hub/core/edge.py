"""The door every HTTP request passes before any part of the hub sees it.

socket → granian → ``Edge`` (limits, framing, request id, answer headers, access log) → door of ``hub.asgi``

Threats: T115 (framing), T149 (log injection), T150 (errors carry an id and nothing else).
"""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Final
from urllib.parse import unquote_to_bytes

import structlog

from hub.core.metrics import count_request
from hub.core.proxies import FORWARDED_HEADERS, Network, client_address, is_trusted

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

MAX_URL_BYTES: Final = 8 * 1024
MAX_HEADER_BYTES: Final = 16 * 1024
MAX_HEADER_FIELDS: Final = 100

#: Scope key (and WSGI environ key) under which every later part finds the id of the request.
REQUEST_ID_KEY: Final = "agora.request_id"

_REQUEST_ID: Final = re.compile(rb"[!-~]{1,128}")
_SINGLE_HEADERS: Final = (b"host", b"content-length", b"transfer-encoding", b"content-type")

#: Answer headers that any door may set itself; added only where it did not.
DEFAULT_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"strict-origin-when-cross-origin"),
    (b"x-frame-options", b"DENY"),
    # An answer that is no page (bytes, JSON, events) may never run or frame anything.
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'; sandbox"),
)

log = structlog.get_logger("hub.http")


async def send_error(send: Send, status: int, message: str, *, headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
    """Answer a refusal in the body shape that every hub client reads (``{"error": …}``)."""
    body = json.dumps({"error": message}).encode()
    base = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*base, *headers]})
    await send({"type": "http.response.body", "body": body})


def header_values(scope: Scope, name: bytes) -> list[bytes]:
    return [value for key, value in scope["headers"] if key == name]


def raw_path_of(scope: Scope) -> bytes:
    """Return the path as the client wrote it (``%2F`` kept), without the query."""
    raw = scope.get("raw_path") or scope["path"].encode("utf-8", "surrogateescape")
    return bytes(raw).partition(b"?")[0]


class Edge:
    """Wrap the dispatcher of all doors; refuses what no door should have to think about."""

    def __init__(self, app: ASGIApp, *, hsts: bool = False, trusted_proxies: tuple[Network, ...] = ()) -> None:
        extra = ((b"strict-transport-security", b"max-age=31536000"),) if hsts else ()
        self._app = app
        self._trusted = trusted_proxies
        self._defaults = DEFAULT_HEADERS + extra

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # no door speaks websockets
            await send({"type": "websocket.close", "code": 1000})
            return
        await self._serve(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = _request_id(scope)
        resolve_client(scope, self._trusted)
        scope[REQUEST_ID_KEY] = request_id
        answer = _Answer(send, request_id.encode("latin-1"), self._defaults)
        started = time.monotonic()
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                refusal = refuse(scope)
                if refusal:
                    await send_error(answer.send, *refusal, headers=[(b"connection", b"close")])
                else:
                    await self._app(scope, receive, answer.send)
            except Exception:
                log.exception("request_crashed", path=_loggable_path(scope))
                if answer.status:  # too late for a status line: the cut connection is the error
                    raise
                await send_error(answer.send, 500, f"Internal error. Request id: {request_id}")
            finally:
                seconds = time.monotonic() - started
                count_request(scope["method"], answer.status, seconds)
                _log_request(scope, answer.status, seconds)


class _Answer:
    """Remember the status and complete the headers of one answer."""

    def __init__(self, send: Send, request_id: bytes, defaults: tuple[tuple[bytes, bytes], ...]) -> None:
        self._send = send
        self._request_id = request_id
        self._defaults = defaults
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = list(message.get("headers", ()))
            present = {name.lower() for name, _ in headers}
            headers += [(name, value) for name, value in self._defaults if name not in present]
            if b"x-request-id" not in present:
                headers.append((b"x-request-id", self._request_id))
            message = {**message, "headers": headers}
        await self._send(message)


def refuse(scope: Scope) -> tuple[int, str] | None:
    """Return status and sentence when the request itself is unacceptable, else ``None``."""
    headers = scope["headers"]
    raw_path = raw_path_of(scope)
    if len(raw_path) + len(scope.get("query_string", b"")) > MAX_URL_BYTES:
        return 414, f"The URL is longer than {MAX_URL_BYTES} bytes."
    if len(headers) > MAX_HEADER_FIELDS or sum(len(k) + len(v) + 4 for k, v in headers) > MAX_HEADER_BYTES:
        return 431, f"The headers exceed {MAX_HEADER_FIELDS} fields or {MAX_HEADER_BYTES} bytes."
    if _bad_framing(headers):
        return 400, "The request is framed ambiguously."
    if not raw_path.startswith(b"/") or any(byte < 0x20 or byte == 0x7F for byte in unquote_to_bytes(raw_path)):
        return 400, "The path holds control characters."
    # No text of ours holds it, and PostgreSQL refuses it wherever it would be looked for (T106).
    if b"%00" in scope.get("query_string", b"") or b"\0" in scope.get("query_string", b""):
        return 400, "The query holds a NUL character."
    return None


def _bad_framing(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Two servers that read one request differently is how smuggling works: refuse what has two readings."""
    seen: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in _SINGLE_HEADERS and name in seen:
            return True
        if b"\r" in value or b"\n" in value or b"\0" in value:
            return True
        seen[name] = value
    coding = seen.get(b"transfer-encoding")
    length = seen.get(b"content-length")
    if coding is not None and (length is not None or coding.strip().lower() != b"chunked"):
        return True
    return length is not None and not length.isdigit()


def resolve_client(scope: Scope, trusted: tuple[Network, ...]) -> None:
    """Set the client's address and scheme in ``scope`` and drop every forwarded header, so that nobody reads them."""
    peer, port = scope.get("client") or ("", 0)
    if is_trusted(peer, trusted):
        chain = b",".join(header_values(scope, b"x-forwarded-for")).decode("latin-1")
        scope["client"] = (client_address(peer, chain, trusted), port)
        scheme = header_values(scope, b"x-forwarded-proto")
        if scheme and scheme[-1] in (b"http", b"https"):
            scope["scheme"] = scheme[-1].decode("ascii")
    scope["headers"] = [(name, value) for name, value in scope["headers"] if name not in FORWARDED_HEADERS]


def _request_id(scope: Scope) -> str:
    for name in (b"x-request-id", b"x-amzn-trace-id"):
        for value in header_values(scope, name):
            if _REQUEST_ID.fullmatch(value):
                return value.decode("ascii")
    return uuid.uuid4().hex


def _loggable_path(scope: Scope) -> str:
    """Return the path without query and without the signed part of data-plane URLs (T23)."""
    raw = raw_path_of(scope).decode("latin-1")
    return "/_d/…" if raw.startswith("/_d/") else raw


def _log_request(scope: Scope, status: int, seconds: float) -> None:
    level = "warning" if status >= 500 else "debug" if scope["path"].startswith(("/health/", "/static/")) else "info"
    getattr(log, level)(
        "request",
        method=scope["method"],
        path=_loggable_path(scope),
        status=status or "gone",
        ms=round(seconds * 1000, 1),
    )
