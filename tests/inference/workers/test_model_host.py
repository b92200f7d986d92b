"""The host and its runners, with real processes and tiny real models."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from inference.protocol.events import DoneEvent, ResultEvent, StateEvent, TokenEvent, is_final
from inference.protocol.requests import EmbedRequest, GenerateRequest, request_to_wire
from inference.workers import model_host, runner_process, sandbox
from inference.workers.model_host import ModelHost, SnapshotInfo
from tests.inference import tiny_models

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox is Linux's")
GIB = 1024**3


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    if sandbox.missing_layers(sandbox.probe_layers()):
        pytest.skip("this machine offers no sandbox; the worker refuses to start here")
    host = ModelHost(8 * GIB, 3, tmp_path_factory.mktemp("runtime"), 600, threads=1)
    yield host
    host.close()


@pytest.fixture(scope="module")
def causal(tmp_path_factory):
    return tiny_models.build_causal(tmp_path_factory.mktemp("causal"))


@pytest.fixture(scope="module")
def deep(tmp_path_factory):
    """A model whose one step takes longer than a cancel's way to the runner, on a busy machine too."""
    return tiny_models.build_causal(tmp_path_factory.mktemp("deep"), layers=160, hidden=32)


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    return tiny_models.opened(tmp_path_factory.mktemp("empty"))


class Caller:
    """Submit a request and collect its events."""

    def __init__(self, host, key, snapshot, request, **options):
        self.events = []
        self.final = threading.Event()
        self.handle = host.submit(key, snapshot, request_to_wire(request), self._take, **options)

    def _take(self, event):
        self.events.append(event)
        if is_final(event):
            self.final.set()

    def wait(self):
        assert self.final.wait(60), self.events
        return self.events[-1]

    @property
    def text(self):
        return "".join(event.text for event in self.events if isinstance(event, TokenEvent))


def echo(empty):
    return lambda: SnapshotInfo(str(empty), "echo")


def until(condition, seconds=10.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_events_arrive_in_order_with_timings(host, empty):
    first = Caller(host, "order", echo(empty), GenerateRequest(prompt="a b c"))
    done = first.wait()
    assert [type(event) for event in first.events] == [
        StateEvent, StateEvent, TokenEvent, TokenEvent, TokenEvent, ResultEvent, DoneEvent,
    ]  # fmt: skip
    assert first.text == "a b c"
    assert done.timings.load_ms > 0
    assert done.timings.first_token_ms >= done.timings.load_ms
    warm = Caller(host, "order", echo(empty), GenerateRequest(prompt="a b c")).wait()
    assert warm.timings.load_ms == 0
    assert host.state("order").name == "ready"
    assert all(host.state("order").layers[name] for name in sandbox.REQUIRED_LAYERS)


def test_a_real_model_answers_and_cancel_stops_it(host, causal):
    """T142: after a cancel the slot is free, and the same model serves the next caller."""
    snapshot = lambda: SnapshotInfo(str(causal))  # noqa: E731
    request = GenerateRequest(prompt="the quick", max_new_tokens=200, temperature=0.0, stream=True)
    caller = Caller(host, "causal", snapshot, request)
    until(lambda: len(caller.events) > 6, 60)
    host.cancel(caller.handle.request_id)
    host.cancel(caller.handle.request_id)
    assert caller.wait().code == "cancelled"
    count = len(caller.events)
    after = Caller(host, "causal", snapshot, GenerateRequest(prompt="dog", max_new_tokens=10, temperature=0.0))
    assert after.wait().usage.completion_tokens == 10
    assert len(caller.events) == count
    assert host.state("causal").running == 0


def test_many_callers_do_not_mix(host, empty):
    """T143: 50 streams, each gets its own words only."""
    callers = [
        Caller(host, "mix", echo(empty), GenerateRequest(prompt=" ".join([f"canary{i}"] * 20))) for i in range(50)
    ]
    for index, caller in enumerate(callers):
        assert isinstance(caller.wait(), DoneEvent)
        assert caller.text == " ".join([f"canary{index}"] * 20)


def test_killed_runner_gives_a_retryable_error_and_comes_back(host, causal):
    snapshot = lambda: SnapshotInfo(str(causal))  # noqa: E731
    request = GenerateRequest(prompt="the quick", max_new_tokens=250, temperature=0.0)
    caller = Caller(host, "killed", snapshot, request)
    until(lambda: len(caller.events) > 4, 60)
    os.kill(host.state("killed").runner_pid, 9)
    error = caller.wait()
    assert (error.code, error.retryable) == ("runner_died", True)
    again = Caller(host, "killed", snapshot, GenerateRequest(prompt="dog", max_new_tokens=3))
    assert isinstance(again.wait(), DoneEvent)


def test_three_crashes_and_the_model_rests_t170(host, empty):
    for _ in range(3):
        assert isinstance(Caller(host, "poison", echo(empty), GenerateRequest(prompt="a")).wait(), DoneEvent)
        pid = host.state("poison").runner_pid
        os.kill(pid, 9)
        until(lambda: host.state("poison").name == "cold")
    error = Caller(host, "poison", echo(empty), GenerateRequest(prompt="a")).wait()
    assert (error.code, error.retryable, error.status) == ("model_failed_repeatedly", False, 422)
    assert isinstance(Caller(host, "healthy", echo(empty), GenerateRequest(prompt="a")).wait(), DoneEvent)


def test_zygote_death_is_survived(host, empty):
    Caller(host, "orphan", echo(empty), GenerateRequest(prompt="a")).wait()
    host._zygote._process.kill()
    until(lambda: host.state("orphan").name == "cold")
    assert isinstance(Caller(host, "orphan", echo(empty), GenerateRequest(prompt="a")).wait(), DoneEvent)


class Canary:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (self.path, "w"))


