"""Files out: whole or one range, from a blob store or from memory.

request headers > conditions (304) > range (206, 416) > send: pathsend | 302 to the bucket | blocks from a thread
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from hub.core.errors import HubError, RangeNotSatisfiable
from hub.core.ranges import ByteRange, single_range
from hub.storage.blobs import BlobReader, ObjectCorrupt
from hub.storage.dataplane.responses import (
    OCTET_STREAM,
    Receive,
    Scope,
    Send,
    content_disposition,
    header,
    safe_content_type,
    send_error,
    send_whole,
    start,
)
from hub.storage.lfs.objects import ContentSource
from hub.storage.signing import DOWNLOAD_TTL_S
from hub.storage.threads import in_bytes_thread

# Small enough that many slow readers cost little memory each, large enough to keep up with a fast disk.
BLOCK_BYTES = 256 * 1024
_SEND_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FileMeta:
    """How to present a file; ``etag`` without quotes. Extra headers win over our own of the same name."""

    size_bytes: int
    etag: str
    filename: str = ""
    disposition: str = "inline"
    content_type: str = OCTET_STREAM
    cache_control: str = "private, no-cache"
    headers: tuple[tuple[str, str], ...] = field(default=())

    def response_headers(self) -> list[tuple[str, str]]:
        own = {
            "content-type": safe_content_type(self.content_type),
            "etag": f'"{self.etag}"',
            "accept-ranges": "bytes",
            "cache-control": self.cache_control,
        }
        if self.filename:
            own["content-disposition"] = content_disposition(self.disposition, self.filename)
        return list((own | {name.lower(): value for name, value in self.headers}).items())


async def serve_blob(
    scope: Scope,
    receive: Receive,
    send: Send,
    *,
    store: ContentSource,
    sha256: str,
    meta: FileMeta,
    may_redirect: bool = True,
) -> ByteRange | None:
    """Answer a GET or HEAD with a blob; return the bytes that were sent to the end, if any.

    The decision that the caller may read it has been made. With a bucket behind it the answer is a 302 to a presigned
    URL, unless ``may_redirect`` is off; what the bucket is asked for then counts as sent.
    """
    try:
        span = _decide(scope, meta)
        if span is not None and may_redirect and await _redirect(scope, send, store, sha256, meta):
            return _sent(scope, span)
        await _check_size(store, sha256, meta)
        if span is not None and await _send_path(scope, send, store, sha256, meta, span):
            return _sent(scope, span)
        reader = None
        if span is not None and scope["method"] == "GET":
            reader = await in_bytes_thread(store.open_range, sha256, span.start, span.stop)
    except HubError as error:
        await _refuse(scope, send, error, meta)
        return None
    is_whole = await _send_span(scope, receive, send, meta, span, reader)
    return _sent(scope, span) if is_whole else None


def _sent(scope: Scope, span: ByteRange | None) -> ByteRange | None:
    return span if scope["method"] == "GET" else None


async def serve_bytes(scope: Scope, receive: Receive, send: Send, *, data: bytes, meta: FileMeta) -> None:
    """Answer a GET or HEAD with bytes in memory (git blobs), by the same rules as ``serve_blob``."""
    try:
        span = _decide(scope, meta)
    except HubError as error:
        await _refuse(scope, send, error, meta)
        return
    reader = _BytesReader(data, span) if span is not None and scope["method"] == "GET" else None
    await _send_span(scope, receive, send, meta, span, reader)


class _BytesReader:
    def __init__(self, data: bytes, span: ByteRange) -> None:
        self._rest = memoryview(data)[span.start : span.stop]

    def read(self, size_bytes: int) -> bytes:
        block, self._rest = bytes(self._rest[:size_bytes]), self._rest[size_bytes:]
        return block

    def close(self) -> None:
        self._rest = memoryview(b"")


def _decide(scope: Scope, meta: FileMeta) -> ByteRange | None:
    """Return the bytes to send, or None for 304. Raises: RangeNotSatisfiable."""
    if _matches(header(scope, b"if-none-match"), meta.etag):
        return None
    whole = ByteRange(0, meta.size_bytes)
    if scope["method"] != "GET" or not _range_holds(header(scope, b"if-range"), meta.etag):
        return whole
    return single_range(header(scope, b"range"), meta.size_bytes) or whole


def _matches(value: str | None, etag: str) -> bool:
    """Compare weakly, as RFC 9110 13.1.2 asks for If-None-Match."""
    if value is None:
        return False
    tags = [tag.strip().removeprefix("W/") for tag in value.split(",")]
    return "*" in tags or f'"{etag}"' in tags


def _range_holds(value: str | None, etag: str) -> bool:
    """Compare strongly, as 13.1.5 asks for If-Range; a date never matches, for we send none."""
    return value is None or value.strip() == f'"{etag}"'


async def _refuse(scope: Scope, send: Send, error: HubError, meta: FileMeta) -> None:
    extra = list(meta.headers)
    if isinstance(error, RangeNotSatisfiable):
        extra.append(("content-range", f"bytes */{meta.size_bytes}"))
    await send_error(scope, send, error, extra)


async def _check_size(store: ContentSource, sha256: str, meta: FileMeta) -> None:
    """Raises: EntryNotFound, ObjectCorrupt when the stored length is not the recorded one (T184)."""
    if (await in_bytes_thread(store.stat, sha256)).size_bytes != meta.size_bytes:
        raise ObjectCorrupt(sha256=sha256)


async def _redirect(scope: Scope, send: Send, store: ContentSource, sha256: str, meta: FileMeta) -> bool:
    shown = dict(meta.response_headers())
    url = store.presign_get(
        sha256,
        ttl_s=DOWNLOAD_TTL_S,
        content_type=shown["content-type"],
        content_disposition=shown.get("content-disposition", ""),
    )
    if url is None:
        return False
    linked = [("x-linked-size", str(meta.size_bytes)), ("x-linked-etag", f'"{meta.etag}"')]
    extra = [pair for pair in meta.headers if pair[0].lower() not in ("x-linked-size", "x-linked-etag")]
    await send_whole(scope, send, 302, headers=[("location", url), ("cache-control", "no-store"), *linked, *extra])
    return True


async def _send_path(
    scope: Scope, send: Send, store: ContentSource, sha256: str, meta: FileMeta, span: ByteRange
) -> bool:
    """Hand the file itself to a server that can send it whole; return whether it could."""
    offered = "http.response.pathsend" in (scope.get("extensions") or {})
    if not offered or scope["method"] != "GET" or span.length != meta.size_bytes or not span.length:
        return False
    path = await in_bytes_thread(store.local_path, sha256)
    if path is None:
        return False
    await start(scope, send, 200, [*meta.response_headers(), ("content-length", str(meta.size_bytes))])
    await send({"type": "http.response.pathsend", "path": str(path)})
    return True


async def _send_span(
    scope: Scope, receive: Receive, send: Send, meta: FileMeta, span: ByteRange | None, reader: BlobReader | None
) -> bool:
    """Answer; return whether the client stayed until the last byte."""
    try:
        if span is None:
            await send_whole(scope, send, 304, headers=meta.response_headers())
            return True
        headers = [*meta.response_headers(), ("content-length", str(span.length))]
        is_partial = span.length != meta.size_bytes or _asked_for_range(scope, meta)
        if is_partial:
            headers.append(("content-range", f"bytes {span.start}-{span.stop - 1}/{meta.size_bytes}"))
        await start(scope, send, 206 if is_partial else 200, headers)
        if reader is None:
            await send({"type": "http.response.body", "body": b""})
            return True
        return await send_blocks(receive, send, reader, span.length)
    finally:
        if reader is not None:
            await in_bytes_thread(reader.close)


def _asked_for_range(scope: Scope, meta: FileMeta) -> bool:
    """Tell whether a range that happens to be the whole file was asked for: still a 206."""
    if scope["method"] != "GET" or not _range_holds(header(scope, b"if-range"), meta.etag):
        return False
    return single_range(header(scope, b"range"), meta.size_bytes) is not None


async def send_blocks(receive: Receive, send: Send, reader: BlobReader, length: int) -> bool:
    """Send blocks until done or the client is gone; return whether all were sent.

    A blob that turns out short raises: the server then cuts the connection, never ends it as if complete.
    """
    async with _watch_disconnect(receive) as gone:
        left = length
        while left and not gone.is_set():
            block = await in_bytes_thread(reader.read, min(BLOCK_BYTES, left))
            if not block:
                raise ObjectCorrupt
            left -= len(block)
            async with asyncio.timeout(_SEND_TIMEOUT_S):
                await send({"type": "http.response.body", "body": block, "more_body": left > 0})
        if length == 0:
            await send({"type": "http.response.body", "body": b""})
        return left == 0


@contextlib.asynccontextmanager
async def _watch_disconnect(receive: Receive) -> AsyncIterator[asyncio.Event]:
    gone = asyncio.Event()
    watcher = asyncio.create_task(_wait_disconnect(receive, gone))
    try:
        yield gone
    finally:
        watcher.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watcher


async def _wait_disconnect(receive: Receive, gone: asyncio.Event) -> None:
    while not gone.is_set():
        if (await receive())["type"] == "http.disconnect":
            gone.set()
