"""``manage.py up`` from an empty directory: serves, says where, stops without a trace; refuses what it must."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Up:
    def __init__(self, data_dir: Path, *, port: int, **more: str) -> None:
        kept = {key: value for key, value in os.environ.items() if key not in ("DATABASE_URL", "REDIS_URL")}
        self.env = {
            **kept,
            "DJANGO_SETTINGS_MODULE": "hub.settings",
            "HUB_DATA_DIR": str(data_dir),
            "PORT": str(port),
            "HUB_DEMO": "0",
            "HUB_METRICS_BIND": f"127.0.0.1:{free_port()}",
            **more,
        }
        self.port = port
        self.log = data_dir.parent / f"log-{port}"
        with self.log.open("wb") as out:
            argv = [sys.executable, str(ROOT / "manage.py"), "up"]
            self.process = subprocess.Popen(argv, env=self.env, stdout=out, stderr=subprocess.STDOUT)

    def wait_ready(self, within_s: float = 90.0) -> str:
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline and self.process.poll() is None:
            text = self.log.read_text()
            if "ready after" in text:
                return text
            time.sleep(0.1)
        raise AssertionError(self.log.read_text())

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        self.process.wait(60)

    def group(self) -> list[int]:
        """Process ids of everything below the supervisor."""
        found, level = [], [self.process.pid]
        while level:
            children = [int(pid) for parent in level for pid in _children(parent)]
            found += children
            level = children
        return found


def _children(pid: int) -> list[str]:
    try:
        return [p for t in Path(f"/proc/{pid}/task").iterdir() for p in (t / "children").read_text().split()]
    except OSError:
        return []


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    started = Up(tmp_path_factory.mktemp("u") / "d", port=free_port())
    try:
        started.wait_ready()
        yield started
    finally:
        started.end()


@pytest.mark.slow
def test_it_serves_and_says_where(up: Up) -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{up.port}/health/ready", timeout=10) as answer:
        report = json.load(answer)

    assert report["status"] == "ok"
    assert f"http://localhost:{up.port}" in up.log.read_text()
    assert (Path(up.env["HUB_DATA_DIR"]) / "secret_key").stat().st_mode & 0o777 == 0o600


@pytest.mark.slow
def test_metrics_are_on_their_own_address_only(up: Up) -> None:
    """T156."""
    with urllib.request.urlopen(f"http://{up.env['HUB_METRICS_BIND']}/metrics", timeout=10) as answer:
        assert "agora_http_requests_total" in answer.read().decode()
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"http://127.0.0.1:{up.port}/metrics", timeout=10)
    assert refused.value.code == 404


@pytest.mark.slow
def test_a_second_start_on_the_same_data_is_refused(up: Up) -> None:
    second = Up(Path(up.env["HUB_DATA_DIR"]), port=free_port())

    assert second.process.wait(60) == 1
    assert "is already running" in second.log.read_text()


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        refused = Up(tmp_path / "d", port=taken.getsockname()[1])

        assert refused.process.wait(60) == 1
    assert "Choose another port" in refused.log.read_text()


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("HUB_DEBUG", "1", "HUB_DEBUG shows tracebacks"),
        ("HUB_ALLOWED_HOSTS", "*", "accepts any host name"),
        ("HUB_SECRET_KEY", "short", "shorter than 32"),
        ("HUB_TRUSTED_PROXIES", "0.0.0.0/0", "trusts the whole internet"),
    ],
)
def test_dangerous_settings_are_refused(tmp_path: Path, name: str, value: str, words: str) -> None:
    """T154: exit status and reason."""
    refused = Up(tmp_path / "d", port=free_port(), HUB_BIND="0.0.0.0", **{name: value})

    assert refused.process.wait(60) == 1
    assert words in refused.log.read_text()


@pytest.mark.slow
def test_sigterm_leaves_nothing_behind(tmp_path: Path) -> None:
    """T190: within the drain, and no orphan."""
    started = Up(tmp_path / "d", port=free_port())
    try:
        started.wait_ready()
        below = started.group()
        begun = time.monotonic()
        started.process.send_signal(signal.SIGTERM)

        assert started.process.wait(60) == 0
        assert time.monotonic() - begun < 32
    finally:
        started.end()
    assert len(below) >= 6
    assert not [pid for pid in below if Path(f"/proc/{pid}").exists()]
