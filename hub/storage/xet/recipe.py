"""Recipes: the ordered terms whose chunks, put together, are a file; and what a reader must fetch for a range.

    shard > check_recipe (every claim against our own index) > Recipe.to_bytes > rows
    rows > Recipe.from_bytes > plan_range > answer_v1 / answer_v2, or reading.RecipeReader

Source: Xet Protocol Specification 1.1.0, "Reconstruction"; xet-core's client for what it accepts.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, Final

from hub.storage.xet.hashing import MerkleTree, file_hash_of_root, hash_text, range_hash
from hub.storage.xet.xorb import XorbIndex

_TERM: Final = struct.Struct("<32sIII")
#: Term count bounds what one recipe costs to keep and to walk; 64 MiB of shard holds fewer.
MAX_TERMS: Final = 600_000
#: No client cuts chunks below 8 KiB except at the end of a file; half of that, and some, leaves room for edited files.
#: Terms may repeat: without this bound a small shard over a xorb of tiny chunks asks for billions of leaves.
_MIN_MEAN_CHUNK_BYTES: Final = 4096
_SPARE_CHUNKS: Final = 64

IndexOf = Callable[[bytes], XorbIndex | None]
UrlOf = Callable[[bytes, "Fetch"], str]


class InvalidRecipe(ValueError):
    """Terms that do not make the file they claim; the text is for whoever sent them."""


@dataclass(frozen=True, slots=True)
class Term:
    """Chunks ``first`` up to ``end`` (exclusive) of one xorb."""

    xorb_hash: bytes
    first: int
    end: int
    unpacked_bytes: int


@dataclass(frozen=True)
class Recipe:
    """All terms of a file, in order."""

    terms: tuple[Term, ...]
    #: Where each term ends in the file, bytes.
    ends: tuple[int, ...] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "ends", tuple(accumulate(term.unpacked_bytes for term in self.terms)))

    @property
    def size_bytes(self) -> int:
        return self.ends[-1] if self.ends else 0

    @property
    def xorb_hashes(self) -> frozenset[bytes]:
        return frozenset(term.xorb_hash for term in self.terms)

    def term_at(self, offset: int) -> int:
        """Return the number of the term that holds the byte at ``offset``."""
        return bisect_right(self.ends, offset)

    def start_of(self, number: int) -> int:
        return self.ends[number - 1] if number else 0

    def to_bytes(self) -> bytes:
        return b"".join(_TERM.pack(term.xorb_hash, term.first, term.end, term.unpacked_bytes) for term in self.terms)

    @classmethod
    def from_bytes(cls, data: bytes) -> Recipe:
        return cls(tuple(Term(*values) for values in _TERM.iter_unpack(data)))


def check_recipe(claimed: bytes, terms: Sequence[Term], range_hashes: Sequence[bytes], index_of: IndexOf) -> Recipe:
    """Hold a described file against our own indexes: ranges, lengths, verification hashes, the file's hash.

    ``index_of`` returns None for a xorb that the sender may not refer to, whether or not it is stored (T81).

    Raises: InvalidRecipe.
    """
    if len(terms) != len(range_hashes):
        raise InvalidRecipe("Each term needs its verification hash.")
    if len(terms) > MAX_TERMS:
        raise InvalidRecipe(f"A file has at most {MAX_TERMS} terms.")
    recipe = Recipe(tuple(terms))
    _check_chunk_count(recipe)
    tree = MerkleTree()
    for term, expected in zip(terms, range_hashes, strict=True):
        index = index_of(term.xorb_hash)
        if index is None:
            raise InvalidRecipe(f"The xorb {hash_text(term.xorb_hash)} is missing. Please upload it first.")
        _check_term(term, expected, index)
        tree.add(index.chunks(term.first, term.end), index.lengths(term.first, term.end))
    found = file_hash_of_root(tree.root())
    if found != claimed:
        raise InvalidRecipe(f"The terms make the file {hash_text(found)}, not {hash_text(claimed)}.")
    return recipe


def _check_chunk_count(recipe: Recipe) -> None:
    chunks = sum(term.end - term.first for term in recipe.terms)
    if chunks > recipe.size_bytes // _MIN_MEAN_CHUNK_BYTES + _SPARE_CHUNKS:
        raise InvalidRecipe("The file is cut into too many small chunks.")


def _check_term(term: Term, expected: bytes, index: XorbIndex) -> None:
    if not 0 <= term.first < term.end <= index.chunk_count:
        raise InvalidRecipe(f"A term names chunks that the xorb {hash_text(term.xorb_hash)} does not have.")
    start, stop = index.unpacked_span(term.first, term.end)
    if stop - start != term.unpacked_bytes:
        raise InvalidRecipe(f"A term of the xorb {hash_text(term.xorb_hash)} has another length.")
    if range_hash(index.chunks(term.first, term.end)) != expected:
        raise InvalidRecipe(f"The verification hash of a term of {hash_text(term.xorb_hash)} is wrong.")


@dataclass(frozen=True, slots=True)
class PlannedTerm:
    """The chunks of a term that a range needs."""

    xorb_hash: bytes
    first: int
    end: int
    unpacked_bytes: int


@dataclass(frozen=True, slots=True)
class Fetch:
    """Chunks of one xorb and where they lie in its stored bytes; ``last_byte`` is inclusive."""

    first: int
    end: int
    first_byte: int
    last_byte: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What makes up a range: ``skip_bytes`` of the first term's chunks come before it."""

    skip_bytes: int
    terms: tuple[PlannedTerm, ...]
    fetches: Mapping[bytes, tuple[Fetch, ...]]

    @property
    def stored_bytes(self) -> int:
        """What a reader fetches for it."""
        return sum(fetch.last_byte - fetch.first_byte + 1 for found in self.fetches.values() for fetch in found)


