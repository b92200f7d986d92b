"""Sums, filters, pages and CSV of a person's calls."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from hub.core.errors import BadRequest
from inference.charts import calls_per_day
from inference.usage import CSV_COLUMNS, UsageFilters, csv_rows, list_calls, usage_of
from tests.factories.accounts import make_token, make_user
from tests.factories.inference import make_model, make_usage

pytestmark = pytest.mark.django_db


@pytest.fixture
def person():
    return make_user(password=None)


def test_sums_by_day_model_and_token(person):
    first, second = make_model(), make_model()
    token, _secret = make_token(person, "inference", name="laptop")
    make_usage(person, first, token=token, run_ms=1500)
    make_usage(person, first, outcome="failed", completion_tokens=0, run_ms=0)
    make_usage(person, second, created_at=timezone.now() - timedelta(days=2))
    make_usage(make_user(password=None), first)  # somebody else's
    usage = usage_of(person, UsageFilters(days=7))
    assert (usage.totals.calls, usage.totals.errors, usage.totals.tokens) == (3, 1, 19)
    assert usage.totals.compute_s == pytest.approx(1.51)
    assert [day.totals.calls for day in usage.days] == [0, 0, 0, 0, 1, 0, 2]
    assert [(group.key, group.totals.calls) for group in usage.models] == [(first.repo_id, 2), (second.repo_id, 1)]
    assert {group.key: group.totals.calls for group in usage.tokens} == {"browser": 2, token.object_id: 1}


def test_filters_narrow(person):
    first, second = make_model(), make_model()
    token, _secret = make_token(person, "inference")
    make_usage(person, first, token=token)
    make_usage(person, second)
    make_usage(person, second, created_at=timezone.now() - timedelta(days=40))
    assert usage_of(person, UsageFilters(model=second.repo_id)).totals.calls == 1
    assert usage_of(person, UsageFilters(token=token.object_id)).totals.calls == 1
    assert usage_of(person, UsageFilters(token="browser", days=90)).totals.calls == 2
    assert usage_of(person, UsageFilters(days=1)).totals.calls == 2


@pytest.mark.parametrize("days", ["", "0", "-1", "31", "²", "9" * 400, "x"])
def test_unknown_ranges_fall_back(days):
    assert UsageFilters.parse({"days": days}).days == 30


def test_queries_do_not_grow(person):
    for _ in range(3):
        make_usage(person, make_model())
    with CaptureQueriesContext(
        connection,
    ) as few:
        usage_of(person, UsageFilters())
    for _ in range(10):
        make_usage(person, make_model())
    with CaptureQueriesContext(connection) as many:
        usage_of(person, UsageFilters())
    assert len(few) == len(many) == 4


def test_pages_hold_every_call_once(person):
    repo = make_model()
    made = [make_usage(person, repo).pk for _ in range(7)]
    found, cursor = [], ""
    while True:
        page = list_calls(person, UsageFilters(), cursor, limit=3)
        found += [row.pk for row in page.items]
        if page.next_cursor is None:
            break
        cursor = page.next_cursor
    assert found == made[::-1]
    with pytest.raises(BadRequest):
        list_calls(person, UsageFilters(), "nonsense")


def test_csv_disarms_formulas(person):
    repo = make_model()
    token, _secret = make_token(person, "inference", name='=HYPERLINK("http://evil")')
    make_usage(person, repo, token=token)
    header, row = csv_rows(person, UsageFilters())
    assert header == list(CSV_COLUMNS)
    assert row[header.index("token")] == '\'=HYPERLINK("http://evil")'
    assert row[header.index("prompt_tokens")] == "3"


def test_bars_stand_on_the_axis_and_fit(person):
    repo = make_model()
    for outcome in ("ok", "ok", "failed"):
        make_usage(person, repo, outcome=outcome)
    chart = calls_per_day(usage_of(person, UsageFilters(days=7)).days)
    last = chart.bars[-1]
    assert last.ok_y + last.ok_height == pytest.approx(chart.base)
    assert last.error_y + last.error_height == pytest.approx(last.ok_y)
    assert last.ok_height == pytest.approx(2 * last.error_height)
    assert all(bar.error_y >= 0 and bar.x + bar.width <= chart.width for bar in chart.bars)
    assert [line.label for line in chart.lines] == [0, 2, 4]
