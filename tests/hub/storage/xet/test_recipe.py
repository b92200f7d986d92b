from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.storage.xet.hashing import ZERO_HASH, file_hash, hash_text, range_hash
from hub.storage.xet.recipe import InvalidRecipe, Recipe, Term, answer_v1, answer_v2, check_recipe, plan_range
from hub.storage.xet.shard import parse_shard
from hub.storage.xet.xorb import decode_records
from tests.factories.xet import INPUTS, SHARD, MemoryXorbs, golden, sample_file

STORE, RECIPE, CONTENT = sample_file()
LEAVES = [leaf for t in RECIPE.terms for leaf in STORE.indexes[t.xorb_hash].leaves(t.first, t.end)]
FILE_HASH = file_hash(LEAVES)
RANGES = tuple(range_hash(STORE.indexes[t.xorb_hash].chunks(t.first, t.end)) for t in RECIPE.terms)


def check(*, terms=RECIPE.terms, ranges=RANGES, claimed=FILE_HASH, index_of=STORE.indexes.get):
    return check_recipe(claimed, terms, ranges, index_of)


def with_term(**changes):
    return (RECIPE.terms[0], replace(RECIPE.terms[1], **changes), *RECIPE.terms[2:])


def test_golden_shard_describes_hello():
    store = MemoryXorbs()
    store.add([b"hello"])
    [file] = parse_shard(SHARD).files
    recipe = check_recipe(file.file_hash, file.terms, file.range_hashes, store.indexes.get)
    assert recipe == Recipe((store.term(golden("hello", "xorb"), 0, 1),))


def test_honest_recipe_passes_and_round_trips():
    assert check() == RECIPE
    assert Recipe.from_bytes(RECIPE.to_bytes()) == RECIPE
    assert RECIPE.size_bytes == len(CONTENT)
    assert RECIPE.xorb_hashes == frozenset(STORE.indexes)


def test_the_empty_file_has_the_zero_hash():
    assert check(terms=(), ranges=(), claimed=ZERO_HASH) == Recipe(())
    with pytest.raises(InvalidRecipe, match="make the file"):
        check(terms=(), ranges=())


LIES = {
    "unknown xorb": {"terms": with_term(xorb_hash=bytes(32))},
    "another xorb": {"terms": with_term(xorb_hash=RECIPE.terms[0].xorb_hash)},
    "first chunk": {"terms": with_term(first=1)},
    "last chunk": {"terms": with_term(end=1)},
    "beyond the xorb": {"terms": with_term(end=3)},
    "far beyond the xorb": {"terms": with_term(end=2**32 - 1)},
    "no chunks": {"terms": with_term(end=0)},
    "backwards": {"terms": with_term(first=2, end=1)},
    "length": {"terms": with_term(unpacked_bytes=RECIPE.terms[1].unpacked_bytes + 1)},
    "length zero": {"terms": with_term(unpacked_bytes=0)},
    "verification": {"ranges": (RANGES[0], RANGES[0], *RANGES[2:])},
    "verification missing": {"ranges": RANGES[:-1]},
    "verification of no chunks": {"ranges": (RANGES[0], bytes(32), *RANGES[2:])},
    "file hash": {"claimed": bytes(32)},
    "term left out": {"terms": RECIPE.terms[:-1], "ranges": RANGES[:-1]},
    "order": {"terms": RECIPE.terms[::-1], "ranges": RANGES[::-1]},
}


@pytest.mark.parametrize("lie", LIES)
def test_lies_are_refused(lie):
    """T80: each field of a described file is held against our own index."""
    with pytest.raises(InvalidRecipe):
        check(**LIES[lie])


def test_a_xorb_the_sender_may_not_use_is_missing():
    """T81: whoever decides about xorbs decides here too."""
    with pytest.raises(InvalidRecipe, match="is missing"):
        check(index_of=lambda _: None)


