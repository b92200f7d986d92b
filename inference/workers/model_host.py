"""Hold loaded models for one inference worker: which runner runs, who waits, what must go to make room.

submit → (cold: load thread: snapshot → inspect → reserve memory → spawn → load) → runner → events → on_event

The lock guards bookkeeping only: snapshots, loading, sending and callbacks happen outside of it. This process never
imports a model library; it survives whatever a runner does.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from inference.inspection import Inspection, inspect_repo
from inference.protocol.errors import STATUS_BY_CODE
from inference.protocol.events import (
    DoneEvent,
    ErrorEvent,
    Event,
    ResultEvent,
    StateEvent,
    Timings,
    TokenEvent,
    event_from_wire,
    is_final,
)
from inference.protocol.frames import FrameError
from inference.workers.runner_process import RunnerProcess, Zygote, ZygoteGone
from inference.workers.sandbox import Confinement

log = logging.getLogger(__name__)

MAX_CRASHES = 3
REST_S = 24 * 3600.0
RETRY_FAILED_S = 30.0
_MIB, _GIB = 1024**2, 1024**3
_TICK_S = 0.25
_HANG_GRACE_S = 10.0
_MESSAGES = {
    "runner_died": "The model's process ended unexpectedly; please send the request again.",
    "sandbox_unavailable": "This worker cannot isolate models, so it does not run any.",
    "out_of_memory": "The model does not fit into this worker's memory.",
    "load_failed": "The model's files could not be loaded.",
    "load_timeout": "Loading the model took too long.",
    "no_capacity": "All memory for models is in use; please try again shortly.",
    "snapshot_unavailable": "The model's files could not be fetched; please try again shortly.",
    "model_failed_repeatedly": "This model failed repeatedly and rests for a day.",
    "queue_full": "Too many requests wait for this model.",
    "shutting_down": "This worker is shutting down; please send the request again.",
    "deadline_exceeded": "The request took longer than allowed.",
    "cancelled": "The request was cancelled.",
}
# These say something about the model, not the moment: asking again gives the same answer.
_LASTING = frozenset(code for code, status in STATUS_BY_CODE.items() if status == 422)


@dataclass(frozen=True, slots=True)
class SnapshotInfo:
    """A commit's files in a folder of regular files (hard links may, symbolic links may not), readable by all.

    `pipeline_tag` overrides what the inspection guesses, where the card knows better; `echo` needs no weights.
    """

    path: str
    pipeline_tag: str | None = None


@dataclass(frozen=True, slots=True)
class ModelState:
    """What to tell people: `name` is cold, loading, ready or failed; `reason` a code, `message` its sentence."""

    name: str
    reason: str | None = None
    message: str = ""
    memory_bytes: int = 0
    running: int = 0
    waiting: int = 0
    load_ms: float | None = None
    layers: dict[str, bool] = field(default_factory=dict)
    runner_pid: int | None = None


@dataclass(frozen=True, slots=True)
class Handle:
    """A submitted request."""

    request_id: str
    model_key: str


@dataclass(slots=True)
class _Call:
    request_id: str
    wire: dict[str, Any]
    on_event: Callable[[Event], None]
    deadline: float
    submitted: float
    load_ms: float = 0.0
    started: float | None = None
    first: float | None = None
    ended: bool = False


@dataclass(slots=True)
class _Model:
    key: str
    name: str = "cold"
    reason: str | None = None
    message: str = ""
    failed_at: float = 0.0
    crashes: list[float] = field(default_factory=list)
    memory_bytes: int = 0
    runner: RunnerProcess | None = None
    calls: dict[str, _Call] = field(default_factory=dict)
    last_used: float = 0.0
    loading_since: float = 0.0
    load_ms: float | None = None
    layers: dict[str, bool] = field(default_factory=dict)
    pinged_at: float | None = None


class _LoadFailed(Exception):
    def __init__(self, code: str, message: str = "", *, crashed: bool = False) -> None:
        super().__init__(code)
        self.code = code
        self.message = message or _MESSAGES.get(code, "The model cannot be served.")
        self.crashed = crashed


class ModelHost:
    """Serve many models from one process, each in a runner of its own. All methods are thread-safe.

    `memory_limit_bytes` bounds the estimates of what is loaded together, `max_models` their number. A model unused
    for `idle_unload_s` is unloaded. `allow_degraded` runs models although a required sandbox layer is missing.
    """

    def __init__(
        self,
        memory_limit_bytes: int,
        max_models: int,
        runtime_dir: str | Path,
        idle_unload_s: float,
        allow_degraded: bool = False,
        *,
        threads: int | None = None,
        max_queue: int = 256,
        max_slots: int = 32,
        load_timeout_s: float = 300.0,
        capacity_wait_s: float = 30.0,
    ) -> None:
        self._memory_limit = memory_limit_bytes
        self._max_models = max_models
        self._idle_unload_s = idle_unload_s
        self._allow_degraded = allow_degraded
        self._threads = threads or os.cpu_count() or 1
        self._max_queue, self._max_slots = max_queue, max_slots
        self._load_timeout_s, self._capacity_wait_s = load_timeout_s, capacity_wait_s
        self._runtime_dir = Path(runtime_dir)
        self._runtime_dir.mkdir(parents=True, exist_ok=True)
        self._changed = threading.Condition(threading.Lock())
        self._models: dict[str, _Model] = {}
        self._zygote = Zygote(self._threads)
        self._spawned = 0
        self._closing = False
        threading.Thread(target=self._watch, name="model-host-watch", daemon=True).start()

    # ---- callers

    def submit(
        self,
        model_key: str,
        snapshot: Callable[[], SnapshotInfo],
        request: dict[str, Any],
        on_event: Callable[[Event], None],
        deadline_s: float = 60.0,
    ) -> Handle:
        """Queue a request (`request_to_wire`); never blocks on a model.

        `on_event` is called from the host's threads, in order, and exactly once with a final event. `snapshot` is
        called in a thread of its own when the model is cold. `deadline_s` starts to count when the model is loaded.
        """
        now = time.monotonic()
        call = _Call(uuid.uuid4().hex, request, on_event, now + deadline_s, now)
        handle = Handle(call.request_id, model_key)
        with self._changed:
            refusal = self._refusal(model_key, call.request_id, now)
            if refusal is None:
                model = self._models.setdefault(model_key, _Model(model_key))
                model.calls[call.request_id] = call
                model.last_used = now
                start = model.name in ("cold", "failed")
                if start:
                    model.name, model.reason, model.message = "loading", None, ""
                    model.loading_since = now
                runner, state = model.runner, model.name
        if refusal is not None:
            self._emit(call, refusal)
            return handle
        if start:
            threading.Thread(
                target=self._load, args=(model, snapshot, deadline_s), name="model-host-load", daemon=True
            ).start()
        if state == "ready" and runner is not None:
            self._emit(call, StateEvent(call.request_id, "queued"))
            self._send_call(model, runner, call)
        else:
            self._emit(call, StateEvent(call.request_id, "loading"))
        return handle

    def _refusal(self, key: str, request_id: str, now: float) -> ErrorEvent | None:
        if self._closing:
            return _error(request_id, "shutting_down", retry_after_s=5)
        model = self._models.get(key)
        if model is None:
            return None
        if len(model.calls) >= self._max_queue:
            return _error(request_id, "queue_full", retry_after_s=5)
        model.crashes = [at for at in model.crashes if now - at < REST_S]
        if len(model.crashes) >= MAX_CRASHES and model.runner is None:
            return _error(request_id, "model_failed_repeatedly")
        wait = RETRY_FAILED_S - (now - model.failed_at)
        if model.name == "failed" and model.reason is not None and (model.reason in _LASTING or wait > 0):
            lasting = model.reason in _LASTING
            return ErrorEvent(request_id, model.reason, model.message, not lasting, None if lasting else max(wait, 1.0))
        return None

    def cancel(self, request_id: str) -> None:
        """End a request; idempotent.

        Its caller gets a `cancelled` error event, the engine stops before its next step.
        """
        self._abort(request_id, "cancelled")

    def state(self, model_key: str) -> ModelState:
        """Return a model's state; one never asked for is cold."""
        with self._changed:
            model = self._models.get(model_key)
            return ModelState("cold") if model is None else _state_of(model)

    def states(self) -> dict[str, ModelState]:
        """Return the state of every model this worker has been asked for."""
        with self._changed:
            return {key: _state_of(model) for key, model in self._models.items()}

    def unload(self, model_key: str) -> None:
        """Unload a model now; its callers get a retryable error. Its record of failures is forgotten."""
        with self._changed:
            model = self._models.pop(model_key, None)
        if model is not None:
            self._end_runner(model, "runner_died")

    def close(self, drain_s: float = 0.0) -> None:
        """Accept nothing more, let what runs finish for `drain_s` seconds, then end every runner."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            end = time.monotonic() + drain_s
            while any(model.calls for model in self._models.values()) and time.monotonic() < end:
                self._changed.wait(max(0.0, min(_TICK_S, end - time.monotonic())))
            models = list(self._models.values())
        for model in models:
            self._end_runner(model, "shutting_down")
        self._zygote.close()

    # ---- loading, in a thread per cold model

    def _load(self, model: _Model, snapshot: Callable[[], SnapshotInfo], deadline_s: float) -> None:
        runner: RunnerProcess | None = None
        try:
            info, inspection = self._fetch(snapshot)
            estimate = inspection.estimate_bytes or 64 * _MIB
            self._reserve(model, estimate)
            runner = self._start(info, inspection)
            ready = self._await_ready(model, runner, info, inspection)
            self._become_ready(model, runner, ready, deadline_s)
        except _LoadFailed as failure:
            self._fail(model, runner, failure)
        except Exception as error:  # a snapshot function is the caller's; whatever it raises must reach the waiting
            log.exception("model_load_error", extra={"model": model.key})
            self._fail(model, runner, _LoadFailed("load_failed", f"Loading failed ({type(error).__name__})."))

    def _fetch(self, snapshot: Callable[[], SnapshotInfo]) -> tuple[SnapshotInfo, Inspection]:
        try:
            info = snapshot()
        except Exception as error:
            log.warning("snapshot_failed", extra={"error": type(error).__name__})
            raise _LoadFailed("snapshot_unavailable") from error
        if info.pipeline_tag == "echo":
            return info, Inspection(servable=True, pipeline_tag="echo")
        inspection = inspect_folder(Path(info.path))
        if not inspection.servable:
            code = inspection.reason if inspection.reason in STATUS_BY_CODE else "unsupported_format"
            raise _LoadFailed(code or "invalid_repo", inspection.message)
        return info, inspection

    def _reserve(self, model: _Model, estimate: int) -> None:
        """Account for memory before it is used, unloading idle models, longest unused first. Raises: _LoadFailed."""
        if estimate > self._memory_limit:
            need, have = estimate / _GIB, self._memory_limit / _GIB
            raise _LoadFailed("will_not_fit", f"The model needs about {need:.1f} GiB; this worker has {have:.1f} GiB.")
        end = time.monotonic() + self._capacity_wait_s
        while True:
            with self._changed:
                held = [other for other in self._models.values() if other.memory_bytes and other is not model]
                used = sum(other.memory_bytes for other in held)
                if used + estimate <= self._memory_limit and len(held) < self._max_models:
                    model.memory_bytes = estimate
                    return
                idle = [other for other in held if other.name == "ready" and not other.calls]
                victim = min(idle, key=lambda other: other.last_used, default=None)
                if victim is None:
                    if self._closing or time.monotonic() >= end:
                        raise _LoadFailed("no_capacity")
                    self._changed.wait(_TICK_S)
                    continue
                runner = _detach(victim)
            if runner is not None:
                runner.kill()

    def _start(self, info: SnapshotInfo, inspection: Inspection) -> RunnerProcess:
        with self._changed:
            self._spawned += 1
            index = self._spawned
        memory = int(1.5 * inspection.size_bytes) + 4 * _GIB
        gpu = Path("/dev/nvidiactl").exists()
        try:
            return self._zygote.spawn(Confinement(str(Path(info.path).resolve()), memory, index, gpu))
        except ZygoteGone as error:
            raise _LoadFailed("load_failed") from error

    def _await_ready(
        self, model: _Model, runner: RunnerProcess, info: SnapshotInfo, inspection: Inspection
    ) -> dict[str, Any]:
        """Send the load order and wait for its outcome. Raises: _LoadFailed."""
        overdue = threading.Event()

        def give_up() -> None:
            overdue.set()
            runner.kill()

        timer = threading.Timer(self._load_timeout_s, give_up)
        timer.daemon = True
        timer.start()
        try:
            hello = runner.receive()
            if hello is None:
                raise _LoadFailed("load_timeout" if overdue.is_set() else "runner_died", crashed=True)
            with self._changed:
                model.layers = {str(name): bool(value) for name, value in dict(hello.get("layers") or {}).items()}
            with contextlib.suppress(OSError):
                runner.send(self._load_order(info, inspection))
            answer = runner.receive()
        finally:
            timer.cancel()
        if answer is None:
            raise _LoadFailed("load_timeout" if overdue.is_set() else "runner_died", crashed=True)
        if answer.get("type") != "ready":
            code = str(answer.get("code"))
            # The kind of error alone: its text may hold what is in the files.
            log.warning("model_load_refused", extra={"model": model.key, "error": str(answer.get("message"))[:80]})
            raise _LoadFailed(code if code in _MESSAGES else "load_failed")
        return answer

    def _load_order(self, info: SnapshotInfo, inspection: Inspection) -> dict[str, Any]:
        spec = {
            "pipeline_tag": info.pipeline_tag or inspection.pipeline_tag,
            "context_length": inspection.context_length,
            "sentence_modules": [asdict(module) for module in inspection.sentence_modules],
            "max_slots": self._max_slots,
        }
        return {"type": "load", "spec": spec, "threads": self._threads, "allow_degraded": self._allow_degraded}

    def _become_ready(self, model: _Model, runner: RunnerProcess, answer: dict[str, Any], deadline_s: float) -> None:
        now = time.monotonic()
        with self._changed:
            if self._closing or self._models.get(model.key) is not model:
                raise _LoadFailed("shutting_down")
            model.name, model.runner = "ready", runner
            model.load_ms = (now - model.loading_since) * 1000
            calls = list(model.calls.values())
            for call in calls:
                call.load_ms = (now - max(call.submitted, model.loading_since)) * 1000
                call.deadline += now - call.submitted
        fields = {"model": model.key, "load_ms": round(model.load_ms), "max_batch": answer.get("max_batch")}
        log.info("model_ready", extra=fields)
        threading.Thread(target=self._receive, args=(model, runner), name="model-host-receive", daemon=True).start()
        for call in calls:
            self._send_call(model, runner, call)

    def _fail(self, model: _Model, runner: RunnerProcess | None, failure: _LoadFailed) -> None:
        log.warning("model_load_failed", extra={"model": model.key, "code": failure.code})
        if runner is not None:
            runner.kill()
        with self._changed:
            now = time.monotonic()
            model.name, model.reason, model.message = "failed", failure.code, failure.message
            model.failed_at, model.memory_bytes, model.runner = now, 0, None
            if failure.crashed:
                model.crashes.append(now)
                model.failed_at = 0.0  # a crash may be retried at once, up to the limit of crashes
            calls = list(model.calls.values())
            model.calls.clear()
            self._changed.notify_all()
        retryable = failure.code not in _LASTING
        for call in calls:
            self._emit(
                call, ErrorEvent(call.request_id, failure.code, failure.message, retryable, 5.0 if retryable else None)
            )

    # ---- serving

    def _send_call(self, model: _Model, runner: RunnerProcess, call: _Call) -> None:
        try:
            runner.send({"type": "submit", "id": call.request_id, "request": call.wire})
        except FrameError:
            with self._changed:
                model.calls.pop(call.request_id, None)
            self._emit(call, ErrorEvent(call.request_id, "invalid_value", "The request is too large.", param="inputs"))
        except OSError:
            runner.kill()  # the receiving thread sees the end and tells everyone

    def _receive(self, model: _Model, runner: RunnerProcess) -> None:
        previous = 0.0  # when the last frame came: the runner works on the next one from then on
        while (message := runner.receive()) is not None:
            try:
                events = [event_from_wire(wire) for wire in message.get("events") or []]
            except (FrameError, TypeError):
                break
            with self._changed:
                model.pinged_at = None
            for event in events:
                self._pass_on(model, event, previous)
            previous = time.monotonic()
        runner.kill()
        self._runner_ended(model, runner)

    def _pass_on(self, model: _Model, event: Event, previous: float) -> None:
        now = time.monotonic()
        with self._changed:
            call = model.calls.get(event.request_id)
            if call is None:
                return  # cancelled meanwhile, or not this model's: a runner speaks only to its own callers
            if isinstance(event, StateEvent) and call.started is None:
                # One-pass engines say "running" together with the result: the work began when the last frame was out.
                call.started = min(now, max(previous, call.submitted + call.load_ms / 1000))
            if isinstance(event, (TokenEvent, ResultEvent)) and call.first is None:
                call.first = now
            if is_final(event):
                del model.calls[event.request_id]
                model.last_used = now
                self._changed.notify_all()
        if isinstance(event, DoneEvent):
            event = replace(event, timings=_timings(call, now))
        self._emit(call, event)

    def _runner_ended(self, model: _Model, runner: RunnerProcess) -> None:
        """Tell those whose runner died; its next caller starts another, until it has crashed too often (T170)."""
        with self._changed:
            if model.runner is not runner:
                return  # unloaded on purpose
            _detach(model)
            model.crashes.append(time.monotonic())
            calls = list(model.calls.values())
            model.calls.clear()
            self._changed.notify_all()
        log.warning("runner_died", extra={"model": model.key, "calls": len(calls)})
        for call in calls:
            self._emit(call, _error(call.request_id, "runner_died", retry_after_s=1))

    def _end_runner(self, model: _Model, code: str) -> None:
        with self._changed:
            runner = _detach(model)
            calls = list(model.calls.values())
            model.calls.clear()
            self._changed.notify_all()
        if runner is not None:
            runner.kill()
        for call in calls:
            self._emit(call, _error(call.request_id, code, retry_after_s=1))

    def _abort(self, request_id: str, code: str) -> None:
        with self._changed:
            model = next((item for item in self._models.values() if request_id in item.calls), None)
            if model is None:
                return
            call = model.calls.pop(request_id)
            runner = model.runner
            self._changed.notify_all()
        if runner is not None:
            with contextlib.suppress(OSError):
                runner.send({"type": "cancel", "id": request_id})
        self._emit(call, _error(request_id, code))

    def _emit(self, call: _Call, event: Event) -> None:
        if call.ended:
            return
        call.ended = is_final(event)
        try:
            call.on_event(event)
        except Exception:
            log.exception("on_event_failed", extra={"request": call.request_id})

    # ---- the clock

    def _watch(self) -> None:
        while True:
            time.sleep(_TICK_S)
            with self._changed:
                if self._closing:
                    return
                models = list(self._models.values())
            for model in models:
                self._check(model, time.monotonic())

    def _check(self, model: _Model, now: float) -> None:
        """End calls past their deadline, runners that hang, and models that nobody uses."""
        with self._changed:
            if model.name != "ready" or model.runner is None:
                return
            runner = model.runner
            overdue = [call.request_id for call in model.calls.values() if now > call.deadline]
            hangs = model.pinged_at is not None and now - model.pinged_at > _HANG_GRACE_S
            idle = not model.calls and now - model.last_used > self._idle_unload_s
            if overdue and model.pinged_at is None:
                model.pinged_at = now
            if idle:
                _detach(model)
        if hangs or idle:
            runner.kill()
            return
        for request_id in overdue:
            self._abort(request_id, "deadline_exceeded")
        if overdue:
            # The engine should be between steps by now; a runner that does not even answer is stuck in native code.
            with contextlib.suppress(OSError):
                runner.send({"type": "ping"})


def inspect_folder(folder: Path) -> Inspection:
    """Inspect a snapshot on local disk."""
    files = {
        str(path.relative_to(folder)): path.stat().st_size
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink()
    }

    def read(path: str, offset: int, length: int) -> bytes:
        with (folder / path).open("rb") as file:
            file.seek(offset)
            return file.read(length)

    return inspect_repo(files, read)


def _detach(model: _Model) -> RunnerProcess | None:
    """Make a model cold and return its runner to be killed; call with the lock held."""
    runner, model.runner = model.runner, None
    model.name, model.memory_bytes, model.pinged_at = "cold", 0, None
    return runner


def _state_of(model: _Model) -> ModelState:
    running = sum(call.started is not None for call in model.calls.values())
    return ModelState(
        name=model.name,
        reason=model.reason,
        message=model.message,
        memory_bytes=model.memory_bytes,
        running=running,
        waiting=len(model.calls) - running,
        load_ms=model.load_ms,
        layers=dict(model.layers),
        runner_pid=model.runner.pid if model.runner is not None else None,
    )


def _error(request_id: str, code: str, *, retry_after_s: float | None = None) -> ErrorEvent:
    retryable = STATUS_BY_CODE.get(code, 500) == 503
    return ErrorEvent(request_id, code, _MESSAGES[code], retryable, retry_after_s if retryable else None)


def _timings(call: _Call, now: float) -> Timings:
    """Return a call's timings by the host's clock; a runner's own account is not believed."""
    started = call.started or now
    return Timings(
        queue_ms=max(0.0, (started - call.submitted) * 1000 - call.load_ms),
        load_ms=call.load_ms,
        run_ms=(now - started) * 1000,
        first_token_ms=None if call.first is None else (call.first - call.submitted) * 1000,
    )
