from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.storage.blobs.base import ObjectCorrupt
from hub.storage.xet.reading import RecipeReader
from tests.factories.xet import MemoryXorbs, noise, sample_file

STORE, RECIPE, CONTENT = sample_file()


def open_reader(start, stop, store=STORE, recipe=RECIPE):
    return RecipeReader(recipe, store.indexes.__getitem__, store.open_range, start, stop)


def read_all(reader, size=50_000):
    parts = []
    while part := reader.read(size):
        assert len(part) <= size
        parts.append(part)
    reader.close()
    return b"".join(parts)


@given(st.integers(0, len(CONTENT)), st.integers(0, len(CONTENT) + 10), st.sampled_from([1_000, 65_536, 10**9]))
def test_any_range_equals_slicing(start, stop, size):
    assert read_all(open_reader(start, stop), size) == CONTENT[start:stop]
    assert STORE.opened == 0


def test_a_reader_closed_early_lets_go_of_its_xorb():
    reader = open_reader(0, len(CONTENT))
    assert reader.read(10) == CONTENT[:10]
    assert STORE.opened == 1
    reader.close()
    assert STORE.opened == 0


def test_many_pieces_of_one_xorb():
    store = MemoryXorbs()
    chunks = [noise(100_000, seed) for seed in range(40)]
    name = store.add(chunks)
    recipe = type(RECIPE)((store.term(name, 0, 40),))
    assert read_all(open_reader(123, 3_999_877, store, recipe)) == b"".join(chunks)[123:3_999_877]


@pytest.mark.parametrize("damage", ["cut", "head", "scheme", "length"])
def test_damaged_xorbs_are_never_served(damage):
    store, recipe, _ = sample_file()
    name = recipe.terms[0].xorb_hash
    data = bytearray(store.data[name])
    at = store.indexes[name].stored_span(1, 2)[0]
    if damage == "cut":
        del data[at + 10 :]
    else:
        data[at + {"head": 0, "scheme": 4, "length": 5}[damage]] ^= 1
    store.data[name] = bytes(data)
    with pytest.raises(ObjectCorrupt):
        read_all(open_reader(0, recipe.size_bytes, store, recipe))


@given(st.integers(0), st.integers(1, 255))
def test_a_flipped_byte_gives_the_same_length_or_an_error(position, change):
    """Only the hash can tell a changed stored byte; what does not decode to the indexed lengths is refused."""
    store, recipe, content = sample_file()
    name = recipe.terms[0].xorb_hash
    data = bytearray(store.data[name])
    data[position % len(data)] ^= change
    store.data[name] = bytes(data)
    try:
        found = read_all(open_reader(0, recipe.size_bytes, store, recipe))
    except ObjectCorrupt:
        return
    assert len(found) == len(content)
