"""Numbers on cards.  They change here and nowhere else."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Final

from django.core.cache import cache
from django.db import IntegrityError, transaction
from django.db.models import F, Q, Sum
from django.utils import timezone

from hub.repos import signals
from hub.repos.models import DownloadDay, DownloadSeen, GuestBytes, LastDownload, Repo, RepoObject
from hub.storage.git.repository import disk_size_bytes

DOWNLOAD_WINDOW_DAYS: Final = 30
_SEEN_KEPT: Final = timedelta(days=2)


class DownloadKind(StrEnum):
    """Who downloaded, and so in which column of a day it counts."""

    PERSON = "p"
    ACCOUNT = "a"  # a person who is signed in
    MEMBER = "m"
    ROBOT = "r"

    @property
    def column(self) -> str:
        return {"p": "count", "a": "count", "m": "members", "r": "robots"}[self.value]


def count_download(repo_pk: int, *, kind: DownloadKind, who: str) -> bool:
    """Count a download, once per account or network and UTC day (T50); return whether it counted.

    ``who`` is a keyed hash. Members and robots have columns of their own and change no number on a card.
    """
    day = timezone.now().date()
    try:
        with transaction.atomic():
            DownloadSeen.objects.create(repo_id=repo_pk, day=day, who=_seen(kind, who))
            today, _ = DownloadDay.objects.get_or_create(repo_id=repo_pk, day=day)
            DownloadDay.objects.filter(pk=today.pk).update(**{kind.column: F(kind.column) + 1})
            if kind.column == "count":
                Repo.objects.filter(pk=repo_pk).update(
                    downloads=F("downloads") + 1, downloads_all_time=F("downloads_all_time") + 1
                )
                transaction.on_commit(lambda: _tell(repo_pk))
            if kind is DownloadKind.ACCOUNT:
                LastDownload.objects.update_or_create(repo_id=repo_pk, who=who, defaults={"day": day})
    except IntegrityError:  # seen before, or the repo is gone
        is_new = False
    else:
        is_new = True
    with contextlib.suppress(Exception):  # without a cache the row decides alone
        cache.set(_counted_key(repo_pk, day, kind, who), 1, timeout=26 * 3600)
    return is_new


def is_counted_today(repo_pk: int, kind: DownloadKind, who: str) -> bool:
    """Whether another download by them would add nothing: spares the books the many further files of one download."""
    try:
        return cache.get(_counted_key(repo_pk, timezone.now().date(), kind, who)) is not None
    except Exception:
        return False


def _counted_key(repo_pk: int, day: date, kind: DownloadKind, who: str) -> str:
    return f"downloaded:{repo_pk}:{day}:{_seen(kind, who)}"


def _seen(kind: DownloadKind, who: str) -> str:
    """One person who joins or leaves the owner's organization on a day counts once on either side."""
    return who if kind.column == "count" else f"{kind.value}{who[1:]}"


def set_likes(repo_pk: int, count: int) -> None:
    """Show ``count`` likes; the rows are ``community``'s."""
    Repo.objects.filter(pk=repo_pk).update(likes=count)
    transaction.on_commit(lambda: _tell(repo_pk))


def set_discussions_open(repo_pk: int, count: int) -> None:
    """Show ``count`` open discussions; the rows are ``community``'s."""
    Repo.objects.filter(pk=repo_pk).update(discussions_open=count)
    transaction.on_commit(lambda: _tell(repo_pk))


def set_rating(repo_pk: int, *, mean: float, bound: float, count: int) -> None:
    """Show what ``count`` people gave; the rows are ``community``'s."""
    Repo.objects.filter(pk=repo_pk).update(rating=mean, rating_bound=bound, rating_count=count)
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
