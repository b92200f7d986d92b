"""Run a list of parts until told to stop: start in order, restart what dies, drain, leave no orphan.

One thread, one loop: a selector over the pipes of the parts and a wake-up socket that signals write to.
Every part leads a process group of its own and dies with the supervisor (PR_SET_PDEATHSIG), however that ends.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO, Final

from hub.processes.parts import Part

DRAIN_S: Final = 30.0
BACKOFF_S: Final = (0.2, 1.0, 2.0, 5.0, 10.0, 30.0)
#: Ran this long: the next death starts the backoff anew.
STEADY_S: Final = 60.0
TICK_S: Final = 0.1
_LINE_BYTES: Final = 64 * 1024
_COLOURS: Final = (36, 33, 32, 35, 34, 31)
_PR_SET_PDEATHSIG: Final = 1
# Looked up here, not between fork and exec, where taking a lock could hang.
_PRCTL: Final = ctypes.CDLL(None).prctl if sys.platform == "linux" else None


class PartFailed(Exception):
    """A part that others need did not become ready."""


@dataclass(slots=True)
class _Running:
    part: Part
    colour: int
    process: subprocess.Popen[bytes] | None = None
    rest: bytes = b""
    started_at: float = 0.0
    restart_at: float | None = None
    deaths: int = 0
    is_done: bool = False
    sent: set[int] = field(default_factory=set)

    @property
    def is_alive(self) -> bool:
        return self.process is not None


class Supervisor:
    """``run`` blocks until SIGINT or SIGTERM and returns the exit status of the whole.

    ``each_tick`` may be set; it is called about ten times a second while parts run.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        *,
        out: IO[str] = sys.stdout,
        is_coloured: bool = False,
        drain_s: float = DRAIN_S,
    ) -> None:
        self._running = [_Running(part, _COLOURS[i % len(_COLOURS)]) for i, part in enumerate(parts)]
        self._width = max(len(name) for name in ("agora", *(part.name for part in parts)))
        self._out = out
        self._is_coloured = is_coloured
        self._drain_s = drain_s
        self.each_tick: Callable[[], None] = lambda: None
        self._stops = 0
        self._selector = selectors.DefaultSelector()

    # ---- life

    def run(self) -> int:
        with self._signals():
            try:
                self._start_all()
                while not self._stops:
                    self._turn()
                    self.each_tick()
            except PartFailed as failure:
                self.say(str(failure))
                self._stop_all()
                return 1
            self._stop_all()
        return 0

    def say(self, text: str, name: str = "agora") -> None:
        """Print one line under the name of a part."""
        self._print(name, 37, text)

    def _start_all(self) -> None:
        for running in sorted(self._running, key=lambda one: one.part.stage):
            if self._stops:
                return
            self._spawn(running)
            if running.part.is_ready is not None:
                self._await_ready(running)

    def _await_ready(self, running: _Running) -> None:
        is_ready = running.part.is_ready
        deadline = time.monotonic() + running.part.ready_timeout_s
        while is_ready is not None and not is_ready() and not self._stops:
            self._turn(0.02)
            if time.monotonic() > deadline or running.deaths >= len(BACKOFF_S) - 1:
                raise PartFailed(f"{running.part.name} did not start; its last lines above say why.")

    def _turn(self, wait_s: float = TICK_S) -> None:
        self._read(wait_s)
        for running in self._running:
            self._reap(running)
            if running.restart_at is not None and time.monotonic() >= running.restart_at:
                self._spawn(running)

    # ---- one part

    def _spawn(self, running: _Running) -> None:
        part = running.part
        running.restart_at = None
        running.started_at = time.monotonic()
        try:
            running.process = subprocess.Popen(
                part.argv,
                env={**os.environ, **part.env},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 -- one system call, looked up before the fork
            )
        except OSError as error:
            self._print(part.name, running.colour, f"cannot start {part.argv[0]}: {error.strerror}")
            self._schedule(running)
            return
        assert running.process.stdout is not None
        os.set_blocking(running.process.stdout.fileno(), False)
        self._selector.register(running.process.stdout, selectors.EVENT_READ, running)

    def _reap(self, running: _Running) -> None:
        process = running.process
        if process is None or process.poll() is None:
            return
        _kill_group(process.pid, signal.SIGKILL)  # children that outlived their leader
        self._drain_pipe(running)
        running.process = None
        self._after_death(running, process.returncode)

    def _after_death(self, running: _Running, status: int) -> None:
        part = running.part
        if part.is_once:
            running.is_done = True
            if status:
                failed = f"failed with {_words(status)}; not repeated"
                self._print(
                    part.name, running.colour, "interrupted; the next start continues" if self._stops else failed
                )
        elif not self._stops:
            self._schedule(running)
            wait_s = BACKOFF_S[min(running.deaths, len(BACKOFF_S)) - 1]
            self._print(part.name, running.colour, f"ended with {_words(status)}; starting again in {wait_s:g} s")

    def _schedule(self, running: _Running) -> None:
        if time.monotonic() - running.started_at > STEADY_S:
            running.deaths = 0
        running.deaths += 1
        running.restart_at = time.monotonic() + BACKOFF_S[min(running.deaths, len(BACKOFF_S)) - 1]

    # ---- the end

    def _stop_all(self) -> None:
        self._stops = max(self._stops, 1)
        deadline = time.monotonic() + self._drain_s
        if any(one.is_alive for one in self._running):
            self.say(f"stopping; waiting up to {self._drain_s:.0f} s for work in progress (Ctrl-C again: at once)")
        for stage in sorted({one.part.stage for one in self._running}, reverse=True):
            self._stop_stage([one for one in reversed(self._running) if one.part.stage == stage], deadline)
        self.say("stopped")

    def _stop_stage(self, stage: list[_Running], deadline: float) -> None:
        begun = time.monotonic()
        while any(one.is_alive for one in stage):
            now = time.monotonic()
            for running in stage:
                self._signal_due(running, now - begun)
            # The broker gets its moment even when the drain above took all the time.
            if self._stops > 1 or now > max(deadline, begun + 2.0):
                self._kill(stage)
            self._read(0.05)
            for running in stage:
                self._reap(running)

    def _signal_due(self, running: _Running, elapsed_s: float) -> None:
        if running.process is None:
            return
        for index, (after_s, number) in enumerate(running.part.stop_signals):
            if index not in running.sent and elapsed_s >= after_s:
                running.sent.add(index)
                with contextlib.suppress(ProcessLookupError):
                    running.process.send_signal(number)

    def _kill(self, stage: Iterable[_Running]) -> None:
        for running in stage:
            if running.process is not None:
                _kill_group(running.process.pid, signal.SIGKILL)

    # ---- output

    def _read(self, wait_s: float) -> None:
        for key, _ in self._selector.select(wait_s):
            if isinstance(key.data, _Running):
                self._read_pipe(key.data)
            else:
                with contextlib.suppress(BlockingIOError):
                    key.fileobj.recv(4096)  # type: ignore[union-attr]

    def _read_pipe(self, running: _Running) -> bool:
        """Print what has come; returns whether there may be more."""
        process = running.process
        if process is None or process.stdout is None or process.stdout.closed:
            return False
        try:
            data = os.read(process.stdout.fileno(), _LINE_BYTES)
        except BlockingIOError:
            return False
        if not data:
            self._selector.unregister(process.stdout)
            process.stdout.close()
            return False
        *lines, running.rest = (running.rest + data).split(b"\n")
        if len(running.rest) > _LINE_BYTES:
            lines, running.rest = [*lines, running.rest], b""
        for line in lines:
            self._print_line(running, line)
        return True

    def _drain_pipe(self, running: _Running) -> None:
        while self._read_pipe(running):
            pass
        if running.rest:
            self._print_line(running, running.rest)
            running.rest = b""
        stdout = running.process.stdout if running.process else None
        if stdout is not None and not stdout.closed:
            self._selector.unregister(stdout)
            stdout.close()

    def _print_line(self, running: _Running, line: bytes) -> None:
        text = line.decode("utf-8", "replace")
        if text.strip() and not any(noise in text for noise in running.part.noise):
            self._print(running.part.name, running.colour, text)

    def _print(self, name: str, colour: int, text: str) -> None:
        label = f"{name:<{self._width}} │"
        prefix = f"\x1b[{colour}m{label}\x1b[0m" if self._is_coloured else label
        with contextlib.suppress(BrokenPipeError):  # a closed terminal must not stop the parts' shutdown
            self._out.write(f"{prefix} {text.rstrip()}\n")
            self._out.flush()

    # ---- signals

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        reader, writer = socket.socketpair()
        reader.setblocking(False)
        writer.setblocking(False)
        self._selector.register(reader, selectors.EVENT_READ)
        kept_fd = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        kept = {
            number: signal.signal(number, self._on_stop) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        }
        kept[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda *_: None)
        try:
            yield
        finally:
            for number, handler in kept.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(kept_fd)
            self._selector.unregister(reader)
            reader.close()
            writer.close()

    def _on_stop(self, _number: int, _frame: object) -> None:
        self._stops += 1


def _die_with_parent() -> None:
    """Between fork and exec: ask the kernel for SIGTERM when the supervisor ends, even by SIGKILL."""
    if _PRCTL is not None:
        _PRCTL(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _kill_group(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _words(status: int) -> str:
    if status >= 0:
        return f"status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"
