"""Every hash of the Xet protocol, and the one place where a hash becomes text.

All of them are BLAKE3 in keyed mode; the keys and the shape of the Merkle tree are the protocol's
(public specification, and Hugging Face's xet-core for what that leaves out).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from blake3 import blake3

HASH_BYTES = 32
ZERO_HASH = bytes(HASH_BYTES)

_CHUNK_KEY: Final = bytes.fromhex("6697f5775b9550de3135cbaca597181c9de421109beb2b58b4d0b04b93adf229")
_NODE_KEY: Final = bytes.fromhex("017ec5c7a5472996fd946666b48a02e65ddd536f37c76dd2f86352e64a53713f")
_RANGE_KEY: Final = bytes.fromhex("7f1857d6ce56ed66127ff913e7a5c3f3a4cd26d5b5db49e64124987f28fb94c3")

_TEXT = re.compile(r"[0-9a-f]{64}", re.ASCII)
_DEDUP_STRIDE = 1024

# A group of the tree has 3 to 9 members, except at the right edge.
_MAX_GROUP = 9
_MIN_GROUP = 3
# How many entries a level may gather before it is cut: bounds memory, and lets hex work in long strides.
_BATCH = 1024

Buffer = bytes | bytearray | memoryview


def hash_text(raw: bytes) -> str:
    """Write a raw hash as 64 hex digits: four little-endian 64-bit words, each printed as a number."""
    if len(raw) != HASH_BYTES:
        raise ValueError("a hash has 32 bytes")
    return np.frombuffer(raw, "<u8").byteswap().tobytes().hex()


def parse_hash(text: str) -> bytes:
    """Read the text form. Raises: ValueError unless it is 64 lower-case hex digits."""
    if _TEXT.fullmatch(text) is None:
        raise ValueError("a hash must be 64 lower-case hexadecimal digits")
    return np.frombuffer(bytes.fromhex(text), "<u8").byteswap().tobytes()


def chunk_hash(data: Buffer) -> bytes:
    return blake3(data, key=_CHUNK_KEY).digest()


def range_hash(chunk_hashes: Iterable[bytes] | Buffer) -> bytes:
    """Hash the chunk hashes of one term, given one by one or packed."""
    packed = chunk_hashes if isinstance(chunk_hashes, Buffer) else b"".join(chunk_hashes)
    return blake3(packed, key=_RANGE_KEY).digest()


def protected_hash(key: bytes, chunk_hash: bytes) -> bytes:
    """Return what a dedup answer shows instead of the raw chunk hash."""
    return blake3(chunk_hash, key=key).digest()


def is_dedup_eligible(chunk_hash: bytes) -> bool:
    """Whether clients ask for this chunk even when it is not the first of a file."""
    return int.from_bytes(chunk_hash[24:], "little") % _DEDUP_STRIDE == 0


def merkle_root(leaves: Iterable[tuple[bytes, int]]) -> bytes:
    """Return the root over (hash, length in bytes) pairs; zeros for none, the leaf itself for one."""
    pairs = list(leaves)
    tree = MerkleTree()
    tree.add(b"".join(leaf for leaf, _ in pairs), [length for _, length in pairs])
    return tree.root()


def xorb_hash(leaves: Iterable[tuple[bytes, int]]) -> bytes:
    return merkle_root(leaves)


def file_hash(leaves: Iterable[tuple[bytes, int]]) -> bytes:
    return file_hash_of_root(merkle_root(leaves))


def file_hash_of_root(root: bytes) -> bytes:
    """Turn the Merkle root of a file's chunks into its file hash. The empty file keeps its zeros."""
    return root if root == ZERO_HASH else blake3(root, key=ZERO_HASH).digest()


class MerkleTree:
    """A Merkle root over any number of leaves in constant memory: levels are cut as soon as they can be."""

    def __init__(self) -> None:
        self._levels = [_Level()]

    def add(self, hashes: Buffer, lengths: Sequence[int]) -> None:
        """Append leaves: hashes packed (32 bytes each), and the length of each in bytes."""
        if len(hashes) != HASH_BYTES * len(lengths):
            raise ValueError("as many hashes as lengths are needed")
        view = memoryview(hashes)
        for start in range(0, len(lengths), _BATCH):
            stop = min(start + _BATCH, len(lengths))
            self._levels[0].push(view[HASH_BYTES * start : HASH_BYTES * stop], lengths[start:stop])
            self._settle(0)

    def root(self) -> bytes:
        """Close the tree; nothing may be added afterwards."""
        depth = 0
        while self._levels[depth].count > 1:
            self._pass_up(depth, is_last=True)
            self._settle(depth + 1)
            depth += 1
        return bytes(self._levels[depth].hashes) or ZERO_HASH

    def _settle(self, depth: int) -> None:
        while len(self._levels[depth].lengths) >= _BATCH:
            self._pass_up(depth, is_last=False)
            depth += 1

    def _pass_up(self, depth: int, *, is_last: bool) -> None:
        if depth + 1 == len(self._levels):
            self._levels.append(_Level())
        self._levels[depth].cut(self._levels[depth + 1], is_last=is_last)


class _Level:
    """The entries of one level that are not in a group yet; `count` includes those that are."""

    def __init__(self) -> None:
        self.hashes = bytearray()
        self.lengths: list[int] = []
        self.count = 0

    def push(self, hashes: Buffer, lengths: Sequence[int]) -> None:
        self.hashes += hashes
        self.lengths += lengths
        self.count += len(lengths)

    def cut(self, above: _Level, *, is_last: bool) -> None:
        """Move finished groups up as nodes. Before the end, a group is finished only when nine entries are in sight."""
        lines = _node_lines(self.hashes, self.lengths)
        marks = [(byte & 3) == 0 for byte in self.hashes[24::HASH_BYTES]]
        nodes: list[bytes] = []
        sizes: list[int] = []
        start, total = 0, len(lines)
        while start < total and (is_last or total - start >= _MAX_GROUP):
            stop = _group_end(marks, start, total)
            nodes.append(blake3("".join(lines[start:stop]).encode(), key=_NODE_KEY).digest())
            sizes.append(sum(self.lengths[start:stop]))
            start = stop
        del self.hashes[: HASH_BYTES * start]
        del self.lengths[:start]
        above.push(b"".join(nodes), sizes)


def _group_end(marks: list[bool], start: int, total: int) -> int:
    """Return where the group that begins at `start` ends: after the first mark from its third entry on."""
    limit = min(start + _MAX_GROUP, total)
    for position in range(start + _MIN_GROUP - 1, limit):
        if marks[position]:
            return position + 1
    return limit


def _node_lines(hashes: bytearray, lengths: list[int]) -> list[str]:
    digits = np.frombuffer(bytes(hashes), "<u8").byteswap().tobytes().hex()
    return [f"{digits[64 * at : 64 * at + 64]} : {length}\n" for at, length in enumerate(lengths)]
