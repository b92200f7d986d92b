"""Downloads of a repo by day: the public number with its method, and for the owner all there is to know (T50)."""

from __future__ import annotations

import csv
from typing import Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from hub.catalog import trending
from hub.catalog.queries import look_alike_of
from hub.core.ids import RepoType
from hub.repos.permissions import can_admin, get_repo_for_admin, get_repo_for_read
from hub.repos.queries import all_downloads, downloads_by_day
from hub.web.account_pages import session_required
from hub.web.contexts.repos import index_of, repo_head, repo_url, settings_nav

_PUBLIC_DAYS: Final = 30
_RANGES: Final = (30, 90, 365)


@require_safe
def repo_stats(request: HttpRequest, repo_type: RepoType, namespace: str, name: str) -> HttpResponse:
    """The last 30 days for everybody; for administrators up to a year, with members and robots apart."""
    repo = get_repo_for_read(request.viewer, repo_type, namespace, name)
    is_admin = can_admin(request.viewer, repo)
    days = _days(request.GET.get("days", "")) if is_admin else _PUBLIC_DAYS
    series = downloads_by_day(repo, days)
    address = repo_url(repo, "repo_stats")
    context = {
        "repo": repo,
        "repo_head": repo_head(request, repo, "settings" if is_admin else "card", index=index_of(repo)),
        "settings_nav": settings_nav(repo, "repo_stats") if is_admin else [],
        "is_admin": is_admin,
        "days": days,
        "ranges": [
            {
                "label": ngettext("%(count)s day", "%(count)s days", count) % {"count": count},
                "href": f"{address}?days={count}",
                "current": count == days,
            }
            for count in _RANGES
        ],
        "chart": [(row.day, row.count) for row in series],
        "rows": [row for row in reversed(series) if row.count or (is_admin and (row.members or row.robots))],
        "total": sum(row.count for row in series),
        "members_total": sum(row.members for row in series),
        "robots_total": sum(row.robots for row in series),
        "look_alike": look_alike_of(repo.pk) if is_admin else None,
        "csv_href": repo_url(repo, "repo_stats_csv"),
    }
    return render(request, "repos/stats.html", context)


def _days(text: str) -> int:
    return int(text) if text in map(str, _RANGES) else _PUBLIC_DAYS


@require_safe
@session_required
def repo_stats_csv(request: HttpRequest, repo_type: RepoType, namespace: str, name: str) -> HttpResponse:
    """Every day since the first download, for administrators."""
    repo = get_repo_for_admin(request.viewer, repo_type, namespace, name)
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{repo.name}-downloads.csv"'
    response["Cache-Control"] = "private, no-store"
    writer = csv.writer(response)
    writer.writerow(["day", "downloads", "members", "robots"])
    writer.writerows([row.day.isoformat(), row.count, row.members, row.robots] for row in all_downloads(repo))
    return response


@require_safe
def counts(request: HttpRequest) -> HttpResponse:
    """How downloads, likes and trending are counted: the method behind each number."""
    context = {
        "half_life_downloads": int(trending.DOWNLOADS_HALF_LIFE_DAYS),
        "half_life_likes": int(trending.LIKES_HALF_LIFE_DAYS),
        "like_weight": int(trending.LIKE_WEIGHT),
        "start_score": int(trending.START_SCORE),
        "burst_downloads": trending.BURST_DOWNLOADS,
        "burst_factor": trending.BURST_FACTOR,
        "burst_days": trending.BURST_MEMORY_DAYS,
        "burst_likes": trending.BURST_LIKES,
        "burst_likes_a_day": trending.BURST_LIKES_A_DAY,
    }
    return render(request, "web/counts.html", context)