def plan_range(recipe: Recipe, index_of: Callable[[bytes], XorbIndex], start: int, stop: int) -> Plan:
    """Plan bytes ``start`` up to ``stop`` (exclusive, within the file); always the same way."""
    terms: list[PlannedTerm] = []
    skip = 0
    number = recipe.term_at(start)
    while number < len(recipe.terms) and recipe.start_of(number) < stop:
        planned, skipped = _clip(recipe, number, index_of(recipe.terms[number].xorb_hash), start, stop)
        skip = skip if terms else skipped
        terms.append(planned)
        number += 1
    return Plan(skip, tuple(terms), _fetches(terms, index_of))


def _clip(recipe: Recipe, number: int, index: XorbIndex, start: int, stop: int) -> tuple[PlannedTerm, int]:
    """Return the part of a term that overlaps the range, and how many of its leading bytes lie before it."""
    term, at = recipe.terms[number], recipe.start_of(number)
    origin = index.unpacked_span(term.first, term.end)[0] - at  # file offset + origin = offset in the xorb
    ends = index.unpacked_ends
    first = max(term.first, bisect_right(ends, max(start, at) + origin))
    end = min(term.end, bisect_right(ends, min(stop, recipe.ends[number]) - 1 + origin) + 1)
    low, high = index.unpacked_span(first, end)
    return PlannedTerm(term.xorb_hash, first, end, high - low), max(0, start + origin - low)


def _fetches(terms: Iterable[PlannedTerm], index_of: Callable[[bytes], XorbIndex]) -> dict[bytes, tuple[Fetch, ...]]:
    """Merge what overlaps or touches: a reader finds each term inside one fetch, and no two fetches start alike."""
    wanted: dict[bytes, list[tuple[int, int]]] = {}
    for term in terms:
        wanted.setdefault(term.xorb_hash, []).append((term.first, term.end))
    found = {}
    for xorb_hash, runs in wanted.items():
        index = index_of(xorb_hash)
        found[xorb_hash] = tuple(_fetch(index, first, end) for first, end in _merged(runs))
    return found


def _merged(runs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for first, end in sorted(runs):
        if merged and first <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((first, end))
    return merged


def _fetch(index: XorbIndex, first: int, end: int) -> Fetch:
    start, stop = index.stored_span(first, end)
    return Fetch(first, end, start, stop - 1)


def answer_v2(plan: Plan, url_of: UrlOf) -> dict[str, Any]:
    """Word a plan as version 2 of the protocol: one URL for each fetch, so that its signature binds one range."""
    return {
        **_common(plan),
        "xorbs": {
            hash_text(xorb_hash): [
                {
                    "url": url_of(xorb_hash, fetch),
                    "ranges": [
                        {
                            "chunks": {"start": fetch.first, "end": fetch.end},
                            "bytes": {"start": fetch.first_byte, "end": fetch.last_byte},
                        }
                    ],
                }
                for fetch in fetches
            ]
            for xorb_hash, fetches in plan.fetches.items()
        },
    }


def answer_v1(plan: Plan, url_of: UrlOf) -> dict[str, Any]:
    """Word a plan as version 1 of the protocol."""
    return {
        **_common(plan),
        "fetch_info": {
            hash_text(xorb_hash): [
                {
                    "range": {"start": fetch.first, "end": fetch.end},
                    "url": url_of(xorb_hash, fetch),
                    "url_range": {"start": fetch.first_byte, "end": fetch.last_byte},
                }
                for fetch in fetches
            ]
            for xorb_hash, fetches in plan.fetches.items()
        },
    }


def _common(plan: Plan) -> dict[str, Any]:
    return {
        "offset_into_first_range": plan.skip_bytes,
        "terms": [
            {
                "hash": hash_text(term.xorb_hash),
                "unpacked_length": term.unpacked_bytes,
                "range": {"start": term.first, "end": term.end},
            }
            for term in plan.terms
        ],
    }
