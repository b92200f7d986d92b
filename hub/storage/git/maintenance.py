"""Care of repositories between requests: leftovers of killed processes, repacking, checking (T161)."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from hub.storage.git.repository import LOCK_NAME, git_environment, git_executable

# A lock file is held for milliseconds; a push may keep its quarantine for as long as the wall time of a push.
STALE_LOCK_S = 120
STALE_QUARANTINE_S = 2 * 3600
GC_TIMEOUT_S = 3600


@dataclass(frozen=True, slots=True)
class FsckReport:
    """Outcome of a check; `problems` are git's own lines."""

    is_sound: bool
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FoundObject:
    """A commit that brought or took an object, and the path at which it did."""

    commit_oid: str
    path: str


def find_leftovers(
    repo_path: Path | str, *, lock_age_s: float = STALE_LOCK_S, quarantine_age_s: float = STALE_QUARANTINE_S
) -> list[str]:
    """List lock files and quarantines that a killed process left, relative to the repository."""
    root, now = Path(repo_path), time.time()
    found: list[str] = []
    for folder, folders, names in os.walk(root):
        for name in [name for name in folders if name.startswith(("tmp_objdir-", "incoming-"))]:
            folders.remove(name)
            if _age_s(Path(folder, name), now) > quarantine_age_s:
                found.append(str(Path(folder, name).relative_to(root)))
        for name in names:
            path = Path(folder, name)
            if _is_leftover(name) and _age_s(path, now) > (lock_age_s if name.endswith(".lock") else quarantine_age_s):
                found.append(str(path.relative_to(root)))
    return found


def clear_leftovers(
    repo_path: Path | str, *, lock_age_s: float = STALE_LOCK_S, quarantine_age_s: float = STALE_QUARANTINE_S
) -> list[str]:
    """Remove what ``find_leftovers`` lists; return it."""
    found = find_leftovers(repo_path, lock_age_s=lock_age_s, quarantine_age_s=quarantine_age_s)
    for name in found:
        path = Path(repo_path, name)
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return found


def find_object(repo_path: Path | str, oid: str) -> FoundObject | None:
    """Find where an object, readable or not, stands in the history of any reference.

    Raises: subprocess.TimeoutExpired.
    """
    # Without renames: finding those would read the very content that may be damaged.
    options = ("--all", "-1", "--format=%H", "--name-only", "--no-renames", f"--find-object={oid}")
    lines = _lines(_git(repo_path, "-c", "core.quotePath=false", "log", *options, check=False))
    if len(lines) > 1:
        return FoundObject(lines[0], lines[1])
    listed = _lines(_git(repo_path, "rev-list", "--all", "--objects", check=False))
    path = next((line.partition(" ")[2] for line in listed if line.startswith(oid)), None)
    return None if path is None else FoundObject(lines[0] if lines else oid, path)


def _lines(done: subprocess.CompletedProcess[bytes]) -> list[str]:
    return [line for line in done.stdout.decode(errors="replace").splitlines() if line]


def collect_garbage(repo_path: Path | str, *, prune_age_s: int = 24 * 3600) -> None:
    """Repack and drop unreachable objects older than `prune_age_s` seconds; 0 purges at once (T56).

    Young objects stay because a running commit or push may be about to use them.
    Raises: subprocess.CalledProcessError, subprocess.TimeoutExpired.
    """
    prune = "now" if prune_age_s == 0 else f"{prune_age_s}.seconds.ago"
    _git(repo_path, "reflog", "expire", "--expire=now", "--all")
    _git(repo_path, "gc", "--quiet", f"--prune={prune}")


def check_integrity(repo_path: Path | str) -> FsckReport:
    """Verify every object and link of a repository. Raises: subprocess.TimeoutExpired."""
    done = _git(repo_path, "fsck", "--full", "--no-dangling", "--no-progress", check=False)
    lines = [line for line in (done.stdout + done.stderr).decode(errors="replace").splitlines() if line]
    problems = tuple(line for line in lines if not line.startswith("notice:"))
    return FsckReport(is_sound=done.returncode == 0, problems=problems)


def _git(repo_path: Path | str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [git_executable(), *arguments],
        cwd=repo_path,
        env=git_environment() | {"GIT_DIR": os.fspath(Path(repo_path).resolve())},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=GC_TIMEOUT_S,
        check=check,
    )


def _is_leftover(name: str) -> bool:
    return (name.endswith(".lock") and name != LOCK_NAME) or name.startswith(("tmp_obj_", "tmp_pack_", "tmp_idx_"))


def _age_s(path: Path, now: float) -> float:
    with contextlib.suppress(FileNotFoundError):
        return now - path.lstat().st_mtime
    return 0.0
