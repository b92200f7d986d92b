from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.storage.git.pktline import (
    FLUSH,
    ZERO_OID,
    ProtocolError,
    PushRequest,
    RefCommand,
    UpdateKind,
    encode_packet,
    format_report,
    iterate_packets,
    parse_push_request,
    parse_report,
    split_packet,
)

ONE, TWO = "1" * 40, "2" * 40


@given(st.lists(st.one_of(st.none(), st.binary(min_size=1, max_size=300)), max_size=20))
def test_packets_roundtrip(payloads):
    data = b"".join(FLUSH if payload is None else encode_packet(payload) for payload in payloads)
    assert list(iterate_packets(data)) == payloads


@given(st.binary(max_size=200))
def test_arbitrary_bytes_end_in_packets_or_protocol_error(data):
    try:
        total = sum(4 + len(payload or b"") for payload in iterate_packets(data))
    except ProtocolError:
        return
    assert total <= len(data)


@given(st.lists(st.binary(max_size=150), max_size=4))
def test_arbitrary_commands_parse_or_fail_cleanly(lines):
    try:
        request = parse_push_request(lines)
    except ProtocolError:
        return
    assert len(request.commands) <= len(lines)


PUSH = [
    f"{ZERO_OID} {ONE} refs/heads/a\0report-status side-band-64k agent=git/2".encode(),
    f"{ONE} {TWO} refs/heads/b\n".encode(),
    f"{TWO} {ZERO_OID} refs/tags/c".encode(),
]


@given(st.data())
def test_damaged_pushes_parse_or_fail_cleanly(data):
    whole = b"".join(encode_packet(line) for line in PUSH) + FLUSH
    at = data.draw(st.integers(0, len(whole)))
    piece = data.draw(st.binary(max_size=8))
    damaged = whole[:at] + piece + whole[at + data.draw(st.integers(0, 8)) :]
    try:
        lines = [payload for payload in iterate_packets(damaged) if payload is not None]
        request = parse_push_request(lines)
    except ProtocolError:
        return
    assert len(request.commands) <= len(lines)
    assert sum(map(len, lines)) <= len(damaged)


def test_lengths_alone_take_no_memory():
    """A packet that promises the most it can is waited for, and nothing is set aside for it."""
    tracemalloc.start()
    try:
        for _ in range(1_000):
            assert split_packet(b"fff0" + b"x" * 100) is None
            assert list(iterate_packets(b"fff0" + b"x" * 100)) == []
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_partial_packets_wait_for_more():
    assert split_packet(b"00") is None
    assert split_packet(b"0008abc") is None
    assert split_packet(b"0008abcd") == (b"abcd", 8)


@pytest.mark.parametrize("head", [b"0001", b"0003", b"zzzz", b"ffff", b"+004"])
def test_bad_lengths_are_refused(head):
    with pytest.raises(ProtocolError):
        split_packet(head + b"x" * 10)


def test_push_request_is_read():
    lines = [
        b"shallow " + ONE.encode() + b"\n",
        f"{ZERO_OID} {ONE} refs/heads/a\0report-status agent=git/2".encode(),
        f"{ONE} {ZERO_OID} refs/heads/b\n".encode(),
        f"{ONE} {TWO} refs/heads/c".encode(),
    ]
    request = parse_push_request(lines)
    kinds = [command.kind for command in request.commands]
    assert kinds == [UpdateKind.CREATE, UpdateKind.DELETE, UpdateKind.UPDATE]
    assert request.capabilities == {"report-status", "agent=git/2"}


@pytest.mark.parametrize(
    "lines",
    [
        [b"push-cert\0x"],
        [b"nonsense"],
        [f"{ONE} {TWO} refs/heads/\xff".encode("latin-1")],
        [f"{ONE} {TWO} refs/a b".encode()],
        [f"{ONE} {TWO} a".encode(), f"{ONE} {TWO} a".encode()],
        [f"{ONE[:39]}G {TWO} a".encode()],
    ],
)
def test_malformed_commands_are_refused(lines):
    with pytest.raises(ProtocolError):
        parse_push_request(lines)


@pytest.mark.parametrize("capabilities", [{"report-status"}, {"report-status-v2", "side-band-64k"}])
def test_refusal_report_names_every_ref(capabilities):
    commands = (RefCommand(ONE, TWO, "refs/heads/a"), RefCommand(ONE, TWO, "refs/heads/b"))
    data = format_report(PushRequest(commands, frozenset(capabilities)), {"refs/heads/a": "no\nway"})
    assert b"ng refs/heads/a no way\n" in data
    assert b"ng refs/heads/b refused together" in data
    assert parse_report(data, has_sideband="side-band-64k" in capabilities) == set()


def test_success_report_names_moved_refs():
    report = encode_packet(b"unpack ok\n") + encode_packet(b"ok refs/heads/a\n") + encode_packet(b"ng b why\n") + FLUSH
    assert parse_report(report, has_sideband=False) == {"refs/heads/a"}
    assert parse_report(report[:-6], has_sideband=False) is None
    assert parse_report(b"", has_sideband=True) is None
