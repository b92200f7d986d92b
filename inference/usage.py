"""What a person used: totals, days, models and tokens, and the calls one by one; all from the ledger."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from django.db.models import Count, F, Q, QuerySet, Sum
from django.db.models.functions import TruncDate
from django.utils import timezone

from hub.accounts.models import User
from hub.core.pagination import Page, cut_page, decode_cursor
from inference.models import UsageOutcome, UsageRecord

RANGES: Final = (1, 7, 30, 90, 365)  # days
PAGE_SIZE: Final = 50
# The word for calls from pages, which carry no token.
FROM_BROWSER: Final = "browser"
CSV_LIMIT: Final = 100_000
_GROUPS_SHOWN: Final = 50
_ERRORS: Final = (UsageOutcome.FAILED, UsageOutcome.REFUSED)


@dataclass(frozen=True, slots=True)
class UsageFilters:
    """What of the ledger is meant; unknown words in a query string fall back to the defaults."""

    days: int = 30
    model: str = ""  # ns/name as it was called
    token: str = ""  # object id of an access token; "browser" for calls from pages

    @classmethod
    def parse(cls, query: Mapping[str, str]) -> UsageFilters:
        days = query.get("days", "")
        return cls(
            days=int(days) if days.isascii() and days.isdigit() and int(days[:4]) in RANGES else 30,
            model=query.get("model", "")[:140],
            token=query.get("token", "")[:24],
        )

    @property
    def since(self) -> datetime:
        """Midnight (UTC) of the first day: whole days, so that bars can be compared."""
        first = timezone.now().date() - timedelta(days=self.days - 1)
        return datetime.combine(first, time.min, UTC)

    def query(self, **changes: Any) -> str:
        """As a query string, without defaults; ``changes`` replace values."""
        other = replace(self, **changes)
        values = {"days": other.days if other.days != 30 else "", "model": other.model, "token": other.token}
        return f"?{urlencode({key: value for key, value in values.items() if value})}"


def successful_runs(repo_pk: int, user_pks: Collection[int]) -> dict[tuple[int, str], int]:
    """How often each of these people had an answer from each commit of a repo."""
    answered = UsageRecord.objects.filter(repo_id=repo_pk, user_id__in=user_pks, outcome=UsageOutcome.OK)
    rows = answered.order_by().values_list("user_id", "commit_oid").annotate(calls=Count("*"))
    return {(user_pk, oid): calls for user_pk, oid, calls in rows}


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over some calls; ``errors`` were refused or failed, ``compute_s`` is run time in seconds."""

    calls: int = 0
    errors: int = 0
    cancelled: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    compute_s: float = 0.0

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True, slots=True)
class UsageGroup:
    """The calls of one model or one token; ``key`` is the filter's word for it."""

    key: str
    label: str
    totals: Totals


@dataclass(frozen=True, slots=True)
class UsageDay:
    day: date
    totals: Totals


@dataclass(frozen=True, slots=True)
class Usage:
    totals: Totals
    days: list[UsageDay]  # every day of the range, oldest first
    models: list[UsageGroup]  # most calls first, at most 50
    tokens: list[UsageGroup]


_SUMS: Final = {
    "calls": Count("pk"),
    "errors": Count("pk", filter=Q(outcome__in=_ERRORS)),
    "cancelled": Count("pk", filter=Q(outcome=UsageOutcome.CANCELLED)),
    "prompt_tokens": Sum("prompt_tokens", default=0),
    "completion_tokens": Sum("completion_tokens", default=0),
    "run_ms": Sum("run_ms", default=0.0),
}


def _totals(row: Mapping[str, Any]) -> Totals:
    return Totals(
        row["calls"],
        row["errors"],
        row["cancelled"],
        row["prompt_tokens"],
        row["completion_tokens"],
        row["run_ms"] / 1000,
    )


