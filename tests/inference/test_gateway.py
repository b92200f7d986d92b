"""The gateway with a real broker, ledger and worker; only the weights are an echo."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings as django_settings
from django.db import close_old_connections
from django.middleware.csrf import _get_new_csrf_string, _mask_cipher_secret
from django.test import Client
from django.utils import timezone

from hub.repos.models import Repo
from inference import keys
from inference.models import UsageOutcome, UsageRecord
from inference.workers.runtime import may_run
from tests.factories.accounts import make_token, make_user
from tests.factories.inference import EchoWorker, make_model
from tests.inference.gateway_client import Answer, Caller

pytestmark = pytest.mark.django_db(transaction=True)

SENTENCE = "one two three four"


def in_db(function):
    """Database work of an async test, in the thread that owns the test's connection."""
    return sync_to_async(function, thread_sensitive=True)


def _setup(role: str = "inference", **token):
    owner, caller = make_user(password=None), make_user(password=None)
    _row, secret = make_token(caller, role, **token)
    return caller, make_model(owner), {"Authorization": f"Bearer {secret}"}


def _chat(repo, text: str = SENTENCE, **fields):
    return {"model": repo.repo_id, "messages": [{"role": "user", "content": text}], **fields}


async def _settled(count: int = 1, within_s: float = 3) -> list[UsageRecord]:
    """The ledger once ``count`` rows are closed."""
    deadline = time.monotonic() + within_s
    while True:
        rows = await in_db(lambda: list(UsageRecord.objects.order_by("pk")))()
        if sum(row.outcome != UsageOutcome.RESERVED for row in rows) >= count or time.monotonic() > deadline:
            return rows
        await asyncio.sleep(0.02)


@pytest.fixture
async def caller(redis):
    made = Caller()
    yield made
    await made.close()
    await in_db(close_old_connections)()


@pytest.fixture
def worker(redis):
    with EchoWorker() as running:
        yield running


async def test_chat_answers_and_is_recorded_once(caller, worker):
    person, repo, auth = await in_db(_setup)()
    answer = await caller.post("/v1/chat/completions", _chat(repo), **auth)
    assert answer.status == 200
    assert answer.json["choices"][0]["message"]["content"] == SENTENCE
    assert answer.json["usage"] == {"prompt_tokens": 4, "completion_tokens": 4, "total_tokens": 8}
    assert answer.headers["x-compute-tokens"] == "4+4"
    assert answer.headers["x-inference-id"].startswith("req-")
    (row,) = await _settled()
    assert (row.outcome, row.user_id, row.repo_name) == ("ok", person.pk, repo.repo_id)
    assert (row.prompt_tokens, row.completion_tokens) == (4, 4)
    assert row.output_bytes == len(answer.body)


async def test_stream_ends_with_usage_and_done(caller, worker):
    _person, repo, auth = await in_db(_setup)()
    body = _chat(repo, stream=True, stream_options={"include_usage": True})
    answer = await caller.post("/v1/chat/completions", body, **auth)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.text == SENTENCE
    assert answer.events[-1]["usage"]["completion_tokens"] == 4
    assert set(answer.events[-1]["timings"]) == {"queue_ms", "load_ms", "first_token_ms", "run_ms"}
    assert answer.body.endswith(b"data: [DONE]\n\n")
    (row,) = await _settled()
    assert (row.outcome, row.is_streamed) == ("ok", True)


@pytest.mark.parametrize(
    ("role", "token", "status"),
    [
        ("inference", {}, 200),
        ("read", {}, 200),
        ("write", {}, 200),
        ("fine_grained", {"grants": {"global": ["inference.serverless.write"], "scoped": []}}, 200),
        ("fine_grained", {"grants": {"global": ["discussion.write"], "scoped": []}}, 403),
    ],
)
async def test_roles_of_tokens_t24_t137(caller, worker, role, token, status):
    _person, repo, auth = await in_db(lambda: _setup(_role(role), **token))()
    answer = await caller.post("/v1/chat/completions", _chat(repo), **auth)
    assert answer.status == status, answer.body


