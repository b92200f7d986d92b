"""The framing of git's wire protocol, and the two messages of a push that the hub itself reads or writes.

Source: git, ``Documentation/gitprotocol-common`` (pkt-line) and ``gitprotocol-pack`` (reference update request).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

FLUSH = b"0000"
MAX_PACKET_BYTES = 65520
ZERO_OID = "0" * 40

_LENGTH = re.compile(rb"[0-9a-fA-F]{4}\Z")
_COMMAND = re.compile(rb"([0-9a-f]{40}) ([0-9a-f]{40}) ([^\0\n ]+)\n?\Z")
_SHALLOW = re.compile(rb"shallow [0-9a-f]{40}\n?\Z")


class ProtocolError(ValueError):
    """The bytes are not what the protocol allows."""


class UpdateKind(StrEnum):
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class RefCommand:
    """One reference that a push wants to move; zero oids stand for absence."""

    old_oid: str
    new_oid: str
    ref: str

    @property
    def kind(self) -> UpdateKind:
        if self.new_oid == ZERO_OID:
            return UpdateKind.DELETE
        return UpdateKind.CREATE if self.old_oid == ZERO_OID else UpdateKind.UPDATE


@dataclass(frozen=True, slots=True)
class PushRequest:
    """The head of a receive-pack request: commands and the capabilities that the client chose."""

    commands: tuple[RefCommand, ...]
    capabilities: frozenset[str]


def encode_packet(payload: bytes) -> bytes:
    """Frame one payload. Raises: ValueError when it is too long."""
    if len(payload) + 4 > MAX_PACKET_BYTES:
        raise ValueError("packet too long")
    return b"%04x%s" % (len(payload) + 4, payload)


def split_packet(buffer: bytes | bytearray, start: int = 0) -> tuple[bytes | None, int] | None:
    """Read the packet at `start`: (payload, end), with None as payload of a flush packet.

    Returns None when more bytes are needed. Raises: ProtocolError.
    """
    head = bytes(buffer[start : start + 4])
    if len(head) < 4:
        return None
    if not _LENGTH.match(head):
        raise ProtocolError("bad packet length")
    length = int(head, 16)
    if length == 0:
        return None, start + 4
    if length < 4 or length > MAX_PACKET_BYTES:
        raise ProtocolError("bad packet length")
    if len(buffer) < start + length:
        return None
    return bytes(buffer[start + 4 : start + length]), start + length


def iterate_packets(data: bytes) -> Iterator[bytes | None]:
    """Yield the payloads of all whole packets in `data`; None for a flush. Raises: ProtocolError."""
    position = 0
    while (found := split_packet(data, position)) is not None:
        payload, position = found
        yield payload


def parse_push_request(lines: Iterable[bytes]) -> PushRequest:
    """Read the packets before the first flush of a receive-pack request. Raises: ProtocolError."""
    commands: dict[str, RefCommand] = {}
    capabilities: frozenset[str] | None = None
    for line in lines:
        if _SHALLOW.match(line):
            continue
        if capabilities is None:
            line, _, tail = line.partition(b"\0")
            capabilities = frozenset(tail.decode(errors="replace").split())
        command = _parse_command(line)
        if command.ref in commands:
            raise ProtocolError("a reference is named twice")
        commands[command.ref] = command
    return PushRequest(tuple(commands.values()), capabilities or frozenset())


def format_report(request: PushRequest, reasons: Mapping[str, str]) -> bytes:
    """Write the report-status answer in which every command fails, with its reason or a general one."""
    report = encode_packet(b"unpack ok\n")
    for command in request.commands:
        reason = reasons.get(command.ref, "refused together with another reference of this push")
        text = " ".join(reason.split())[:1000]
        report += encode_packet(f"ng {command.ref} {text}\n".encode())
    report += FLUSH
    if not request.capabilities & {"report-status", "report-status-v2"}:
        return b""
    if "side-band-64k" not in request.capabilities:
        return report
    pieces = (report[at : at + 60_000] for at in range(0, len(report), 60_000))
    return b"".join(encode_packet(b"\x01" + piece) for piece in pieces) + FLUSH


def parse_report(data: bytes, *, has_sideband: bool) -> set[str] | None:
    """Return the references that receive-pack reports as moved, or None when there is no whole report."""
    try:
        if has_sideband:
            data = b"".join(packet[1:] for packet in iterate_packets(data) if packet and packet[:1] == b"\x01")
        packets = list(iterate_packets(data))
    except ProtocolError:
        return None
    if None not in packets or not packets[0]:
        return None
    lines = [packet.decode(errors="replace").rstrip("\n") for packet in packets if packet]
    return {line.removeprefix("ok ") for line in lines if line.startswith("ok ")}


def _parse_command(line: bytes) -> RefCommand:
    match = _COMMAND.match(line)
    if match is None:
        raise ProtocolError("not a reference update")
    try:
        ref = match[3].decode()
    except UnicodeDecodeError as error:
        raise ProtocolError("a reference name is not UTF-8") from error
    return RefCommand(match[1].decode(), match[2].decode(), ref)