def test_poisoned_repos_are_refused_and_nothing_ran_t116(host, causal, tmp_path):
    import shutil

    canary = tmp_path / "canary"
    poison = pickle.dumps(Canary(str(canary)))
    folder = shutil.copytree(causal, tmp_path / "pickle")
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(poison)
    error = Caller(host, "poisoned-pickle", lambda: SnapshotInfo(str(folder)), GenerateRequest(prompt="a")).wait()
    assert (error.code, error.retryable) == ("unsupported_format", False)
    tail = shutil.copytree(causal, tmp_path / "tail")
    with (tail / "model.safetensors").open("ab") as file:
        file.write(poison)
    error = Caller(host, "poisoned-tail", lambda: SnapshotInfo(str(tail)), GenerateRequest(prompt="a")).wait()
    assert error.status == 422
    assert not canary.exists()
    assert host.state("poisoned-pickle").reason == "unsupported_format"


def test_too_large_is_said_at_once_t194(tmp_path, causal):
    host = ModelHost(1024, 1, tmp_path, 600, threads=1)
    try:
        error = Caller(host, "big", lambda: SnapshotInfo(str(causal)), GenerateRequest(prompt="a")).wait()
        assert (error.code, error.status) == ("will_not_fit", 422)
    finally:
        host.close()


def test_oldest_idle_model_makes_room_and_queue_is_bounded(tmp_path, empty):
    host = ModelHost(130 * 1024**2, 2, tmp_path, 600, threads=1, max_queue=2)
    try:
        for name in ("a", "b", "c"):
            assert isinstance(Caller(host, name, echo(empty), GenerateRequest(prompt="x")).wait(), DoneEvent)
        assert {name: state.name for name, state in host.states().items()} == {"a": "cold", "b": "ready", "c": "ready"}
        long = GenerateRequest(prompt="w " * 16_000, max_new_tokens=1024)
        held = [Caller(host, "a", echo(empty), long) for _ in range(2)]
        refused = Caller(host, "a", echo(empty), long).wait()
        assert (refused.code, refused.retryable, refused.retry_after_s) == ("queue_full", True, 5)
        assert all(isinstance(caller.wait(), DoneEvent) for caller in held)
    finally:
        host.close()
    assert Caller(host, "a", echo(empty), long).wait().code == "shutting_down"


def test_idle_model_is_unloaded_and_snapshot_failure_is_retryable(tmp_path, empty):
    host = ModelHost(GIB, 2, tmp_path, 0.3, threads=1)

    def missing():
        raise OSError("no hub")

    try:
        error = Caller(host, "gone", missing, GenerateRequest(prompt="x")).wait()
        assert (error.code, error.retryable) == ("snapshot_unavailable", True)
        Caller(host, "a", echo(empty), EmbedRequest(texts=("x",))).wait()
        pid = host.state("a").runner_pid
        until(lambda: host.state("a").name == "cold")
        until(lambda: not Path(f"/proc/{pid}").exists())
    finally:
        host.close()


