"""Xorbs: packs of up to 8,192 chunks, each compressed by itself.

    record = version 0 (1) . stored length (3) . scheme (1) . unpacked length (3) . payload      little-endian

The name of a xorb is the Merkle root over its chunks, so it says nothing about how the chunks are compressed: one
name has many valid forms. Offsets are therefore always those of the copy that lies here, kept in its ``XorbIndex``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import lz4.frame
import numpy as np
from numpy.typing import NDArray

from hub.core.errors import BadRequest
from hub.storage.xet.hashing import HASH_BYTES, Buffer, MerkleTree, chunk_hash

MAX_CHUNK = 128 * 1024
MAX_STORED_CHUNK = 256 * 1024
MAX_CHUNKS = 8192
MAX_UNPACKED = 64 * 1024 * 1024
MAX_XORB_BYTES = 68 * 1024 * 1024
"""Bound of an upload: incompressible chunks with their headers, and a footer."""

HEADER_BYTES = 8
INDEX_ENTRY_BYTES = HASH_BYTES + 8

_STORED, _LZ4, _BG4_LZ4 = 0, 1, 2
_FOOTER_MAGIC = b"XETBLOB"
# One chunk in this many is compressed in every way to choose the way of the others.
_SAMPLE_EVERY = 32


class InvalidXorb(BadRequest):
    """The bytes are no xorb, or not the one they are named as."""

    default_message = "This is not a valid xorb."


class XorbIndex:
    """What must be known of a stored xorb: the hash of each chunk, and where it ends, stored and unpacked.

    ``hashes`` holds 32 bytes for each chunk. Ends are in bytes from the start of the xorb.
    """

    __slots__ = ("_stored", "_unpacked", "chunk_count", "hashes")

    def __init__(self, hashes: bytes, stored_ends: Sequence[int], unpacked_ends: Sequence[int]) -> None:
        self.chunk_count = len(stored_ends)
        self.hashes = hashes
        # Spans are asked for all the time: a leading zero saves the first chunk from being a special case.
        self._stored = np.concatenate(([0], stored_ends)).astype(np.int64)
        self._unpacked = np.concatenate(([0], unpacked_ends)).astype(np.int64)

    @classmethod
    def from_bytes(cls, data: Buffer) -> XorbIndex:
        """Read what ``to_bytes`` wrote. Raises: ValueError when it is something else."""
        count, rest = divmod(len(data), INDEX_ENTRY_BYTES)
        if rest or not 1 <= count <= MAX_CHUNKS:
            raise ValueError("not the index of a xorb")
        ends = np.frombuffer(data, "<u4", offset=HASH_BYTES * count).reshape(2, count)
        index = cls(bytes(data[: HASH_BYTES * count]), ends[0], ends[1])
        if (np.diff(index._stored) <= HEADER_BYTES).any() or (np.diff(index._unpacked) <= 0).any():
            raise ValueError("not the index of a xorb")
        return index

    def to_bytes(self) -> bytes:
        ends = np.concatenate((self.stored_ends, self.unpacked_ends))
        return self.hashes + ends.astype("<u4").tobytes()

    @property
    def stored_ends(self) -> NDArray[np.int64]:
        return self._stored[1:]

    @property
    def unpacked_ends(self) -> NDArray[np.int64]:
        return self._unpacked[1:]

    @property
    def size_bytes(self) -> int:
        """Bytes of the stored chunk records."""
        return int(self._stored[-1])

    @property
    def unpacked_bytes(self) -> int:
        return int(self._unpacked[-1])

    @property
    def xorb_hash(self) -> bytes:
        """The name that these chunks give a xorb; computed each time."""
        tree = MerkleTree()
        tree.add(self.hashes, self.lengths(0, self.chunk_count))
        return tree.root()

    def chunk(self, position: int) -> bytes:
        """Return the hash of one chunk."""
        return self.chunks(position, position + 1)

    def chunks(self, first: int, end: int) -> bytes:
        """Return the packed hashes of the chunks from `first` to before `end`."""
        return self.hashes[HASH_BYTES * first : HASH_BYTES * end]

    def length(self, position: int) -> int:
        """Return the unpacked bytes of one chunk."""
        start, stop = self.unpacked_span(position, position + 1)
        return stop - start

    def lengths(self, first: int, end: int) -> list[int]:
        lengths: list[int] = np.diff(self._unpacked[first : end + 1]).tolist()
        return lengths

    def leaves(self, first: int = 0, end: int | None = None) -> list[tuple[bytes, int]]:
        """Return (hash, unpacked bytes) of the chunks from `first` to before `end`."""
        end = self.chunk_count if end is None else end
        positions = range(first, end)
        return list(zip(map(self.chunk, positions), self.lengths(first, end), strict=True))

    def stored_span(self, first: int, end: int) -> tuple[int, int]:
        """Return where the records from `first` to before `end` lie."""
        return int(self._stored[first]), int(self._stored[end])

    def unpacked_span(self, first: int, end: int) -> tuple[int, int]:
        return int(self._unpacked[first]), int(self._unpacked[end])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, XorbIndex) and self.to_bytes() == other.to_bytes()

    def __hash__(self) -> int:
        return hash(self.hashes)

    def __repr__(self) -> str:
        return f"<XorbIndex of {self.chunk_count} chunks, {self.unpacked_bytes} bytes>"


class RecordHeader(NamedTuple):
    """The head of a chunk record, checked; lengths in bytes, `stored_bytes` without the head."""

    stored_bytes: int
    scheme: int
    unpacked_bytes: int


def read_header(data: Buffer, at: int = 0) -> RecordHeader:
    """Read and check a record's head. Raises: InvalidXorb."""
    version, scheme = data[at], data[at + 4]
    stored = int.from_bytes(data[at + 1 : at + 4], "little")
    unpacked = int.from_bytes(data[at + 5 : at + 8], "little")
    if version != 0:
        raise InvalidXorb(f"A chunk has the unknown version {version}.")
    if scheme not in (_STORED, _LZ4, _BG4_LZ4):
        raise InvalidXorb(f"A chunk has the unknown compression scheme {scheme}.")
    if not 1 <= unpacked <= MAX_CHUNK:
        raise InvalidXorb(f"A chunk has {unpacked} bytes; 1 to {MAX_CHUNK} are allowed.")
    if not 1 <= stored <= MAX_STORED_CHUNK:
        raise InvalidXorb(f"A chunk is stored in {stored} bytes; 1 to {MAX_STORED_CHUNK} are allowed.")
    if scheme == _STORED and stored != unpacked:
        raise InvalidXorb("A chunk without compression gives two different lengths.")
    return RecordHeader(stored, scheme, unpacked)


