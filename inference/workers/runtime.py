"""What an inference worker runs beside Celery's own threads: model host, consumer, publisher, heartbeat.

consumer ─▶ HostAdapter ─▶ ModelHost ─▶ runner processes
                │ snapshots by the hub's API; rights and health in the database
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import structlog
from django.conf import settings
from django.db import close_old_connections
from redis import Redis

from hub.accounts.auth import Viewer
from hub.accounts.models import User
from hub.core.errors import HubError
from hub.core.fresh import FreshCache
from hub.repos.models import Repo
from hub.repos.permissions import get_repo_for_inference
from inference import health
from inference.protocol.events import DoneEvent, ErrorEvent, Event
from inference.snapshots import SnapshotCache, SnapshotRequest
from inference.workers.consumer import Consumer, QueuedCall
from inference.workers.floors import outdated_libraries
from inference.workers.heartbeat import Heartbeat
from inference.workers.model_host import ModelHost, SnapshotInfo
from inference.workers.publisher import Publisher
from inference.workers.sandbox import probe_layers

log = structlog.get_logger(__name__)

_MAX_MODELS: Final = 16
_DRAIN_S: Final = 15
_SAME_CRASH_S: Final = 0.5  # a new runner takes longer than this to load and die


# Many calls of one person for one model arrive together; a lost right still stops work well within five seconds.
_permissions: Final = FreshCache[str](ttl_s=2)


class HostAdapter:
    """The consumer's view of the model host: our request ids, our snapshots, our memory of crashes."""

    def __init__(self, host: ModelHost, snapshots: SnapshotCache) -> None:
        self._host = host
        self._snapshots = snapshots
        self._handles: dict[str, str] = {}  # our request id → the host's
        self._noted_loads: dict[str, float] = {}
        self._crashed_at: dict[str, float] = {}  # model key → monotonic seconds
        self._lock = threading.Lock()

    def held_models(self) -> list[str]:
        return [key for key, state in self._host.states().items() if state.name in {"loading", "ready"}]

    def start(self, call: QueuedCall, on_event: Callable[[Event], None]) -> None:
        ended = threading.Event()

        def forward(event: Event) -> None:
            if isinstance(event, DoneEvent | ErrorEvent):
                with self._lock:
                    ended.set()
                    self._handles.pop(call.request_id, None)
                self._remember(call, event)
            on_event(replace(event, request_id=call.request_id))

        handle = self._host.submit(
            call.model_key,
            lambda: self._snapshot(call),
            call.payload,
            forward,
            deadline_s=settings.HUB_INFERENCE_TIMEOUT_SECONDS,
        )
        with self._lock:
            if not ended.is_set():  # a refused call ends before its handle is known here
                self._handles[call.request_id] = handle.request_id

    def cancel(self, request_id: str) -> None:
        with self._lock:
            handle = self._handles.get(request_id)
        if handle is not None:
            self._host.cancel(handle)

    def _snapshot(self, call: QueuedCall) -> SnapshotInfo:
        close_old_connections()
        path = self._snapshots.ensure(SnapshotRequest(call.repo_pk, call.repo_id, call.commit_oid))
        return SnapshotInfo(path=str(path), pipeline_tag=call.pipeline_tag)

    def _remember(self, call: QueuedCall, event: DoneEvent | ErrorEvent) -> None:
        """Note answers and crashes of this commit; a database that is away must not cost the caller the answer."""
        try:
            if isinstance(event, DoneEvent) and event.timings.load_ms:
                load_ms = self._new_load_ms(call.model_key)
                if load_ms:
                    close_old_connections()
                    health.note_answer(call.repo_pk, call.commit_oid, load_ms)
            elif isinstance(event, ErrorEvent) and event.code == "runner_died" and self._is_new_crash(call.model_key):
                close_old_connections()
                health.note_crash(call.repo_pk, call.commit_oid, event.message)
        except Exception:
            log.exception("model_health_not_noted", repo=call.repo_pk)

    def _new_load_ms(self, model_key: str) -> float:
        """How long the load took that this answer waited for; 0 when another answer has told so already."""
        load_ms = self._host.state(model_key).load_ms or 0.0
        with self._lock:
            is_new = self._noted_loads.get(model_key) != load_ms
            self._noted_loads[model_key] = load_ms
        return load_ms if is_new else 0.0

    def _is_new_crash(self, model_key: str) -> bool:
        """One death of a runner ends all of its calls at the same moment, and is one crash (T170)."""
        now = time.monotonic()
        with self._lock:
            is_new = now - self._crashed_at.get(model_key, -_SAME_CRASH_S) >= _SAME_CRASH_S
            if is_new:
                self._crashed_at[model_key] = now
        return is_new


