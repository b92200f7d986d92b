"""The loop that turns queued calls into work for the model host of this worker.

    Redis list (model queues first, then the pool) ─▶ consumer thread ─▶ ModelHost ─▶ Publisher ─▶ gateways
A bootstep of the Celery worker starts and stops it (``inference.workers.bootstep``).
"""

from __future__ import annotations

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
                popped = self._redis.brpop(self._queues(), timeout=_POP_TIMEOUT_S)
            except RedisError as error:
                log.warning("inference_queue_unreachable", error=type(error).__name__)
                self._stopping.wait(0.5)
                continue
            if popped is not None:
                self._take(popped[1])

    def _queues(self) -> list[str]:
        return [*(keys.model_queue(model) for model in self._host.held_models()), keys.pool_queue(self._pool)]

    def _take(self, packed: bytes) -> None:
        try:
            call = QueuedCall(**msgpack.unpackb(packed))
        except (ValueError, TypeError, msgpack.UnpackException):
            log.error("inference_message_undecodable", size=len(packed))  # T171: noted, and the worker goes on
            return
        refusal = self._refusal(call)
        if refusal is not None:
            self._publisher.publish(call.gateway, refusal)
            return
        with self._changed:
            self._in_flight.add(call.request_id)
        self._publisher.publish(call.gateway, StateEvent(call.request_id, "queued"))
        try:
            self._host.start(call, lambda event: self._forward(call, event))
        except Exception:
            log.exception("inference_start_failed", request_id=call.request_id)
            self._forward(call, ErrorEvent(call.request_id, "internal", "The call could not be started.", True))

    def _refusal(self, call: QueuedCall) -> ErrorEvent | None:
        if time.time() > call.deadline:
            return ErrorEvent(call.request_id, "deadline_exceeded", "The call waited longer than this hub allows.")
        if self._redis.exists(keys.cancelled(call.request_id)):
            return ErrorEvent(call.request_id, "cancelled", "The call was cancelled.")
        code = self._may_run(call)
        if code:
            return ErrorEvent(call.request_id, code, "The model is no longer available to you.")
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
