"""A commit's loadable files on this machine's disk, fetched by the hub's own API (design D10).

    ensure ──▶ <data>/snapshots/{repo_pk}/{commit}/   complete only when it carries its final name
The cache is bounded: the least recently used snapshots go first, never one that a runner may still be loading.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hub.core.errors import ServiceUnavailable
from inference.inspection import LOADABLE

_LOCK_WAIT_S: Final = 600
_FRESH_S: Final = 600


@dataclass(frozen=True, slots=True)
class SnapshotRequest:
    repo_pk: int
    repo_id: str
    commit_oid: str


class SnapshotCache:
    """Snapshots below ``root``; several worker processes of one machine may share it.

    A runner needs its snapshot only until it has loaded, so one that was asked for in the last ten minutes is kept.
    """

    def __init__(self, root: Path, *, endpoint: str, limit_bytes: int) -> None:
        self._root = root
        self._endpoint = endpoint
        self._limit_bytes = limit_bytes

    def ensure(self, request: SnapshotRequest) -> Path:
        """The directory with the files of this commit, fetching what is missing.

        Raises:
            ServiceUnavailable: the hub did not give the files (it is retryable).
        """
        target = self._root / str(request.repo_pk) / request.commit_oid
        if not target.is_dir():
            with self._exclusive(target):
                if not target.is_dir():
                    self._fetch(request, target)
        os.utime(target)  # last use, for eviction
        return target

    def _fetch(self, request: SnapshotRequest, target: Path) -> None:
        # Slow import, and only workers need it.
        from huggingface_hub import snapshot_download  # noqa: PLC0415 -- slow import
        from huggingface_hub.errors import HfHubHTTPError  # noqa: PLC0415 -- slow import
        from huggingface_hub.utils import disable_progress_bars  # noqa: PLC0415 -- slow import

        from hub.accounts.auth import ServiceGrant, sign_service_token  # noqa: PLC0415 -- needs configured settings

        disable_progress_bars()  # nobody watches a worker's log as it is drawn
        self.evict(self._limit_bytes)
        staging = target.with_name(f".{target.name}.{os.getpid()}")
        shutil.rmtree(staging, ignore_errors=True)
        try:
            snapshot_download(
                request.repo_id,
                revision=request.commit_oid,
                local_dir=staging,
                endpoint=self._endpoint,
                token=sign_service_token(ServiceGrant(request.repo_pk, request.commit_oid)),
                allow_patterns=list(LOADABLE),
                max_workers=2,
            )
        except (HfHubHTTPError, OSError) as error:
            shutil.rmtree(staging, ignore_errors=True)
            raise ServiceUnavailable("The model's files could not be fetched. Please try again.") from error
        shutil.rmtree(staging / ".cache", ignore_errors=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        staging.rename(target)

    @contextmanager
    def _exclusive(self, target: Path) -> Iterator[None]:
        """One fetch of a snapshot at a time on this machine, across processes."""
        target.parent.mkdir(parents=True, exist_ok=True)
        with (target.parent / f".{target.name}.lock").open("w") as file:
            deadline = time.monotonic() + _LOCK_WAIT_S
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise ServiceUnavailable("The model's files are still being fetched.") from None
                    time.sleep(0.05)
            yield

    def evict(self, limit_bytes: int) -> list[Path]:
        """Remove least recently used snapshots until the cache fits; returns what went."""
        found = sorted(
            (path.stat().st_mtime, _size(path), path)
            for path in self._root.glob("*/*")
            if path.is_dir() and not path.name.startswith(".")
        )
        total = sum(size for _, size, _ in found)
        gone = []
        for used_at, size, path in found:
            if total <= limit_bytes or used_at > time.time() - _FRESH_S:
                break
            doomed = path.with_name(f".gone.{path.name}.{os.getpid()}")
            path.rename(doomed)
            shutil.rmtree(doomed, ignore_errors=True)
            total -= size
            gone.append(path)
        return gone


def _size(path: Path) -> int:
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
