from __future__ import annotations

import tracemalloc

import lz4.frame
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hub.storage.xet.hashing import chunk_hash, merkle_root
from hub.storage.xet.xorb import (
    MAX_CHUNK,
    MAX_CHUNKS,
    MAX_UNPACKED,
    InvalidXorb,
    XorbBuilder,
    XorbIndex,
    XorbReceiver,
    decode_records,
    join_planes,
    split_planes,
)
from tests.factories.xet import GOLDEN, INPUTS, build_xorb, chunks_of, golden, noise

CHUNKS = [noise(9000, 1), b"text " * 4000, INPUTS["F"], b"q"]
NAME, DATA, INDEX = build_xorb(CHUNKS)


def receive(name, data, step=10**9):
    receiver = XorbReceiver(name)
    for at in range(0, len(data), step):
        receiver.update(data[at : at + step])
    return receiver.finish(), receiver.payload_bytes


def record(payload, unpacked, scheme=0, version=0, stored=None):
    length = len(payload) if stored is None else stored
    return bytes([version]) + length.to_bytes(3, "little") + bytes([scheme]) + unpacked.to_bytes(3, "little") + payload


def name_of(*chunks):
    return merkle_root([(chunk_hash(chunk), len(chunk)) for chunk in chunks])


@pytest.mark.parametrize("name", ["hello", "x", "a10000"])
def test_golden_serializations(name):
    data = bytes.fromhex(GOLDEN["inputs"][name]["serialized"])
    index, size = receive(golden(name, "xorb"), data)
    assert (index.chunk_count, index.unpacked_bytes, size) == (1, len(INPUTS[name]), len(data))
    assert b"".join(decode_records(data)) == INPUTS[name]


@pytest.mark.parametrize("name", ["S", "S8191", "S8192", "F"])
def test_golden_names(name):
    found, data, index = build_xorb(chunks_of(INPUTS[name]))
    assert found == golden(name, "xorb")
    assert receive(found, data) == (index, len(data))


def test_all_schemes_are_chosen_and_read_back():
    schemes = {build_xorb([chunk])[1][4] for chunk in CHUNKS}
    assert schemes == {0, 1, 2}
    assert [bytes(chunk) for chunk in decode_records(DATA)] == CHUNKS


@pytest.mark.parametrize("step", [1, 7, 8, 9, 1000, 10**9])
def test_pieces_of_any_size(step):
    assert receive(NAME, DATA, step) == (INDEX, len(DATA))


@pytest.mark.parametrize("step", [1, 5, 10**9])
def test_a_footer_is_neither_needed_nor_kept(step):
    assert receive(NAME, DATA + b"XETBLOB\1" + noise(500), step) == (INDEX, len(DATA))


def test_index_round_trip_and_spans():
    again = XorbIndex.from_bytes(INDEX.to_bytes())
    assert again == INDEX
    assert len(INDEX.to_bytes()) == 40 * len(CHUNKS)
    assert INDEX.leaves() == [(chunk_hash(chunk), len(chunk)) for chunk in CHUNKS]
    start, stop = INDEX.stored_span(1, 3)
    assert b"".join(decode_records(DATA[start:stop])) == CHUNKS[1] + CHUNKS[2]


@given(st.binary(max_size=200))
def test_index_of_arbitrary_bytes(data):
    try:
        index = XorbIndex.from_bytes(data)
    except ValueError:
        return
    assert index.to_bytes() == data


@given(st.binary(max_size=300))
def test_planes_round_trip(data):
    assert bytes(join_planes(split_planes(data))) == data


def test_planes_as_the_protocol_orders_them():
    assert split_planes(bytes(range(11))).hex() == "0004080105090206" + "0a0307"


