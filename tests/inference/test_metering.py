"""The ledger: one reservation, one settlement."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from hub.accounts.auth import Viewer
from hub.core.errors import RateLimited
from inference import metering
from inference.metering import Measured
from inference.models import UsageOutcome, UsageRecord
from tests.factories.accounts import make_user, make_viewer
from tests.factories.inference import make_model, make_usage

pytestmark = pytest.mark.django_db


def _reserved(request_id: str = "req-1") -> UsageRecord:
    viewer = Viewer(user=make_user(password=None))
    repo = make_model()
    return metering.reserve(
        viewer,
        repo,
        request_id=request_id,
        commit_oid=repo.head_oid,
        pipeline_tag="text-generation",
        route="chat.completions",
        is_streamed=True,
        input_bytes=12,
    )


def test_a_call_is_settled_once_t164_t167():
    row = _reserved()
    assert metering.settle(row.request_id, UsageOutcome.OK, Measured(completion_tokens=5, run_ms=20))
    assert not metering.settle(row.request_id, UsageOutcome.FAILED, Measured(completion_tokens=99), "late")
    row.refresh_from_db()
    assert (row.outcome, row.completion_tokens, row.error_code) == ("ok", 5, "")
    assert row.settled_at is not None


def test_lost_calls_are_closed_and_charged_nothing():
    old, young = _reserved("req-old"), _reserved("req-young")
    UsageRecord.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(minutes=16))
    assert metering.settle_lost_calls() == 1
    old.refresh_from_db()
    young.refresh_from_db()
    assert (old.outcome, old.error_code, old.completion_tokens) == ("failed", "gateway_lost", 0)
    assert young.outcome == UsageOutcome.RESERVED


def test_the_rate_is_counted_per_token_and_per_person_t138(settings):
    settings.HUB_INFERENCE_RPM = 2
    person = make_user(password=None)
    session, token = make_viewer(person), make_viewer(person, "inference", requests_per_minute=1)
    assert metering.check_rate(session).remaining == 1
    assert metering.check_rate(session).remaining == 0
    assert metering.check_rate(token).remaining == 0  # a token has its own count
    for viewer in (session, token):
        with pytest.raises(RateLimited) as refusal:
            metering.check_rate(viewer)
        assert 1 <= refusal.value.data["retry_after_s"] <= 60


def test_settled_rows_outlive_their_repo_and_person():
    person = make_user(password=None)
    row = make_usage(person, make_model())
    row.repo.index.delete()
    row.repo.delete()
    row.refresh_from_db()
    assert row.repo is None
    assert row.repo_name
