"""Events from runners to gateways: one stream entry per gateway and flush, all gateways in one pipeline.

Engines emit an event per slot and step; whatever gathers while one write is on its way goes out with the next, so the
number of Redis calls follows the steps, not the tokens (design D7).
"""

from __future__ import annotations

import threading
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

import msgpack
import structlog
from redis.exceptions import RedisError

from inference import keys
from inference.protocol.events import Event, event_to_wire

if TYPE_CHECKING:
    from redis import Redis

log = structlog.get_logger(__name__)

_RETRY_S: Final = 0.5


class Publisher:
    """Thread-safe; ``publish`` never blocks on the network."""

    def __init__(self, redis: Redis, worker: str) -> None:
        self._redis = redis
        self._worker = worker
        self._pending: dict[str, list[list[Any]]] = defaultdict(list)
        self._ready = threading.Condition()
        self._is_closing = False
        self._thread = threading.Thread(target=self._run, name="inference-publisher", daemon=True)
        self._thread.start()

    def publish(self, gateway: str, event: Event) -> None:
        with self._ready:
            self._pending[gateway].append(event_to_wire(event))
            self._ready.notify()

    def close(self, timeout_s: float = 5) -> None:
        """Send what is pending, then stop."""
        with self._ready:
            self._is_closing = True
            self._ready.notify()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while True:
            with self._ready:
                while not self._pending and not self._is_closing:
                    self._ready.wait()
                if not self._pending:
                    return
                batch, self._pending = self._pending, defaultdict(list)
            self._send(batch)

    def _send(self, batch: dict[str, list[list[Any]]]) -> None:
        """One pipelined write.  After a failure it is tried once more: callers notice lost events by their watch."""
        for attempt in range(2):
            try:
                with self._redis.pipeline(transaction=False) as pipe:
                    for gateway, wires in batch.items():
                        stream = keys.events(gateway)
                        entry: dict[Any, Any] = {"e": msgpack.packb([self._worker, wires])}
                        pipe.xadd(stream, entry, maxlen=keys.EVENT_STREAM_LENGTH, approximate=True)
                        pipe.expire(stream, keys.EVENT_STREAM_TTL_S)
                    pipe.execute()
                return
            except RedisError as error:
                log.warning("inference_publish_failed", error=type(error).__name__, attempt=attempt)
                threading.Event().wait(_RETRY_S)
