"""Pages and small JSON routes of hosted inference; the calls themselves are the gateway's."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from hub.accounts.requests import SignedInRequest
from hub.core.error_words import in_words_of_reader
from hub.core.errors import NotFound, PermissionDenied
from hub.core.ids import RepoType
from hub.core.pagination import Page
from hub.repos.permissions import get_repo_for_read
from inference.charts import Chart, calls_per_day
from inference.models import UsageRecord
from inference.operations import workers_overview
from inference.playground import playground_for
from inference.queries import live_state
from inference.usage import RANGES, Usage, UsageFilters, UsageGroup, csv_rows, list_calls, usage_of


@require_safe
def state(request: HttpRequest, namespace: str, name: str) -> JsonResponse:
    """The state of a model now: ``{state, reason_code, reason, waiting, load_p50_ms}``."""
    repo = get_repo_for_read(request.viewer, RepoType.MODEL, namespace, name)
    live = live_state(repo)
    answer = JsonResponse(asdict(replace(live, reason=in_words_of_reader(live.reason))))
    answer["Cache-Control"] = "no-store"
    return answer


@require_safe
def playground(request: HttpRequest, namespace: str, name: str) -> HttpResponse:
    repo = get_repo_for_read(request.viewer, RepoType.MODEL, namespace, name)
    context = playground_for(request.viewer, repo, request.GET.get("task", ""))
    if context is None:
        raise NotFound
    return render(request, "inference/playground.html", {"playground": context, "repo_url": repo.urls.page})


@dataclass(frozen=True, slots=True)
class UsageContext:
    """What ``inference/usage.html`` reads."""

    filters: UsageFilters
    ranges: list[dict[str, Any]]
    usage: Usage
    chart: Chart
    calls: Page[UsageRecord]
    first_href: str
    next_href: str
    is_first_page: bool
    without_model: str
    without_token: str
    model_rows: list[dict[str, Any]]
    token_rows: list[dict[str, Any]]
    token_label: str


@require_safe
@login_required
def usage(request: SignedInRequest) -> HttpResponse:
    filters = UsageFilters.parse(request.GET)
    cursor = request.GET.get("cursor", "")
    found = usage_of(request.user, filters)
    calls = list_calls(request.user, filters, cursor)
    query = filters.query()
    context = UsageContext(
        filters=filters,
        ranges=_ranges(filters),
        usage=found,
        chart=calls_per_day(found.days),
        calls=calls,
        first_href=query,
        next_href=_with_cursor(query, calls.next_cursor) if calls.next_cursor else "",
        is_first_page=not cursor,
        without_model=filters.query(model=""),
        without_token=filters.query(token=""),
        model_rows=[_row(group, filters.query(model=group.key)) for group in found.models],
        token_rows=[_row(group, filters.query(token=group.key)) for group in found.tokens],
        token_label=next((group.label for group in found.tokens if group.key == filters.token), ""),
    )
    return render(request, "inference/usage.html", {"page": context})


def _ranges(filters: UsageFilters) -> list[dict[str, Any]]:
    words = {1: _("Today"), 7: _("7 days"), 30: _("30 days"), 90: _("90 days"), 365: _("1 year")}
    return [
        {"label": words[days], "href": filters.query(days=days), "is_current": days == filters.days} for days in RANGES
    ]


def _row(group: UsageGroup, href: str) -> dict[str, Any]:
    return {"label": group.label, "totals": group.totals, "href": href}


def _with_cursor(query: str, cursor: str) -> str:
    return f"{query}{'&' if len(query) > 1 else ''}cursor={cursor}#calls"


class _Line:
    """Gives each written CSV line back instead of keeping it."""

    def write(self, text: str) -> str:
        return text


@require_safe
@login_required
def usage_csv(request: SignedInRequest) -> StreamingHttpResponse:
    filters = UsageFilters.parse(request.GET)
    writer = csv.writer(_Line())

    def lines() -> Iterator[str]:
        for row in csv_rows(request.user, filters):
            yield writer.writerow(row)

    answer = StreamingHttpResponse(lines(), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="usage-{timezone.now():%Y-%m-%d}.csv"'
    answer["Cache-Control"] = "no-store"
    return answer


@require_safe
@login_required
def workers(request: HttpRequest) -> HttpResponse:
    """For operators: what runs where, what waits, what is missing."""
    if not request.user.is_staff or request.viewer.token is not None:
        raise PermissionDenied
    return render(request, "inference/workers.html", {"overview": workers_overview()})
