"""Bounded message frames between the model host and its runners.

message → msgpack → 4-byte big-endian length + body → stream socket → length check → msgpack → type and depth check.
The peer may be hostile (it runs a stranger's weights), so nothing it says is trusted before it is measured, and
only plain data exists on the wire: no extension types, no objects, never pickle.
"""

from __future__ import annotations

import socket
import struct
import threading
from typing import Any

import msgpack

MAX_FRAME_BYTES = 32 * 1024 * 1024
MAX_DEPTH = 16
MAX_NODES = 2_000_000
_HEADER = struct.Struct(">I")


class FrameError(Exception):
    """The peer broke the framing: too large, too deep, not msgpack, or cut short."""


def encode_frame(message: Any) -> bytes:
    """Return the length-prefixed frame of plain data. Raises: FrameError when it exceeds `MAX_FRAME_BYTES`."""
    body: bytes = msgpack.packb(message, use_bin_type=True)
    if len(body) > MAX_FRAME_BYTES:
        raise FrameError(f"frame of {len(body)} bytes exceeds {MAX_FRAME_BYTES}")
    return _HEADER.pack(len(body)) + body


def decode_body(body: bytes) -> Any:
    """Return the plain data of one frame body. Raises: FrameError on anything that is not bounded plain data."""
    if len(body) > MAX_FRAME_BYTES:
        raise FrameError("frame too large")
    try:
        message = msgpack.unpackb(body, raw=False, strict_map_key=True, ext_hook=_refuse_extension)
    except FrameError:
        raise
    except (ValueError, TypeError, msgpack.exceptions.UnpackException, RecursionError) as error:
        raise FrameError("frame is not valid msgpack") from error
    _check_shape(message)
    return message


def _refuse_extension(code: int, data: bytes) -> Any:
    raise FrameError(f"extension type {code} is not allowed")


def _check_shape(message: Any) -> None:
    """Walk without recursion, so that depth is measured before it can hurt."""
    level: list[Any] = [message]
    nodes = 0
    for _ in range(MAX_DEPTH):
        children: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                children.extend(item.values())
            elif isinstance(item, list):
                children.extend(item)
            elif item is not None and not isinstance(item, (bool, int, float, str, bytes)):
                raise FrameError(f"type {type(item).__name__} is not allowed")  # msgpack timestamps end here
        nodes += len(level)
        if nodes > MAX_NODES:
            raise FrameError("frame holds too many values")
        if not children:
            return
        level = children
    raise FrameError("frame is nested too deeply")


class FrameConnection:
    """Frames over one connected stream socket; many threads may send, one may receive."""

    def __init__(self, sock: socket.socket, send_timeout_s: float = 10.0) -> None:
        self._sock = sock
        self._send_lock = threading.Lock()
        # Only sending is timed: a peer that stops reading must not hold a host thread for ever.
        seconds, fraction = divmod(send_timeout_s, 1)
        sock.setsockopt(
            socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("@ll", int(seconds), int(fraction * 1_000_000))
        )

    def send(self, message: Any) -> None:
        """Send one message whole. Raises: FrameError when it is too large, OSError when the peer is gone or stuck."""
        frame = encode_frame(message)
        with self._send_lock:
            try:
                self._sock.sendall(frame)
            except OSError:
                # Part of the frame may be out: the stream is no longer in step, so nobody may use it again.
                self._shutdown()
                raise

    def receive(self) -> Any | None:
        """Return the next message, or None when the peer closed between frames. Raises: FrameError, OSError."""
        header = self._read(_HEADER.size)
        if header is None:
            return None
        (length,) = _HEADER.unpack(header)
        if length > MAX_FRAME_BYTES:
            raise FrameError("frame too large")
        body = self._read(length)
        if body is None:
            raise FrameError("frame cut short")
        return decode_body(body)

    def _read(self, size: int) -> bytes | None:
        buffer = bytearray(size)
        view = memoryview(buffer)
        got = 0
        while got < size:
            count = self._sock.recv_into(view[got:])
            if count == 0:
                if got:
                    raise FrameError("frame cut short")
                return None if size else b""
            got += count
        return bytes(buffer)

    def _shutdown(self) -> None:
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            return

    def close(self) -> None:
        """Close both directions; a blocked `receive` in another thread returns."""
        self._shutdown()
        self._sock.close()
