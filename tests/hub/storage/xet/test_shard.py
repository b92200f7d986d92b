from __future__ import annotations

import hashlib
import struct
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.storage.xet.hashing import protected_hash
from hub.storage.xet.shard import (
    MAX_FILE_ENTRIES,
    MAX_SHARD_BYTES,
    MAX_XORBS,
    InvalidShard,
    parse_shard,
    write_dedup_shard,
)
from tests.factories.xet import INPUTS, SHARD, build_xorb, chunks_of, golden

HEAD, FILE, TERM, CHECK, SHA, END_FILES, XORB, CHUNK, END = (SHARD[at : at + 48] for at in range(0, 432, 48))


def changed(at, form, value, shard=SHARD):
    data = bytearray(shard)
    struct.pack_into(form, data, at, value)
    return bytes(data)


BARE_FILE = changed(32, "<I", 1 << 31, FILE)


def footer(*, version=1, files_at=48, xorbs_at=288, tables=(0,) * 6, end=432):
    numbers = struct.pack("<9Q", version, files_at, xorbs_at, *tables)
    return numbers + bytes(32 + 16 + 48 + 24) + struct.pack("<Q", end)


WITH_FOOTER = changed(40, "<Q", 200)


def test_golden_shard():
    shard = parse_shard(SHARD)
    [file], [xorb] = shard.files, shard.xorbs
    name = golden("hello", "xorb")
    assert file.file_hash == golden("hello", "file")
    assert [(term.xorb_hash, term.first, term.end, term.unpacked_bytes) for term in file.terms] == [(name, 0, 1, 5)]
    assert file.range_hashes == (golden("hello", "range"),)
    assert file.sha256 == hashlib.sha256(b"hello").hexdigest()
    assert (xorb.xorb_hash, xorb.hashes, list(xorb.unpacked_ends)) == (name, name, [5])


def test_a_file_may_come_without_sha256():
    shard = HEAD + changed(32, "<I", 1 << 31, FILE) + TERM + CHECK + END_FILES + XORB + CHUNK + END
    assert [file.sha256 for file in parse_shard(shard).files] == [None]


def test_a_footer_is_accepted_with_and_without_tables():
    """T79: some clients send a footer; nothing of it is used."""
    assert parse_shard(WITH_FOOTER + footer()) == parse_shard(SHARD)
    tables = footer(tables=(432, 1, 444, 1, 456, 2), end=432 + 12 + 12 + 32)
    assert parse_shard(WITH_FOOTER + bytes(12 + 12 + 32) + tables) == parse_shard(SHARD)


