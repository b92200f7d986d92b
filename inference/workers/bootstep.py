"""Starts and stops the inference runtime with the Celery worker that serves the ``inference`` queue (design D7).

celery worker ready ─▶ Runtime.start: model host, consumer, publisher, heartbeat
warm shutdown       ─▶ Runtime.stop: no new calls, drain, goodbye, runners end
"""

from __future__ import annotations

import secrets
from typing import Any

from celery import bootsteps


class InferenceStep(bootsteps.StartStopStep):
    requires = {"celery.worker.components:Pool"}

    def __init__(self, parent: Any, **kwargs: Any) -> None:
        super().__init__(parent, **kwargs)
        self.runtime: Any = None
        # Other workers of the hub load this class too; only one that takes the queue hosts models.
        self.enabled = "inference" in parent.app.amqp.queues.consume_from

    def include_if(self, parent: Any) -> bool:
        return self.enabled

    def start(self, parent: Any) -> None:
        # Slow import (redis, msgpack, sandbox probes), for inference workers alone.
        from inference.workers.runtime import Runtime  # noqa: PLC0415 -- slow import

        # One name per life: a worker that was killed and is back within a heartbeat's lease must not pass for the one
        # that held the calls, or their callers would wait for it until the deadline.
        self.runtime = Runtime(name=f"{parent.hostname}-{secrets.token_hex(4)}")
        self.runtime.start()

    def stop(self, parent: Any) -> None:
        if self.runtime is not None:
            self.runtime.stop()
            self.runtime = None

    terminate = stop
