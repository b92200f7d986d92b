"""A live hub with people, repos and tokens in it, and the handles that fault tests need on its processes.

full_hub ─▶ LiveHub.start ─▶ tests.e2e.seed in a process with the hub's own settings ─▶ seeded: names and tokens
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psutil
import pytest
from redis import Redis

from tests.e2e.live_hub import ROOT, LiveHub, free_port

T = TypeVar("T")

# One client makes the requests of a whole day here.
NO_LIMITS = {
    **dict.fromkeys(("HUB_RATE_PAGES", "HUB_RATE_API", "HUB_RATE_RESOLVE", "HUB_INFERENCE_RPM"), "1000000"),
    "HUB_MIN_FREE_BYTES": "0",
    "HUB_METRICS_BIND": "off",
    "HUB_WEB_THREADS": "4",
}
# Words of the command line that tell the parts apart.
_SIGNS = {"web": "granian", "broker": "valkey", "inference": "inference@%h", "worker": "worker@%h", "beat": "beat"}


def wait_for(ask: Callable[[], T], *, within_s: float = 30.0, every_s: float = 0.1, what: str = "it") -> T:
    """Ask until the answer is true and return it. Raises: AssertionError when that takes longer than ``within_s``."""
    deadline = time.monotonic() + within_s
    while True:
        answer = ask()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"{what} did not happen within {within_s} s"
        time.sleep(every_s)


@dataclass
class FullHub(LiveHub):
    """``seeded`` says what ``tests.e2e.seed`` has made: tokens by kind, commits and ids by name."""

    seeded: dict[str, Any] = field(default_factory=dict)

    def seed(self) -> None:
        argv = [sys.executable, "-m", "tests.e2e.seed"]
        environment = self.environment | {"OMP_NUM_THREADS": "1"}
        done = subprocess.run(argv, env=environment, cwd=ROOT, check=False, capture_output=True, text=True, timeout=180)
        assert done.returncode == 0, done.stderr[-4000:]
        self.seeded |= json.loads(done.stdout.splitlines()[-1])

    def bearer(self, kind: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.seeded['tokens'][kind]}"}

    # ---- models

    def state(self, repo_id: str) -> dict[str, Any]:
        answer = httpx.get(f"{self.url}/api/inference/{repo_id}/state", headers=self.bearer("write"), timeout=10)
        return dict(answer.json())

    def until_inspected(self, repo_id: str) -> dict[str, Any]:
        """Wait until the files of a model are inspected; returns its state."""

        def ask() -> dict[str, Any] | None:
            state = self.state(repo_id)
            return None if state.get("reason_code") in ("not_inspected", "no_worker") else state

        return wait_for(ask, within_s=60, what=f"the inspection of {repo_id}")  # type: ignore[return-value]

    def model_beat(self, repo_id: str) -> dict[str, Any]:
        """What the workers' last heartbeats say of the head of ``repo_id``; {} when none holds it."""
        head = httpx.get(f"{self.url}/api/models/{repo_id}", headers=self.bearer("write"), timeout=10).json()["sha"]
        return next((model for beat in self.beats for key, model in beat["models"].items() if key.endswith(head)), {})

    @property
    def beats(self) -> list[dict[str, Any]]:
        """The last word of every inference worker that is alive."""
        with Redis(unix_socket_path=str(self.data_dir / "run" / "valkey.sock")) as redis:
            values = [redis.get(f"inf:worker:{name.decode()}") for name in redis.smembers("inf:workers")]
        return [json.loads(value) for value in values if value is not None]

    # ---- processes

    def part(self, name: str) -> psutil.Process:
        """The process that the supervisor started for a part. Raises: LookupError while it is down."""
        assert self.process is not None
        for child in psutil.Process(self.process.pid).children():
            with contextlib.suppress(psutil.Error):
                if any(_SIGNS[name] in word for word in child.cmdline()):
                    return child
        raise LookupError(name)


@contextlib.contextmanager
def running_hub(data_dir: Path, *, port: int = 0, **settings: str) -> Iterator[FullHub]:
    """A started hub with the content of the seed; stopped afterwards."""
    hub = FullHub(data_dir, settings=NO_LIMITS | settings, port=port or free_port())
    try:
        hub.start()
        hub.seed()
        yield hub
    finally:
        hub.stop()


@pytest.fixture(scope="session")
def full_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FullHub]:
    """One for all tests that only look, and for those that break a part and wait until it is back."""
    with running_hub(tmp_path_factory.mktemp("full") / "data") as hub:
        yield hub
