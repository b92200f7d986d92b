"""Packs as no git client makes them: any object header, any delta, any length."""

from __future__ import annotations

import hashlib
import struct
import zlib

COMMIT, TREE, BLOB, TAG, OFS_DELTA, REF_DELTA = 1, 2, 3, 4, 6, 7
ZERO = "0" * 40
CONTENT_TYPE = "application/x-git-receive-pack-request"


def object_header(kind: int, size: int) -> bytes:
    """Type and inflated size, as a pack claims them."""
    first = (kind << 4) | (size & 15)
    size >>= 4
    out = bytearray()
    while size:
        out.append(first | 0x80)
        first, size = size & 0x7F, size >> 7
    return bytes([*out, first])


def entry(kind: int, data: bytes, *, claimed: int | None = None, base: bytes = b"") -> bytes:
    return object_header(kind, len(data) if claimed is None else claimed) + base + zlib.compress(data)


def pack(entries: list[bytes], *, count: int | None = None, version: int = 2) -> bytes:
    body = b"PACK" + struct.pack(">II", version, len(entries) if count is None else count) + b"".join(entries)
    return body + hashlib.sha1(body, usedforsecurity=False).digest()


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(0x80 | (number & 0x7F))
        number >>= 7
    return bytes([*out, number])


def copy_delta(base_size: int, times: int) -> bytes:
    """A delta that repeats its whole base (under 16 MiB)."""
    one = bytes([0x80 | 0x70]) + base_size.to_bytes(3, "little")
    return varint(base_size) + varint(base_size * times) + one * times


def oid_of(kind: str, data: bytes) -> str:
    return hashlib.sha1(f"{kind} {len(data)}\0".encode() + data, usedforsecurity=False).hexdigest()


def zeros(size: int) -> bytes:
    """``size`` zero bytes as a zlib stream, made without making them: a multiple of 1 MiB."""
    step = 1 << 20
    assert size % step == 0
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = deflate.compress(bytes(step)) + deflate.flush(zlib.Z_FULL_FLUSH)
    adler = ((size % 65521) << 16) | 1
    return (
        b"\x78\xda"
        + block * (size // step)
        + zlib.compressobj(9, zlib.DEFLATED, -15).flush()
        + adler.to_bytes(4, "big")
    )


def push_body(data: bytes, *commands: tuple[str, str, str], capabilities: str = "report-status") -> bytes:
    """A receive-pack request: (old, new, ref) each, then the pack."""
    lines = []
    for number, (old, new, ref) in enumerate(commands):
        line = f"{old} {new} {ref}".encode() + (b"\0" + capabilities.encode() if number == 0 else b"")
        lines.append(b"%04x" % (len(line) + 4) + line)
    return b"".join(lines) + b"0000" + data
