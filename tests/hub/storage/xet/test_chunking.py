from __future__ import annotations

import hashlib
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.storage.xet.chunking import MAX_CHUNK_BYTES, MIN_CHUNK_BYTES
from hub.storage.xet.gear import TABLE, WINDOW, find_marks
from tests.factories.xet import GOLDEN, INPUTS, chunks_of, noise


def plain_lengths(data):
    """The definition, byte by byte."""
    table, lengths, state, size = TABLE.tolist(), [], 0, 0
    for byte in data:
        state, size = ((state << 1) + table[byte]) & (2**64 - 1), size + 1
        if size >= MIN_CHUNK_BYTES and (size >= MAX_CHUNK_BYTES or not state & 0xFFFF000000000000):
            lengths.append(size)
            state = size = 0
    return lengths + [size] * bool(size)


def test_table_is_the_protocols():
    digest = hashlib.sha256(TABLE.astype("<u8").tobytes()).hexdigest()
    assert digest == "e1d3936666d7ae7a977c958e9afcc75f90aaca758ce5fbe4ece61dffefe1912c"


@pytest.mark.parametrize("name", ["S", "F", "zeros"])
@pytest.mark.parametrize("step", [997, 65_536, 10**7])
def test_golden_boundaries(name, step):
    assert [len(chunk) for chunk in chunks_of(INPUTS[name], step)] == GOLDEN["inputs"][name]["lengths"]


def test_nothing_has_no_chunks():
    assert chunks_of(b"") == []


@pytest.mark.parametrize("size", [1, 63, 64, 65, 8191, 8192, 8193, 131_071, 131_072, 131_073, 700_001])
def test_boundaries_follow_the_definition(size):
    for data in (noise(size, size), (b"0123456789" * (size // 10 + 1))[:size]):
        chunks = chunks_of(data)
        assert b"".join(chunks) == data
        assert [len(chunk) for chunk in chunks] == plain_lengths(data)


@pytest.mark.parametrize("size", [MIN_CHUNK_BYTES - 1, MIN_CHUNK_BYTES, MIN_CHUNK_BYTES + 1, MAX_CHUNK_BYTES])
def test_marks_at_the_very_limits(size):
    """A mark right at the smallest length ends a chunk; one byte sooner it is too soon."""
    data = noise(3_000_000, 11)
    marks = find_marks(np.frombuffer(data, np.uint8)) + 1
    lone = next(int(b) for a, b in pairwise(marks) if b - a > size)
    piece = data[lone - size : lone + 50_000]
    assert [len(chunk) for chunk in chunks_of(piece)] == plain_lengths(piece)
    assert (len(chunks_of(piece)[0]) == size) == (size >= MIN_CHUNK_BYTES)


def test_several_scan_blocks_join_without_a_seam():
    data = noise(5_300_000, 9)
    assert [len(chunk) for chunk in chunks_of(data, 333_333)] == plain_lengths(data)


@settings(deadline=None, max_examples=50)
@given(st.binary(max_size=3000), st.integers(1, 400), st.lists(st.integers(1, 200_000), max_size=8))
def test_pieces_do_not_matter(seed, repeat, steps):
    data = seed * repeat
    whole = chunks_of(data, 10**9)
    for step in steps:
        if len(data) // step < 2000:
            assert chunks_of(data, step) == whole
    assert b"".join(whole) == data


def test_marks_of_too_little_data():
    assert find_marks(np.zeros(WINDOW, np.uint8)).tolist() == []
