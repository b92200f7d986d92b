"""Messages between the web process and its renderer: 4 bytes of length (big endian), then JSON."""

from __future__ import annotations

import json
import struct
from typing import Any, BinaryIO, Final

LENGTH: Final = struct.Struct(">I")


def encode(message: Any) -> bytes:
    body = json.dumps(message).encode()
    return LENGTH.pack(len(body)) + body


def read_frame(stream: BinaryIO) -> Any | None:
    """The next message, or None at the end."""
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    return json.loads(stream.read(LENGTH.unpack(head)[0]))


def write_frame(stream: BinaryIO, message: Any) -> None:
    stream.write(encode(message))
    stream.flush()