def _calls(user: User, filters: UsageFilters) -> QuerySet[UsageRecord]:
    rows = UsageRecord.objects.filter(user=user, created_at__gte=filters.since)
    if filters.model:
        rows = rows.filter(repo_name=filters.model)
    if filters.token == FROM_BROWSER:
        rows = rows.filter(token=None)
    elif filters.token:
        rows = rows.filter(token__object_id=filters.token)
    return rows


def usage_of(user: User, filters: UsageFilters) -> Usage:
    """Sums of a person's calls in four queries, whatever their number."""
    calls = _calls(user, filters)
    return Usage(
        totals=_totals(calls.aggregate(**_SUMS)),
        days=_by_day(calls, filters),
        models=_by_model(calls),
        tokens=_by_token(calls),
    )


def _by_day(calls: QuerySet[UsageRecord], filters: UsageFilters) -> list[UsageDay]:
    rows = calls.annotate(day=TruncDate("created_at", tzinfo=UTC)).values("day").annotate(**_SUMS).order_by("day")
    found = {row["day"]: _totals(row) for row in rows}
    first = filters.since.date()
    days = [first + timedelta(days=number) for number in range(filters.days)]
    return [UsageDay(day, found.get(day, Totals())) for day in days]


def _by_model(calls: QuerySet[UsageRecord]) -> list[UsageGroup]:
    sums: Any = calls.values("repo_name").annotate(**_SUMS)
    rows = sums.order_by("-calls", "repo_name")[:_GROUPS_SHOWN]
    return [UsageGroup(row["repo_name"], row["repo_name"], _totals(row)) for row in rows]


def _by_token(calls: QuerySet[UsageRecord]) -> list[UsageGroup]:
    sums: Any = calls.values("token__object_id", "token__name").annotate(**_SUMS)
    rows = sums.order_by("-calls", "token__name")[:_GROUPS_SHOWN]
    return [UsageGroup(row["token__object_id"] or FROM_BROWSER, row["token__name"] or "", _totals(row)) for row in rows]


def list_calls(user: User, filters: UsageFilters, cursor: str = "", limit: int = PAGE_SIZE) -> Page[UsageRecord]:
    """Calls, newest first, a page at a time; rows are written in the order of their ids. Raises BadRequest."""
    rows = _calls(user, filters).select_related("token").order_by("-pk")
    if cursor:
        (last,) = decode_cursor(cursor, int)
        rows = rows.filter(pk__lt=last)
    return cut_page(list(rows[: limit + 1]), limit, lambda row: (row.pk,))


CSV_COLUMNS: Final = (
    "time", "request_id", "model", "commit", "task", "route", "token", "outcome", "error_code", "prompt_tokens",
    "completion_tokens", "input_bytes", "output_bytes", "queue_ms", "load_ms", "first_token_ms", "run_ms",
)  # fmt: skip


def csv_rows(user: User, filters: UsageFilters) -> Iterator[list[str]]:
    """The calls as rows of text, newest first, at most 100,000."""
    yield list(CSV_COLUMNS)
    rows = _calls(user, filters).annotate(token_name=F("token__name")).order_by("-pk")[:CSV_LIMIT]
    for row in rows.iterator(chunk_size=1_000):
        words = [row.repo_name, row.commit_oid, row.pipeline_tag, row.route, row.token_name or "", row.outcome]
        numbers = [row.prompt_tokens, row.completion_tokens, row.input_bytes, row.output_bytes]
        times = [row.queue_ms, row.load_ms, row.first_token_ms, row.run_ms]
        yield [
            row.created_at.isoformat(timespec="milliseconds"),
            row.request_id,
            *(_plain(word) for word in [*words, row.error_code]),
            *(str(number) for number in numbers),
            *(f"{value:.1f}" for value in times),
        ]


def _plain(word: str) -> str:
    """Spreadsheets run cells that begin like formulas; names are people's to choose."""
    return f"'{word}" if word[:1] in {"=", "+", "-", "@", "\t", "\r"} else word
