"""Events of this gateway's calls: one Redis stream in, one bounded queue per call out."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from typing import TYPE_CHECKING, Any, Final

import msgpack
import structlog
from redis.exceptions import RedisError

from inference import keys
from inference.protocol.events import ErrorEvent, Event, event_from_wire
from inference.protocol.frames import FrameError

if TYPE_CHECKING:
    from redis.asyncio import Redis

log = structlog.get_logger(__name__)

# A reader that lags this many events behind is cut off rather than buffered for (T143).
_BUFFERED_EVENTS: Final = 2_048
_BLOCK_MS: Final = 1_000  # shorter than the connection's own read timeout

_BROKER_LOST: Final = "The queue of hosted inference was restarted during this call. Please send it again."
# Speaks in the place of a worker where the gateway itself ends a call.
GATEWAY: Final = ""

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
        self._is_stopping = False

    def open(self, request_id: str) -> Mailbox:
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._read())
        mailbox = self._mailboxes[request_id] = Mailbox()
        return mailbox

    def close(self, request_id: str) -> None:
        self._mailboxes.pop(request_id, None)

    async def stop(self) -> None:
        # The flag as well: a read that times out at this very moment swallows the cancellation.
        self._is_stopping = True
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        with contextlib.suppress(RedisError):
            await self._redis.delete(keys.events(self.gateway))

    async def _read(self) -> None:
        stream, last = keys.events(self.gateway), "0"
        while not self._is_stopping:
            try:
                answer: Any = await self._redis.xread({stream: last}, count=200, block=_BLOCK_MS)
                for _name, entries in answer or []:
                    for entry_id, fields in entries:
                        last = entry_id
                        self._deal(fields[b"e"])
                    await self._redis.xtrim(stream, minid=last, approximate=False)
            except RedisError as error:
                # This loop heals when the server is back (T166); calls in flight end, for an event may be lost.
                log.warning("inference_inbox_unreachable", error=type(error).__name__)
                self._fail_all()
                await asyncio.sleep(0.5)

    def _fail_all(self) -> None:
        """An answer with a hole in it must not pass for a whole one."""
        for request_id, mailbox in self._mailboxes.items():
            event = ErrorEvent(request_id, "broker_down", _BROKER_LOST, retryable=True, retry_after_s=2)
            mailbox.put((GATEWAY, event))

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
