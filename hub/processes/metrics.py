"""``/metrics`` on an address of its own, summed over all processes of this installation (T156: never the public port).

Processes write their numbers to files in PROMETHEUS_MULTIPROC_DIR; this server reads them at each scrape.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

#: Set for every part before it imports prometheus_client; the library reads it once.
DIRECTORY_VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"


def parse_bind(bind: str) -> tuple[str, int] | None:
    """Return host and port of ``host:port``, None for "off". Raises: ValueError."""
    if bind in ("", "off"):
        return None
    host, separator, port = bind.rpartition(":")
    if not separator or not port.isdigit():
        raise ValueError(f"HUB_METRICS_BIND: {bind!r} is not host:port or 'off'.")
    return host.strip("[]") or "127.0.0.1", int(port)


def serve(host: str, port: int, directory: Path) -> None:
    """Serve in a background thread. Raises: OSError when the address is taken."""
    os.environ[DIRECTORY_VARIABLE] = str(directory)
    from prometheus_client import CollectorRegistry, start_http_server  # noqa: PLC0415 -- reads the variable
    from prometheus_client.multiprocess import MultiProcessCollector  # noqa: PLC0415 -- as above

    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(directory))
    start_http_server(port, host, registry)
