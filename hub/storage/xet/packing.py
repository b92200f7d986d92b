"""Whole files turned into xorbs and a recipe, for content that did not arrive through Xet.

blocks > Chunker > chunks that are not known yet > XorbBuilder > xorbs (to store, as they come)
                                                 > PackedFile (after the last): recipe, range hashes, file hash
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from typing import Final

from hub.storage.xet.chunking import Chunker
from hub.storage.xet.hashing import MerkleTree, chunk_hash, file_hash_of_root, range_hash
from hub.storage.xet.recipe import Recipe, Term
from hub.storage.xet.xorb import XorbBuilder, XorbIndex

Known = Callable[[bytes], tuple[bytes, int] | None]
"""Tells in which stored xorb, and where in it, a chunk lies; None when nowhere."""

# Chunks of this file that are found again in it (about 16 GiB); the oldest are forgotten, which costs only space.
_REMEMBERED_CHUNKS: Final = 262_144


@dataclass(frozen=True, slots=True)
class BuiltXorb:
    """A xorb to store, in memory: at most 64 MiB and its headers."""

    xorb_hash: bytes
    data: bytes
    index: XorbIndex


@dataclass(frozen=True, slots=True)
class PackedFile:
    """What the file is made of; ``range_hashes`` has one entry for each term."""

    file_hash: bytes
    recipe: Recipe
    range_hashes: tuple[bytes, ...]


def pack_file(blocks: Iterable[bytes], known: Known | None = None) -> Generator[BuiltXorb, None, PackedFile]:
    """Yield the xorbs of a file as they fill up, and return what the file is made of.

    The recipe names xorbs that were yielded and those that `known` named: all must be stored before it is used.
    """
    packer = _Packer(known or _nowhere)
    chunker = Chunker()
    for block in blocks:
        for chunk in chunker.feed(block):
            yield from packer.add(chunk)
    for chunk in chunker.finish():
        yield from packer.add(chunk)
    yield from packer.close_xorb()
    return packer.result()


def _nowhere(_: bytes) -> None:
    return None


@dataclass(slots=True)
class _Run:
    """A term in the making. ``xorb`` is the name of a stored xorb, or the number of one of ours without a name yet."""

    xorb: bytes | int
    first: int
    end: int
    unpacked_bytes: int
    hashes: bytearray


class _Packer:
    def __init__(self, known: Known) -> None:
        self._known = known
        self._builder = XorbBuilder()
        self._names: list[bytes] = []  # of our finished xorbs, by number
        self._places: dict[bytes, tuple[int, int]] = {}
        self._runs: list[_Run] = []
        self._tree = MerkleTree()

    def add(self, chunk: bytes) -> Generator[BuiltXorb, None, None]:
        raw = chunk_hash(chunk)
        self._tree.add(raw, [len(chunk)])
        place: tuple[bytes | int, int] | None = self._places.get(raw) or self._known(raw)
        if place is None:
            if not self._builder.has_room(len(chunk)):
                yield from self.close_xorb()
            place = self._remember(raw, self._builder.add(chunk, raw))
        self._extend(place, raw, len(chunk))

    def close_xorb(self) -> Generator[BuiltXorb, None, None]:
        """Finish the xorb that is being filled, if it has chunks."""
        if not len(self._builder):
            return
        name, data, index = self._builder.finish()
        self._builder = XorbBuilder()
        self._names.append(name)
        yield BuiltXorb(name, data, index)

    def result(self) -> PackedFile:
        terms = tuple(Term(self._name(run.xorb), run.first, run.end, run.unpacked_bytes) for run in self._runs)
        hashes = tuple(range_hash(run.hashes) for run in self._runs)
        return PackedFile(file_hash_of_root(self._tree.root()), Recipe(terms), hashes)

    def _name(self, xorb: bytes | int) -> bytes:
        return self._names[xorb] if isinstance(xorb, int) else xorb

    def _remember(self, raw: bytes, position: int) -> tuple[int, int]:
        if len(self._places) >= _REMEMBERED_CHUNKS:
            del self._places[next(iter(self._places))]
        self._places[raw] = place = (len(self._names), position)
        return place

    def _extend(self, place: tuple[bytes | int, int], raw: bytes, length: int) -> None:
        """Lengthen the last term when the chunk follows it in the same xorb, else begin another."""
        xorb, position = place
        if self._runs and (self._runs[-1].xorb, self._runs[-1].end) == (xorb, position):
            run = self._runs[-1]
            run.end += 1
            run.unpacked_bytes += length
            run.hashes += raw
        else:
            self._runs.append(_Run(xorb, position, position + 1, length, bytearray(raw)))
