"""The embedded broker as it is started for a hub, and a real Celery worker on it."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from hub.processes.broker import BrokerUnavailable, answers, broker_part

ROOT = Path(__file__).resolve().parents[2]
SEND = "from hub.celery import ping; ping.delay()"


class Broker:
    def __init__(self, directory: Path) -> None:
        self.socket = directory / "v.sock"
        self.part = broker_part(socket_path=self.socket, data_dir=directory / "data")
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(self.part.argv, stdout=subprocess.DEVNULL)
        assert eventually(lambda: answers(self.socket))

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(5)

    def client(self) -> redis.Redis:
        return redis.Redis.from_url(f"unix://{self.socket}")


@pytest.fixture
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    started = Broker(tmp_path_factory.mktemp("b"))
    yield started
    started.process.terminate()
    started.process.wait(10)


def eventually(happened: Callable[[], object], *, within_s: float = 20.0) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if happened():
            return True
        time.sleep(0.02)
    return False


def test_it_serves_its_socket_only_to_its_user_and_no_port(broker: Broker) -> None:
    """T156: nothing on the network, nothing for other accounts."""
    with broker.client() as client:
        settings = client.config_get("*")

    assert settings["port"] == "0"
    assert stat.S_IMODE(broker.socket.stat().st_mode) == 0o700
    assert (settings["maxmemory-policy"], settings["appendonly"], settings["appendfsync"]) == (
        "noeviction",
        "yes",
        "everysec",
    )


def test_what_was_acknowledged_a_second_ago_survives_a_kill(broker: Broker) -> None:
    """T165: the append-only file holds what the broker had when it died."""
    with broker.client() as client:
        client.set("kept", "yes")
    time.sleep(1.5)

    broker.kill()
    broker.start()

    with broker.client() as client:
        assert client.get("kept") == b"yes"


def test_a_path_too_long_for_a_socket_is_named(tmp_path: Path) -> None:
    with pytest.raises(BrokerUnavailable, match="shorter HUB_DATA_DIR"):
        broker_part(socket_path=tmp_path / ("x" * 120) / "v.sock", data_dir=tmp_path)


def test_a_real_worker_takes_a_task_through_the_socket(broker: Broker, tmp_path: Path) -> None:
    """The hub's own application, URL form and routes; sender and worker are processes of their own."""
    env = {
        **{key: value for key, value in os.environ.items() if key != "DATABASE_URL"},
        "PYTHONPATH": str(ROOT),
        "HUB_DATA_DIR": str(tmp_path),
        "REDIS_URL": f"unix://{broker.socket}?db=0",
        "DJANGO_SETTINGS_MODULE": "hub.settings",
        "CELERY_SKIP_CHECKS": "1",
    }
    log = tmp_path / "log"
    argv = [sys.executable, "-m", "celery", "-q", "-A", "hub", "worker", "-Q", "default", "-P", "threads", "-c", "1"]
    with log.open("wb") as out:
        worker = subprocess.Popen(argv, cwd=tmp_path, env=env, stdout=out, stderr=subprocess.STDOUT)
    try:
        subprocess.run([sys.executable, "-c", SEND], cwd=tmp_path, env=env, check=True, timeout=60)

        assert eventually(lambda: "pong" in log.read_text()), log.read_text()
        with broker.client() as client:
            assert len(client.hgetall("agora:workers")) == 1
    finally:
        worker.terminate()
        worker.wait(20)
    with broker.client() as client:
        assert client.hgetall("agora:workers") == {}
