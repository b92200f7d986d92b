"""The loop that turns queued calls into work for the model host of this worker.

    Redis list (model queues first, then the pool) ─▶ consumer thread ─▶ ModelHost ─▶ Publisher ─▶ gateways
A bootstep of the Celery worker starts and stops it (``inference.workers.bootstep``).
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgpack
import structlog
from redis.exceptions import RedisError

from inference import keys
from inference.protocol.events import ErrorEvent, Event, StateEvent, is_final

if TYPE_CHECKING:
    from redis import Redis

    from inference.workers.publisher import Publisher

log = structlog.get_logger(__name__)

_POP_TIMEOUT_S: Final = 1
# Calls inside the host at once; more wait in Redis, where another worker may take them.
_IN_FLIGHT_LIMIT: Final = 64
_REFUSALS: Final = {
    "no_longer_available": "The model is no longer available to you.",
    "model_failed_repeatedly": "This model failed repeatedly and rests for a day.",
}


@dataclass(frozen=True, slots=True)
class QueuedCall:
    """What the gateway packed (``inference.dispatch.Call``)."""

    request_id: str
    gateway: str
    user_pk: int
    repo_pk: int
    repo_id: str
    commit_oid: str
    pipeline_tag: str
    deadline: float
    payload: dict[str, Any]
    sent_at: float

    @property
    def model_key(self) -> str:
        return keys.model_key(self.repo_pk, self.commit_oid)


class Host(Protocol):
    """What the consumer asks of a model host."""

    def held_models(self) -> list[str]: ...

    def start(self, call: QueuedCall, on_event: Callable[[Event], None]) -> None: ...

    def cancel(self, request_id: str) -> None: ...


class Consumer:
    def __init__(
        self, redis: Redis, host: Host, publisher: Publisher, *, pool: str, may_run: Callable[[QueuedCall], str]
    ) -> None:
        """``may_run`` asks the database again before work starts; it returns an error code or "" (T131, T137)."""
        self._redis = redis
        self._host = host
        self._publisher = publisher
        self._pool = pool
        self._may_run = may_run
        self._in_flight: set[str] = set()
        self._turn = 0
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._consume, name="inference-consumer", daemon=True),
            threading.Thread(target=self._listen_for_cancels, name="inference-cancels", daemon=True),
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self, drain_s: float = 20) -> None:
        """Take no more calls; wait for those in flight, at most ``drain_s`` seconds."""
        self._stopping.set()
        # A call may be on its way out of the queue right now: it must be in flight before the drain is judged.
        for thread in self._threads:
            thread.join(_POP_TIMEOUT_S + 1)
        deadline = time.monotonic() + drain_s
        with self._changed:
            while self._in_flight and time.monotonic() < deadline:
                self._changed.wait(0.2)

    @property
    def in_flight(self) -> int:
        return len(self._in_flight)

    def _consume(self) -> None:
        while not self._stopping.is_set():
            with self._changed:
                if len(self._in_flight) >= _IN_FLIGHT_LIMIT:
                    self._changed.wait(0.2)
                    continue
            try:
                popped: Any = self._redis.brpop(self._queues(), timeout=_POP_TIMEOUT_S)
            except RedisError as error:
                log.warning("inference_queue_unreachable", error=type(error).__name__)
                self._stopping.wait(0.5)
                continue
            if popped is not None:
                self._take_safely(popped[1])

    def _take_safely(self, packed: bytes) -> None:
        """Whatever one message brings about, the loop goes on to the next."""
        try:
            self._take(packed)
        except Exception:
            log.exception("inference_message_failed", size=len(packed))

    def _queues(self) -> list[str]:
        """In the order in which they are asked, which turns with every call: a busy model must not starve others."""
        queues = [*(keys.model_queue(model) for model in self._host.held_models()), keys.pool_queue(self._pool)]
        self._turn = (self._turn + 1) % len(queues)
        return queues[self._turn :] + queues[: self._turn]

    def _take(self, packed: bytes) -> None:
        try:
            call = QueuedCall(**msgpack.unpackb(packed))
        except (ValueError, TypeError, msgpack.UnpackException):
            self._note_undecodable(packed)
            return
        try:
            refusal = self._refusal(call)
        except Exception:
            # The database or the broker is away: the caller is told to try again, the worker takes the next call.
            log.exception("inference_call_not_checked", request_id=call.request_id)
            refusal = ErrorEvent(call.request_id, "no_capacity", "The call could not be checked. Try again.", True, 1)
        if refusal is not None:
            self._publisher.publish(call.gateway, refusal)
            return
        with self._changed:
            if call.request_id in self._in_flight:
                return  # delivered twice (T167)
            self._in_flight.add(call.request_id)
        self._publisher.publish(call.gateway, StateEvent(call.request_id, "queued"))
        try:
            self._host.start(call, lambda event: self._forward(call, event))
        except Exception:
            log.exception("inference_start_failed", request_id=call.request_id)
            self._forward(call, ErrorEvent(call.request_id, "internal", "The call could not be started.", True))
            return
        # A cancel that came between the check and the start found nothing to stop.
        if self._redis.exists(keys.cancelled(call.request_id)):
            self._host.cancel(call.request_id)

    def _note_undecodable(self, packed: bytes) -> None:
        """Leave a note for the operator (time and size; the bytes may be somebody's words) and go on (T171)."""
        log.error("inference_message_undecodable", size=len(packed))
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.lpush(keys.DEAD_LETTERS, json.dumps({"at": time.time(), "size_bytes": len(packed)}))
            pipe.ltrim(keys.DEAD_LETTERS, 0, keys.DEAD_LETTERS_KEPT - 1)
            pipe.execute()

    def _refusal(self, call: QueuedCall) -> ErrorEvent | None:
        if time.time() > call.deadline:
            return ErrorEvent(call.request_id, "deadline_exceeded", "The call waited longer than this hub allows.")
        if self._redis.exists(keys.cancelled(call.request_id)):
            return ErrorEvent(call.request_id, "cancelled", "The call was cancelled.")
        code = self._may_run(call)
        if code:
            return ErrorEvent(call.request_id, code, _REFUSALS.get(code, "The model cannot be called."))
        return None

    def _forward(self, call: QueuedCall, event: Event) -> None:
        self._publisher.publish(call.gateway, event)
        if is_final(event):
            with self._changed:
                self._in_flight.discard(call.request_id)
                self._changed.notify_all()

    def _listen_for_cancels(self) -> None:
        while not self._stopping.is_set():
            try:
                with self._redis.pubsub(ignore_subscribe_messages=True) as channel:
                    channel.subscribe(keys.CANCEL_CHANNEL)
                    while not self._stopping.is_set():
                        message = channel.get_message(timeout=1)
                        if message is not None:
                            self._host.cancel(message["data"].decode())
            except RedisError as error:
                log.warning("inference_cancels_unreachable", error=type(error).__name__)
                self._stopping.wait(0.5)
