"""Numbers on cards.  They change here and nowhere else."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.conf import settings
from django.core.cache import cache
from django.db import IntegrityError, transaction
from django.db.models import F, Q, Sum
from django.utils import timezone

from hub.accounts.auth import Viewer
from hub.accounts.permissions import role_in
from hub.repos import signals
from hub.repos.models import DownloadDay, DownloadSeen, GuestBytes, Repo, RepoObject
from hub.storage.git.repository import disk_size_bytes

DOWNLOAD_WINDOW_DAYS: Final = 30
_SEEN_KEPT: Final = timedelta(days=2)
_BOT: Final = re.compile(r"bot\b|crawl|spider|slurp|preview|monitor|headless|facebookexternalhit", re.IGNORECASE)


def count_download(repo: Repo, *, viewer: Viewer, address: str, client: str) -> bool:
    """Count a download, once per account or network and UTC day (T50); return whether it counted.

    Members of the owner, workers of this hub and robots do not count.
    """
    if viewer.service is not None or _BOT.search(client) or role_in(viewer, repo.namespace_id) is not None:
        return False
    day = timezone.now().date()
    who = _who(viewer, address)
    if not _is_first(repo, day.isoformat(), who):
        return False
    try:
        with transaction.atomic():
            DownloadSeen.objects.create(repo=repo, day=day, who=who)
            today, _ = DownloadDay.objects.get_or_create(repo=repo, day=day)
            DownloadDay.objects.filter(pk=today.pk).update(count=F("count") + 1)
            Repo.objects.filter(pk=repo.pk).update(
                downloads=F("downloads") + 1, downloads_all_time=F("downloads_all_time") + 1
            )
            transaction.on_commit(lambda: _tell(repo.pk))
    except IntegrityError:  # seen before, and the cache had forgotten
        return False
    return True


def _is_first(repo: Repo, day: str, who: str) -> bool:
    """Spare the database the many further files of one download; without a cache the row decides alone."""
    try:
        return bool(cache.add(f"downloaded:{repo.pk}:{day}:{who}", 1, timeout=26 * 3600))
    except Exception:
        return True


def _who(viewer: Viewer, address: str) -> str:
    """A keyed hash: nobody can tell from the table who downloaded what."""
    subject = f"user:{viewer.user_pk}" if viewer.user_pk else f"net:{_network(address)}"
    return hmac.new(settings.SECRET_KEY.encode(), f"download:{subject}".encode(), hashlib.sha256).hexdigest()[:32]


def _network(address: str) -> str:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    return str(ipaddress.ip_network((found, 24 if found.version == 4 else 64), strict=False))


def set_likes(repo_pk: int, count: int) -> None:
    """Show ``count`` likes; the rows are ``community``'s."""
    Repo.objects.filter(pk=repo_pk).update(likes=count)
    transaction.on_commit(lambda: _tell(repo_pk))


def set_discussions_open(repo_pk: int, count: int) -> None:
    """Show ``count`` open discussions; the rows are ``community``'s."""
    Repo.objects.filter(pk=repo_pk).update(discussions_open=count)
    transaction.on_commit(lambda: _tell(repo_pk))


def roll_downloads() -> int:
    """Set every repo's downloads to those of the last 30 days and forget who was seen; return how many changed."""
    today = timezone.now().date()
    days = DownloadDay.objects.filter(day__gt=today - timedelta(days=DOWNLOAD_WINDOW_DAYS))
    recent = {row["repo"]: row["total"] for row in days.order_by().values("repo").annotate(total=Sum("count"))}
    changed = 0
    # Only repos that had or have downloads can differ.
    candidates = Repo.objects.filter(Q(downloads__gt=0) | Q(pk__in=days.values("repo")))
    for pk, downloads in candidates.values_list("pk", "downloads"):
        if downloads != recent.get(pk, 0):
            Repo.objects.filter(pk=pk).update(downloads=recent.get(pk, 0))
            _tell(pk)
            changed += 1
    DownloadSeen.objects.filter(day__lt=today - _SEEN_KEPT).delete()
    return changed


@dataclass(frozen=True, slots=True)
class MeasuredStorage:
    """What a repo holds for its owner: large files by their sizes, git by what lies on the disk."""

    large_bytes: int
    git_bytes: int


def measure_storage(repo: Repo) -> MeasuredStorage:
    """Measure what a repo takes of its owner's quota."""
    return _measured(repo, disk_size_bytes(repo.git_path))


def _measured(repo: Repo, git_bytes: int) -> MeasuredStorage:
    own = RepoObject.objects.filter(repo=repo, payer__isnull=True)
    large = own.aggregate(total=Sum("size_bytes"))["total"] or 0
    # What strangers put into pull requests counts for them (T196).
    guests = GuestBytes.objects.filter(repo=repo).aggregate(total=Sum("size_bytes"))["total"] or 0
    return MeasuredStorage(int(large), max(git_bytes - int(guests), 0))


def recount_storage(repo: Repo) -> int:
    """Set a repo's size to what is measured, in bytes."""
    git_bytes = disk_size_bytes(repo.git_path)
    with transaction.atomic():
        # The row first: a link that is being made adds itself after us, or is seen by the sum.
        Repo.objects.select_for_update().get(pk=repo.pk)
        measured = _measured(repo, git_bytes)
        total = measured.large_bytes + measured.git_bytes
        Repo.objects.filter(pk=repo.pk).update(storage_bytes=total)
    return total


def _tell(repo_pk: int) -> None:
    signals.counters_changed.send_robust(sender=Repo, repo_pk=repo_pk)
