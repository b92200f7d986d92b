"""pytest plugin (``-p tests.embedded_broker``): one data directory and one embedded broker for the whole run.

Loaded before Django's settings are, which read HUB_DATA_DIR. With REDIS_URL set, that server is used instead.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

DATA_DIR = Path(tempfile.mkdtemp(prefix="agora-"))
os.environ["HUB_DATA_DIR"] = str(DATA_DIR)
os.environ["HUB_METRICS_BIND"] = "off"

_running: list[subprocess.Popen[bytes]] = []


def pytest_configure(config: pytest.Config) -> None:
    if os.environ.get("REDIS_URL") or hasattr(config, "workerinput"):
        return
    from hub.processes.broker import answers, broker_part

    socket_path = DATA_DIR / "run" / "valkey.sock"
    part = broker_part(socket_path=socket_path, data_dir=DATA_DIR / "broker")
    _running.append(subprocess.Popen(part.argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
    deadline = time.monotonic() + part.ready_timeout_s
    while not answers(socket_path):
        if time.monotonic() > deadline:
            raise pytest.UsageError("the embedded broker did not start")
        time.sleep(0.02)


def pytest_unconfigure() -> None:
    for process in _running:
        process.terminate()
        process.wait(10)
    shutil.rmtree(DATA_DIR, ignore_errors=True)
