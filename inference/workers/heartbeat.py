"""Once a second a worker says that it is alive, what it holds and in which state; silence for five is death."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import structlog
from redis.exceptions import RedisError

from inference import keys

if TYPE_CHECKING:
    from redis import Redis

log = structlog.get_logger(__name__)


class Heartbeat:
    """``describe`` returns the beat: ``{"models": {model_key: {"state": …}}, "layers": {…}, …}``, JSON-ready."""

    def __init__(self, redis: Redis, worker: str, describe: Callable[[], dict[str, Any]]) -> None:
        self._redis = redis
        self._worker = worker
        self._describe = describe
        self._held: set[str] = set()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="inference-heartbeat", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Say goodbye at once, so that nobody waits for the silence."""
        self._stopping.set()
        self._thread.join(2)
        try:
            with self._redis.pipeline(transaction=False) as pipe:
                pipe.delete(keys.worker(self._worker))
                pipe.srem(keys.WORKERS, self._worker)
                pipe.execute()
        except RedisError:
            log.info("inference_goodbye_unsent", worker=self._worker)

    def _run(self) -> None:
        while True:
            try:
                self.beat()
            except RedisError as error:
                log.warning("inference_heartbeat_failed", error=type(error).__name__)
            except Exception:
                # A worker that cannot describe itself for a moment is not dead.
                log.exception("inference_heartbeat_failed")
            if self._stopping.wait(keys.HEARTBEAT_INTERVAL_S):
                return

    def beat(self) -> None:
        now = time.time()
        beat = {"name": self._worker, "at": now, **self._describe()}
        held = {model for model, state in beat.get("models", {}).items() if state["state"] in {"loading", "ready"}}
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.set(keys.worker(self._worker), json.dumps(beat), ex=keys.HEARTBEAT_TTL_S)
            pipe.sadd(keys.WORKERS, self._worker)
            for model in self._held - held:
                pipe.zrem(keys.holders(model), self._worker)  # no call may wait for a model that was unloaded
            for model in held:
                holders = keys.holders(model)
                pipe.zadd(holders, {self._worker: now})
                pipe.zremrangebyscore(holders, "-inf", now - 60)
                pipe.expire(holders, 120)
            pipe.execute()
        self._held = held
