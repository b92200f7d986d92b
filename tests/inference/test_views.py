"""Pages of hosted inference: who sees what, and that each state is drawn."""

from __future__ import annotations

import json
import time
from types import SimpleNamespace

import pytest
from django.test import Client

from hub.accounts.auth import ANONYMOUS, Viewer
from inference import keys
from inference.models import ModelHealth
from inference.playground import playground_for
from tests.factories.accounts import bearer, make_token, make_user
from tests.factories.inference import make_model, make_usage

pytestmark = pytest.mark.django_db


@pytest.fixture
def person():
    return make_user(password=None)


@pytest.fixture
def browser(person, settings):
    client = Client()
    client.force_login(person, backend=settings.AUTHENTICATION_BACKENDS[0])
    session = client.session
    session["signed_in_at"] = int(time.time())
    session.save()
    return SimpleNamespace(get=client.get, client=client)


def _beat(redis, models=None, **layers):
    beat = {"name": "w@test", "at": time.time(), "models": models or {}, "layers": layers, "memory_bytes": 10**9}
    redis.set(keys.worker("w@test"), json.dumps(beat), ex=5)
    redis.sadd(keys.WORKERS, "w@test")


def test_playground_of_a_reader_without_account_offers_sign_in(client, redis):
    repo = make_model(card_data={"widget": [{"text": "Hello there"}]})
    page = client.get(f"{repo.urls.page}/playground").content.decode()
    assert "Sign in to run" in page
    assert "Hello there" in page
    assert "data-run" not in page


def test_playground_of_a_reader_with_account_runs(browser, redis):
    repo = make_model()
    answer = browser.get(f"{repo.urls.page}/playground")
    assert b"data-run" in answer.content
    assert "csrf" in answer.cookies or b'name="csrf-token" content="' in answer.content


@pytest.mark.parametrize(
    "task", ["text-classification", "sentence-similarity", "feature-extraction", "text-generation"]
)
def test_every_task_has_a_form(browser, redis, task):
    answer = browser.get(f"{make_model(task=task).urls.page}/playground")
    assert answer.status_code == 200
    assert b"data-input" in answer.content


def test_image_task_takes_a_picture(browser, redis):
    answer = browser.get(f"{make_model(task='image-classification').urls.page}/playground")
    assert b'type="file"' in answer.content


def test_hidden_and_missing_models_have_no_playground(client):
    hidden = make_model(visibility="private")
    assert client.get(f"{hidden.urls.page}/playground").status_code == 404
    assert client.get(f"/{hidden.namespace.name}/nothing/playground").status_code == 404


def test_a_model_that_cannot_run_says_why(client):
    repo = make_model(
        inspection={"servable": False, "reason": "remote_code", "message": "It asks to run its own code."}
    )
    page = client.get(f"{repo.urls.page}/playground").content.decode()
    assert "It asks to run its own code." in page
    assert "data-playground-form" not in page


def test_state_follows_the_workers(client, redis):
    repo = make_model()
    model = keys.model_key(repo.pk, repo.head_oid)
    url = f"/api/inference/{repo.namespace.name}/{repo.name}/state"
    assert client.get(url).json()["reason_code"] == "no_worker"
    _beat(redis)
    assert client.get(url).json()["state"] == "cold"
    _beat(redis, {model: {"state": "loading"}})
    assert client.get(url).json()["state"] == "loading"
    _beat(redis, {model: {"state": "ready"}})
    answer = client.get(url)
    assert answer.json()["state"] == "ready"
    assert answer["Cache-Control"] == "no-store"


def test_cost_of_the_first_call_is_the_measured_median(redis):
    repo = make_model()
    assert "not been measured" in playground_for(ANONYMOUS, repo).load_words
    ModelHealth.objects.create(repo=repo, commit_oid=repo.head_oid, load_times_ms=[1000, 3000, 9000])
    assert playground_for(ANONYMOUS, repo).load_words == (
        "The first call loads the model: about 3.0 s (median of 3 measured loads)."
    )


def test_examples_that_do_not_fit_are_left_out(redis):
    widget = [
        {"text": 5},
        "x",
        {"source_sentence": "a", "sentences": []},
        {"source_sentence": "a", "sentences": ["b", 1]},
    ]
    repo = make_model(task="sentence-similarity", card_data={"widget": widget})
    assert [example.value for example in playground_for(ANONYMOUS, repo).examples] == [
        {"source": "a", "sentences": ["b"]}
    ]


@pytest.mark.parametrize(
    ("src", "is_kept"),
    [
        ("seven.png", True),
        ("./a b/seven.png", True),
        ("https://evil.example/x.png", False),
        ("../x.png", False),
        ("/x", False),
    ],
)
def test_example_pictures_come_from_the_repo_only(redis, src, is_kept):
    repo = make_model(task="image-classification", card_data={"widget": [{"src": src}]})
    examples = playground_for(ANONYMOUS, repo).examples
    assert bool(examples) is is_kept
    assert all(example.value["src"].startswith(f"{repo.urls.page}/resolve/main/") for example in examples)


def test_a_gate_is_told_instead_of_a_run_button(person, redis):
    gated = make_model(gated="manual")
    assert "restricted" in playground_for(Viewer(user=person), gated).refusal
    assert playground_for(Viewer(user=gated.created_by), gated).refusal == ""


def test_usage_page_empty_and_filled(browser, person, client):
    assert client.get("/settings/usage").status_code == 302
    assert b"No calls in this time" in browser.get("/settings/usage").content
    repo = make_model()
    call = make_usage(person, repo, outcome="failed", error_code="worker_lost")
    other = make_usage(make_user(password=None), make_model())
    page = browser.get("/settings/usage").content.decode()
    assert call.request_id in page
    assert "worker_lost" in page
    assert other.repo_name not in page


def test_usage_csv_is_the_persons_own(browser, person):
    mine, theirs = make_usage(person, make_model()), make_usage(make_user(password=None), make_model())
    answer = browser.get("/settings/usage.csv")
    text = b"".join(answer.streaming_content).decode()
    assert mine.repo_name in text
    assert theirs.repo_name not in text
    assert answer["Content-Disposition"].startswith("attachment")


def test_a_token_opens_no_usage_page_t13(client, person):
    _row, secret = make_token(person, "write")
    assert client.get("/settings/usage", **bearer(secret)).status_code == 403


def test_workers_are_shown_to_operators_only(browser, person, client, redis):
    repo = make_model()
    _beat(
        redis,
        {keys.model_key(repo.pk, repo.head_oid): {"state": "ready", "memory_bytes": 2_000_000}},
        seccomp=True,
        netns=False,
    )
    assert client.get("/-/workers").status_code == 302
    assert browser.get("/-/workers").status_code == 403
    person.is_staff = True
    person.save()
    page = browser.get("/-/workers").content.decode()
    assert repo.repo_id in page
    assert "Sandbox layers are missing" in page
    assert "netns" in page


def test_workers_page_without_any(browser, person, redis):
    person.is_staff = True
    person.save()
    assert "No worker is alive" in browser.get("/-/workers").content.decode()
