"""What the files and the workers say about a model, in one state."""

from __future__ import annotations

import json
import time
from datetime import timedelta

import pytest
from django.utils import timezone

from hub.accounts.auth import ANONYMOUS, Viewer
from hub.core.errors import RevisionNotFound
from hub.repos.models import Ref
from inference import keys
from inference.models import ModelHealth
from inference.queries import inference_summary, list_callable, live_state, serving_of
from tests.factories.accounts import make_user
from tests.factories.inference import HEAD, make_model

pytestmark = pytest.mark.django_db


def test_related_tasks_share_weights():
    assert serving_of(make_model(task="sentence-similarity")).tasks == ("sentence-similarity", "feature-extraction")
    assert serving_of(make_model(task="text-generation")).tasks == ("text-generation",)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"inspection": {}}, "not_inspected"),
        ({"inspection": {"servable": False, "reason": "remote_code", "message": "Own code."}}, "remote_code"),
        ({"task": "text-to-video"}, "unsupported_task"),
    ],
)
def test_reasons_not_to_serve(fields, code):
    serving = serving_of(make_model(**fields))
    assert (serving.is_servable, serving.reason_code) == (False, code)
    assert serving.reason.endswith(".")


def test_revisions_are_branches_tags_or_known_commits():
    repo = make_model()
    Ref.objects.create(repo=repo, name="refs/tags/v1", oid="b" * 40)
    assert serving_of(repo, "main").commit_oid == HEAD
    assert serving_of(repo, "v1").commit_oid == serving_of(repo, "b" * 40).commit_oid == "b" * 40
    with pytest.raises(RevisionNotFound):
        serving_of(repo, "c" * 40)


def test_a_model_that_rests_after_crashes_is_unavailable_t170(redis):
    repo = make_model()
    redis.sadd(keys.WORKERS, "w")
    redis.set(keys.worker("w"), json.dumps({"name": "w", "at": time.time(), "models": {}}), ex=5)
    health = ModelHealth.objects.create(
        repo=repo, commit_oid=HEAD, crashes=3, rests_until=timezone.now() + timedelta(hours=1)
    )
    assert live_state(repo).reason_code == "model_failed_repeatedly"
    ModelHealth.objects.filter(pk=health.pk).update(rests_until=timezone.now() - timedelta(seconds=1))
    assert live_state(repo).state == "cold"


def test_calls_that_wait_are_counted_in_the_queue_they_stand_in(redis):
    repo = make_model()
    model = keys.model_key(repo.pk, HEAD)
    redis.lpush(keys.pool_queue("cpu"), b"x", b"y")
    redis.lpush(keys.model_queue(model), b"z")
    redis.sadd(keys.WORKERS, "w")
    for models, expected in (({}, ("cold", 2)), ({model: {"state": "ready"}}, ("ready", 1))):
        redis.set(keys.worker("w"), json.dumps({"name": "w", "at": time.time(), "models": models}), ex=5)
        state = live_state(repo)
        assert (state.state, state.waiting) == expected


def test_list_shows_what_the_viewer_may_see():
    owner = make_user(password=None)
    public, private = make_model(owner), make_model(owner, visibility="private")
    make_model(owner, inspection={"servable": False})
    assert {row["full_id"] for row in list_callable(ANONYMOUS)} == {public.repo_id}
    assert {row["full_id"] for row in list_callable(Viewer(user=owner))} == {public.repo_id, private.repo_id}


def test_summary_for_the_api():
    repo = make_model(task="sentence-similarity")
    summary = inference_summary(repo)
    assert summary["inference"] == "warm"
    expected = {"providerId": repo.repo_id, "status": "live", "task": "sentence-similarity"}
    assert summary["inferenceProviderMapping"] == {"hf-inference": expected}
    assert inference_summary(make_model(inspection={"servable": False})) == {}