class ChunkDecoder:
    """Unpacks chunk payloads, with one LZ4 context for all of them. Not for two threads at once."""

    def __init__(self) -> None:
        # Made when the first compressed chunk comes: it costs as much as unpacking one.
        self._context: Any = None

    def decode(self, header: RecordHeader, payload: memoryview) -> Buffer:
        """Return the chunk; a stored one is returned as the view that was given. Raises: InvalidXorb."""
        if header.scheme == _STORED:
            return payload
        planes = self._decompress(payload, header.unpacked_bytes)
        return planes if header.scheme == _LZ4 else join_planes(planes)

    def _decompress(self, payload: memoryview, unpacked_bytes: int) -> bytes:
        """Unpack one LZ4 frame that must fill its payload. A small frame can announce a huge content, so the output
        is bounded by one byte more than is allowed."""
        if self._context is None:
            self._context = lz4.frame.create_decompression_context()
        lz4.frame.reset_decompression_context(self._context)
        try:
            content, consumed, is_complete = lz4.frame.decompress_chunk(
                self._context, payload, max_length=unpacked_bytes + 1
            )
        except (RuntimeError, ValueError) as error:
            raise InvalidXorb("A chunk is not a valid LZ4 frame.") from error
        if not is_complete or consumed != len(payload) or len(content) != unpacked_bytes:
            raise InvalidXorb("A chunk does not unpack to the length it gives.")
        return bytes(content)


