"""A real web server over the database of the test that runs: several processes, real sockets, real git.

    pytest process (ORM, factories) ── same database, broker and data directory ── granian, two workers

What a test writes by factories the server sees, and what clients do the test can read from the rows.
"""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
from django.conf import settings
from django.db import connection

from hub.storage.git.repository import git_executable
from tests.e2e.live_hub import ROOT, free_port

START_WITHIN_S = 90.0


def database_url() -> str:
    """The database that pytest made, in the words of the hub's own setting."""
    found = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{found['NAME']}"
    user = quote(str(found["USER"])) + (f":{quote(str(found['PASSWORD']))}" if found["PASSWORD"] else "")
    return f"postgresql://{user}@{found['HOST']}:{found['PORT'] or 5432}/{found['NAME']}"


@dataclass
class WebServer:
    """granian over ``hub.asgi``; ``settings`` are further environment variables of the hub."""

    data_dir: Path
    database: str
    workers: int = 2
    settings: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def storage_url(self) -> str:
        return f"file://{self.data_dir}/blobs?min_free_bytes=0"

    @property
    def log_path(self) -> Path:
        return self.data_dir / "server.log"

    @property
    def argv_end(self) -> list[str]:
        return ["hub.asgi:application"]

    def environment(self) -> dict[str, str]:
        unlimited = dict.fromkeys(("HUB_RATE_API", "HUB_RATE_RESOLVE", "HUB_RATE_PAGES"), "10000000")
        return {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "DATABASE_URL": self.database,
            "REDIS_URL": settings.REDIS_URL,
            "HUB_SECRET_KEY": settings.SECRET_KEY,
            "HUB_DATA_DIR": str(self.data_dir),
            "HUB_STORAGE_URL": self.storage_url,
            "HUB_URL": self.url,
            "HUB_METRICS_BIND": "off",
            "HUB_RATE_REPO_CREATION": "10000000",
            "PORT": str(self.port),
            **unlimited,
            **self.settings,
        }

    def start(self) -> WebServer:
        self.data_dir.mkdir(parents=True, exist_ok=True)
        argv = [sys.executable, "-m", "granian", "--interface", "asgi", "--host", "127.0.0.1", "--port", str(self.port)]
        argv += ["--workers", str(self.workers), "--no-ws", *self.argv_end]
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                argv, cwd=ROOT, env=self.environment(), stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + START_WITHIN_S
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log_path.read_text()[-3000:]
            try:
                if httpx.get(f"{self.url}/health/live", timeout=2).status_code == 200:
                    return self
            except httpx.HTTPError:
                time.sleep(0.1)
        raise AssertionError(f"the server did not start:\n{self.log_path.read_text()[-3000:]}")

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)

    def client(self, secret: str = "", **options: Any) -> httpx.Client:
        headers = {"Authorization": f"Bearer {secret}"} if secret else {}
        options.setdefault("timeout", 60)
        return httpx.Client(base_url=self.url, headers=headers, **options)


def clear_stores(data_dir: Path) -> None:
    """Take away what tests before left on the disk: their rows are gone."""
    for path in data_dir.glob("git/??/*.git"):
        shutil.rmtree(path)
    for path in [*data_dir.glob("blobs/**/objects/??/??/*"), *data_dir.glob("blobs/**/corrupt/*")]:
        path.unlink()


@dataclass
class Git:
    """The stock git client of one person, in a home of its own."""

    home: Path
    url: str
    secret: str = ""

    def remote(self, repo_path: str) -> str:
        return f"{self.url}{repo_path}.git"

    def __call__(self, *arguments: str, cwd: Path | None = None, check: bool = True, **options: Any) -> Any:
        self.home.mkdir(parents=True, exist_ok=True)
        config = ["-c", "credential.helper=", "-c", "protocol.file.allow=never"]
        if self.secret:
            basic = base64.b64encode(f"any:{self.secret}".encode()).decode()
            config += ["-c", f"http.{self.url}/.extraHeader=Authorization: Basic {basic}"]
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_CONFIG_NOSYSTEM": "1",
            "LC_ALL": "C",
            "no_proxy": "*",
            **{f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER") for what, value in _WHO},
            **options.pop("env", {}),
        }
        done = subprocess.run(
            [git_executable(), *config, *arguments],
            cwd=cwd or self.home,
            env=environment,
            capture_output=True,
            timeout=120,
            check=False,
            **options,
        )
        done.text = (done.stdout + done.stderr).decode(errors="replace")  # type: ignore[attr-defined]
        assert not check or done.returncode == 0, done.text  # type: ignore[attr-defined]
        return done

    def clone(self, repo_path: str, name: str, *options: str) -> Path:
        self("clone", "-q", *options, self.remote(repo_path), name, env={"GIT_LFS_SKIP_SMUDGE": "1"})
        return self.home / name

    def commit(self, work: Path, files: dict[str, bytes], message: str = "Change") -> str:
        """Write and commit files; return the commit."""
        for name, data in files.items():
            path = work / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        self("add", "-A", cwd=work)
        self("commit", "-qm", message, cwd=work)
        return self.head(work)

    def head(self, work: Path) -> str:
        return str(self("rev-parse", "HEAD", cwd=work).stdout.decode().strip())


_WHO = (("NAME", "A"), ("EMAIL", "a@example.org"))
