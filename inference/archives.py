"""Zip archives told sound or suspicious by their directory and the headers of their entries (T105).

end record → directory → each entry's own header.  Nothing is unpacked, in memory or on disk: what an archive says of
itself in two places has to agree, stay within caps and leave no byte unaccounted for.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

MAX_ENTRIES: Final = 10_000
#: Weights hardly shrink, so what unpacks to a hundred times its size is no archive of them.
MAX_RATIO: Final = 50
MAX_LISTED_BYTES: Final = 100 * 10**9
MAX_DIRECTORY_BYTES: Final = 25 * 1024 * 1024
#: Each entry's header is one read of the store: those of larger archives are looked at for their first entries.
MAX_HEADERS: Final = 1_000

ReadAt = Callable[[int, int], bytes]

_END: Final = struct.Struct("<4s4H2LH")
_END64_LOCATOR: Final = struct.Struct("<4sLQL")
_END64: Final = struct.Struct("<4sQ2H2L4Q")
_ENTRY: Final = struct.Struct("<4s6H3L5H2L")
_HEADER: Final = struct.Struct("<4s5H3L2H")
_MAX_COMMENT: Final = 65_535
_UNKNOWN: Final = 0xFFFFFFFF
_STREAMED: Final = 0x08  # sizes stand behind the data
_ENCRYPTED: Final = 0x01
_NESTED: Final = frozenset(
    {".zip", ".npz", ".gz", ".tgz", ".tar", ".bz2", ".xz", ".zst", ".7z", ".rar", ".whl", ".jar"}
)


class SuspiciousArchive(ValueError):
    """The archive could be read in two ways, or is not what it says."""


class ArchiveBomb(SuspiciousArchive):
    """It unpacks to more than anybody should unpack."""


@dataclass(frozen=True, slots=True)
class _Directory:
    """Where the list of entries stands; ``end_offset``: what closes the archive begins there."""

    entries: int
    length: int
    offset: int
    end_offset: int


@dataclass(frozen=True, slots=True)
class _Entry:
    name: bytes
    flags: int
    method: int
    crc: int
    packed_bytes: int
    unpacked_bytes: int
    offset: int


def is_zip(size_bytes: int, read: ReadAt) -> bool:
    """Whether a reader of zip archives would take the file for one: by its first or by its last record."""
    return size_bytes >= _END.size and (
        read(0, 4) in (b"PK\x03\x04", b"PK\x05\x06") or _end_offsets(_tail(size_bytes, read)) != []
    )


def check_zip(size_bytes: int, read: ReadAt) -> None:
    """Raises: ArchiveBomb, SuspiciousArchive; ``read(offset, length)`` gives bytes of the file."""
    directory = _find_directory(size_bytes, read)
    entries = _read_entries(directory, read)
    _check_amount(size_bytes, entries)
    _check_names(entries)
    _check_places(directory, entries, read)


def _tail(size_bytes: int, read: ReadAt) -> bytes:
    length = min(size_bytes, _END.size + _MAX_COMMENT)
    return read(size_bytes - length, length)


def _end_offsets(tail: bytes) -> list[int]:
    """Where in the tail an end record could begin; nothing but its comment may follow it."""
    found, at = [], tail.find(b"PK\x05\x06")
    while at >= 0:
        if at + _END.size <= len(tail):
            found.append(at)
        at = tail.find(b"PK\x05\x06", at + 1)
    return found


def _find_directory(size_bytes: int, read: ReadAt) -> _Directory:
    tail = _tail(size_bytes, read)
    ends = _end_offsets(tail)
    if not ends:
        raise SuspiciousArchive("The archive has no end: it was cut off.")
    if len(ends) > 1:
        raise SuspiciousArchive("The archive ends in several places.")
    _mark, disk, first_disk, here, entries, length, offset, comment = _END.unpack_from(tail, ends[0])
    if ends[0] + _END.size + comment != len(tail):
        raise SuspiciousArchive("Bytes follow the end of the archive.")
    end_offset = size_bytes - len(tail) + ends[0]
    has_wide = end_offset >= _END64_LOCATOR.size and read(end_offset - _END64_LOCATOR.size, 4) == b"PK\x06\x07"
    if has_wide or _UNKNOWN in (length, offset) or entries == 0xFFFF:
        directory = _find_directory64(end_offset, read)
        told = [(entries, directory.entries, 0xFFFF), (length, directory.length, _UNKNOWN)]
        told.append((offset, directory.offset, _UNKNOWN))
        if any(short not in (wide, unknown) for short, wide, unknown in told):
            raise SuspiciousArchive("The archive's list of entries is said to be in two places.")
        return directory
    if disk or first_disk or here != entries or offset + length != end_offset:
        raise SuspiciousArchive("The archive's list of entries is not where it should be.")
    return _Directory(entries, length, offset, end_offset)


def _find_directory64(end_offset: int, read: ReadAt) -> _Directory:
    at = end_offset - _END64_LOCATOR.size
    locator = read(at, _END64_LOCATOR.size) if at >= 0 else b""
    if len(locator) != _END64_LOCATOR.size or locator[:4] != b"PK\x06\x07":
        raise SuspiciousArchive("The archive's list of entries is not where it should be.")
    _mark, _disk, record_offset, _disks = _END64_LOCATOR.unpack(locator)
    record = read(record_offset, _END64.size) if record_offset + _END64.size <= at else b""
    if len(record) != _END64.size or record[:4] != b"PK\x06\x06":
        raise SuspiciousArchive("The archive's list of entries is not where it should be.")
    _mark, size, _made, _needs, disk, first_disk, here, entries, length, offset = _END64.unpack(record)
    if disk or first_disk or here != entries or offset + length != record_offset or record_offset + size + 12 != at:
        raise SuspiciousArchive("The archive's list of entries is not where it should be.")
    return _Directory(entries, length, offset, record_offset)


def _read_entries(directory: _Directory, read: ReadAt) -> list[_Entry]:
    if directory.entries > MAX_ENTRIES:
        raise ArchiveBomb(f"The archive has more than {MAX_ENTRIES:,} entries.")
    if directory.length > MAX_DIRECTORY_BYTES:
        raise ArchiveBomb("The archive's list of entries is too long.")
    data = read(directory.offset, directory.length)
    entries = list(_iter_entries(data, directory.entries))
    if len(data) != directory.length or len(entries) != directory.entries:
        raise SuspiciousArchive("The archive's list of entries does not hold what it should.")
    return entries


def _iter_entries(data: bytes, count: int) -> Iterator[_Entry]:
    at = 0
    for _ in range(count):
        if at + _ENTRY.size > len(data) or data[at : at + 4] != b"PK\x01\x02":
            return
        fields = _ENTRY.unpack_from(data, at)
        flags, method, crc, packed, unpacked = fields[3], fields[4], fields[7], fields[8], fields[9]
        name_length, extra_length, comment_length, offset = fields[10], fields[11], fields[12], fields[16]
        at += _ENTRY.size
        name, extra = data[at : at + name_length], data[at + name_length : at + name_length + extra_length]
        unpacked, packed, offset = _wide(extra, unpacked, packed, offset)
        at += name_length + extra_length + comment_length
        if at > len(data):
            return
        yield _Entry(name, flags, method, crc, packed, unpacked, offset)
    if at != len(data):
        raise SuspiciousArchive("The archive lists more than it counts.")


def _wide(extra: bytes, *values: int) -> tuple[int, ...]:
    """The values with those that did not fit in 32 bits taken from the ZIP64 field. Raises: SuspiciousArchive."""
    if _UNKNOWN not in values:
        return values
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, at)
        if kind == 1:
            wanted = sum(value == _UNKNOWN for value in values)
            if length < 8 * wanted or at + 4 + 8 * wanted > len(extra):
                break
            found = iter(struct.unpack_from(f"<{wanted}Q", extra, at + 4))
            return tuple(next(found) if value == _UNKNOWN else value for value in values)
        at += 4 + length
    raise SuspiciousArchive("The sizes of an entry are missing.")


def _check_amount(size_bytes: int, entries: list[_Entry]) -> None:
    total = sum(entry.unpacked_bytes for entry in entries)
    if total > MAX_LISTED_BYTES or total > MAX_RATIO * max(size_bytes, 1):
        raise ArchiveBomb(f"The archive unpacks to {total / max(size_bytes, 1):.0f} times its size.")


def _check_names(entries: list[_Entry]) -> None:
    names = [entry.name.replace(b"\\", b"/").lower() for entry in entries]
    if len(set(names)) != len(names):
        raise SuspiciousArchive("Two entries of the archive have one name.")
    for name in names:
        path = PurePosixPath(name.decode("utf-8", "replace"))
        if not name or b"\0" in name or path.is_absolute() or ".." in path.parts or name[1:2] == b":":
            raise SuspiciousArchive("An entry of the archive leads out of it.")
        if path.suffix in _NESTED:
            raise SuspiciousArchive("The archive holds another archive.")


def _check_places(directory: _Directory, entries: list[_Entry], read: ReadAt) -> None:
    """Entries follow one another from the first byte on, and their own headers say what the list says."""
    ordered = sorted(entries, key=lambda entry: entry.offset)
    if (ordered[0].offset if ordered else directory.offset) != 0:
        raise SuspiciousArchive("Bytes stand before the archive.")
    stops = [*(entry.offset for entry in ordered[1:]), directory.offset]
    for number, (entry, stop) in enumerate(zip(ordered, stops, strict=False)):
        if entry.offset + _HEADER.size + len(entry.name) + entry.packed_bytes > stop:
            raise SuspiciousArchive("Entries of the archive overlap.")
        if number < MAX_HEADERS:
            _check_header(entry, stop, read)


def _check_header(entry: _Entry, stop: int, read: ReadAt) -> None:
    head = read(entry.offset, _HEADER.size + len(entry.name))
    if len(head) != _HEADER.size + len(entry.name) or head[:4] != b"PK\x03\x04":
        raise SuspiciousArchive("An entry of the archive is not where the list says.")
    fields = _HEADER.unpack_from(head)
    flags, method, crc, packed, unpacked, name_length, extra_length = fields[2], fields[3], *fields[6:11]
    if name_length != len(entry.name) or head[_HEADER.size :] != entry.name or method != entry.method:
        raise SuspiciousArchive("An entry of the archive is named in two ways.")
    if (flags ^ entry.flags) & (_STREAMED | _ENCRYPTED):
        raise SuspiciousArchive("An entry of the archive is described in two ways.")
    is_streamed = bool(flags & _STREAMED)
    told = ((crc, entry.crc), (packed, entry.packed_bytes), (unpacked, entry.unpacked_bytes))
    # Where data was written as it came, the header has zeros; where it is long, the mark of ZIP64.
    if any(here != there and not (is_streamed and here == 0) and here != _UNKNOWN for here, there in told):
        raise SuspiciousArchive("An entry of the archive has two sizes.")
    ends_at = entry.offset + _HEADER.size + name_length + extra_length + entry.packed_bytes
    # Behind streamed data stands its description of at most 24 bytes.
    if ends_at > stop or stop - ends_at > (24 if is_streamed else 0):
        raise SuspiciousArchive("Bytes between the entries of the archive belong to none.")
