"""Headers and whole answers of the data plane."""

from __future__ import annotations

import json
import logging
import re
import uuid
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from hub.core.errors import HubError, header_text

log = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Header = tuple[bytes, bytes]

OCTET_STREAM = "application/octet-stream"

# What people upload is theirs, not ours: it must never act as a page of this site (T88).
_UNTRUSTED: tuple[Header, ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; sandbox"),
    (b"cross-origin-resource-policy", b"cross-origin"),
    (b"referrer-policy", b"no-referrer"),
)

_EXPOSED = (
    "X-Repo-Commit, X-Request-Id, X-Error-Code, X-Error-Message, X-Total-Count, ETag, Link, Accept-Ranges, "
    "Content-Range, Content-Length, Content-Disposition, X-Linked-Size, X-Linked-Etag, X-Xet-Hash"
)
# The signature is the authority here, cookies are never read: any page may use a URL that it was given.
_CORS: tuple[Header, ...] = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", _EXPOSED.encode()),
)

# Types that a browser may show; HTML, SVG, XML and PDF are not among them (T88, T89).
_SAFE_TYPES = {
    ".txt": "text/plain; charset=utf-8",
    ".md": "text/plain; charset=utf-8",
    ".csv": "text/plain; charset=utf-8",
    ".py": "text/plain; charset=utf-8",
    ".yaml": "text/plain; charset=utf-8",
    ".yml": "text/plain; charset=utf-8",
    ".toml": "text/plain; charset=utf-8",
    ".jsonl": "text/plain; charset=utf-8",
    ".gitattributes": "text/plain; charset=utf-8",
    ".gitignore": "text/plain; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".avif": "image/avif",
    ".wav": "audio/wav",
    ".mp3": "audio/mpeg",
    ".flac": "audio/flac",
    ".ogg": "audio/ogg",
    ".mp4": "video/mp4",
    ".webm": "video/webm",
}
_SAFE_VALUES = frozenset(_SAFE_TYPES.values())
_UNSAFE_IN_NAME = re.compile(r"[^A-Za-z0-9._-]")
_REQUEST_ID = re.compile(rb"[\x21-\x7e]{1,128}")


class TrackedSend:
    """Remembers whether the answer has begun."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.has_started = False

    async def __call__(self, message: MutableMapping[str, Any]) -> None:
        self.has_started = True
        await self._send(message)


def content_type_for(filename: str) -> str:
    """Return the type to serve a file as, by a fixed table and never by its content."""
    path = PurePosixPath(filename.lower())
    return _SAFE_TYPES.get(path.suffix or path.name, OCTET_STREAM)


def safe_content_type(value: str) -> str:
    return value if value in _SAFE_VALUES else OCTET_STREAM


def content_disposition(disposition: str, filename: str) -> str:
    """Return the header for any file name (T91).

    ``filename*`` carries the name; ``filename`` is for clients that read only the quoted form, and holds nothing but
    letters, digits, dot, dash and underscore.
    """
    name = "".join(char for char in filename.rpartition("/")[2] if char.isprintable() and char not in "\"'\\;")
    name = name.encode("utf-8", "ignore").decode() or "file"
    plain = _UNSAFE_IN_NAME.sub("_", name)
    kind = "attachment" if disposition == "attachment" else "inline"
    return f"{kind}; filename*=UTF-8''{quote(name, safe='')}; filename=\"{plain}\";"


def header(scope: Scope, name: bytes) -> str | None:
    """Return a request header; the first where it was sent twice."""
    for key, value in scope["headers"]:
        if key.lower() == name:
            return bytes(value).decode("latin-1")
    return None


def common_headers(scope: Scope) -> list[Header]:
    """Return what every answer carries: safety, CORS and the request id."""
    given = (header(scope, b"x-request-id") or header(scope, b"x-amzn-trace-id") or "").encode("latin-1")
    request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex.encode()
    return [(b"x-request-id", request_id), *_UNTRUSTED, *_CORS]


async def start(scope: Scope, send: Send, status: int, headers: Iterable[tuple[str, str]]) -> None:
    own = [(name.lower().encode("latin-1"), value.encode("latin-1", "replace")) for name, value in headers]
    named = {name for name, _ in own}
    common = [pair for pair in common_headers(scope) if pair[0] not in named]
    await send({"type": "http.response.start", "status": status, "headers": [*own, *common]})


async def send_whole(
    scope: Scope, send: Send, status: int, body: bytes = b"", headers: Iterable[tuple[str, str]] = ()
) -> None:
    """Answer at once. A HEAD gets the headers alone."""
    own = [*headers]
    if status not in (204, 304):
        own.append(("content-length", str(len(body))))
    await start(scope, send, status, own)
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


async def send_json(
    scope: Scope, send: Send, status: int, content: object, headers: Iterable[tuple[str, str]] = ()
) -> None:
    body = json.dumps(content).encode()
    await send_whole(scope, send, status, body, [("content-type", "application/json"), *headers])


async def send_error(
    scope: Scope, send: Send, error: Exception, headers: Iterable[tuple[str, str]] = (), *, must_close: bool = False
) -> None:
    """Answer with what a HubError says, and with nothing of any other error.

    ``must_close`` ends the connection: an unread request body would be taken for the next request.
    """
    if not isinstance(error, HubError):
        log.error("data_plane_failed", exc_info=error)
        error = HubError()
    own = [*headers, ("x-error-message", header_text(error.message)), ("cache-control", "no-store")]
    if error.code:
        own.append(("x-error-code", error.code))
    if "retry_after_s" in error.data:
        own.append(("retry-after", str(error.data["retry_after_s"])))
    if must_close and str(scope.get("http_version", "1.1")).startswith("1"):
        own.append(("connection", "close"))
    await send_json(scope, send, error.status, {"error": error.message}, own)


async def send_preflight(scope: Scope, send: Send) -> None:
    await send_whole(
        scope,
        send,
        204,
        headers=[
            ("access-control-allow-methods", "GET, HEAD, PUT, POST, OPTIONS"),
            ("access-control-allow-headers", "content-type, range, if-range, if-none-match, x-request-id"),
            ("access-control-max-age", "86400"),
        ],
    )