def _role(name: str) -> str:
    from hub.accounts.enums import TokenRole

    return TokenRole[name.upper()]


async def test_no_token_and_a_bad_one_are_401(caller, worker):
    _person, repo, _auth = await in_db(_setup)()
    nobody = await caller.post("/v1/chat/completions", _chat(repo))
    assert nobody.status == 401
    assert nobody.headers["www-authenticate"].startswith("Bearer")
    wrong = await caller.post("/v1/chat/completions", _chat(repo), Authorization="Bearer hf_" + "x" * 49)
    assert wrong.status == 401


async def test_an_expired_token_is_401(caller, worker):
    def expired():
        person, repo, auth = _setup()
        person.access_tokens.update(expires_at=timezone.now() - timedelta(seconds=1))
        return repo, auth

    repo, auth = await in_db(expired)()
    assert (await caller.post("/v1/chat/completions", _chat(repo), **auth)).status == 401


async def test_hidden_and_missing_models_answer_alike(caller, worker):
    """T137: what a stranger may not see does not exist, byte for byte."""

    def private():
        owner = make_user(password=None)
        _caller, _repo, auth = _setup()
        return make_model(owner, "secret", visibility="private"), auth

    repo, auth = await in_db(private)()
    hidden = await caller.post("/v1/chat/completions", _chat(repo), **auth)
    missing = await caller.post(
        "/v1/chat/completions", {**_chat(repo), "model": f"{repo.namespace.name}/nothing"}, **auth
    )
    assert hidden.status == missing.status == 404
    assert hidden.body == missing.body
    by_path = await caller.post(f"/models/{repo.repo_id}", {"inputs": "x"}, **auth)
    assert by_path.status == 404
    listed = await caller.get("/v1/models", **auth)
    assert repo.repo_id not in [model["id"] for model in listed.json["data"]]


async def test_owner_calls_a_private_model_with_an_inference_token(caller, worker):
    def private():
        owner = make_user(password=None)
        _row, secret = make_token(owner, "inference")
        return make_model(owner, visibility="private"), {"Authorization": f"Bearer {secret}"}

    repo, auth = await in_db(private)()
    assert (await caller.post("/v1/chat/completions", _chat(repo), **auth)).status == 200


async def test_unservable_models_say_why(caller, worker):
    def unservable():
        inspection = {"servable": False, "reason": "unsupported_format", "message": "Only pickled weights are here."}
        caller_, _repo, auth = _setup()
        return make_model(caller_, inspection=inspection), auth

    repo, auth = await in_db(unservable)()
    answer = await caller.post("/v1/chat/completions", _chat(repo), **auth)
    assert answer.status == 422
    assert answer.json["error"]["message"] == "Only pickled weights are here."


async def test_rate_limit_is_429_with_headers_t138(caller, worker):
    _person, repo, auth = await in_db(lambda: _setup(requests_per_minute=2))()
    first = await caller.post("/v1/chat/completions", _chat(repo), **auth)
    assert first.headers["ratelimit"].startswith('"inference";r=1;t=')
    assert (await caller.post("/v1/chat/completions", _chat(repo), **auth)).status == 200
    refused = await caller.post("/v1/chat/completions", _chat(repo), **auth)
    assert refused.status == 429
    assert refused.json["error"]["type"] == "rate_limit_error"
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert refused.headers["ratelimit"].startswith('"inference";r=0;t=')
    assert refused.headers["ratelimit-policy"] == '"fixed window";"inference";q=2;w=60'


async def test_a_full_queue_is_503_with_retry_after_t139(caller, redis):
    _person, repo, auth = await in_db(_setup)()
    with EchoWorker() as running:
        running.consumer.stop(0)
        redis.lpush(keys.pool_queue("cpu"), *(b"x" for _ in range(keys.QUEUE_LIMIT)))
        answer = await caller.post("/v1/chat/completions", _chat(repo), **auth)
    assert answer.status == 503
    assert int(answer.headers["retry-after"]) >= 1
    (row,) = await _settled()
    assert row.outcome == "refused"