def may_run(call: QueuedCall) -> str:
    """Ask the database again: the person may still call this model, and it does not rest (T131, T137, T170).

    Returns an error code, or "" for yes. A yes holds for two seconds, a no is asked about each time.
    """
    try:
        return _permissions.get((call.user_pk, call.repo_pk, call.commit_oid), lambda: _ask(call))
    except _Refused as refused:
        return str(refused)


class _Refused(Exception):
    """The text is the error code."""


def _ask(call: QueuedCall) -> str:
    code = _refusal_of(call)
    if code:
        raise _Refused(code)
    return ""


def _refusal_of(call: QueuedCall) -> str:
    close_old_connections()
    user = User.objects.select_related("namespace").filter(pk=call.user_pk, is_active=True).first()
    repo = Repo.objects.select_related("namespace").filter(pk=call.repo_pk, deleted_at__isnull=True).first()
    if user is None or repo is None:
        return "no_longer_available"
    try:
        get_repo_for_inference(Viewer(user=user), repo.namespace.name, repo.name)
    except HubError:
        return "no_longer_available"
    return "model_failed_repeatedly" if health.is_resting(call.repo_pk, call.commit_oid) else ""


class Runtime:
    def __init__(self, name: str, pool: str = "cpu") -> None:
        self._name = name
        self._pool = pool
        self._memory_bytes = settings.HUB_INFERENCE_MEMORY_BYTES or _half_of_memory()

    def start(self) -> None:
        if not settings.HUB_INFERENCE_ENABLED:
            log.info("inference_disabled")
            return
        outdated = outdated_libraries()
        if outdated:
            log.error("inference_refused_outdated_libraries", needed=outdated)
            return
        redis = Redis.from_url(
            settings.REDIS_URL, socket_timeout=10, socket_connect_timeout=3, health_check_interval=30
        )
        self._layers = probe_layers()
        missing = sorted(layer for layer, works in self._layers.items() if not works)
        if missing:
            log.warning("sandbox_layers_missing", layers=missing, accepted=settings.HUB_SANDBOX_ALLOW_DEGRADED)
        self._host = ModelHost(
            memory_limit_bytes=self._memory_bytes,
            max_models=_MAX_MODELS,
            runtime_dir=settings.HUB_DATA_DIR / "run" / "models",
            idle_unload_s=settings.HUB_INFERENCE_IDLE_SECONDS,
            allow_degraded=settings.HUB_SANDBOX_ALLOW_DEGRADED,
        )
        snapshots = SnapshotCache(
            settings.HUB_DATA_DIR / "snapshots",
            endpoint=settings.HUB_INTERNAL_URL,
            limit_bytes=settings.HUB_SNAPSHOT_CACHE_BYTES,
        )
        self._publisher = Publisher(redis, self._name)
        adapter = HostAdapter(self._host, snapshots)
        self._consumer = Consumer(redis, adapter, self._publisher, pool=self._pool, may_run=may_run)
        self._heartbeat = Heartbeat(redis, self._name, self._describe)
        self._heartbeat.start()
        self._consumer.start()
        log.info("inference_worker_ready", worker=self._name, memory_bytes=self._memory_bytes)

    def stop(self) -> None:
        """Take nothing more, let what runs finish, say goodbye, end the runners."""
        if not hasattr(self, "_host"):
            return
        self._consumer.stop(_DRAIN_S)
        self._host.close()
        self._publisher.close()
        self._heartbeat.stop()

    def _describe(self) -> dict[str, Any]:
        return {
            "pool": self._pool,
            "memory_bytes": self._memory_bytes,
            "in_flight": self._consumer.in_flight,
            "layers": self._layers,
            "models": {
                key: {
                    "state": state.name,
                    "code": state.reason or "",
                    "reason": state.message,
                    "memory_bytes": state.memory_bytes,
                    "running": state.running,
                    "waiting": state.waiting,
                    "runner_pid": state.runner_pid,
                }
                for key, state in self._host.states().items()
            },
        }


def _half_of_memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
