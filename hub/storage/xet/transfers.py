"""Xorb bytes in and out: verified while they arrive, and served by signed ranges."""

from __future__ import annotations

import asyncio
import re
import secrets
from dataclasses import dataclass
from typing import Final

from django.db import transaction

from hub.core.errors import PermissionDenied
from hub.core.ranges import MAX_RANGES, ByteRange
from hub.storage.blobs.base import BlobReader
from hub.storage.dataplane.downloads import send_blocks
from hub.storage.dataplane.responses import OCTET_STREAM, Receive, Scope, Send, header, start
from hub.storage.dataplane.uploads import receive_into
from hub.storage.locks import lock_owner
from hub.storage.signing import PREFIX, Action, Grant, expiry, sign_url
from hub.storage.tallies import tell
from hub.storage.threads import in_bytes_thread, in_records_thread
from hub.storage.xet import registry
from hub.storage.xet.hashing import hash_text, parse_hash
from hub.storage.xet.store import XorbWriter, get_xorb_store
from hub.storage.xet.xorb import XorbIndex

UPLOAD_TTL_S: Final = 3600
RANGE_TTL_S: Final = 900
#: Each arriving xorb holds about two megabytes; clients send up to 64 at once, and there are many clients.
_MAX_ARRIVING: Final = 32
_SPAN: Final = re.compile(r"(\d{1,15})-(\d{1,15})", re.ASCII)
_arriving = asyncio.Semaphore(_MAX_ARRIVING)


async def receive_xorb(receive: Receive, *, domain: str, xorb_hash: bytes, size_bytes: int) -> bool:
    """Store a request body as a xorb of a domain; return whether it is new there.

    Raises: Unprocessable (not this xorb), StorageFull, RequestTimeout, ClientGone.
    """
    async with _arriving:
        store = get_xorb_store()
        writer: XorbWriter = await in_bytes_thread(store.open_writer, xorb_hash, size_bytes=size_bytes)
        try:
            await receive_into(receive, writer, size_bytes=size_bytes)
            index = await in_bytes_thread(writer.commit)
        except BaseException:
            await in_bytes_thread(writer.abort)
            raise
    return await in_records_thread(registry.record_xorb, domain, xorb_hash, index, is_new=writer.is_new)


def upload_url(domain: str, xorb_hash: bytes, grant_id: str, *, size_bytes: int, base_url: str) -> str:
    """Return where to PUT a xorb without further authorization: the bucket itself, or this hub."""
    direct = get_xorb_store().upload_url(_staging_name(domain, grant_id), size_bytes=size_bytes, ttl_s=UPLOAD_TTL_S)
    if direct is not None:
        return direct
    grant = Grant(
        action=Action.XORB_PUT,
        sha256=hash_text(xorb_hash),
        size_bytes=size_bytes,
        audience=domain,
        expires_at=expiry(UPLOAD_TTL_S),
    )
    return sign_url(grant, base_url)


async def adopt_upload(domain: str, xorb_hash: bytes, grant_id: str) -> None:
    """Verify and record what was PUT into the bucket under a grant.

    Raises: EntryNotFound (nothing arrived), Unprocessable (not this xorb), Conflict.
    """
    store, name = get_xorb_store(), _staging_name(domain, grant_id)
    index, tag = await in_bytes_thread(store.check_put, name, xorb_hash)
    await in_records_thread(_record_adopted, domain, xorb_hash, index, name, tag)
    await in_bytes_thread(store.drop, name)


def _record_adopted(domain: str, xorb_hash: bytes, index: XorbIndex, name: str, tag: str) -> None:
    with transaction.atomic():
        # One at a time: the copy that is recorded must be the one that stays.
        lock_owner(f"xorb:{hash_text(xorb_hash)}")
        is_new = get_xorb_store().adopt(name, tag, xorb_hash)
        registry.record_xorb(domain, xorb_hash, index, is_new=is_new)


def _staging_name(domain: str, grant_id: str) -> str:
    """Bound to the domain: whoever learns the id of another domain's grant can do nothing with it."""
    return f"{domain}-{grant_id}"


def range_url(xorb_hash: bytes, first: int, last: int, *, audience: str, base_url: str, tally: str = "") -> str:
    """Return where to GET stored bytes ``first`` to ``last`` (inclusive): the bucket itself, or this hub."""
    direct = get_xorb_store().presign_range(xorb_hash, first, last, ttl_s=RANGE_TTL_S)
    if direct is not None:
        return direct
    grant = Grant(
        action=Action.XORB,
        sha256=hash_text(xorb_hash),
        size_bytes=last - first + 1,
        offset_bytes=first,
        audience=audience,
        expires_at=expiry(RANGE_TTL_S),
        tally=tally,
    )
    return sign_url(grant, base_url)


