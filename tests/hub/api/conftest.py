"""A hub of its own for the tests that drive it with the real clients: granian, the data plane and git."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

ROOT = Path(__file__).resolve().parents[3]
_START_S = 90


@dataclass(frozen=True, slots=True)
class LiveHub:
    """A running hub; ``alice`` and ``bob`` are write tokens of people of these names."""

    url: str
    data_dir: Path
    environment: dict[str, str]
    alice: str
    bob: str

    def manage(self, *arguments: str) -> str:
        return _manage(self.environment, *arguments)


@pytest.fixture(scope="session")
def live_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveHub]:
    data_dir = tmp_path_factory.mktemp("live-hub")
    port = _free_port()
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "HUB_DATA_DIR": str(data_dir),
        "PORT": str(port),
        "HUB_STORAGE_URL": f"file://{data_dir}/blobs?min_free_bytes=1000000",
        "HUB_URL": f"http://localhost:{port}",
        "HUB_DEMO": "0",
        "HUB_RATE_API": "1000000",
        "HUB_RATE_RESOLVE": "1000000",
    }
    environment.pop("DATABASE_URL", None)
    _manage(environment, "migrate", "--verbosity=0")
    tokens = [_person(environment, name) for name in ("alice", "bob")]
    log_path = data_dir / "server.log"
    command = [sys.executable, "-m", "granian", "--interface", "asgi", "--host", "127.0.0.1", "--port", str(port)]
    with log_path.open("wb") as log:
        server = subprocess.Popen(
            [*command, "--no-ws", "hub.asgi:application"], cwd=ROOT, env=environment, stdout=log, stderr=log
        )
    try:
        _wait_for(f"http://localhost:{port}/health/live", server, log_path)
        yield LiveHub(f"http://localhost:{port}", data_dir, environment, *tokens)
    finally:
        server.terminate()
        server.wait(timeout=30)


def _manage(environment: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def _person(environment: dict[str, str], name: str) -> str:
    _manage(environment, "createuser", name, "--email", f"{name}@example.org", "--password", "correct horse battery")
    return _manage(environment, "createtoken", name, "--scope", "write").strip().splitlines()[-1]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(url: str, server: subprocess.Popen[bytes], log_path: Path) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        assert server.poll() is None, log_path.read_text()[-3000:]
        try:
            with urlopen(url, timeout=2):
                return
        except (URLError, OSError):
            time.sleep(0.2)
    pytest.fail(f"the hub did not start:\n{log_path.read_text()[-3000:]}")
