"""Metadata of a GGUF file from its first bytes: key-value pairs, never the tensors.

Source: the GGUF specification (version 2 and 3, little endian): magic, version, tensor count, pair count, pairs.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, Final

from hub.repos.content import Snapshot, read_head
from hub.storage.git.objects import TreeEntry

#: Vocabularies are arrays of up to some megabytes and lie between the pairs.
MAX_HEAD_BYTES: Final = 16 * 1024 * 1024
_MAX_PAIRS: Final = 300
_MAX_ARRAY: Final = 4_000_000
_SCALARS: Final = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
_STRING: Final = 8
_ARRAY: Final = 9


@dataclass(frozen=True, slots=True)
class GgufFacts:
    version: int
    tensor_count: int
    pairs: list[tuple[str, str]]


def gguf_facts(snapshot: Snapshot, entry: TreeEntry) -> GgufFacts:
    """Raises: ValueError for what is no GGUF file, or has more metadata than is looked at."""
    return parse_gguf(read_head(snapshot, entry, MAX_HEAD_BYTES))


def parse_gguf(data: bytes) -> GgufFacts:
    reader = _Reader(data)
    magic, version = reader.take(4), reader.number("<I")
    if magic != b"GGUF" or version not in (2, 3):
        raise ValueError("no GGUF file")
    tensor_count, pair_count = reader.number("<Q"), reader.number("<Q")
    if pair_count > _MAX_PAIRS:
        raise ValueError("too many pairs")
    pairs = [(reader.text(200), _shown(reader.value(reader.number("<I")))) for _ in range(pair_count)]
    return GgufFacts(version, tensor_count, pairs)


def _shown(value: Any) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 300 else f"{text[:300]}…"


class _Reader:
    """Reads forward through the head; every length is checked before it is believed."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, length: int) -> bytes:
        if length < 0 or self._at + length > len(self._data):
            raise ValueError("metadata ends early")
        piece = self._data[self._at : self._at + length]
        self._at += length
        return piece

    def number(self, form: str) -> Any:
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def text(self, shown: int) -> str:
        return self.take(self.number("<Q"))[: shown * 4].decode("utf-8", "replace")[:shown]

    def value(self, kind: int) -> Any:
        if kind == _STRING:
            return self.text(2_000)
        if kind == _ARRAY:
            return self._array()
        return self.number(_SCALARS[kind])

    def _array(self) -> str:
        kind, count = self.number("<I"), self.number("<Q")
        if kind == _ARRAY or count > _MAX_ARRAY:
            raise ValueError("array of arrays, or too long")
        first = [str(self.value(kind)) for _ in range(min(count, 5))]
        if kind == _STRING:
            for _ in range(count - len(first)):
                self.take(self.number("<Q"))
        else:
            self.take(struct.calcsize(_SCALARS[kind]) * (count - len(first)))
        return ", ".join(first) + (f", … ({count:,})" if count > len(first) else "")