def is_served_here(url: str) -> bool:
    """Whether this hub sends what is behind a ``range_url``, and so knows when it was sent."""
    return PREFIX in url


async def serve_xorb_range(grant: Grant, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the parts of a xorb that were asked for.

    Raises: PermissionDenied outside of the granted bytes (T83), EntryNotFound, ObjectCorrupt.
    """
    spans = _granted_spans(grant, header(scope, b"range"))
    headers = [("accept-ranges", "bytes"), ("cache-control", "private, max-age=0")]
    if len(spans) == 1:
        own = [("content-type", OCTET_STREAM), ("content-range", _content_range(spans[0]))]
        parts = [_Part(b"", spans[0])]
        tail = b""
    else:
        boundary = secrets.token_hex(16)
        own = [("content-type", f"multipart/byteranges; boundary={boundary}")]
        parts = [_Part(_part_header(boundary, span), span) for span in spans]
        tail = f"\r\n--{boundary}--\r\n".encode()
    length = sum(len(part.head) + part.span.length for part in parts) + len(tail)
    reader = None
    if scope["method"] == "GET":
        reader = await in_bytes_thread(_PartsReader.open, parse_hash(grant.sha256), parts, tail)
    try:
        await start(scope, send, 206, [*own, *headers, ("content-length", str(length))])
        if reader is None:
            await send({"type": "http.response.body", "body": b""})
            return
        is_sent = await send_blocks(receive, send, reader, length)
    finally:
        if reader is not None:
            await in_bytes_thread(reader.close)
    if grant.tally and is_sent:
        await tell(grant.tally, grant.sha256, spans)


@dataclass(frozen=True, slots=True)
class _Part:
    head: bytes
    span: ByteRange


class _PartsReader:
    """A BlobReader over several spans of a xorb with what stands between them."""

    def __init__(self, xorb_hash: bytes, parts: list[_Part], tail: bytes, reader: BlobReader) -> None:
        self._hash, self._parts, self._tail = xorb_hash, parts, tail
        self._text = memoryview(parts[0].head)
        self._reader: BlobReader | None = reader

    @classmethod
    def open(cls, xorb_hash: bytes, parts: list[_Part], tail: bytes) -> _PartsReader:
        """Raises: EntryNotFound, ObjectCorrupt, before the answer begins."""
        return cls(xorb_hash, parts, tail, _open(xorb_hash, parts[0].span))

    def read(self, size_bytes: int) -> bytes:
        while True:
            if self._text:
                block, self._text = bytes(self._text[:size_bytes]), self._text[size_bytes:]
                return block
            if self._reader is None:
                return b""
            data = self._reader.read(size_bytes)
            if data:
                return data
            self._next_part()

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _next_part(self) -> None:
        self.close()
        self._parts = self._parts[1:]
        if self._parts:
            self._text = memoryview(self._parts[0].head)
            self._reader = _open(self._hash, self._parts[0].span)
        else:
            self._text, self._tail = memoryview(self._tail), b""


def _open(xorb_hash: bytes, span: ByteRange) -> BlobReader:
    return get_xorb_store().open_range(xorb_hash, span.start, span.stop)


def _content_range(span: ByteRange) -> str:
    # The length of the whole is nobody's business here.
    return f"bytes {span.start}-{span.stop - 1}/*"


def _part_header(boundary: str, span: ByteRange) -> bytes:
    lines = ("", f"--{boundary}", f"Content-Type: {OCTET_STREAM}", f"Content-Range: {_content_range(span)}", "", "")
    return "\r\n".join(lines).encode()


def _granted_spans(grant: Grant, value: str | None) -> list[ByteRange]:
    """Read ``bytes=a-b[,c-d…]``; all of it must lie within the granted bytes. None asks for all of them."""
    granted = ByteRange(grant.offset_bytes, grant.offset_bytes + grant.size_bytes)
    if value is None:
        return [granted]
    pairs = [_SPAN.fullmatch(text.strip()) for text in value.removeprefix("bytes=").split(",", MAX_RANGES)]
    spans = [ByteRange(int(pair[1]), int(pair[2]) + 1) for pair in pairs if pair is not None]
    is_inside = all(granted.start <= span.start < span.stop <= granted.stop for span in spans)
    if not value.startswith("bytes=") or len(spans) != len(pairs) or not is_inside:
        raise PermissionDenied("This link does not allow these bytes.")
    return spans
