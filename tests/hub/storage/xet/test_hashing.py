from __future__ import annotations

import hf_xet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.storage.xet.hashing import (
    MerkleTree,
    chunk_hash,
    file_hash,
    hash_text,
    is_dedup_eligible,
    merkle_root,
    parse_hash,
    protected_hash,
    range_hash,
    xorb_hash,
)
from tests.factories.xet import GOLDEN, INPUTS, chunks_of, golden, noise

LEAVES = [(chunk_hash(i.to_bytes(4, "little")), 1000 + i) for i in range(5000)]


def leaves_of(data):
    return [(chunk_hash(chunk), len(chunk)) for chunk in chunks_of(data)]


def test_text_form_reverses_bytes_in_words():
    raw = bytes(range(32))
    assert hash_text(raw) == "07060504030201000f0e0d0c0b0a090817161514131211101f1e1d1c1b1a1918"
    assert parse_hash(hash_text(raw)) == raw


@pytest.mark.parametrize("text", ["", "0" * 63, "0" * 65, "A" * 64, "g" * 64, "0" * 63 + "\n", "０" * 64])
def test_only_lower_case_hex_is_a_hash(text):
    with pytest.raises(ValueError, match="hexadecimal"):
        parse_hash(text)


@pytest.mark.parametrize("name", INPUTS)
def test_golden_hashes(name):
    leaves = leaves_of(INPUTS[name])
    expected = GOLDEN["inputs"][name]
    found = {
        "file": hash_text(file_hash(leaves)),
        "xorb": hash_text(xorb_hash(leaves)),
        "range": hash_text(range_hash(raw for raw, _ in leaves)),
    }
    assert {key: found[key] for key in found if key in expected} == {
        key: expected[key] for key in found if key in expected
    }


def test_golden_protected_hash():
    assert hash_text(protected_hash(bytes(range(32)), golden("hello", "xorb"))) == GOLDEN["hello_protected"]


@pytest.mark.parametrize("count", [int(count) for count in GOLDEN["merkle"]])
def test_golden_merkle_roots(count):
    leaves = LEAVES[:count]
    assert [hash_text(merkle_root(leaves)), hash_text(file_hash(leaves))] == GOLDEN["merkle"][str(count)]


@given(st.lists(st.integers(1, 1500), max_size=6))
def test_merkle_root_does_not_depend_on_batches(batches):
    tree, at = MerkleTree(), 0
    for size in batches:
        leaves, at = LEAVES[at : at + size], min(at + size, len(LEAVES))
        tree.add(b"".join(leaf for leaf, _ in leaves), [length for _, length in leaves])
    whole = MerkleTree()
    for leaf, length in LEAVES[:at]:
        whole.add(leaf, [length])
    assert tree.root() == whole.root() == _plain_root(LEAVES[:at])


def _plain_root(leaves):
    """The definition, level by level over whole lists."""
    from hub.storage.xet.hashing import _NODE_KEY, ZERO_HASH, blake3

    nodes = list(leaves)
    while len(nodes) > 1:
        above, start = [], 0
        while start < len(nodes):
            group = nodes[start : start + 9]
            cut = next(
                (at + 1 for at in range(2, len(group)) if int.from_bytes(group[at][0][24:], "little") % 4 == 0), 9
            )
            group = group[:cut]
            text = "".join(f"{hash_text(raw)} : {size}\n" for raw, size in group)
            above.append((blake3(text.encode(), key=_NODE_KEY).digest(), sum(size for _, size in group)))
            start += len(group)
        nodes = above
    return nodes[0][0] if nodes else ZERO_HASH


def test_dedup_eligibility_looks_at_the_last_word():
    assert is_dedup_eligible(b"\xff" * 24 + (5 * 1024).to_bytes(8, "little"))
    assert not is_dedup_eligible(bytes(24) + (5 * 1024 + 1).to_bytes(8, "little"))


@pytest.mark.parametrize("data", [INPUTS["S"], INPUTS["F"], INPUTS["zeros"], noise(5_000_001), b"word " * 900_000])
def test_file_hash_is_the_one_of_the_real_client(data, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(data)
    [info] = hf_xet.hash_files([str(path)])
    assert hash_text(file_hash(leaves_of(data))) == info.hash
