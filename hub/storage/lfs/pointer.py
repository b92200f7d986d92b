"""The text form of a Git LFS pointer.

Source: the Git LFS specification, ``docs/spec.md`` of git-lfs ("The Pointer").
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# A reader must look at no more than this: larger blobs are never pointers.
MAX_POINTER_BYTES = 1024

_VERSIONS = (
    b"https://git-lfs.github.com/spec/v1",
    b"https://hawser.github.com/spec/v1",
)
_LINE = re.compile(rb"([a-z0-9.-]+) ([^\n]*)\Z")
_OID = re.compile(rb"sha256:([0-9a-f]{64})\Z")
_SIZE = re.compile(rb"(0|[1-9][0-9]{0,18})\Z")
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")


@dataclass(frozen=True, slots=True)
class LfsPointer:
    """What a pointer says: content hash, content size and its own size, both in bytes."""

    sha256: str
    size: int
    pointer_size: int


def parse_pointer(data: bytes) -> LfsPointer | None:
    """Read a pointer blob; None when `data` is an ordinary file."""
    if len(data) > MAX_POINTER_BYTES or not data.startswith(b"version "):
        return None
    fields: dict[bytes, bytes] = {}
    for line in data.removesuffix(b"\n").split(b"\n"):
        match = _LINE.match(line.removesuffix(b"\r"))
        if match is None or match[1] in fields:
            return None
        fields[match[1]] = match[2]
    oid = _OID.match(fields.get(b"oid", b""))
    size = _SIZE.match(fields.get(b"size", b""))
    if fields.get(b"version") not in _VERSIONS or oid is None or size is None:
        return None
    return LfsPointer(sha256=oid[1].decode(), size=int(size[1]), pointer_size=len(data))


def format_pointer(sha256: str, size: int) -> bytes:
    """Write the canonical pointer of a content of `size` bytes.

    Raises: ValueError on a hash that is not 64 lower-case hex digits or a negative size.
    """
    if not _SHA256.match(sha256):
        raise ValueError("sha256 must be 64 lower-case hex digits")
    if size < 0:
        raise ValueError("size must not be negative")
    return b"version %s\noid sha256:%s\nsize %d\n" % (
        _VERSIONS[0],
        sha256.encode(),
        size,
    )
