from __future__ import annotations

import hf_xet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.storage.xet import packing
from hub.storage.xet.hashing import ZERO_HASH, hash_text
from hub.storage.xet.packing import pack_file
from hub.storage.xet.reading import RecipeReader
from hub.storage.xet.recipe import check_recipe
from hub.storage.xet.xorb import MAX_UNPACKED, XorbReceiver
from tests.factories.xet import GOLDEN, INPUTS, MemoryXorbs, golden, noise


def pack(data, known=None, step=100_000, store=None):
    """Pack as the hub does, verify every xorb as if it had been uploaded; return (store, new xorbs, PackedFile)."""
    store, new = store or MemoryXorbs(), []
    packing_run = pack_file((data[at : at + step] for at in range(0, len(data), step)), known)
    while True:
        try:
            xorb = next(packing_run)
        except StopIteration as stop:
            packed = stop.value
            break
        receiver = XorbReceiver(xorb.xorb_hash)
        receiver.update(xorb.data)
        assert receiver.finish() == xorb.index
        store.data[xorb.xorb_hash], store.indexes[xorb.xorb_hash] = xorb.data, xorb.index
        new.append(xorb)
    assert check_recipe(packed.file_hash, packed.recipe.terms, packed.range_hashes, store.indexes.get) == packed.recipe
    assert unpack(store, packed.recipe) == data
    return store, new, packed


def unpack(store, recipe):
    reader = RecipeReader(recipe, store.indexes.__getitem__, store.open_range, 0, recipe.size_bytes)
    data = b"".join(iter(lambda: reader.read(1_000_000), b""))
    reader.close()
    return data


@pytest.mark.parametrize("name", [name for name in INPUTS if name != "empty"])
def test_golden_files(name):
    _, new, packed = pack(INPUTS[name])
    assert hash_text(packed.file_hash) == GOLDEN["inputs"][name]["file"]
    if "xorb" in GOLDEN["inputs"][name]:
        assert [xorb.xorb_hash for xorb in new] == [golden(name, "xorb")]
        assert packed.range_hashes == (golden(name, "range"),)


def test_the_empty_file():
    _, new, packed = pack(b"")
    assert (new, packed.file_hash, packed.recipe.terms) == ([], ZERO_HASH, ())


def test_zeros_are_stored_once():
    _, new, packed = pack(INPUTS["zeros"])
    assert [xorb.index.chunk_count for xorb in new] == [1]
    assert [(term.first, term.end) for term in packed.recipe.terms] == [(0, 1)] * 8


@pytest.mark.parametrize("data", [noise(3_000_001, 4), b"line of text\n" * 200_000], ids=["noise", "text"])
def test_file_hash_is_the_one_of_the_real_client(data, tmp_path):
    (tmp_path / "file").write_bytes(data)
    [info] = hf_xet.hash_files([str(tmp_path / "file")])
    assert hash_text(pack(data)[2].file_hash) == info.hash


def test_a_full_xorb_is_followed_by_another(tmp_path):
    data = noise(MAX_UNPACKED + 1_000_000, 5)
    _, new, packed = pack(data, step=1_000_000)
    assert len(new) == 2
    assert all(xorb.index.unpacked_bytes <= MAX_UNPACKED for xorb in new)
    assert [term.xorb_hash for term in packed.recipe.terms] == [xorb.xorb_hash for xorb in new]
    (tmp_path / "file").write_bytes(data)
    assert hash_text(packed.file_hash) == hf_xet.hash_files([str(tmp_path / "file")])[0].hash


def test_known_chunks_are_not_packed_again():
    data = noise(2_000_000, 6)
    store, _, _ = pack(data)
    places = {raw: (name, at) for name, index in store.indexes.items() for at, (raw, _) in enumerate(index.leaves())}
    edited = data[:1_000_000] + noise(50_000, 7) + data[1_050_000:]
    store, new, packed = pack(edited, places.get, store=store)
    assert sum(xorb.index.unpacked_bytes for xorb in new) < 400_000
    assert len(packed.recipe.terms) == 3
    assert packed.file_hash == pack(edited)[2].file_hash
    assert pack(data, places.get, store=store)[1] == []


def test_forgotten_chunks_are_packed_again(monkeypatch):
    monkeypatch.setattr(packing, "_REMEMBERED_CHUNKS", 2)
    one = noise(1_000_000, 8)
    _, new, packed = pack(one + one)
    assert packed.file_hash == pack_without_limit(one + one, monkeypatch)
    assert sum(xorb.index.unpacked_bytes for xorb in new) > 1_500_000


def pack_without_limit(data, monkeypatch):
    monkeypatch.setattr(packing, "_REMEMBERED_CHUNKS", 10**6)
    return pack(data)[2].file_hash


@settings(deadline=None, max_examples=30)
@given(st.lists(st.sampled_from([noise(150_000, seed) for seed in range(4)]), max_size=8), st.integers(1_000, 300_000))
def test_any_repetition_reads_back(parts, step):
    pack(b"".join(parts), step=step)