def test_deadline_ends_a_request(host, causal):
    snapshot = lambda: SnapshotInfo(str(causal))  # noqa: E731
    Caller(host, "slow", snapshot, GenerateRequest(prompt="dog", max_new_tokens=1)).wait()
    request = GenerateRequest(prompt="dog", max_new_tokens=250, temperature=0.0)
    callers = [Caller(host, "slow", snapshot, request, deadline_s=0.0) for _ in range(32)]
    assert {getattr(caller.wait(), "code", None) for caller in callers} == {"deadline_exceeded"}
    assert host.state("slow").name == "ready"


def test_host_imports_no_model_library_t130():
    code = (
        "import sys, inference.workers.model_host, inference.protocol.openai, inference.protocol.hf_tasks;"
        "print({'torch', 'transformers', 'numpy', 'django'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_after_a_cancel_at_most_one_more_step_is_made_t142(host, deep):
    """Counted in the runner's own frames: at most the step in progress when the cancel arrives."""
    snapshot = lambda: SnapshotInfo(str(deep))  # noqa: E731
    Caller(host, "cancelled", snapshot, GenerateRequest(prompt="dog", max_new_tokens=1)).wait()
    runner = host._models["cancelled"].runner
    frames, receive = [], runner.receive
    runner.receive = lambda: frames.append(receive()) or frames[-1]
    request = GenerateRequest(prompt="the quick", max_new_tokens=250, temperature=0.0, stream=True)
    caller = Caller(host, "cancelled", snapshot, request)
    until(lambda: sum(isinstance(event, TokenEvent) for event in caller.events) > 5, 60)
    host.cancel(caller.handle.request_id)
    seen = sum(bool(frame) and bool(frame.get("events")) for frame in frames)
    time.sleep(3.0)  # many steps of this model
    later = sum(bool(frame) and bool(frame.get("events")) for frame in frames) - seen
    assert later <= 2  # what lay in the socket, and the step in progress
    assert host.state("cancelled").running == 0


def test_a_hung_runner_is_killed_and_replaced(host, empty, monkeypatch):
    """A runner stuck in native code answers no ping: stopped here by a signal, as a stand-in for an endless loop."""
    monkeypatch.setattr(model_host, "_HANG_GRACE_S", 0.5)
    Caller(host, "hung", echo(empty), GenerateRequest(prompt="a")).wait()
    pid = host.state("hung").runner_pid
    os.kill(pid, signal.SIGSTOP)
    stuck = Caller(host, "hung", echo(empty), GenerateRequest(prompt="a"), deadline_s=0.1)
    assert stuck.wait().code == "deadline_exceeded"
    until(lambda: host.state("hung").name == "cold")
    until(lambda: not Path(f"/proc/{pid}").exists())
    assert isinstance(Caller(host, "hung", echo(empty), GenerateRequest(prompt="a")).wait(), DoneEvent)


def test_a_model_waits_for_memory_and_then_says_no_capacity(tmp_path, empty):
    host = ModelHost(130 * 1024**2, 1, tmp_path, 600, threads=1, capacity_wait_s=0.5)
    try:
        Caller(host, "a", echo(empty), GenerateRequest(prompt="x")).wait()
        os.kill(host.state("a").runner_pid, signal.SIGSTOP)
        busy = Caller(host, "a", echo(empty), GenerateRequest(prompt="x"))
        refused = Caller(host, "b", echo(empty), GenerateRequest(prompt="x")).wait()
        assert (refused.code, refused.status, refused.retryable) == ("no_capacity", 503, True)
        os.kill(host.state("a").runner_pid, signal.SIGCONT)
        assert isinstance(busy.wait(), DoneEvent)
    finally:
        host.close()


def test_a_waiting_model_takes_the_place_that_becomes_free(tmp_path, empty):
    host = ModelHost(130 * 1024**2, 1, tmp_path, 600, threads=1, capacity_wait_s=30)
    try:
        Caller(host, "a", echo(empty), GenerateRequest(prompt="x")).wait()
        pid = host.state("a").runner_pid
        os.kill(pid, signal.SIGSTOP)
        busy = Caller(host, "a", echo(empty), GenerateRequest(prompt="x"))
        waiting = Caller(host, "b", echo(empty), GenerateRequest(prompt="x"))
        time.sleep(0.5)
        assert host.state("b").name == "loading"
        os.kill(pid, signal.SIGCONT)
        assert isinstance(busy.wait(), DoneEvent)
        assert isinstance(waiting.wait(), DoneEvent)
    finally:
        host.close()


def test_a_failed_load_rests_for_a_moment_and_is_then_tried_again(host, causal, tmp_path, monkeypatch):
    """load_failed is the moment's (a bad disk, a half-fetched file): callers wait, then it is tried anew."""
    import shutil

    folder = shutil.copytree(causal, tmp_path / "half")
    weights = folder / "config.json"
    whole = weights.read_text()
    weights.write_text(whole.replace('"num_attention_heads": 4', '"num_attention_heads": 5'))
    snapshot = lambda: SnapshotInfo(str(folder))  # noqa: E731
    request = GenerateRequest(prompt="dog", max_new_tokens=2)
    first = Caller(host, "half", snapshot, request).wait()
    assert (first.code, first.status, first.retryable) == ("load_failed", 503, True)
    second = Caller(host, "half", snapshot, request)
    assert second.wait().code == "load_failed"
    assert 0 < second.wait().retry_after_s <= model_host.RETRY_FAILED_S
    assert len(second.events) == 1  # told at once, without loading
    weights.write_text(whole)
    monkeypatch.setattr(model_host, "RETRY_FAILED_S", 0.0)
    assert isinstance(Caller(host, "half", snapshot, request).wait(), DoneEvent)


IMPOSSIBLE = "sandbox.REQUIRED_LAYERS += ('impossible',)"
NO_NAMESPACES = "sandbox.leave_namespaces = lambda: False"
NO_LANDLOCK = "sandbox._landlock = lambda *a, **k: sandbox._assert(False)"
NO_SECCOMP = "sandbox.syscalls.seccomp_deny = lambda: sandbox._assert(False)"


@pytest.mark.parametrize(
    ("kernel", "allow", "missing"),
    [
        ([IMPOSSIBLE], False, "sandbox_unavailable"),
        ([IMPOSSIBLE], True, None),
        ([NO_NAMESPACES, NO_LANDLOCK], False, "sandbox_unavailable"),
        ([NO_NAMESPACES, NO_SECCOMP], False, "sandbox_unavailable"),
        ([NO_NAMESPACES, NO_SECCOMP, NO_LANDLOCK], True, None),
    ],
)
def test_a_missing_layer_refuses_unless_the_operator_allows_it_t136(
    tmp_path, empty, monkeypatch, kernel, allow, missing
):
    """The runner itself says which layers hold; here the kernel it meets lacks some."""
    monkeypatch.setattr(runner_process, "python_command", lambda call: _command(f"{'; '.join(kernel)}; {call}"))
    host = ModelHost(GIB, 1, tmp_path, 600, allow_degraded=allow, threads=1)
    try:
        final = Caller(host, "a", echo(empty), GenerateRequest(prompt="x")).wait()
        assert getattr(final, "code", None) == missing
        if missing:
            assert (final.status, final.retryable) == (503, True)
            assert host.state("a").reason == missing
    finally:
        host.close()


def test_seccomp_and_landlock_suffice_where_namespaces_are_forbidden(tmp_path, empty, monkeypatch):
    if not sandbox.probe_layers().get("landlock"):
        pytest.skip("this kernel has no Landlock")
    monkeypatch.setattr(runner_process, "python_command", lambda call: _command(f"{NO_NAMESPACES}; {call}"))
    host = ModelHost(GIB, 1, tmp_path, 600, threads=1)
    try:
        assert isinstance(Caller(host, "a", echo(empty), GenerateRequest(prompt="x")).wait(), DoneEvent)
        layers = host.state("a").layers
        assert not layers["namespaces"]
        assert all(layers[name] for name in sandbox.REQUIRED_LAYERS)
    finally:
        host.close()


def _command(call):
    return sandbox.python_command(f"from inference.workers import sandbox; {call}")