async def test_no_worker_is_503(caller, redis):
    _person, repo, auth = await in_db(_setup)()
    answer = await caller.post("/v1/chat/completions", _chat(repo), **auth)
    assert (answer.status, "retry-after" in answer.headers) == (503, True)


async def test_calls_of_one_person_at_once_are_bounded_t138(caller, worker):
    from inference.dispatch import CALLS_PER_USER

    _person, repo, auth = await in_db(_setup)()
    worker.host.is_held.set()
    waiting = [caller.open("POST", "/v1/chat/completions", _chat(repo), **auth) for _ in range(CALLS_PER_USER)]
    deadline = time.monotonic() + 5
    while len(worker.host.started) < CALLS_PER_USER and time.monotonic() < deadline:
        await asyncio.sleep(0.02)
    refused = await caller.post("/v1/chat/completions", _chat(repo), **auth)
    assert refused.status == 429
    assert str(CALLS_PER_USER) in refused.json["error"]["message"]
    worker.host.is_held.clear()
    await asyncio.gather(*(connection.task for connection in waiting))
    assert {connection.answer.status for connection in waiting} == {200}
    # Their places are free again.
    assert (await caller.post("/v1/chat/completions", _chat(repo), **auth)).status == 200


async def test_a_lost_worker_is_a_retryable_error_within_six_seconds_t164_t168(caller, redis):
    _person, repo, auth = await in_db(_setup)()
    with EchoWorker() as running:
        running.host.is_held.set()
        connection = caller.open("POST", "/v1/chat/completions", _chat(repo), **auth)
        while not running.host.started:
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.1)
        running.die()
        started = time.monotonic()
        await asyncio.wait_for(connection.task, 10)
        assert time.monotonic() - started < 7  # five seconds of silence, and the next look
    assert connection.answer.status == 503
    assert connection.answer.json["error"]["code"] == "worker_lost"
    assert connection.answer.headers["retry-after"] == "1"
    (row,) = await _settled()
    assert (row.outcome, row.error_code) == ("failed", "worker_lost")


async def test_a_flushed_broker_ends_waiting_calls_t165(caller, redis):
    _person, repo, auth = await in_db(_setup)()
    with EchoWorker() as running:
        running.consumer.stop(0)
        connection = caller.open("POST", "/v1/chat/completions", _chat(repo), **auth)
        while not redis.llen(keys.pool_queue("cpu")):
            await asyncio.sleep(0.02)
        for key in redis.scan_iter("inf:*"):
            redis.delete(key)
        running.heartbeat.beat()
        await asyncio.wait_for(connection.task, 5)
    assert connection.answer.status == 503
    assert "lost this call" in connection.answer.json["error"]["message"]


async def test_a_call_for_a_model_that_was_unloaded_meanwhile_is_not_stranded(caller, redis):
    _person, repo, auth = await in_db(_setup)()
    model = keys.model_key(repo.pk, repo.head_oid)
    with EchoWorker() as running:
        # As if it had just been unloaded: the gateway still believes that somebody holds it.
        redis.zadd(keys.holders(model), {"gone@test": time.time() - keys.HEARTBEAT_TTL_S + 0.5})
        answer = await caller.post("/v1/chat/completions", _chat(repo), **auth)
        assert running.host.started
    assert answer.status == 200


