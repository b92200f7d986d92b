"""Start, feed and end runner processes from the host: the zygote's client and one handle per runner."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import threading
from collections.abc import Callable
from typing import Any

import msgpack

from inference.protocol.frames import FrameConnection, FrameError
from inference.workers.sandbox import Confinement, child_environment, python_command

_START_TIMEOUT_S = 120.0


class ZygoteGone(Exception):
    """The zygote ended or never came up; starting a new one may help."""


class Zygote:
    """One pre-imported process that forks runners; started at first use, restarted when it dies. Thread-safe."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    def spawn(self, confinement: Confinement) -> RunnerProcess:
        """Fork a runner. Raises: ZygoteGone."""
        with self._lock:
            for attempt in (1, 2):
                try:
                    return self._spawn(self._ensure(), confinement)
                except (OSError, ZygoteGone, ValueError):
                    self._drop()
                    if attempt == 2:
                        raise ZygoteGone from None
        raise ZygoteGone

    def _spawn(self, control: socket.socket, confinement: Confinement) -> RunnerProcess:
        ours, theirs = socket.socketpair()
        try:
            socket.send_fds(control, [msgpack.packb({"confinement": confinement.to_wire()})], [theirs.fileno()])
            reply = control.recv(65536)
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        if not reply:
            ours.close()
            raise ZygoteGone
        pids = msgpack.unpackb(reply)
        return RunnerProcess(ours, pid=pids["runner"], kill=lambda: self._kill(pids["warden"]))

    def _ensure(self) -> socket.socket:
        if self._control is not None and self._process is not None and self._process.poll() is None:
            return self._control
        self._drop()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = python_command(f"from inference.workers.zygote import main; main({theirs.fileno()})")
        try:
            self._process = subprocess.Popen(
                command,
                env=child_environment(self._threads),
                pass_fds=[theirs.fileno()],
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,  # a Ctrl-C at the terminal is the supervisor's to pass on
            )
        finally:
            theirs.close()
        ours.settimeout(_START_TIMEOUT_S)
        self._control = ours
        if not ours.recv(65536):
            raise ZygoteGone
        return ours

    def _kill(self, warden: int) -> None:
        # Through its parent: only there can the number not have been given to somebody else meanwhile.
        with self._lock, contextlib.suppress(OSError):
            if self._control is not None:
                self._control.send(msgpack.packb({"kill": warden}))

    def _drop(self) -> None:
        if self._control is not None:
            self._control.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._control, self._process = None, None

    def close(self) -> None:
        """End the zygote, and with it every runner."""
        with self._lock:
            self._drop()


class RunnerProcess:
    """The host's end of one runner."""

    def __init__(self, sock: socket.socket, *, pid: int, kill: Callable[[], None]) -> None:
        self.pid = pid
        self._connection = FrameConnection(sock)
        self._kill = kill

    def send(self, message: dict[str, Any]) -> None:
        """Send one message. Raises: OSError when the runner is gone or does not read, FrameError when too large."""
        self._connection.send(message)

    def receive(self) -> dict[str, Any] | None:
        """Return the next message, None when the runner is gone or broke the protocol."""
        try:
            message = self._connection.receive()
        except (FrameError, OSError):
            return None
        return message if isinstance(message, dict) else None

    def kill(self) -> None:
        """End the runner at once; all its memory is free when its socket closes."""
        self._kill()
        self._connection.close()