def test_a_small_shard_cannot_ask_for_billions_of_leaves():
    """T79: repeated terms over a xorb of tiny chunks are refused before any hashing."""
    asked = []
    store = MemoryXorbs()
    name = store.add([b"x"] * 8192)
    with pytest.raises(InvalidRecipe, match="small chunks"):
        check(terms=(store.term(name, 0, 8192),) * 1000, ranges=(bytes(32),) * 1000, index_of=asked.append)
    assert asked == []


def decoded(plan):
    """Follow a plan as the client does: each term must lie inside one fetch, of which only the start is known."""
    parts = []
    for term in plan.terms:
        index, [fetch] = (
            STORE.indexes[term.xorb_hash],
            [f for f in plan.fetches[term.xorb_hash] if f.first <= term.first and term.end <= f.end],
        )
        chunks = list(decode_records(STORE.data[term.xorb_hash][fetch.first_byte : fetch.last_byte + 1]))
        assert len(chunks) == fetch.end - fetch.first
        part = b"".join(chunks[term.first - fetch.first : term.end - fetch.first])
        assert len(part) == term.unpacked_bytes
        assert index.chunk_count >= term.end
        parts.append(part)
    return parts


@given(st.integers(0, len(CONTENT) - 1), st.integers(1, len(CONTENT)))
def test_any_range_is_planned_tightly(start, length):
    stop = min(start + length, len(CONTENT))
    plan = plan_range(RECIPE, STORE.indexes.__getitem__, start, stop)
    parts = decoded(plan)
    assert b"".join(parts)[plan.skip_bytes : plan.skip_bytes + stop - start] == CONTENT[start:stop]
    first = STORE.indexes[plan.terms[0].xorb_hash].length(plan.terms[0].first)
    last = STORE.indexes[plan.terms[-1].xorb_hash].length(plan.terms[-1].end - 1)
    assert plan.skip_bytes < first
    assert len(b"".join(parts)) - plan.skip_bytes - (stop - start) < last
    for fetches in plan.fetches.values():
        assert all(before.end < after.first for before, after in pairwise(fetches))
    assert plan == plan_range(RECIPE, STORE.indexes.__getitem__, start, stop)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(1, 5)), min_size=1, max_size=8), st.data())
def test_any_recipe_and_range(picks, data):
    name = next(name for name, index in STORE.indexes.items() if index.chunk_count == 5)
    chunks = [bytes(chunk) for chunk in decode_records(STORE.data[name])]
    spans = [(first, min(first + count, 5)) for first, count in picks]
    recipe = Recipe(tuple(STORE.term(name, *span) for span in spans))
    content = b"".join(b"".join(chunks[first:end]) for first, end in spans)
    start = data.draw(st.integers(0, len(content) - 1))
    stop = data.draw(st.integers(start + 1, len(content)))
    plan = plan_range(recipe, STORE.indexes.__getitem__, start, stop)
    assert b"".join(decoded(plan))[plan.skip_bytes :][: stop - start] == content[start:stop]


def test_answers_in_both_versions():
    store = MemoryXorbs()
    name = store.add([INPUTS["S8192"], b"tail"])
    recipe = Recipe((store.term(name, 0, 2),))
    plan = plan_range(recipe, store.indexes.__getitem__, 8192, 8194)
    text = hash_text(name)
    common = {
        "offset_into_first_range": 0,
        "terms": [{"hash": text, "unpacked_length": 4, "range": {"start": 1, "end": 2}}],
    }
    chunks, span = {"start": 1, "end": 2}, {"start": 8200, "end": 8211}

    def url_of(xorb_hash, fetch):
        return f"/{hash_text(xorb_hash)}?{fetch.first_byte}-{fetch.last_byte}"

    url = f"/{text}?8200-8211"
    assert answer_v2(plan, url_of) == {
        **common,
        "xorbs": {text: [{"url": url, "ranges": [{"chunks": chunks, "bytes": span}]}]},
    }
    assert answer_v1(plan, url_of) == {
        **common,
        "fetch_info": {text: [{"range": chunks, "url": url, "url_range": span}]},
    }


def test_terms_are_compared_by_value():
    assert Term(bytes(32), 0, 1, 5) == Term(bytes(32), 0, 1, 5)