async def test_leaving_cancels_the_call_at_the_worker_t142(caller, redis):
    _person, repo, auth = await in_db(_setup)()
    with EchoWorker(step_s=0.1) as running:
        connection = caller.open("POST", "/v1/chat/completions", _chat(repo, "w " * 500, stream=True), **auth)
        await asyncio.wait_for(connection.got_event.wait(), 5)
        connection.leave()
        await asyncio.wait_for(connection.task, 5)
        deadline = time.monotonic() + 2
        while not running.host.cancelled and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        assert running.host.cancelled == running.host.started
    (row,) = await _settled()
    assert row.outcome == "cancelled"
    assert 1 <= row.completion_tokens < 50  # what was made is counted
    assert redis.zcard(keys.running(row.user_id)) == 0  # the place is given back


async def test_a_reader_that_stops_is_cut_off_and_others_go_on_t143(caller, redis, monkeypatch):
    monkeypatch.setattr("inference.gateway.inbox._BUFFERED_EVENTS", 20)
    _person, repo, auth = await in_db(_setup)()
    with EchoWorker(step_s=0.002) as running:
        slow = caller.open("POST", "/v1/chat/completions", _chat(repo, "w " * 900, stream=True, max_tokens=900), **auth)
        await asyncio.wait_for(slow.got_event.wait(), 5)
        slow.pause()
        other = await caller.post("/v1/chat/completions", _chat(repo, stream=True), **auth)
        assert other.text == SENTENCE
        await asyncio.sleep(0.5)
        slow.resume()
        await asyncio.wait_for(slow.task, 10)
        assert running.host.cancelled
    assert slow.answer.events[-1]["error"]["message"] == "The answer was not read fast enough."
    rows = await _settled(2)
    assert sorted((row.outcome, row.error_code) for row in rows) == [("cancelled", "slow_reader"), ("ok", "")]


@pytest.mark.parametrize(
    ("path", "field"),
    [("/v1/chat/completions", "tools"), ("/v1/chat/completions", "logit_bias")],
)
async def test_unknown_fields_are_refused_by_name(caller, worker, path, field):
    _person, repo, auth = await in_db(_setup)()
    answer = await caller.post(path, _chat(repo, **{field: 1}), **auth)
    assert (answer.status, answer.json["error"]["param"]) == (422, field)


async def test_hub_route_refuses_unknown_parameters_by_name(caller, worker):
    _person, repo, auth = await in_db(_setup)()
    answer = await caller.post(f"/models/{repo.repo_id}", {"inputs": "x", "parameters": {"magic": 1}}, **auth)
    assert (answer.status, answer.json["param"]) == (422, "parameters.magic")


async def test_embeddings_on_both_dialects(caller, worker):
    def embedding():
        person, _repo, auth = _setup()
        return make_model(person, task="sentence-similarity"), auth

    repo, auth = await in_db(embedding)()
    openai = await caller.post("/v1/embeddings", {"model": repo.repo_id, "input": "two words"}, **auth)
    assert openai.json["data"][0]["embedding"] == [9.0, 2.0]
    hub = await caller.post(f"/models/{repo.repo_id}", {"inputs": "two words"}, **auth)
    assert hub.json == [[9.0, 2.0]]
    assert hub.headers["x-model-commit"] == repo.head_oid


async def test_invalid_json_and_wrong_methods(caller, worker):
    _person, _repo, auth = await in_db(_setup)()
    assert (await caller.post("/v1/chat/completions", b"{", **auth)).status == 400
    assert (await caller.get("/v1/chat/completions", **auth)).status == 405
    assert (await caller.post("/v1/nothing", {}, **auth)).status == 404


def _page_headers(origin: str = "", *, masked: bool = True, token: str | None = None) -> tuple[object, dict[str, str]]:
    """A signed-in browser: its cookies, and the headers that the playground sends."""
    person = make_user()
    client = Client()
    client.force_login(person, backend=django_settings.AUTHENTICATION_BACKENDS[0])
    session = client.session
    session["signed_in_at"] = int(time.time())
    session.save()
    secret = _get_new_csrf_string()
    cookie = f"{django_settings.SESSION_COOKIE_NAME}={session.session_key}; {django_settings.CSRF_COOKIE_NAME}={secret}"
    sent = token if token is not None else _mask_cipher_secret(secret) if masked else secret
    return make_model(person), {
        "Cookie": cookie,
        "Origin": origin or django_settings.HUB_URL,
        "X_CSRFToken": sent,
    }


