"""What large files take in the store: whole copies, and the chunks that they share with each other."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hub.core.errors import EntryNotFound
from hub.storage.models import LfsObject
from hub.storage.xet.recipe import Recipe
from hub.storage.xet.registry import get_index

_BATCH = 500


@dataclass(frozen=True, slots=True)
class StoredFile:
    """Where the bytes of a large file lie: ``whole_bytes`` in one piece, ``runs`` of chunks (xorb, first, end)."""

    sha256: str
    size_bytes: int
    whole_bytes: int
    runs: tuple[tuple[bytes, int, int], ...] = ()


def load_stored(sha256s: Iterable[str]) -> list[StoredFile]:
    """What is stored of these files; unknown ones are left out."""
    wanted = sorted(set(sha256s))
    found = []
    for start in range(0, len(wanted), _BATCH):
        rows = LfsObject.objects.filter(sha256__in=wanted[start : start + _BATCH]).values_list(
            "sha256", "size_bytes", "is_whole", "xet_file__recipe"
        )
        found += [
            StoredFile(sha256, size, size if is_whole else 0, _runs(recipe))
            for sha256, size, is_whole, recipe in rows.iterator()
        ]
    return found


def _runs(recipe: bytes | memoryview | None) -> tuple[tuple[bytes, int, int], ...]:
    if recipe is None:
        return ()
    return tuple((term.xorb_hash, term.first, term.end) for term in Recipe.from_bytes(bytes(recipe)).terms)


def disk_bytes(files: Iterable[StoredFile]) -> int:
    """Bytes that the files take together: a chunk that several of them use counts once."""
    total = 0
    by_xorb: dict[bytes, list[tuple[int, int]]] = {}
    for file in files:
        total += file.whole_bytes
        for xorb_hash, first, end in file.runs:
            by_xorb.setdefault(xorb_hash, []).append((first, end))
    return total + sum(_span_bytes(xorb_hash, runs) for xorb_hash, runs in by_xorb.items())


def _span_bytes(xorb_hash: bytes, runs: list[tuple[int, int]]) -> int:
    try:
        index = get_index(xorb_hash)
    except EntryNotFound:  # collected meanwhile
        return 0
    total, reached = 0, 0
    for first, end in sorted(runs):
        if end > reached:
            start, stop = index.stored_span(max(first, reached), end)
            total += stop - start
            reached = end
    return total
