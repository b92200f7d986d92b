from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from hub.core.errors import AuthenticationRequired, RepoNotFound
from hub.storage.git.commits import AddBytes, write_initial_commit
from hub.storage.git.refs import Signature
from hub.storage.git.repository import create_repository, git_executable
from hub.storage.git.transport import GitAccess, GitHttpApp, GitLimits
from tests.hub.storage.git.asgi_server import AsgiServer

AUTHOR = Signature("Ada", "ada@example.org", 1_700_000_000, 60)


@pytest.fixture
def author() -> Signature:
    return AUTHOR


@pytest.fixture
def repo_path(tmp_path: Path) -> Path:
    """A bare repository whose `main` holds README.md and src/app.py."""
    path = tmp_path / "repo.git"
    create_repository(path)
    files = [AddBytes("README.md", b"# Hi\n"), AddBytes("src/app.py", b"print(1)\n")]
    write_initial_commit(path, files, message="Initial commit", author=AUTHOR)
    return path


class Host:
    """A running git host with one repository `ns/name`, and a stock git client."""

    def __init__(self, repo_path: Path, home: Path) -> None:
        self.repo_path, self.home = repo_path, home
        self.pushed: list = []
        self.access: dict = {}
        self.limits = GitLimits()
        self.token: str | None = None

    async def authorise(self, request):
        if request.repo_name != "ns/name":
            raise RepoNotFound
        if self.token and request.headers.get("authorization") != self.token:
            raise AuthenticationRequired
        return GitAccess(self.repo_path, "caller", context="who", **self.access)

    async def after_push(self, access, moved):
        self.pushed += [(access.context, command.ref, command.kind.value) for command in moved]

    def start(self) -> None:
        self.app = GitHttpApp(self.authorise, self.after_push, self.limits)
        self.server = AsgiServer(self.app).start()

    @property
    def url(self) -> str:
        return f"{self.server.url}/ns/name.git"

    def git(self, *arguments: str, cwd: Path | None = None, check: bool = True, **options):
        environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(self.home),
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_AUTHOR_NAME": "A",
            "GIT_AUTHOR_EMAIL": "a@b.c",
            "GIT_COMMITTER_NAME": "A",
            "GIT_COMMITTER_EMAIL": "a@b.c",
            "LC_ALL": "C",
            "no_proxy": "*",
        }
        result = subprocess.run(
            [git_executable(), *arguments],
            cwd=cwd or self.home,
            env=environment,
            capture_output=True,
            timeout=60,
            check=False,
            **options,
        )
        result.text = (result.stdout + result.stderr).decode(errors="replace")
        if check and result.returncode:
            raise AssertionError(result.text)
        return result

    def clone(self, name: str = "work", *options: str) -> Path:
        self.git("clone", "-q", *options, self.url, name)
        return self.home / name


@pytest.fixture
def host(repo_path: Path, tmp_path: Path):
    home = tmp_path / "home"
    home.mkdir()
    running = Host(repo_path, home)
    running.start()
    yield running
    running.server.stop()