FRAME = lz4.frame.compress(b"a" * 5000, store_size=False)
BAD = {
    "version": record(b"hello", 5, version=1),
    "scheme": record(b"hello", 5, scheme=3),
    "auto scheme": record(b"hello", 5, scheme=99),
    "stored lengths differ": record(b"hello", 6),
    "no bytes": record(b"", 0),
    "empty payload": record(b"", 5, scheme=1),
    "chunk over 128 KiB": record(bytes(MAX_CHUNK + 1), MAX_CHUNK + 1),
    "payload over 256 KiB": record(bytes(262_145), 5, scheme=1),
    "no LZ4": record(b"hello", 5, scheme=1),
    "raw LZ4 block": record(b"\x50hello", 5, scheme=1),
    "longer than given": record(FRAME, 4999, scheme=1),
    "shorter than given": record(FRAME, 5001, scheme=1),
    "bytes after the frame": record(FRAME + b"x", 5000, scheme=1),
    "two frames": record(FRAME + FRAME, 10_000, scheme=1),
    "frame without end mark": record(FRAME[:-4], 5000, scheme=1),
    "cut record": record(b"hello", 5)[:-1],
    "cut head": record(b"hello", 5) + b"\0\1",
    "nothing": b"",
    "only a footer": b"XETBLOB\1" + bytes(100),
}


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("step", [3, 10**9])
def test_bad_records_are_refused(case, step):
    """T78: every field of a record that lies is refused, and not only because the name would not fit."""
    with pytest.raises(InvalidXorb, match=r"A chunk|no chunks|middle"):
        receive(name_of(b"hello"), BAD[case], 10**9 if len(BAD[case]) > 10_000 else step)


@pytest.mark.parametrize("at", [0, 1, 2, 3, 4, 5, 6, 7, 8, 500])
def test_every_field_matters(at):
    """T78: no single changed byte of a xorb passes, in its first record or in any other."""
    starts = [0, *INDEX.stored_ends.tolist()[:-1]]
    for start in starts:
        if start + at < len(DATA):
            for change in (1, 0x80, 0xFF):
                damaged = bytearray(DATA)
                damaged[start + at] ^= change
                with pytest.raises(InvalidXorb):
                    receive(NAME, bytes(damaged))


def test_another_name_and_another_order_are_refused():
    """T78: the hash is recomputed."""
    with pytest.raises(InvalidXorb, match="differs"):
        receive(bytes(32), DATA)
    first = INDEX.stored_span(0, 1)[1]
    with pytest.raises(InvalidXorb, match="differs"):
        receive(NAME, DATA[first:] + DATA[:first])


def test_limits_on_chunks_and_content():
    """T78: at most 8,192 chunks and 64 MiB, in what is received and in what is built."""
    with pytest.raises(InvalidXorb, match="8192 chunks"):
        receive(bytes(32), record(b"x", 1) * (MAX_CHUNKS + 1))
    full = record(bytes(MAX_CHUNK), MAX_CHUNK)
    receiver = XorbReceiver(bytes(32))
    for _ in range(MAX_UNPACKED // MAX_CHUNK):
        receiver.update(full)
    with pytest.raises(InvalidXorb, match="67108864 bytes"):
        receiver.update(record(b"x", 1))
    builder = XorbBuilder()
    for _ in range(MAX_CHUNKS):
        builder.add(b"x")
    assert not builder.has_room(1)
    with pytest.raises(ValueError, match="fit"):
        builder.add(b"x")
    assert receive(*builder.finish()[:2])[0].chunk_count == MAX_CHUNKS


def test_a_bomb_is_not_unpacked():
    """T78: a chunk of 250 KB that expands to 62 MB costs no more memory than an honest one."""
    bomb = lz4.frame.compress(bytes(62_000_000), store_size=False)
    assert len(bomb) <= 262_144
    tracemalloc.start()
    with pytest.raises(InvalidXorb):
        receive(bytes(32), record(bomb, MAX_CHUNK, scheme=1))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4_000_000


@given(st.binary(max_size=400), st.integers(1, 50))
@example(b"XETBLOB", 1)
def test_arbitrary_bytes_are_refused_or_a_xorb(data, step):
    try:
        receive(NAME, data, step)
    except InvalidXorb:
        return
    raise AssertionError("arbitrary bytes had the expected hash")


@given(st.data())
def test_arbitrary_damage_is_noticed(data):
    at = data.draw(st.integers(0, len(DATA) - 1))
    piece = data.draw(st.binary(min_size=1, max_size=20))
    damaged = DATA[:at] + piece + DATA[at + len(piece) :]
    # Bytes of LZ4 that decode to the same chunks are the same xorb: its name covers the content only.
    try:
        index, _ = receive(NAME, damaged, data.draw(st.sampled_from([13, 5000, 10**9])))
    except InvalidXorb:
        return
    assert index.leaves() == INDEX.leaves()
    assert [bytes(chunk) for chunk in decode_records(damaged[: index.size_bytes])] == CHUNKS
