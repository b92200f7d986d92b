"""Hosted calls end when their model is closed (T40, T152)."""

from __future__ import annotations

import pytest
from redis import Redis

from hub.repos.services.repos import clear_disabled, set_disabled
from inference import keys
from inference.models import UsageOutcome
from inference.stopping import stop_calls_of_closed_repo
from tests.factories.accounts import make_user, make_viewer
from tests.factories.inference import make_model, make_usage

pytestmark = pytest.mark.django_db


def test_closing_a_model_cancels_its_calls_and_no_others_t152(redis: Redis, django_capture_on_commit_callbacks) -> None:
    user = make_user(password=None)
    model, other = make_model(), make_model()
    running = make_usage(user, model, outcome=UsageOutcome.RESERVED, settled_at=None)
    ended = make_usage(user, model)
    elsewhere = make_usage(user, other, outcome=UsageOutcome.RESERVED, settled_at=None)
    heard = redis.pubsub()
    heard.subscribe(keys.CANCEL_CHANNEL)
    heard.get_message(timeout=5)  # that it listens
    with django_capture_on_commit_callbacks(execute=True):
        set_disabled(model, actor=make_viewer(user), reason="Malware.")
    message = heard.get_message(timeout=5)
    assert message is not None
    assert message["data"].decode() == running.request_id
    assert redis.exists(keys.cancelled(running.request_id))
    assert not redis.exists(keys.cancelled(ended.request_id))
    assert not redis.exists(keys.cancelled(elsewhere.request_id))
    heard.close()
    clear_disabled(model, actor=make_viewer(user))
    assert stop_calls_of_closed_repo(model.pk) == 0
