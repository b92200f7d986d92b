"""The parts of one installation, from its settings: which commands run, in which order, with which pools."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from signal import SIGQUIT, SIGTERM
from typing import Final

from hub.processes.broker import broker_part
from hub.processes.parts import Part

#: What ``up --only`` may name.
NAMES: Final = ("broker", "web", "worker", "inference", "evaluation", "beat")

#: After this much of the drain a worker gives unfinished messages back to the queue and ends (T190).
_COLD_STOP_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class Layout:
    """What the layout depends on. Sizes are counts of processes or threads."""

    data_dir: Path
    base_dir: Path
    bind: str
    port: int
    is_broker_embedded: bool
    broker_socket: Path
    web_processes: int = 1
    worker_processes: int = 2
    inference_threads: int = 16
    log_level: str = "INFO"


def all_parts(layout: Layout) -> list[Part]:
    """Return every part in start order. Raises: BrokerUnavailable."""
    parts = [_web(layout), *_workers(layout), _beat(layout)]
    if layout.is_broker_embedded:
        broker = broker_part(socket_path=layout.broker_socket, data_dir=layout.data_dir / "broker")
        parts.insert(0, broker)
    return parts


def only(parts: Sequence[Part], names: Sequence[str]) -> list[Part]:
    return [part for part in parts if part.name in names]


def demo_part(base_dir: Path) -> Part:
    """Return the part that publishes the demo content once, at low priority beside the others."""
    command = (sys.executable, str(base_dir / "manage.py"), "demo")
    nice = shutil.which("nice")
    return Part("demo", (nice, "-n", "10", *command) if nice else command, is_once=True)


def _web(layout: Layout) -> Part:
    options = {
        "--interface": "asgi",
        "--host": layout.bind,
        "--port": str(layout.port),
        "--loop": "uvloop",
        "--http": "1",
        "--workers": str(layout.web_processes),
        "--http1-header-read-timeout": "10000",
        # Bodies arrive in pieces of this size at most: at 32 KiB an upload costs twice the processor time.
        "--http1-buffer-size": str(512 * 1024),
        "--backpressure": "1024",
        "--workers-kill-timeout": "25",
        "--log-level": "warning",
    }
    argv = [sys.executable, "-m", "granian", *(word for item in options.items() for word in item)]
    argv += ["--no-ws", "--respawn-failed-workers", "--no-access-log", "hub.asgi:application"]
    # An arena for each thread would keep more of what a crowd of transfers has freed.
    return Part("web", tuple(argv), env=_environment(layout) | {"MALLOC_ARENA_MAX": "2"})


def _workers(layout: Layout) -> list[Part]:
    return [
        _worker(layout, "worker", queues="default,io", pool=("prefork", layout.worker_processes)),
        # Calls wait for a runner process, they do not compute here: threads are enough, and share the model host.
        _worker(layout, "inference", queues="inference", pool=("threads", layout.inference_threads)),
        _worker(layout, "evaluation", queues="evaluation", pool=("threads", 1)),
    ]


def _worker(layout: Layout, name: str, *, queues: str, pool: tuple[str, int]) -> Part:
    argv = [*_celery(layout), "worker", "-n", f"{name}@%h", "-Q", queues, "-P", pool[0], "-c", str(pool[1])]
    argv += ["--without-gossip", "--without-mingle"]
    stop_signals = ((0.0, SIGTERM), (_COLD_STOP_S, SIGQUIT))
    environment = _environment(layout, role=name)
    return Part(name, tuple(argv), env=environment, stop_signals=stop_signals, noise=("worker: Warm shutdown",))


def _beat(layout: Layout) -> Part:
    argv = [*_celery(layout), "beat", "--pidfile="]
    return Part("beat", tuple(argv), env=_environment(layout))


def _celery(layout: Layout) -> list[str]:
    # No banner: its lines say what the log says, less well.
    return [sys.executable, "-m", "celery", "-q", "--workdir", str(layout.base_dir), "-A", "hub"]


def _environment(layout: Layout, role: str = "") -> dict[str, str]:
    """PYTHONPATH instead of a working directory, so that relative paths in the environment keep their meaning."""
    paths = [str(layout.base_dir), os.environ.get("PYTHONPATH", "")]
    environment = {"PYTHONPATH": os.pathsep.join(filter(None, paths)), "PYTHONUNBUFFERED": "1"}
    environment["CELERY_SKIP_CHECKS"] = "1"  # they import every view; `manage.py check` is the place for them
    return environment | ({"HUB_WORKER_ROLE": role} if role else {})
