"""Events of this gateway's calls: one Redis stream in, one bounded queue per call out."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from typing import TYPE_CHECKING, Final

import msgpack
import structlog
from redis.exceptions import RedisError

from inference import keys
from inference.protocol.events import Event, event_from_wire
from inference.protocol.frames import FrameError

if TYPE_CHECKING:
    from redis.asyncio import Redis

log = structlog.get_logger(__name__)

# A reader that lags this many events behind is cut off rather than buffered for (T143).
_BUFFERED_EVENTS: Final = 2_048
_BLOCK_MS: Final = 1_000  # shorter than the connection's own read timeout

# What a mailbox holds: the worker that speaks, and what it says.
Letter = tuple[str, Event]


class SlowReader(Exception):
    """The caller does not take events as fast as they come; the call is cancelled."""


class Mailbox:
    """Events of one call, in order."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Letter] = asyncio.Queue(_BUFFERED_EVENTS)
        self._overflowed = False

    def put(self, letter: Letter) -> None:
        try:
            self._queue.put_nowait(letter)
        except asyncio.QueueFull:
            self._overflowed = True

    async def get(self, timeout_s: float) -> Letter | None:
        """The next worker and event, or None when none came in time. Raises SlowReader."""
        if self._overflowed:
            raise SlowReader
        try:
            return await asyncio.wait_for(self._queue.get(), timeout_s)
        except TimeoutError:
            return None


class Inbox:
    """Reads the stream of this gateway and deals events out by request id."""

    def __init__(self, redis: Redis) -> None:
        self.gateway = secrets.token_hex(8)
        self._redis = redis
        self._mailboxes: dict[str, Mailbox] = {}
        self._task: asyncio.Task[None] | None = None

    def open(self, request_id: str) -> Mailbox:
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._read())
        mailbox = self._mailboxes[request_id] = Mailbox()
        return mailbox

    def close(self, request_id: str) -> None:
        self._mailboxes.pop(request_id, None)

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        with contextlib.suppress(RedisError):
            await self._redis.delete(keys.events(self.gateway))

    async def _read(self) -> None:
        stream, last = keys.events(self.gateway), "0"
        while True:
            try:
                answer = await self._redis.xread({stream: last}, count=200, block=_BLOCK_MS)
            except RedisError as error:
                # Calls in flight notice by the missing heartbeat; this loop heals when the server is back (T166).
                log.warning("inference_inbox_unreachable", error=type(error).__name__)
                await asyncio.sleep(0.5)
                continue
            for _name, entries in answer or []:
                for entry_id, fields in entries:
                    last = entry_id
                    self._deal(fields[b"e"])
                await self._redis.xtrim(stream, minid=last, approximate=False)

    def _deal(self, packed: bytes) -> None:
        worker, wires = msgpack.unpackb(packed)
        for wire in wires:
            try:
                event = event_from_wire(wire)
            except FrameError:
                log.warning("inference_event_malformed", worker=worker)
                continue
            mailbox = self._mailboxes.get(event.request_id)
            if mailbox is not None:
                mailbox.put((worker, event))