def decode_records(data: Buffer, decoder: ChunkDecoder | None = None) -> Iterator[Buffer]:
    """Yield the chunks of a run of whole records; stored chunks are views of `data`. Raises: InvalidXorb."""
    decoder = decoder or ChunkDecoder()
    view, position = memoryview(data), 0
    while position < len(view):
        if len(view) - position < HEADER_BYTES:
            raise InvalidXorb("The xorb ends in the middle of a chunk.")
        header = read_header(view, position)
        start = position + HEADER_BYTES
        position = start + header.stored_bytes
        if position > len(view):
            raise InvalidXorb("The xorb ends in the middle of a chunk.")
        yield decoder.decode(header, view[start:position])


def split_planes(data: Buffer) -> bytes:
    """Order bytes by their position modulo 4: floats put their alike bytes side by side that way."""
    source = np.frombuffer(data, np.uint8)
    return b"".join(source[plane::4].tobytes() for plane in range(4))


def join_planes(data: Buffer) -> memoryview:
    """Undo ``split_planes``. Widening and shifting whole planes is quicker than writing every fourth byte."""
    size = len(data)
    words, rest = divmod(size, 4)
    source = np.frombuffer(data, np.uint8)
    out = np.empty(words + 1, "<u4")
    starts = [plane * words + min(plane, rest) for plane in range(4)]
    planes = [source[start : start + words] for start in starts]
    low, high = _join_bytes(planes[0], planes[1]), _join_bytes(planes[2], planes[3])
    whole = out[:words]
    whole[...] = high
    whole <<= 16
    whole |= low
    flat = out.view(np.uint8)
    for plane in range(rest):
        flat[4 * words + plane] = source[starts[plane] + words]
    return flat.data[:size]


def _join_bytes(low: NDArray[np.uint8], high: NDArray[np.uint8]) -> NDArray[np.uint16]:
    out = high.astype("<u2")
    out <<= 8
    out |= low
    return out


class XorbReceiver:
    """Checks a xorb while it arrives, in pieces of any size, keeping no more than one record.

    The bytes to store are the first ``payload_bytes`` of those that were given: a footer is neither needed nor trusted.
    """

    def __init__(self, expected_hash: bytes) -> None:
        self._expected_hash = expected_hash
        self._decoder = ChunkDecoder()
        self._pending = bytearray()
        self._has_footer = False
        self._hashes = bytearray()
        self._stored_ends: list[int] = []
        self._unpacked_ends: list[int] = []
        self.payload_bytes = 0
        self._unpacked_bytes = 0

    def update(self, data: Buffer) -> None:
        """Take more bytes. Raises: InvalidXorb as soon as they cannot be part of a valid xorb."""
        view = memoryview(data)
        position = self._complete_pending(view)
        while not self._has_footer and position < len(view):
            end = self._record_end(view, position)
            if end is None or end > len(view):
                self._pending = bytearray(view[position:])
                break
            self._take_record(view[position:end])
            position = end

    def finish(self) -> XorbIndex:
        """Return the index. Raises: InvalidXorb when something is missing or the hash is another one."""
        if self._pending and not self._has_footer:
            raise InvalidXorb("The xorb ends in the middle of a chunk.")
        if not self._stored_ends:
            raise InvalidXorb("The xorb has no chunks.")
        index = XorbIndex(bytes(self._hashes), self._stored_ends, self._unpacked_ends)
        if index.xorb_hash != self._expected_hash:
            raise InvalidXorb("The hash of the xorb differs from the one it was sent under.")
        return index

    def _complete_pending(self, view: memoryview) -> int:
        """Fill up the record that the last piece broke off; return how many bytes that took."""
        position = 0
        while self._pending and not self._has_footer and position < len(view):
            end = self._record_end(self._pending, 0)
            wanted = (HEADER_BYTES if end is None else end) - len(self._pending)
            self._pending += view[position : position + wanted]
            position += min(wanted, len(view) - position)
            if end is not None and len(self._pending) == end:
                self._take_record(memoryview(self._pending))
                self._pending = bytearray()
            elif end is None:
                self._record_end(self._pending, 0)
        return position

    def _record_end(self, data: Buffer, start: int) -> int | None:
        """Return where the record at `start` ends; None when its head is not whole, or a footer begins here."""
        if len(data) - start < HEADER_BYTES:
            return None
        if data[start : start + len(_FOOTER_MAGIC)] == _FOOTER_MAGIC:
            self._has_footer = True
            return None
        return start + HEADER_BYTES + read_header(data, start).stored_bytes

    def _take_record(self, record: memoryview) -> None:
        header = read_header(record)
        if len(self._stored_ends) == MAX_CHUNKS:
            raise InvalidXorb(f"A xorb has at most {MAX_CHUNKS} chunks.")
        if self._unpacked_bytes + header.unpacked_bytes > MAX_UNPACKED:
            raise InvalidXorb(f"The chunks of a xorb have at most {MAX_UNPACKED} bytes.")
        self._hashes += chunk_hash(self._decoder.decode(header, record[HEADER_BYTES:]))
        self.payload_bytes += len(record)
        self._unpacked_bytes += header.unpacked_bytes
        self._stored_ends.append(self.payload_bytes)
        self._unpacked_ends.append(self._unpacked_bytes)


