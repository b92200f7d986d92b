"""A whole hub for browser journeys: ``manage.py up`` in a directory of its own, on a free port, without demo models."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
READY_WITHIN_S = 180.0
STOP_WITHIN_S = 90.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class LiveHub:
    """``settings`` are environment variables of the hub, beyond those that every live hub has."""

    data_dir: Path
    settings: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    metrics_port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def log(self) -> Path:
        return self.data_dir.parent / f"{self.data_dir.name}.log"

    @property
    def environment(self) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("HUB_")}
        if self.settings.get("is_embedded", "1") == "1":
            kept = {key: value for key, value in kept.items() if key not in ("DATABASE_URL", "REDIS_URL")}
        own = {
            "DJANGO_SETTINGS_MODULE": "hub.settings",
            "HUB_DATA_DIR": str(self.data_dir),
            "HUB_DEMO": "0",
            "HUB_URL": self.url,
            "HUB_METRICS_BIND": f"127.0.0.1:{self.metrics_port}",
            "PORT": str(self.port),
        }
        return kept | own | {key: value for key, value in self.settings.items() if key != "is_embedded"}

    def start(self) -> LiveHub:
        self.data_dir.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as out:
            argv = [sys.executable, str(ROOT / "manage.py"), "up"]
            self.process = subprocess.Popen(
                argv, cwd=ROOT, env=self.environment, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
            )
        self.wait_ready()
        return self

    def wait_ready(self) -> None:
        """Raises: AssertionError with the end of the log when the hub does not become ready."""
        deadline = time.monotonic() + READY_WITHIN_S
        while time.monotonic() < deadline:
            assert self.process is not None
            if self.process.poll() is not None:
                break
            if self.is_ready():
                return
            time.sleep(0.2)
        raise AssertionError(f"the hub did not become ready:\n{self.log.read_text()[-4000:]}")

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/health/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def stop(self) -> None:
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)

    def web_pids(self) -> list[int]:
        """Process ids of the web server and its workers."""
        assert self.process is not None
        return [pid for pid in _below(self.process.pid) if b"granian" in _command_line(pid)]

    def web_rss_bytes(self) -> int:
        """Resident memory of the largest web process."""
        return max(_rss_bytes(pid) for pid in self.web_pids())

    def manage(self, *arguments: str) -> str:
        """Run a management command against this hub and return what it prints."""
        argv = [sys.executable, str(ROOT / "manage.py"), *arguments]
        done = subprocess.run(
            argv, cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout.strip()

    def create_user(self, name: str, password: str = "correct horse battery staple") -> str:
        """Return the password."""
        self.manage("createuser", name, "--email", f"{name}@example.org", "--password", password)
        return password

    def create_token(self, user: str, scope: str = "write") -> str:
        return self.manage("createtoken", user, "--scope", scope).splitlines()[-1]


def _below(pid: int) -> list[int]:
    found: list[int] = []
    level = [pid]
    while level:
        level = [int(child) for parent in level for child in _children(parent)]
        found += level
    return found


def _children(pid: int) -> list[str]:
    try:
        return [
            word for task in Path(f"/proc/{pid}/task").iterdir() for word in (task / "children").read_text().split()
        ]
    except OSError:
        return []


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _rss_bytes(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:")), 0)
