"""The task queue: application, queues, and how workers log and show that they are alive.

A message is a hint that carries ids; rows hold the truth (design §4). So: JSON only, acknowledged late, safe to repeat.
"""

from __future__ import annotations

import os
import time
import warnings
from typing import Any, Final

import redis
import structlog
from celery import Celery, signals
from kombu import Queue

from hub.core.metrics import TASKS
from inference.workers.bootstep import InferenceStep

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hub.settings")

#: default: short work of ours · io: webhooks, scans, storage · inference: hosted calls · evaluation: hours.
#: The model host of an inference worker adds and drops one queue per model it holds.
QUEUES: Final = ("default", "io", "inference", "evaluation")

#: First match wins; a queue given by the caller wins over all. Bookkeeping of inference is short work: `default`.
ROUTES: Final = (
    ("inference.run_evaluation", {"queue": "evaluation"}),
    ("evaluation.*", {"queue": "evaluation"}),
    ("inference.run_*", {"queue": "inference"}),
    ("storage.*", {"queue": "io"}),
    ("repos.convert_*", {"queue": "io"}),
    ("repos.deliver_*", {"queue": "io"}),
    ("repos.run_import", {"queue": "io"}),
    ("repos.scan_*", {"queue": "io"}),
    ("repos.sweep_*", {"queue": "io"}),
    ("*.send_*", {"queue": "io"}),
)

#: Longer than any task may run (CELERY_TASK_TIME_LIMIT), or a second worker would get it meanwhile (T169).
VISIBILITY_TIMEOUT_S: Final = 2 * 3600

_PUBLISH_TIMEOUT_S: Final = 3
_WORKER_TIMEOUT_S: Final = 30
_HEARTBEAT_EVERY_S: Final = 15.0
_WORKERS_KEY: Final = "agora:workers"

log = structlog.get_logger("hub.celery")

# Said by every worker at every start in a container; `check --deploy` says it once, where it can be acted on.
warnings.filterwarnings("ignore", message="You're running the worker with superuser privileges")


def _transport_options(socket_timeout_s: int) -> dict[str, Any]:
    return {
        "visibility_timeout": VISIBILITY_TIMEOUT_S,
        "socket_timeout": socket_timeout_s,
        "socket_connect_timeout": _PUBLISH_TIMEOUT_S,
        "socket_keepalive": True,
        "health_check_interval": 25,
        "global_keyprefix": "celery:",
    }


app = Celery("agora")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.update(
    task_serializer="json",
    accept_content=["json"],
    result_serializer="json",
    task_ignore_result=True,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_track_started=False,
    task_default_queue="default",
    task_queues=[Queue(name) for name in QUEUES],
    task_create_missing_queues=True,
    task_routes=(list(ROUTES),),
    worker_prefetch_multiplier=1,
    worker_hijack_root_logger=False,
    worker_redirect_stdouts=False,
    worker_send_task_events=False,
    worker_cancel_long_running_tasks_on_connection_loss=True,
    worker_max_tasks_per_child=2000,
    # A request that enqueues must answer although the broker is away (T166): one quick retry, then the outbox's turn.
    task_publish_retry_policy={"max_retries": 1, "interval_start": 0.1, "interval_step": 0.1, "interval_max": 0.2},
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_transport_options=_transport_options(_PUBLISH_TIMEOUT_S),
)
app.autodiscover_tasks()
app.steps["worker"].add(InferenceStep)


def broker_client(*, timeout_s: float = 5.0) -> redis.Redis:
    """Return a client of the broker's server; use as a context manager. No call takes longer than ``timeout_s``."""
    from django.conf import settings  # noqa: PLC0415 -- settings import this package

    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=timeout_s, socket_connect_timeout=timeout_s)


@signals.celeryd_init.connect
def _be_patient(conf: Any, **_: Any) -> None:
    """A worker waits for messages on its socket, so its reads may take longer than a publisher's."""
    conf.broker_transport_options = _transport_options(_WORKER_TIMEOUT_S)


@signals.setup_logging.connect
def _keep_our_logging(**_: Any) -> None:
    """Django's settings have set up logging (``hub.core.logs``); a receiver here keeps Celery from doing it again."""


@signals.task_prerun.connect
def _bind_task(task_id: str, task: Any, **_: Any) -> None:
    structlog.contextvars.bind_contextvars(task_id=task_id, task=task.name)


@signals.task_postrun.connect
def _unbind_task(task: Any, state: str | None, **_: Any) -> None:
    TASKS.labels(task.name, state or "unknown").inc()
    structlog.contextvars.unbind_contextvars("task_id", "task")


class _Heartbeat:
    """Leave the time of the last sign of life in one hash, which ``/health/ready`` reads without a broadcast."""

    def __init__(self) -> None:
        self._last = 0.0

    def beat(self, name: str) -> None:
        if time.monotonic() - self._last < _HEARTBEAT_EVERY_S:
            return
        self._last = time.monotonic()
        try:
            with broker_client(timeout_s=2.0) as client:
                client.hset(_WORKERS_KEY, name, time.time())
        except redis.RedisError as error:
            log.warning("heartbeat_not_written", error=str(error))

    def leave(self, name: str) -> None:
        try:
            with broker_client(timeout_s=2.0) as client:
                client.hdel(_WORKERS_KEY, name)
        except redis.RedisError as error:
            log.warning("heartbeat_not_removed", error=str(error))


_heartbeat = _Heartbeat()


@signals.heartbeat_sent.connect
def _beat(sender: Any, **_: Any) -> None:
    _heartbeat.beat(sender.eventer.hostname)


@signals.worker_ready.connect
def _ready(sender: Any, **_: Any) -> None:
    log.info("worker_ready", worker=sender.hostname)
    _heartbeat.beat(sender.hostname)


@signals.worker_shutting_down.connect
def _leave(sender: Any, **_: Any) -> None:
    _heartbeat.leave(str(sender))


@app.task(name="default.ping")
def ping() -> None:
    """Do nothing: a message that reaches a worker proves the way (``manage.py`` shell, tests, operators)."""
    log.info("pong")