@pytest.mark.parametrize("masked", [True, False])
async def test_own_pages_call_with_the_session(caller, worker, masked):
    repo, headers = await in_db(lambda: _page_headers(masked=masked))()
    answer = await caller.post("/v1/chat/completions", _chat(repo), **headers)
    assert answer.status == 200, answer.body
    (row,) = await _settled()
    assert row.token_id is None
    assert row.user_id is not None


@pytest.mark.parametrize(
    ("origin", "token"),
    [
        ("https://evil.example", None),
        ("null", None),
        ("http://localhost:1", None),
        ("", ""),
        ("", "x" * 64),
        ("", "short"),
    ],
)
async def test_foreign_pages_and_wrong_tokens_are_refused_t09(caller, worker, origin, token):
    repo, headers = await in_db(lambda: _page_headers(origin, token=token))()
    answer = await caller.post("/v1/chat/completions", _chat(repo), **headers)
    assert answer.status == 403
    assert worker.host.started == []


async def test_an_old_session_is_nobody_t12(caller, worker):
    def old():
        repo, headers = _page_headers()
        from django.contrib.sessions.backends.db import SessionStore

        key = headers["Cookie"].split("=")[1].split(";")[0]
        session = SessionStore(key)
        session["signed_in_at"] = int(time.time()) - 31 * 86400
        session.save()
        return repo, headers

    repo, headers = await in_db(old)()
    assert (await caller.post("/v1/chat/completions", _chat(repo), **headers)).status == 401


async def test_garbage_in_the_queue_is_noted_and_passed_over_t171(caller, worker, redis):
    _person, repo, auth = await in_db(_setup)()
    import msgpack

    wrong_types = {name: [] for name in ("request_id", "gateway", "user_pk", "repo_pk", "repo_id", "commit_oid")}
    wrong_types |= {name: [] for name in ("pipeline_tag", "deadline", "payload", "sent_at")}
    redis.lpush(keys.pool_queue("cpu"), b"\xc1garbage", msgpack.packb({"a": 1}), msgpack.packb(wrong_types))
    answer = await caller.post("/v1/chat/completions", _chat(repo), **auth)
    assert answer.status == 200
    assert redis.llen(keys.DEAD_LETTERS) >= 2


async def test_rights_lost_between_queue_and_run_stop_the_call_t137(caller, redis):
    _person, repo, auth = await in_db(_setup)()

    def hidden_meanwhile(call):
        Repo.objects.filter(pk=call.repo_pk).update(visibility="private")
        return may_run(call)

    with EchoWorker(may_run=hidden_meanwhile) as running:
        answer = await caller.post("/v1/chat/completions", _chat(repo), **auth)
        assert running.host.started == []
    assert answer.status == 403
    assert answer.json["error"]["code"] == "no_longer_available"


async def test_a_worker_whose_database_is_away_goes_on(caller, redis):
    _person, repo, auth = await in_db(_setup)()
    outages = iter([True, False])

    def flaky(call):
        if next(outages):
            raise ConnectionError("database")
        return ""

    with EchoWorker(may_run=flaky):
        first = await caller.post("/v1/chat/completions", _chat(repo), **auth)
        second = await caller.post("/v1/chat/completions", _chat(repo), **auth)
    assert (first.status, second.status) == (503, 200)


async def test_two_streams_never_mix_t143(caller, worker):
    _person, repo, auth = await in_db(_setup)()
    texts = [" ".join(f"canary-{number}-{word}" for word in range(20)) for number in range(8)]
    answers: list[Answer] = await asyncio.gather(
        *(caller.post("/v1/chat/completions", _chat(repo, text, stream=True), **auth) for text in texts)
    )
    assert [answer.text for answer in answers] == texts
