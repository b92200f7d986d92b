"""Upkeep that nobody asks for: rows that follow refs after a crash, leftovers of killed processes, expired uploads."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from datetime import timedelta
from pathlib import Path
from typing import Final

import structlog
from django.conf import settings
from django.utils import timezone

from hub.core.errors import HubError
from hub.repos.models import Repo
from hub.repos.services.counters import recount_storage
from hub.repos.services.repos import reconcile
from hub.repos.services.uploads import expire_drafts
from hub.storage.gc import GcReport, sweep_expired_uploads
from hub.storage.git.maintenance import clear_leftovers, collect_garbage

log = structlog.get_logger("hub.repos.care")

# A commit's rows are written within seconds of its ref; older differences are fsck's to find.
RECENT_S: Final = 3600
STAGED_LIFE_S: Final = 24 * 3600
PRUNE_AGE_S: Final = 12 * 3600
PRUNE_RECENT: Final = timedelta(days=2)


def reconcile_recent(*, recent_s: float = RECENT_S) -> int:
    """Compare repos whose refs changed lately with their rows; return how many refs were behind (T160).

    The time of a ref's folder tells without opening a repository: moving a ref renames a file in it.
    """
    since = time.time() - recent_s
    behind = 0
    for pk, path in _repositories():
        if _last_ref_change(path) < since:
            continue
        for name in clear_leftovers(path):
            log.warning("leftover_removed", repo=pk, name=name)
        behind += _reconcile_one(pk)
    remove_stale_stages()
    return behind


def _reconcile_one(pk: int) -> int:
    if not Repo.objects.filter(pk=pk).exists():
        return 0
    changed = reconcile(pk)
    if changed:
        log.warning("refs_were_ahead", repo=pk, refs=changed)
    return changed


def _repositories() -> list[tuple[int, Path]]:
    root = Path(settings.HUB_DATA_DIR) / "git"
    found = []
    for path in root.glob("[0-9a-f][0-9a-f]/*.git"):
        with contextlib.suppress(ValueError):
            found.append((int(path.stem), path))
    return found


def _last_ref_change(path: Path) -> float:
    newest = 0.0
    with contextlib.suppress(FileNotFoundError):
        newest = (path / "packed-refs").stat().st_mtime
    for folder, _, _ in os.walk(path / "refs"):
        with contextlib.suppress(FileNotFoundError):
            newest = max(newest, Path(folder).stat().st_mtime)
    return newest


def remove_stale_stages(*, now: float | None = None) -> int:
    """Remove git repositories that were being made when their process died (T163); return how many."""
    removed = 0
    for path in (Path(settings.HUB_DATA_DIR) / "git" / "new").glob("*"):
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_mtime < (now or time.time()) - STAGED_LIFE_S:
                shutil.rmtree(path, ignore_errors=True)
                removed += 1
    return removed


def prune_recent(*, recent: timedelta = PRUNE_RECENT) -> int:
    """Repack repos whose refs moved lately, so that nobody fetches what a deleted branch held for long (T56).

    Objects younger than ``PRUNE_AGE_S`` stay, for a running commit or push may be about to name them; with a run each
    six hours they go within a day. Returns how many repos were repacked.
    """
    since = timezone.now() - recent
    count = 0
    for repo in Repo.objects.filter(deleted_at__isnull=True, updated_at__gt=since).iterator():
        try:
            collect_garbage(repo.git_path, prune_age_s=PRUNE_AGE_S)
            recount_storage(repo)
            count += 1
        except (subprocess.SubprocessError, OSError, HubError) as error:
            log.error("prune_failed", repo=repo.pk, error=str(error)[:500])
    return count


def expire_uploads() -> GcReport:
    """Close drafts and transfers that nobody continued, and free their parts (T159)."""
    drafts = expire_drafts()
    report = sweep_expired_uploads()
    log.info("uploads_expired", drafts=drafts, sessions=report.sessions, files=report.unfinished_files)
    return report
