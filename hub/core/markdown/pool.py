"""One renderer process per web process: started with the first card, killed when a text takes too long (T107)."""

from __future__ import annotations

import atexit
import json
import os
import select
import subprocess
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import structlog

from hub.core.markdown.document import LinkBase
from hub.core.markdown.frames import LENGTH, encode

TIMEOUT_S: Final = 2.0
_START_TIMEOUT_S: Final = 30.0
_QUEUE_TIMEOUT_S: Final = 5.0
_MAX_ANSWER_BYTES: Final = 32 * 1024 * 1024
_HUB: Final = Path(__file__).resolve().parents[2]
# The packages as bare namespaces: their own __init__ would load Celery and Django, which the renderer does not need.
_BOOT: Final = """
import sys, types
for name, path in (("hub", sys.argv[1]), ("hub.core", sys.argv[1] + "/core"),
                   ("hub.core.markdown", sys.argv[1] + "/core/markdown")):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [path]
from hub.core.markdown.worker import main
main()
"""

log = structlog.get_logger("hub.core.markdown")


class RendererFailed(Exception):
    """No answer in time, or the process died; the text must be shown as it is written."""


class Renderer:
    """Owns the process.  Requests take turns; each has ``TIMEOUT_S`` once it is its turn."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._owner_pid = 0

    def render(self, source: str, links: LinkBase) -> dict[str, Any]:
        """The worker's answer.  Raises RendererFailed."""
        if not self._lock.acquire(timeout=_QUEUE_TIMEOUT_S):
            raise RendererFailed("busy")
        try:
            process = self._running()
            return self._exchange(process, encode({"source": source, "links": asdict(links)}), TIMEOUT_S)
        except RendererFailed:
            self._kill()
            raise
        finally:
            self._lock.release()

    def close(self) -> None:
        with self._lock:
            self._kill()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._owner_pid == os.getpid() and self._process.poll() is None:
            return self._process
        process = subprocess.Popen(
            [sys.executable, "-c", _BOOT, str(_HUB)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            # No secret of the hub's environment goes along.
            env={"PATH": os.environ.get("PATH", ""), "LANG": "C.UTF-8", "PYTHONHASHSEED": "0"},
            start_new_session=True,
        )
        self._process, self._owner_pid = process, os.getpid()
        self._exchange(process, b"", _START_TIMEOUT_S)
        return process

    def _exchange(self, process: subprocess.Popen[bytes], request: bytes, timeout_s: float) -> dict[str, Any]:
        """Write and read with one deadline.  Both ends are non-blocking: a stuck worker must not hold the thread."""
        assert process.stdin is not None
        assert process.stdout is not None
        deadline = time.monotonic() + timeout_s
        source, sink = process.stdout.fileno(), process.stdin.fileno()
        os.set_blocking(sink, False)
        unsent = memoryview(request)
        answer = bytearray()
        while (wanted := _missing(answer)) > 0:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise RendererFailed("timeout")
            readable, writable, _ = select.select([source], [sink] if unsent else [], [], remaining)
            try:
                if writable:
                    unsent = unsent[os.write(sink, unsent) :]
                if readable:
                    piece = os.read(source, min(wanted, 1 << 20))
                    if not piece:
                        raise RendererFailed("died")
                    answer += piece
            except BrokenPipeError as error:
                raise RendererFailed("died") from error
        return json.loads(answer[LENGTH.size :])

    def _kill(self) -> None:
        process, self._process = self._process, None
        if process is None or self._owner_pid != os.getpid():
            return
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()


def _missing(answer: bytearray) -> int:
    """Bytes still to read for the frame that ``answer`` begins."""
    if len(answer) < LENGTH.size:
        return LENGTH.size - len(answer)
    size = LENGTH.unpack_from(answer)[0]
    if size > _MAX_ANSWER_BYTES:
        raise RendererFailed("answer too large")
    return LENGTH.size + size - len(answer)


RENDERER: Final = Renderer()
atexit.register(RENDERER.close)