BAD = {
    "empty": b"",
    "cut header": SHARD[:47],
    "tag": changed(3, "B", 0),
    "version": changed(32, "<Q", 3),
    "footer size": changed(40, "<Q", 192),
    "no verification": changed(48 + 32, "<I", 0x40000000),
    "unknown flag": changed(48 + 32, "<I", 0xC0000001),
    "2^32 terms": changed(48 + 36, "<I", 2**32 - 1),
    "a term too many": changed(48 + 36, "<I", 2),
    "2^32 chunks": changed(288 + 36, "<I", 2**32 - 1),
    "a chunk too many": changed(288 + 36, "<I", 2),
    "no chunks": changed(288 + 36, "<I", 0),
    "xorb size": changed(288 + 40, "<I", 6),
    "chunk start": changed(336 + 32, "<I", 1),
    "chunk length": changed(336 + 36, "<I", 6),
    "no last bookend": SHARD[:-48],
    "cut bookend": SHARD[:-1],
    "trailing byte": SHARD + b"\0",
    "trailing entry": SHARD + END,
    "footer not announced": SHARD + footer(),
    "footer missing": WITH_FOOTER,
    "footer cut": WITH_FOOTER + footer()[:-1],
    "bytes before footer": WITH_FOOTER + b"\0" + footer(end=433),
    "footer version": WITH_FOOTER + footer(version=2),
    "footer file offset": WITH_FOOTER + footer(files_at=0),
    "footer xorb offset": WITH_FOOTER + footer(xorbs_at=240),
    "footer offset": WITH_FOOTER + footer(end=431),
    "footer counts": WITH_FOOTER + footer(tables=(432, 2**63, 432, 0, 432, 0)),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_shards_are_refused(case):
    """T79: counts are held against what is there, and what follows must be a whole footer."""
    with pytest.raises(InvalidShard):
        parse_shard(BAD[case])


def test_a_huge_count_allocates_nothing():
    """T79: a 48-byte header that claims 2^32 entries costs no memory."""
    tracemalloc.start()
    for case in ("2^32 terms", "2^32 chunks"):
        with pytest.raises(InvalidShard):
            parse_shard(BAD[case])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


def _many_terms(count):
    rows = (i.to_bytes(32, "big") + struct.pack("<IIII", 0, 2**31 + i, 1000 + i, 2000 + i) for i in range(count))
    return changed(36, "<I", count, BARE_FILE) + b"".join(rows) + CHECK * count + END_FILES + END


def _many_files(count):
    return changed(36, "<I", 0, BARE_FILE) * count + END_FILES + END


def _many_chunks(count):
    rows = b"".join(golden("x", "xorb") + struct.pack("<IIII", i, 1, 0, 0) for i in range(8000))
    xorb = struct.pack("<32sIIII", golden("x", "xorb"), 0, 8000, 8000, 0) + rows
    return END_FILES + xorb * (count // 8000) + END


@pytest.mark.parametrize(
    ("build", "most"), [(_many_terms, MAX_FILE_ENTRIES), (_many_files, MAX_FILE_ENTRIES), (_many_chunks, 1_400_000)]
)
def test_the_largest_shards_cost_no_more_than_twice_the_largest_body(build, most):
    """T79: what a shard becomes in memory beyond its body; a tenth of the largest one is measured."""
    shard = HEAD + build(most // 10)
    tracemalloc.start()
    parsed = parse_shard(shard)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert parsed.files or parsed.xorbs
    assert peak < 2 * MAX_SHARD_BYTES // 10


@pytest.mark.parametrize(
    "shard", [_many_files(MAX_FILE_ENTRIES + 1), END_FILES + (XORB + CHUNK) * (MAX_XORBS + 1) + END]
)
def test_too_many_objects_are_refused(shard):
    """T79: entries that become objects are counted."""
    with pytest.raises(InvalidShard, match="at most"):
        parse_shard(HEAD + shard)


def test_a_shard_over_the_limit_is_refused():
    """T79"""
    with pytest.raises(InvalidShard, match="at most"):
        parse_shard(bytes(MAX_SHARD_BYTES + 1))


@given(st.binary(max_size=400))
def test_arbitrary_bytes_parse_or_are_refused(data):
    """T79: fuzz; nothing but InvalidShard is raised."""
    for shard in (data, HEAD + data):
        try:
            parse_shard(shard)
        except InvalidShard:
            continue


@given(st.integers(0, 431), st.binary(min_size=1, max_size=60), st.booleans())
def test_arbitrary_damage_parses_or_is_refused(at, piece, has_footer):
    """T79: fuzz near the real thing, where length fields are reached."""
    shard = WITH_FOOTER + footer() if has_footer else SHARD
    try:
        parse_shard(shard[:at] + piece + shard[at + len(piece) :])
    except InvalidShard:
        return


@given(st.binary(max_size=60), st.sampled_from([2**16, 2**20, 2**31 - 1, 2**32 - 1]), st.integers(0, 80))
def test_counts_that_lie_take_no_memory(data, count, at):
    """T79: memory stays below twice the body and what the parser itself needs, whatever a length says."""
    for base in (SHARD, HEAD + data):
        at %= len(base)
        shard = base[:at] + struct.pack("<L", count) + base[at + 4 :]
        tracemalloc.start()
        try:
            parse_shard(shard)
        except InvalidShard:
            pass
        finally:
            _now, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
        assert peak <= 2 * len(shard) + 200_000


@given(st.lists(st.sampled_from([FILE, TERM, CHECK, SHA, END_FILES, XORB, CHUNK, END]), max_size=14))
def test_entries_in_any_order_parse_or_are_refused(entries):
    """T79: fuzz by whole entries."""
    try:
        shard = parse_shard(HEAD + b"".join(entries))
    except InvalidShard:
        return
    assert sum(1 + 2 * len(file.terms) for file in shard.files) + sum(
        1 + len(x.hashes) // 32 for x in shard.xorbs
    ) <= len(entries)


def test_dedup_answer_hides_chunk_hashes_and_parses():
    """T82: chunk hashes are keyed; the footer says with what and until when."""
    name, data, index = build_xorb(chunks_of(INPUTS["S"]))
    key = bytes(range(32))
    answer = write_dedup_shard([(name, index)], key=key, created_at=1_000, key_expires_at=2_000)
    [xorb] = parse_shard(answer).xorbs
    raws = [raw for raw, _ in index.leaves()]
    assert xorb.xorb_hash == name
    assert xorb.hashes == b"".join(protected_hash(key, raw) for raw in raws)
    assert list(xorb.unpacked_ends) == index.unpacked_ends.tolist()
    assert not any(raw in answer for raw in raws)
    tail = answer[-200:]
    assert struct.unpack_from("<Q", tail, 192) == (len(answer) - 200,)
    assert tail[72:104] == key
    assert struct.unpack_from("<QQ", tail, 104) == (1_000, 2_000)
    assert struct.unpack_from("<QQQ", tail, 168) == (len(data), 0, len(INPUTS["S"]))
