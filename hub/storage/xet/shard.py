"""Shards: the messages that say how files are made of xorbs.

    upload:        header > files with verification and sha256 > bookend > new xorbs > bookend [> tables > footer]
    dedup answer:  header > bookend > xorbs with keyed chunk hashes > bookend > footer

All numbers are little-endian; everything after the header comes in entries of 48 bytes.

Source: Xet Protocol Specification 1.1.0, "Shard Format"; deviations as hf_xet 1.8.0 shows them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from hub.storage.xet.hashing import HASH_BYTES, hash_text, protected_hash
from hub.storage.xet.recipe import Term
from hub.storage.xet.xorb import MAX_CHUNKS, XorbIndex

MAX_SHARD_BYTES: Final = 64 * 1024**2
#: Files and terms of one shard: they become objects, and a shard must not cost many times its size in memory.
MAX_FILE_ENTRIES: Final = 400_000
#: Xorbs of one shard: sixteen times as many as a shard full of whole ones has.
MAX_XORBS: Final = 20_000
ENTRY_BYTES: Final = 48
FOOTER_BYTES: Final = 200

_TAG: Final = b"HFRepoMetaData\0" + bytes.fromhex("556967456a7b815783a5bdd95ccdd14aa9")
_VERSION: Final = 2
_FOOTER_VERSION: Final = 1
_HEADER: Final = struct.Struct("<32sQQ")
_FILE: Final = struct.Struct("<32sII8x")
_TERM: Final = struct.Struct("<32sIIII")
_HASH: Final = struct.Struct("<32s16x")
_XORB: Final = struct.Struct("<32sIIII")
_CHUNK: Final = struct.Struct("<32sIII4x")
_CHUNK_ROW: Final = np.dtype(
    [("hash", "V32"), ("start", "<u4"), ("length", "<u4"), ("flags", "<u4"), ("reserved", "V4")]
)
_FOOTER: Final = struct.Struct("<9Q32sQQ48x4Q")
_BOOKEND: Final = b"\xff" * HASH_BYTES + bytes(16)
_HAS_VERIFICATION: Final = 1 << 31
_HAS_SHA256: Final = 1 << 30


class InvalidShard(ValueError):
    """A shard that cannot be read, or that says what is not so; the text is for whoever sent it."""


@dataclass(frozen=True, slots=True)
class ShardFile:
    """A file as the client describes it; ``sha256`` is plain lower-case hex."""

    file_hash: bytes
    terms: tuple[Term, ...]
    range_hashes: tuple[bytes, ...]
    sha256: str | None


@dataclass(frozen=True, slots=True)
class ShardXorb:
    """A xorb as the client describes it: 32 bytes of hash for each chunk, and where each ends uncompressed."""

    xorb_hash: bytes
    hashes: bytes
    unpacked_ends: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Shard:
    files: tuple[ShardFile, ...]
    xorbs: tuple[ShardXorb, ...]


def parse_shard(data: bytes | bytearray | memoryview) -> Shard:
    """Read an uploaded shard. Nothing in it is believed yet. Raises: InvalidShard."""
    if len(data) > MAX_SHARD_BYTES:
        raise InvalidShard(f"A shard has at most {MAX_SHARD_BYTES} bytes.")
    if len(data) < _HEADER.size:
        raise InvalidShard("The shard ends within its header.")
    tag, version, footer_bytes = _HEADER.unpack_from(data)
    if tag != _TAG or version != _VERSION:
        raise InvalidShard("This is not a shard of a version that is known here.")
    if footer_bytes not in (0, FOOTER_BYTES):
        raise InvalidShard("The shard's footer has an unknown size.")
    reader = _Reader(memoryview(data), _HEADER.size)
    files = tuple(_read_files(reader))
    xorbs_at = reader.offset
    xorbs = tuple(_read_xorbs(reader))
    _check_rest(reader, xorbs_at, footer_bytes)
    return Shard(files, xorbs)


class _Reader:
    """Entries one after another; counts are held against what is left before anything is read."""

    def __init__(self, data: memoryview, offset: int) -> None:
        self._data = data
        self._offset = offset

    @property
    def offset(self) -> int:
        return self._offset

    @property
    def left(self) -> int:
        return len(self._data) - self._offset

    def tail(self, size_bytes: int) -> memoryview:
        """Return the last bytes of all."""
        return self._data[len(self._data) - size_bytes :]

    def at_bookend(self) -> bool:
        if self.left < ENTRY_BYTES:
            raise InvalidShard("The shard ends before its section does.")
        if self._data[self._offset : self._offset + HASH_BYTES] != _BOOKEND[:HASH_BYTES]:
            return False
        self._offset += ENTRY_BYTES
        return True

    def one(self, form: struct.Struct) -> tuple[bytes | int, ...]:
        self.require(1)
        values = form.unpack_from(self._data, self._offset)
        self._offset += ENTRY_BYTES
        return values

    def many(self, form: struct.Struct, count: int) -> Iterator[tuple[bytes | int, ...]]:
        """Pass over entries; never all of them as objects at once."""
        return form.iter_unpack(self.take(count))

    def take(self, count: int) -> memoryview:
        """Return the bytes of ``count`` entries."""
        self.require(count)
        start, self._offset = self._offset, self._offset + count * ENTRY_BYTES
        return self._data[start : self._offset]

    def require(self, count: int) -> None:
        if count * ENTRY_BYTES > self.left:
            raise InvalidShard("The shard claims more entries than it holds.")


def _read_files(reader: _Reader) -> Iterable[ShardFile]:
    entries = 0
    while not reader.at_bookend():
        raw, flags, count = reader.one(_FILE)
        assert isinstance(raw, bytes)
        assert isinstance(flags, int)
        assert isinstance(count, int)
        if not flags & _HAS_VERIFICATION:
            raise InvalidShard(f"The file {hash_text(raw)} comes without verification entries.")
        if flags & ~(_HAS_VERIFICATION | _HAS_SHA256):
            raise InvalidShard(f"The file {hash_text(raw)} has unknown flags.")
        reader.require(2 * count + bool(flags & _HAS_SHA256))
        entries += 1 + count
        if entries > MAX_FILE_ENTRIES:
            raise InvalidShard(f"A shard describes at most {MAX_FILE_ENTRIES} files and terms. Please send several.")
        terms = tuple(Term(xorb, first, end, size) for xorb, _, size, first, end in reader.many(_TERM, count))  # type: ignore[arg-type]
        ranges = tuple(row[0] for row in reader.many(_HASH, count))
        sha256 = hash_text(reader.one(_HASH)[0]) if flags & _HAS_SHA256 else None  # type: ignore[arg-type]
        yield ShardFile(raw, terms, ranges, sha256)  # type: ignore[arg-type]


def _read_xorbs(reader: _Reader) -> Iterable[ShardXorb]:
    found = 0
    while not reader.at_bookend():
        found += 1
        if found > MAX_XORBS:
            raise InvalidShard(f"A shard describes at most {MAX_XORBS} xorbs. Please send several.")
        raw, _, count, total, _ = reader.one(_XORB)
        assert isinstance(raw, bytes)
        assert isinstance(count, int)
        if count > MAX_CHUNKS:
            raise InvalidShard(f"A xorb has at most {MAX_CHUNKS} chunks.")
        yield _read_chunks(reader, raw, count, total)


def _read_chunks(reader: _Reader, raw: bytes, count: int, total: int | bytes) -> ShardXorb:
    """Read the chunks of a xorb into flat arrays: there may be a million in one shard."""
    rows = np.frombuffer(reader.take(count), dtype=_CHUNK_ROW)
    ends = np.cumsum(rows["length"], dtype=np.uint64)
    if not np.array_equal(rows["start"], ends - rows["length"]):
        raise InvalidShard(f"The chunks of the xorb {hash_text(raw)} do not follow each other.")
    if count == 0 or int(ends[-1]) != total:
        raise InvalidShard(f"The chunks of the xorb {hash_text(raw)} do not add up to its size.")
    return ShardXorb(raw, rows["hash"].tobytes(), tuple(ends.tolist()))


def _check_rest(reader: _Reader, xorbs_at: int, footer_bytes: int) -> None:
    """Hold what follows the sections against what it must be; some clients send look-up tables and a footer (T79).

    Their numbers are checked only where they say how long all that is; their content is not read.
    """
    tables_bytes = reader.left - footer_bytes
    if tables_bytes < 0:
        raise InvalidShard("The shard ends within its footer.")
    if footer_bytes == 0:
        if tables_bytes:
            raise InvalidShard("The shard goes on after its end.")
        return
    footer_at = reader.offset + tables_bytes
    version, files_from, xorbs_from, _, files, _, xorbs, _, chunks, *_, end = _FOOTER.unpack(reader.tail(footer_bytes))
    is_whole = (version, files_from, xorbs_from, end) == (_FOOTER_VERSION, _HEADER.size, xorbs_at, footer_at)
    if not is_whole or 12 * (files + xorbs) + 16 * chunks != tables_bytes:
        raise InvalidShard("The shard's footer does not fit the shard.")


def write_dedup_shard(
    xorbs: Iterable[tuple[bytes, XorbIndex]], *, key: bytes, created_at: int, key_expires_at: int
) -> bytes:
    """Return a dedup answer: which chunks these xorbs hold, hashes keyed with ``key`` (times in Unix seconds)."""
    parts = [_HEADER.pack(_TAG, _VERSION, FOOTER_BYTES), _BOOKEND]
    stored = unpacked = 0
    for xorb_hash, index in xorbs:
        parts.append(_XORB.pack(xorb_hash, 0, index.chunk_count, index.unpacked_bytes, index.size_bytes))
        start = 0
        for raw, length in index.leaves():
            parts.append(_CHUNK.pack(protected_hash(key, raw), start, length, 0))
            start += length
        stored += index.size_bytes
        unpacked += index.unpacked_bytes
    parts.append(_BOOKEND)
    body = b"".join(parts)
    xorbs_at, end = _HEADER.size + ENTRY_BYTES, len(body)
    tables = (end, 0, end, 0, end, 0)
    footer = _FOOTER.pack(
        _FOOTER_VERSION, _HEADER.size, xorbs_at, *tables, key, created_at, key_expires_at, stored, 0, unpacked, end
    )
    return body + footer