class XorbBuilder:
    """Packs chunks into a xorb in memory, compressed where that gains something."""

    def __init__(self) -> None:
        self._records = bytearray()
        self._hashes = bytearray()
        self._stored_ends: list[int] = []
        self._unpacked_ends: list[int] = []
        self._unpacked_bytes = 0
        self._scheme = _STORED

    def __len__(self) -> int:
        return len(self._stored_ends)

    def has_room(self, length: int) -> bool:
        """Whether a chunk of `length` bytes still fits."""
        return len(self) < MAX_CHUNKS and self._unpacked_bytes + length <= MAX_UNPACKED

    def add(self, chunk: bytes, known_hash: bytes | None = None) -> int:
        """Append a chunk and return its position. Raises: ValueError when it does not fit."""
        if not 1 <= len(chunk) <= MAX_CHUNK or not self.has_room(len(chunk)):
            raise ValueError("the chunk does not fit into this xorb")
        if len(self) % _SAMPLE_EVERY == 0:
            self._scheme = _best_scheme(chunk)
        scheme, payload = self._scheme, _compress(chunk, self._scheme)
        if len(payload) >= len(chunk):
            scheme, payload = _STORED, chunk
        self._records += b"\0%b%c%b" % (len(payload).to_bytes(3, "little"), scheme, len(chunk).to_bytes(3, "little"))
        self._records += payload
        self._hashes += known_hash or chunk_hash(chunk)
        self._unpacked_bytes += len(chunk)
        self._stored_ends.append(len(self._records))
        self._unpacked_ends.append(self._unpacked_bytes)
        return len(self) - 1

    def finish(self) -> tuple[bytes, bytes, XorbIndex]:
        """Return (hash, bytes to store, index). Raises: ValueError when there are no chunks."""
        if not len(self):
            raise ValueError("a xorb has at least one chunk")
        index = XorbIndex(bytes(self._hashes), self._stored_ends, self._unpacked_ends)
        return index.xorb_hash, bytes(self._records), index


def _best_scheme(chunk: bytes) -> int:
    return min((_STORED, _LZ4, _BG4_LZ4), key=lambda scheme: len(_compress(chunk, scheme)))


def _compress(chunk: bytes, scheme: int) -> bytes:
    if scheme == _STORED:
        return chunk
    source = chunk if scheme == _LZ4 else split_planes(chunk)
    frame: bytes = lz4.frame.compress(
        source, block_size=lz4.frame.BLOCKSIZE_MAX256KB, block_linked=False, store_size=False
    )
    return frame
