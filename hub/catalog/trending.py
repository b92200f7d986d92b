"""The trending score, in the words that the page shows:

    Σ downloads of a day · 2^(−days ago / 3)  +  10 · Σ likes · 2^(−days ago / 7)  +  5 · 2^(−age in days / 3)

Recent use counts most, a like as much as ten downloads, and a new repo gets a start that fades within two weeks.
Taken-back likes leave the sum at once; downloads are counted once per account or network and day.

Bursts are damped (T50): of a day's downloads at most 50 and three times the mean of the seven days before count, and
likes enter the sum at most five at a time (or, a day, as many as it holds already, and 20): what lasts counts in full
a little later, what was bought for a day does not. Look-alikes of well-known names have no score (T49).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from math import ceil
from typing import Final

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from hub.catalog import lookalikes
from hub.catalog.lookalikes import KnownNames
from hub.catalog.models import IndexChange, RepoIndex
from hub.catalog.sort_keys import pack_score
from hub.repos.models import DownloadDay

DOWNLOADS_HALF_LIFE_DAYS: Final = 3.0
LIKES_HALF_LIFE_DAYS: Final = 7.0
LIKE_WEIGHT: Final = 10.0
START_SCORE: Final = 5.0
_WINDOW_DAYS: Final = 21
BURST_DOWNLOADS: Final = 50
BURST_FACTOR: Final = 3
BURST_MEMORY_DAYS: Final = 7
BURST_LIKES: Final = 5
BURST_LIKES_A_DAY: Final = 20
_MIN_CHANGE: Final = 0.05
_BATCH: Final = 500


def update_trending(now: datetime | None = None) -> int:
    """Write the score of every repo that has or had some; return how many changed."""
    now = now or timezone.now()
    changed = 0
    known = lookalikes.known_names()
    for batch in _batches(_candidates(now)):
        changed += _update_batch(batch, now, known)
    return changed


def score(downloads: float, likes_heat: float, age_days: float) -> float:
    start = START_SCORE * 0.5 ** (max(age_days, 0) / DOWNLOADS_HALF_LIFE_DAYS)
    return downloads + LIKE_WEIGHT * likes_heat + start


def _candidates(now: datetime) -> Iterator[int]:
    """Repos whose score can have moved: used lately, liked, new, or not yet faded to nothing."""
    since = now - timedelta(days=_WINDOW_DAYS)
    used = DownloadDay.objects.filter(day__gte=since.date()).values("repo_id")
    moved = Q(pk__in=used) | Q(trending_score__gt=_MIN_CHANGE) | Q(created_at__gte=since) | ~Q(likes=F("likes_seen"))
    yield from RepoIndex.objects.filter(moved).order_by("pk").values_list("pk", flat=True).iterator()


def _batches(pks: Iterable[int]) -> Iterator[list[int]]:
    batch: list[int] = []
    for pk in pks:
        batch.append(pk)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _update_batch(pks: list[int], now: datetime, known: KnownNames) -> int:
    downloads = _decayed_downloads(pks, now)
    with transaction.atomic():
        rows = list(RepoIndex.objects.filter(pk__in=pks).only(
            "pk", "full_id", "namespace_id", "likes", "likes_seen", "likes_heat", "heat_at", "created_at",
            "trending_score", "s_trending",
        ))  # fmt: skip
        held = lookalikes.find(rows, known)
        before = {row.pk: row.trending_score for row in rows}
        for row in rows:
            _heat(row, now)
            age_days = (now - row.created_at).total_seconds() / 86_400
            reached = score(downloads[row.pk], row.likes_heat, age_days)
            row.trending_score = 0.0 if row.pk in held else round(reached, 3)
            row.s_trending = pack_score(row.trending_score, row.pk)
        RepoIndex.objects.bulk_update(
            rows, ["likes_seen", "likes_heat", "heat_at", "trending_score", "s_trending"], batch_size=100
        )
        moved = [row.pk for row in rows if abs(row.trending_score - before[row.pk]) >= _MIN_CHANGE]
        IndexChange.objects.bulk_create([IndexChange(repo_pk=pk) for pk in moved])
    return len(moved)


def _heat(row: RepoIndex, now: datetime) -> None:
    """Let the likes' sum fade by the time since the last look, then add what came since, a burst in small helpings."""
    days = max((now - row.heat_at).total_seconds() / 86_400, 0)
    faded = row.likes_heat * 0.5 ** (days / LIKES_HALF_LIFE_DAYS)
    helping = max(BURST_LIKES, ceil((BURST_LIKES_A_DAY + faded) * days))
    gain = min(row.likes - row.likes_seen, helping)
    row.likes_heat = max(faded + gain, 0.0)
    row.likes_seen, row.heat_at = row.likes_seen + gain, now


def _decayed_downloads(pks: list[int], now: datetime) -> dict[int, float]:
    by_repo: dict[int, dict[int, int]] = defaultdict(dict)  # days ago → downloads
    since = (now - timedelta(days=_WINDOW_DAYS + BURST_MEMORY_DAYS)).date()
    days = DownloadDay.objects.filter(repo_id__in=pks, day__gte=since, count__gt=0)
    for repo_pk, day, downloads in days.values_list("repo_id", "day", "count"):
        by_repo[repo_pk][(now.date() - day).days] = downloads
    totals: dict[int, float] = defaultdict(float)
    for repo_pk, series in by_repo.items():
        totals[repo_pk] = sum(
            damped(series, ago) * 0.5 ** (ago / DOWNLOADS_HALF_LIFE_DAYS) for ago in series if ago <= _WINDOW_DAYS
        )
    return totals


def damped(series: Mapping[int, int], ago: int) -> float:
    """The downloads of a day (by days ago) as far as the week before makes them likely."""
    before = sum(series.get(ago + back, 0) for back in range(1, BURST_MEMORY_DAYS + 1)) / BURST_MEMORY_DAYS
    return min(series.get(ago, 0), BURST_DOWNLOADS + BURST_FACTOR * before)
