"""``manage.py up``: everything of one installation in the foreground, from an empty directory to a served page."""

from __future__ import annotations

import fcntl
import http.client
import os
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.core.checks import run_checks
from django.core.management import call_command, get_commands
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from hub.core.management.commands.compile_catalogs import compile_catalog, stale_catalogs
from hub.processes import layout as processes
from hub.processes import metrics
from hub.processes.broker import BrokerUnavailable
from hub.processes.parts import Part
from hub.processes.supervisor import Supervisor

#: Key of the PostgreSQL advisory lock under which one node migrates and the others wait.
_MIGRATE_LOCK: Final = 0x41676F7261
_ASK_EVERY_S: Final = 0.25
#: An address that means "all of them" cannot be called.
_LOOPBACK_OF: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104


class Command(BaseCommand):
    help = "Start the broker, the database schema, web, workers and scheduler; Ctrl-C stops them all."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--only", default="", help=f"comma-separated parts to run here: {', '.join(processes.NAMES)} (default: all)"
        )
        parser.add_argument("--no-migrate", action="store_true", help="leave the database schema as it is")

    def handle(self, *args: Any, **options: Any) -> None:
        names = _parse_names(options["only"])
        data_dir = Path(settings.HUB_DATA_DIR)
        _refuse_exposure()
        _prepare_directories(data_dir)
        with _sole_supervisor(data_dir, names):
            parts = self._parts(names)
            if "web" in names:
                _require_free_port(settings.HUB_BIND, settings.PORT)
            for source in stale_catalogs([Path(directory) for directory in settings.LOCALE_PATHS]):
                compile_catalog(source)
            if not options["no_migrate"]:
                self._migrate(data_dir)
            # Not under data_dir, which replicas may share: numbers of this supervisor's processes only.
            with tempfile.TemporaryDirectory(prefix="agora-metrics-") as directory:
                self._serve_metrics(Path(directory))
                status = self._supervise(parts, names)
        sys.exit(status)

    def _parts(self, names: tuple[str, ...]) -> list[Part]:
        try:
            parts = processes.only(processes.all_parts(_layout()), names)
        except BrokerUnavailable as error:
            raise CommandError(str(error)) from error
        # Work that only a whole installation can take on: the demo needs broker and workers beside it.
        if names == processes.NAMES and settings.HUB_DEMO and "demo" in get_commands():
            parts.append(processes.demo_part(settings.BASE_DIR))
        return parts

    def _migrate(self, data_dir: Path) -> None:
        with _migration_lock(data_dir):
            executor = MigrationExecutor(connection)
            if executor.migration_plan(executor.loader.graph.leaf_nodes()):
                self.stdout.write("Preparing the database …")
                call_command("migrate", interactive=False, verbosity=0)
        connection.close()

    def _serve_metrics(self, directory: Path) -> None:
        os.environ[metrics.DIRECTORY_VARIABLE] = str(directory)
        try:
            bind = metrics.parse_bind(settings.HUB_METRICS_BIND)
            if bind is not None:
                metrics.serve(*bind, directory)
        except ValueError as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            # Two hubs on one laptop are common; numbers are not worth refusing to start.
            self.stderr.write(f"Metrics are off: {settings.HUB_METRICS_BIND} cannot be used ({error.strerror}).")

    def _supervise(self, parts: list[Part], names: tuple[str, ...]) -> int:
        is_coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        if is_coloured:
            os.environ["FORCE_COLOR"] = "1"
        supervisor = Supervisor(parts, is_coloured=is_coloured)
        if "web" in names:
            supervisor.each_tick = _announce(supervisor.say)
        supervisor.say("starting " + ", ".join(part.name for part in parts))
        return supervisor.run()


def _parse_names(text: str) -> tuple[str, ...]:
    if not text:
        return processes.NAMES
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    unknown = sorted(set(names) - set(processes.NAMES))
    if unknown:
        raise CommandError(f"--only: unknown part {', '.join(unknown)}; known: {', '.join(processes.NAMES)}.")
    return names


def _refuse_exposure() -> None:
    """Stop before anything listens when settings would hand the hub to strangers (T154)."""
    errors = [message for message in run_checks(tags=["exposure"]) if message.is_serious()]
    if errors:
        raise CommandError("\n".join(" ".join(filter(None, (error.msg, error.hint))) for error in errors))


def _layout() -> processes.Layout:
    return processes.Layout(
        data_dir=Path(settings.HUB_DATA_DIR),
        base_dir=Path(settings.BASE_DIR),
        bind=settings.HUB_BIND,
        port=settings.PORT,
        is_broker_embedded=settings.IS_BROKER_EMBEDDED,
        broker_socket=Path(settings.HUB_BROKER_SOCKET),
        web_processes=settings.HUB_WEB_PROCESSES,
    )


def _prepare_directories(data_dir: Path) -> None:
    try:
        for directory in (data_dir, data_dir / "run", data_dir / "tmp", Path(settings.STATIC_ROOT)):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise CommandError(f"HUB_DATA_DIR: {data_dir} cannot be used ({error.strerror}).") from error


@contextmanager
def _sole_supervisor(data_dir: Path, names: tuple[str, ...]) -> Iterator[None]:
    """Hold one lock per part, so that parts may run apart but none runs twice on one embedded installation.

    With servers of their own, replicas share a data volume on purpose.
    """
    held = []
    try:
        for name in names if settings.IS_BROKER_EMBEDDED else ():
            lock = (data_dir / "run" / f"{name}.lock").open("a+")
            held.append(lock)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise CommandError(f"{name} is already running on {data_dir}: stop it first (Ctrl-C there).") from None
        yield
    finally:
        for lock in held:
            lock.close()


def _require_free_port(bind: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in bind else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((bind, port))
        except OSError as error:
            raise CommandError(
                f"Cannot listen on {bind}:{port} ({error.strerror}). Choose another port, for example: "
                f"PORT={port + 1} make run"
            ) from error


@contextmanager
def _migration_lock(data_dir: Path) -> Iterator[None]:
    """Let one process migrate at a time: a file lock on this machine, an advisory lock across machines."""
    with (data_dir / "run" / "migrate.lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if connection.vendor != "postgresql":
            yield
            return
        with connection.cursor() as cursor:
            # The wait for another node's migration may be longer than any statement of a page may take.
            cursor.execute("SET statement_timeout = 0")
            cursor.execute("SELECT pg_advisory_lock(%s)", [_MIGRATE_LOCK])
            try:
                yield
            finally:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [_MIGRATE_LOCK])


def _announce(say: Callable[[str], None]) -> Callable[[], None]:
    """Return a tick that asks for readiness until the hub is ready, then prints its address once."""
    begun = time.monotonic()
    state = {"next": 0.0, "ready": False}

    def tick() -> None:
        if state["ready"] or time.monotonic() < state["next"]:
            return
        state["next"] = time.monotonic() + _ASK_EVERY_S
        if _is_ready():
            state["ready"] = True
            say(f"ready after {time.monotonic() - begun:.1f} s → {settings.HUB_URL}")

    return tick


def _is_ready() -> bool:
    host = _LOOPBACK_OF.get(settings.HUB_BIND, settings.HUB_BIND)
    client = http.client.HTTPConnection(host, settings.PORT, timeout=1.0)
    try:
        client.request("GET", "/health/ready", headers={"Host": "localhost"})
        return client.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        client.close()
