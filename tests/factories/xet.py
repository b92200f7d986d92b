"""Xet content for tests: the inputs of the golden vectors, and stores of xorbs in memory."""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path

import numpy as np

from hub.storage.xet.chunking import Chunker
from hub.storage.xet.hashing import parse_hash
from hub.storage.xet.recipe import Recipe, Term
from hub.storage.xet.xorb import XorbBuilder, XorbIndex

GOLDEN = json.loads((Path(__file__).parents[1] / "vectors" / "xet" / "golden.json").read_text())
SHARD = bytes.fromhex("".join(GOLDEN["hello_shard"]))

_S = b"".join(hashlib.sha256(i.to_bytes(8, "little")).digest() for i in range(32768))
INPUTS = {
    "empty": b"",
    "hello": b"hello",
    "x": b"x",
    "a10000": b"a" * 10_000,
    "zeros": bytes(1024 * 1024),
    "S": _S,
    "S8191": _S[:8191],
    "S8192": _S[:8192],
    "F": struct.pack("<16384f", *(((i * 2654435761 % 65536) / 65536) * 0.02 - 0.01 for i in range(16384))),
}


def golden(name, field):
    return parse_hash(GOLDEN["inputs"][name][field])


def chunks_of(data, step=100_000):
    chunker = Chunker()
    found = [chunk for at in range(0, len(data), step) for chunk in chunker.feed(data[at : at + step])]
    return [*found, *chunker.finish()]


def noise(size, seed=0):
    return np.random.default_rng(seed).bytes(size)


def build_xorb(chunks):
    builder = XorbBuilder()
    for chunk in chunks:
        builder.add(chunk)
    return builder.finish()


class MemoryXorbs:
    """Stored xorbs, and the two questions that readers and checks ask."""

    def __init__(self):
        self.data: dict[bytes, bytes] = {}
        self.indexes: dict[bytes, XorbIndex] = {}
        self.opened = 0

    def add(self, chunks):
        name, data, index = build_xorb(chunks)
        self.data[name], self.indexes[name] = data, index
        return name

    def term(self, name, first, end):
        start, stop = self.indexes[name].unpacked_span(first, end)
        return Term(name, first, end, stop - start)

    def open_range(self, name, start, stop):
        self.opened += 1
        return _Reader(self.data[name][start:stop], self)


class _Reader:
    def __init__(self, data, store):
        self._data, self._store, self._at = data, store, 0

    def read(self, size_bytes):
        # Shorter than asked for, as sockets give it.
        taken = self._data[self._at : self._at + min(size_bytes, 70_001)]
        self._at += len(taken)
        return taken

    def close(self):
        self._store.opened -= 1


def sample_file():
    """A file over two xorbs with all kinds of chunks, one run used twice; returns (store, recipe, its bytes)."""
    store = MemoryXorbs()
    runs = [[noise(30_000, 1), b"text " * 9000, noise(7, 2), INPUTS["F"], noise(131_072, 3)], [bytes(100_000), b"z"]]
    one, two = (store.add(run) for run in runs)
    picks = [(one, runs[0], 1, 4), (two, runs[1], 0, 2), (one, runs[0], 0, 5), (one, runs[0], 2, 3)]
    recipe = Recipe(tuple(store.term(name, first, end) for name, _, first, end in picks))
    return store, recipe, b"".join(b"".join(run[first:end]) for _, run, first, end in picks)


def upload_shard(files, xorbs=()):
    """Write a shard as a client does. ``files``: (file hash, terms, range hashes, sha256 in hex or None); ``xorbs``:
    (hash, index). Nothing is checked, so that lies can be told."""
    tag = b"HFRepoMetaData\0" + bytes.fromhex("556967456a7b815783a5bdd95ccdd14aa9")
    bookend = b"\xff" * 32 + bytes(16)
    parts = [struct.pack("<32sQQ", tag, 2, 0)]
    for file_hash, terms, ranges, sha256 in files:
        flags = 0x80000000 | (0x40000000 if sha256 else 0)
        parts.append(struct.pack("<32sII8x", file_hash, flags, len(terms)))
        parts += [struct.pack("<32sIIII", t.xorb_hash, 0, t.unpacked_bytes, t.first, t.end) for t in terms]
        parts += [raw + bytes(16) for raw in ranges]
        parts += [parse_hash(sha256) + bytes(16)] if sha256 else []
    parts.append(bookend)
    for name, index in xorbs:
        parts.append(struct.pack("<32sIIII", name, 0, index.chunk_count, index.unpacked_bytes, 0))
        for position in range(index.chunk_count):
            start, stop = index.unpacked_span(position, position + 1)
            parts.append(struct.pack("<32sIII4x", index.chunk(position), start, stop - start, 0))
    return b"".join([*parts, bookend])


def pack(data):
    """Cut bytes as a client does; returns (its line for ``upload_shard``, [xorbs])."""
    from hub.storage.xet.packing import pack_file

    packing, xorbs = pack_file([data]), []
    while True:
        try:
            xorbs.append(next(packing))
        except StopIteration as done:
            packed = done.value
            sha256 = hashlib.sha256(data).hexdigest()
            return (packed.file_hash, packed.recipe.terms, packed.range_hashes, sha256), xorbs
