"""Create, open and delete bare repositories, and the clean environment in which git runs.

A repository directory holds only what git needs (HEAD, config, objects, refs): no hooks, no templates, and
no file that a user can name. Writers of references hold ``hub.lock`` (see `writer_lock`).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import resource
import shutil
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from pathlib import Path

import pygit2

from hub.core.errors import Conflict, RepoNotFound
from hub.storage.git.refs import validate_branch_name

HOOKS_PATH = Path(__file__).resolve().parent / "hooks"
LOCK_NAME = "hub.lock"
LOCK_TIMEOUT_S = 60.0
PUSH_MEMORY_BYTES = 512 * 1024**2

# Every object and reference reaches the disk before a commit is acknowledged.
pygit2.settings.enable_fsync_gitdir(True)
# Who owns the directory says nothing about a repository that the hub itself created by id.
pygit2.settings.owner_validation = False

_CONFIG = """\
[core]
\trepositoryformatversion = 0
\tfilemode = true
\tbare = true
\tfsync = committed
\tlooseCompression = 1
\tuseReplaceRefs = false
\thooksPath = /dev/null
\tprotectHFS = true
\tprotectNTFS = true
[receive]
\tfsckObjects = true
\tautogc = false
\tadvertisePushOptions = false
\tupdateServerInfo = false
[transfer]
\tfsckObjects = true
\thideRefs = refs/hub
[uploadpack]
\tallowFilter = true
\tallowAnySHA1InWant = false
[http]
\treceivepack = true
\tuploadpack = true
[gc]
\tauto = 0
[maintenance]
\tauto = false
"""

# Given on the command line of every git process, so that they hold for repositories of any age.
_FORCED_CONFIG: dict[str, str] = {
    "safe.directory": "*",
    "core.hooksPath": "/dev/null",
    "core.fsync": "committed",
    "core.useReplaceRefs": "false",
    "protocol.allow": "never",
    "receive.fsckObjects": "true",
    "transfer.fsckObjects": "true",
    "receive.advertisePushOptions": "false",
    "uploadpack.allowFilter": "true",
    "gc.auto": "0",
    "maintenance.auto": "false",
    # Blobs above the threshold are streamed, never held whole (T63, T64), and no deltas are tried on them:
    # with git's default a clone of 50 MB of incompressible files took 19 s.
    "core.bigFileThreshold": "1m",
    "core.looseCompression": "1",
    "pack.compression": "1",
    # Pushed packs are kept and served as they are, unless they are tiny.
    "receive.unpackLimit": "10",
    "core.deltaBaseCacheLimit": "64m",
    "pack.windowMemory": "64m",
    "pack.threads": "1",
}


def create_repository(path: Path | str, default_branch: str = "main") -> None:
    """Create an empty bare repository at `path`, whole or not at all.

    Raises: Conflict when something is at `path` already; BadRequest on a bad branch name.
    """
    target = Path(path)
    validate_branch_name(default_branch)
    target.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=".new-", dir=target.parent))
    try:
        _write_skeleton(staging, default_branch)
        staging.chmod(0o750)
        # rename refuses a non-empty directory, so two creators cannot both win.
        staging.rename(target)
    except OSError as error:
        shutil.rmtree(staging, ignore_errors=True)
        if target.exists():
            raise Conflict("A repository exists at this place already") from error
        raise
    fsync_directory(target.parent)


def delete_repository(path: Path | str) -> None:
    """Remove a repository; a missing one is no error. It is gone for readers before its bytes are."""
    target = Path(path)
    doomed = target.with_name(f".deleted-{target.name}-{os.urandom(6).hex()}")
    with contextlib.suppress(FileNotFoundError):
        target.rename(doomed)
        fsync_directory(target.parent)
    shutil.rmtree(doomed, ignore_errors=True)


class _Handles(threading.local):
    """Open repositories of one thread: libgit2 handles are not to be shared between threads."""

    limit = 32

    def __init__(self) -> None:
        self.by_path: OrderedDict[str, tuple[tuple[int, int, int], pygit2.Repository]] = OrderedDict()

    def get(self, path: str, stamp: tuple[int, int, int]) -> pygit2.Repository | None:
        found = self.by_path.get(path)
        if found is None or found[0] != stamp:
            return None
        self.by_path.move_to_end(path)
        return found[1]

    def put(self, path: str, stamp: tuple[int, int, int], repo: pygit2.Repository) -> None:
        self.by_path[path] = (stamp, repo)
        self.by_path.move_to_end(path)
        while len(self.by_path) > self.limit:
            self.by_path.popitem(last=False)


_handles = _Handles()


def open_repository(path: Path | str) -> pygit2.Repository:
    """Open the repository at `path`, from this thread's cache when it has not been replaced or repacked.

    Raises: RepoNotFound.
    """
    name = os.fspath(path)
    try:
        directory, packs = Path(name).stat(), Path(name, "objects", "pack").stat()
    except OSError as error:
        raise RepoNotFound("Repository not found") from error
    stamp = (directory.st_dev, directory.st_ino, packs.st_mtime_ns)
    repo = _handles.get(name, stamp)
    if repo is None:
        try:
            repo = pygit2.Repository(name, pygit2.enums.RepositoryOpenFlag.BARE)
        except pygit2.GitError as error:
            raise RepoNotFound("Repository not found") from error
        _handles.put(name, stamp, repo)
    return repo


@contextlib.contextmanager
def writer_lock(path: Path | str, timeout_s: float = LOCK_TIMEOUT_S) -> Iterator[None]:
    """Hold the repository's advisory lock; it frees itself when the process dies.

    Raises: Conflict after `timeout_s` seconds; RepoNotFound.
    """
    try:
        descriptor = os.open(Path(path, LOCK_NAME), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except FileNotFoundError as error:
        raise RepoNotFound("Repository not found") from error
    try:
        _acquire(descriptor, timeout_s)
        yield
    finally:
        os.close(descriptor)


def git_executable() -> str:
    """Return the path of the git program. Raises: FileNotFoundError."""
    found = shutil.which("git")
    if found is None:
        raise FileNotFoundError("git is not installed")
    return found


def limit_memory(pid: int, size_bytes: int = PUSH_MEMORY_BYTES) -> None:
    """Bound the memory of a git process and those it starts (T63): a small pack can claim objects of any size.

    Call before the process is fed. Mapped files do not count, so large repositories stay usable.
    """
    with contextlib.suppress(ProcessLookupError):
        resource.prlimit(pid, resource.RLIMIT_DATA, (size_bytes, size_bytes))


def git_environment(config: Mapping[str, str] | None = None) -> dict[str, str]:
    """Build the whole environment of a git process: nothing of the caller's, no outside configuration (T57, T62).

    `config` adds or overrides configuration of this one process.
    """
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": "/nonexistent",
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "/bin/false",
        "SSH_ASKPASS": "/bin/false",
        "GIT_ALLOW_PROTOCOL": "",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_OPTIONAL_LOCKS": "0",
    }
    settings = {**_FORCED_CONFIG, **(config or {})}
    environment["GIT_CONFIG_COUNT"] = str(len(settings))
    for index, (key, value) in enumerate(settings.items()):
        environment[f"GIT_CONFIG_KEY_{index}"] = key
        environment[f"GIT_CONFIG_VALUE_{index}"] = value
    return environment


def disk_size_bytes(path: Path | str) -> int:
    """Return the bytes that a repository takes on disk (blocks allocated, hard links once)."""
    total, seen = 0, set()
    for folder, _, names in os.walk(path):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                status = Path(folder, name).lstat()
                if (status.st_dev, status.st_ino) not in seen:
                    seen.add((status.st_dev, status.st_ino))
                    total += status.st_blocks * 512
    return total


def fsync_directory(path: Path | str) -> None:
    """Make a rename inside `path` durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_skeleton(root: Path, default_branch: str) -> None:
    for folder in ("objects/info", "objects/pack", "refs/heads", "refs/tags"):
        (root / folder).mkdir(parents=True)
    for name, text in (
        ("config", _CONFIG),
        ("HEAD", f"ref: refs/heads/{default_branch}\n"),
    ):
        with open(root / name, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    fsync_directory(root)


def _acquire(descriptor: int, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                raise Conflict("The repository is busy with other commits. Please try again.") from error
            time.sleep(random.uniform(0.001, 0.008))
