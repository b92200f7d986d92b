"""Callable models, ledger rows, and a worker: the real consumer, publisher and heartbeat around an echo engine."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from itertools import count
from typing import Any

from django.conf import settings
from redis import Redis

from hub.accounts.models import User
from hub.catalog.models import RepoIndex
from hub.repos.models import Repo
from inference.engines.base import EngineSpec
from inference.engines.echo import EchoEngine
from inference.models import UsageOutcome, UsageRecord
from inference.protocol.errors import InferenceError
from inference.protocol.events import ErrorEvent, Event, is_final
from inference.protocol.requests import request_from_wire
from inference.workers.consumer import Consumer, QueuedCall
from inference.workers.heartbeat import Heartbeat
from inference.workers.publisher import Publisher
from tests.factories.accounts import make_user

HEAD = "a" * 40
_numbers = count(1)


def make_model(owner: User | None = None, name: str = "", *, task: str = "text-generation", **fields: Any) -> Repo:
    """A repo whose files were found to be servable; rows only, for what never reads the files."""
    owner = owner or make_user(password=None)
    inspection = fields.pop("inspection", {"servable": True, "pipeline_tag": task, "has_chat_template": True})
    card = fields.pop("card_data", {})
    repo = Repo.objects.create(
        repo_type="model",
        namespace=owner.namespace,
        name=name or f"model-{next(_numbers)}",
        created_by=owner,
        head_oid=HEAD,
        **fields,
    )
    RepoIndex.objects.create(
        repo=repo,
        repo_type="model",
        namespace=owner.namespace,
        full_id=repo.repo_id,
        full_id_folded=repo.repo_id.lower(),
        visibility=repo.visibility,
        head_oid=HEAD,
        pipeline_tag=task,
        inspection=inspection,
        is_servable=bool(inspection.get("servable")),
        card_data=card,
    )
    return repo


def make_usage(user: User, repo: Repo, *, outcome: str = UsageOutcome.OK, **fields: Any) -> UsageRecord:
    number = next(_numbers)
    values = {
        "commit_oid": repo.head_oid,
        "run_ms": 10.0,
        "prompt_tokens": 3,
        "completion_tokens": 5,
        "route": "chat.completions",
    }
    return UsageRecord.objects.create(
        request_id=f"req-{number}",
        user=user,
        repo=repo,
        repo_name=repo.repo_id,
        pipeline_tag="text-generation",
        outcome=outcome,
        **{**values, **fields},
    )


class EchoHost:
    """What the consumer asks of a host, around one echo engine; every step takes ``step_s`` seconds."""

    def __init__(self, step_s: float = 0.0, *, ready: tuple[str, ...] = ()) -> None:
        self.step_s = step_s
        self.cancelled: list[str] = []
        self.started: list[str] = []
        self.is_held = threading.Event()  # while set, nothing is answered
        self._ready = list(ready)
        self._engine = EchoEngine(EngineSpec(path="", pipeline_tag="echo"))
        self._callers: dict[str, Callable[[Event], None]] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def held_models(self) -> list[str]:
        return list(self._ready)

    def start(self, call: QueuedCall, on_event: Callable[[Event], None]) -> None:
        self.started.append(call.request_id)
        with self._lock:
            self._callers[call.request_id] = on_event
            try:
                self._engine.submit(call.request_id, request_from_wire(call.payload))
            except InferenceError as error:
                del self._callers[call.request_id]
                on_event(ErrorEvent(call.request_id, error.code, error.message, param=error.param))

    def cancel(self, request_id: str) -> None:
        self.cancelled.append(request_id)
        with self._lock:
            self._engine.cancel(request_id)
            on_event = self._callers.pop(request_id, None)
        if on_event is not None:
            on_event(ErrorEvent(request_id, "cancelled", "The request was cancelled."))

    def close(self) -> None:
        self._stopping.set()
        self._thread.join(2)

    def _run(self) -> None:
        while not self._stopping.is_set():
            if self.is_held.is_set() or not self._engine.has_work:
                time.sleep(0.005)
                continue
            time.sleep(self.step_s)
            with self._lock:
                told = [(self._callers.get(event.request_id), event) for event in self._engine.step()]
                for _caller, event in told:
                    if is_final(event):
                        self._callers.pop(event.request_id, None)
            for on_event, event in told:
                if on_event is not None:
                    on_event(event)


class EchoWorker:
    """A living inference worker; ``die`` ends it without a goodbye, as SIGKILL would."""

    def __init__(
        self,
        name: str = "echo@test",
        *,
        step_s: float = 0.0,
        models: tuple[str, ...] = (),
        may_run: Callable[[QueuedCall], str] = lambda call: "",
    ) -> None:
        self.redis = Redis.from_url(settings.REDIS_URL)
        self.name = name
        self.host = EchoHost(step_s, ready=models)
        self.publisher = Publisher(self.redis, name)
        self.consumer = Consumer(self.redis, self.host, self.publisher, pool="cpu", may_run=may_run)
        self.heartbeat = Heartbeat(self.redis, name, self._describe)

    def _describe(self) -> dict[str, Any]:
        models = {model: {"state": "ready", "memory_bytes": 1_000} for model in self.host.held_models()}
        return {"pool": "cpu", "memory_bytes": 10**9, "layers": {"seccomp": True, "netns": False}, "models": models}

    def __enter__(self) -> EchoWorker:
        self.heartbeat.beat()  # alive before the first call asks
        self.heartbeat.start()
        self.consumer.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.consumer._threads[0].is_alive():
            self.consumer.stop(0)
        self.host.close()
        self.publisher.close()
        self.heartbeat.stop()

    def die(self) -> None:
        """Nothing more is said or done; the last heartbeat runs out by itself."""
        self.host.is_held.set()
        self.heartbeat._stopping.set()
        self.consumer._stopping.set()
