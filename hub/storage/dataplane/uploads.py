"""Files in: hashed and written while they arrive, never held in memory.

headers refused early > receive > batches of about 512 KiB > one thread write in flight > commit (fsync) > record
"""

from __future__ import annotations

import asyncio
import time
from typing import Any, Protocol

from hub.core.errors import BadRequest, HubError, LengthRequired, PayloadTooLarge, RangeNotSatisfiable, Unprocessable
from hub.storage.dataplane.responses import Receive, Scope, header
from hub.storage.threads import in_bytes_thread

BATCH_BYTES = 512 * 1024
IDLE_TIMEOUT_S = 30.0
# After a minute a sender slower than this is a stuck or hostile one (T180).
SLOW_AFTER_S = 60.0
MIN_BYTES_PER_S = 1024


class RequestTimeout(HubError):
    status = 408
    default_message = "The upload stalled. Please send it again."


class ClientGone(Exception):
    """The client closed the connection; there is nobody to answer."""


class Sink(Protocol):
    def write(self, data: bytes) -> None: ...

    def abort(self) -> None: ...


def declared_length(scope: Scope, *, expected_bytes: int | None = None, max_bytes: int | None = None) -> int:
    """Return Content-Length.

    Raises: LengthRequired, BadRequest, PayloadTooLarge, Unprocessable (T67, T68); RangeNotSatisfiable when the body
    claims an offset of its own: where a part begins is signed into its link (T74).
    """
    if header(scope, b"content-range") is not None:
        raise RangeNotSatisfiable("This link takes its part whole. Ask for the upload again to learn what is missing.")
    value = header(scope, b"content-length")
    if value is None:
        raise LengthRequired
    if not (value.isascii() and value.isdigit() and len(value) < 20):
        raise BadRequest("Content-Length is not a number.")
    length = int(value)
    if max_bytes is not None and length > max_bytes:
        raise PayloadTooLarge
    if expected_bytes is not None and length != expected_bytes:
        raise Unprocessable(f"Expected {expected_bytes} bytes, Content-Length says {length}.")
    return length


async def receive_into(receive: Receive, sink: Sink, *, size_bytes: int) -> None:
    """Stream the request body into a sink; at most two batches are in memory.

    Raises: Unprocessable (more or fewer bytes than declared), RequestTimeout, ClientGone, and what the sink raises.
    The caller aborts the sink.
    """
    in_flight: asyncio.Future[Any] | None = None
    batch, batched, total = [], 0, 0
    try:
        async for body in _bodies(receive):
            total += len(body)
            if total > size_bytes:
                raise Unprocessable("More bytes arrived than were declared.")
            batch.append(body)
            batched += len(body)
            if batched >= BATCH_BYTES:
                if in_flight is not None:
                    await in_flight
                in_flight = in_bytes_thread(_write_batch, sink, batch)
                batch, batched = [], 0
    finally:
        # The thread must be done with the sink before anybody closes it.
        if in_flight is not None:
            await asyncio.wait([in_flight])
    if in_flight is not None:
        await in_flight
    await in_bytes_thread(_write_batch, sink, batch)
    if total != size_bytes:
        raise Unprocessable(f"Expected {size_bytes} bytes, received {total}.")


async def receive_small(receive: Receive, *, max_bytes: int) -> bytes:
    """Return a small body. Raises: PayloadTooLarge, RequestTimeout, ClientGone."""
    buffer = bytearray()
    async for body in _bodies(receive):
        buffer += body
        if len(buffer) > max_bytes:
            raise PayloadTooLarge
    return bytes(buffer)


def _write_batch(sink: Sink, batch: list[bytes]) -> None:
    for body in batch:
        sink.write(body)


async def _bodies(receive: Receive) -> Any:
    began, total, more = time.monotonic(), 0, True
    while more:
        message = await _receive_in_time(receive)
        if message["type"] == "http.disconnect":
            raise ClientGone
        body = message.get("body", b"")
        more = message.get("more_body", False)
        total += len(body)
        elapsed = time.monotonic() - began
        if elapsed > SLOW_AFTER_S and total < elapsed * MIN_BYTES_PER_S:
            raise RequestTimeout
        if body:
            yield body


async def _receive_in_time(receive: Receive) -> Any:
    try:
        async with asyncio.timeout(IDLE_TIMEOUT_S):
            return await receive()
    except TimeoutError:
        raise RequestTimeout from None
