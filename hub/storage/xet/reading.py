"""Files read back from their recipes, for readers who do not speak Xet.

recipe > terms of the range > stored bytes in pieces of about 1 MiB > decoded chunks > the bytes asked for
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final

from hub.storage.blobs.base import BlobReader, ObjectCorrupt
from hub.storage.xet.hashing import Buffer
from hub.storage.xet.recipe import Recipe
from hub.storage.xet.xorb import ChunkDecoder, InvalidXorb, XorbIndex, decode_records

#: Stored bytes fetched at once: large enough to keep up with a disk, small enough for many readers.
PIECE_BYTES: Final = 1024 * 1024

OpenRange = Callable[[bytes, int, int], BlobReader]


class RecipeReader:
    """A BlobReader over bytes ``start`` up to ``stop`` of a file; one piece is in memory at a time."""

    def __init__(
        self,
        recipe: Recipe,
        index_of: Callable[[bytes], XorbIndex],
        open_range: OpenRange,
        start: int,
        stop: int,
    ) -> None:
        """``open_range`` reads stored bytes (start, stop) of a xorb."""
        self._recipe, self._index_of, self._open_range = recipe, index_of, open_range
        self._left = max(0, min(stop, recipe.size_bytes) - start)
        self._decoder = ChunkDecoder()
        self._chunks = self._walk(start, start + self._left)
        self._ready: deque[memoryview] = deque()

    def read(self, size_bytes: int) -> bytes:
        """Return up to ``size_bytes``, empty at the end. Raises: ObjectCorrupt."""
        wanted = min(size_bytes, self._left)
        parts: list[memoryview] = []
        while wanted:
            if not self._ready:
                self._ready.append(self._next_chunk())
            block = self._ready.popleft()
            if len(block) > wanted:
                self._ready.appendleft(block[wanted:])
                block = block[:wanted]
            parts.append(block)
            wanted -= len(block)
        data = b"".join(parts)
        self._left -= len(data)
        return data

    def close(self) -> None:
        self._chunks.close()  # type: ignore[attr-defined]  # a generator
        self._ready.clear()

    def _next_chunk(self) -> memoryview:
        try:
            return next(self._chunks)
        except StopIteration:
            raise ObjectCorrupt from None
        except InvalidXorb as error:
            raise ObjectCorrupt from error

    def _walk(self, start: int, stop: int) -> Iterator[memoryview]:
        recipe = self._recipe
        number = recipe.term_at(start)
        while number < len(recipe.terms) and recipe.start_of(number) < stop:
            term, at = recipe.terms[number], recipe.start_of(number)
            index = self._index_of(term.xorb_hash)
            origin = index.unpacked_span(term.first, term.end)[0]
            low, high = max(start, at) - at + origin, min(stop, recipe.ends[number]) - at + origin
            yield from self._chunks_of(term.xorb_hash, index, low, high)
            number += 1

    def _chunks_of(self, xorb_hash: bytes, index: XorbIndex, low: int, high: int) -> Iterator[memoryview]:
        """Yield bytes ``low`` up to ``high`` of a xorb's uncompressed content, chunk by chunk."""
        position = bisect_right(index.unpacked_ends, low)
        last = bisect_right(index.unpacked_ends, high - 1)
        reader = self._open_range(xorb_hash, *index.stored_span(position, last + 1))
        try:
            while position <= last:
                end = _end_of_piece(index, position, last)
                size = index.stored_span(position, end)
                for chunk in decode_records(_read_exactly(reader, size[1] - size[0]), self._decoder):
                    view = memoryview(chunk)
                    offset, length = index.unpacked_span(position, position + 1)[0], index.length(position)
                    if len(view) != length:
                        raise ObjectCorrupt
                    yield view[max(0, low - offset) : min(length, high - offset)]
                    position += 1
        finally:
            reader.close()


def _end_of_piece(index: XorbIndex, position: int, last: int) -> int:
    start = index.stored_span(position, position + 1)[0]
    end = bisect_right(index.stored_ends, start + PIECE_BYTES)
    return min(max(end, position + 1), last + 1)


def _read_exactly(reader: BlobReader, size_bytes: int) -> Buffer:
    data = reader.read(size_bytes)
    if len(data) == size_bytes:
        return data
    buffer = bytearray(data)
    while len(buffer) < size_bytes:
        block = reader.read(size_bytes - len(buffer))
        if not block:
            raise ObjectCorrupt
        buffer += block
    return buffer
