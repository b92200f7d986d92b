"""Cutting a stream into chunks by its content, so that equal stretches of different files become equal chunks."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from hub.storage.xet.gear import BLOCK_BYTES, WINDOW, find_marks

MIN_CHUNK_BYTES = 8 * 1024
MAX_CHUNK_BYTES = 128 * 1024


class Chunker:
    """The protocol's chunk boundaries over a stream; holds about one scan block in memory."""

    def __init__(self) -> None:
        # What no chunk has taken yet, then the bytes before it that the rolling hash still needs.
        self._data = bytearray(WINDOW)
        self._start = WINDOW  # where the current chunk begins
        self._scanned = WINDOW  # up to where marks are known
        self._marks: list[int] = []

    def feed(self, data: bytes | bytearray | memoryview) -> Iterator[bytes]:
        """Take more of the stream; yield the chunks that are certain now. Read the iterator to its end."""
        view = memoryview(data)
        for start in range(0, len(view), BLOCK_BYTES):
            self._data += view[start : start + BLOCK_BYTES]
            if len(self._data) - self._scanned >= BLOCK_BYTES:
                yield from self._cut(is_last=False)

    def finish(self) -> Iterator[bytes]:
        """Yield what is left; nothing when the stream was empty."""
        yield from self._cut(is_last=True)

    def _cut(self, *, is_last: bool) -> Iterator[bytes]:
        self._find_marks()
        chunks = []
        for end in self._ends(is_last=is_last):
            chunks.append(bytes(memoryview(self._data)[self._start : end]))
            self._start = end
        self._forget()
        yield from chunks

    def _find_marks(self) -> None:
        block = np.frombuffer(self._data, np.uint8)[self._scanned - WINDOW :]
        marks = find_marks(block) + (self._scanned - WINDOW + 1)
        self._marks += marks.tolist()
        self._scanned = len(self._data)

    def _ends(self, *, is_last: bool) -> Iterator[int]:
        """Yield the ends of chunks from the current start on, as far as they are certain."""
        start, total = self._start, len(self._data)
        for mark in self._marks:
            while mark - start > MAX_CHUNK_BYTES:
                start += MAX_CHUNK_BYTES
                yield start
            if mark - start >= MIN_CHUNK_BYTES:
                start = mark
                yield start
        while total - start >= MAX_CHUNK_BYTES:
            start += MAX_CHUNK_BYTES
            yield start
        if is_last and start < total:
            yield total

    def _forget(self) -> None:
        """Drop the bytes and marks behind the current chunk, keeping the window before what is not scanned yet."""
        gone = min(self._start, self._scanned) - WINDOW
        del self._data[:gone]
        self._start -= gone
        self._scanned -= gone
        self._marks = [mark - gone for mark in self._marks if mark - gone > self._start]
