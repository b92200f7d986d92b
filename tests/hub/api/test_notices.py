"""Notices, watching and their settings by the API (hub-api §23)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from community.models import Notification, Watch
from community.services import notices
from hub.accounts.models import User
from tests.factories.accounts import bearer, make_organization, make_token, make_user
from tests.factories.community import make_discussion
from tests.factories.repos import make_repo

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def owner() -> User:
    return make_user("owner", password=None)


@pytest.fixture
def secret(owner: User) -> str:
    return make_token(owner)[1]


def _call(method: str, path: str, secret: str, body: Any = None) -> Any:
    more = {"data": json.dumps(body), "content_type": "application/json"} if body is not None else {}
    answer = Client().generic(method, path, **more, **bearer(secret))
    assert answer.status_code == 200, answer.content
    return answer.json()


def _threads(owner: User, count: int = 3) -> list[Any]:
    repo, asker = make_repo(owner, "one"), make_user("asker", password=None)
    found = [make_discussion(repo, asker, title=f"Thread {number}") for number in range(count)]
    notices.spread_all()
    return found


def test_what_happened_is_listed_counted_and_marked(owner: User, secret: str) -> None:
    threads = _threads(owner)
    told = _call("GET", "/api/notifications", secret)
    assert (told["count"], told["start"]) == ({"all": 3, "unread": 3, "view": 3}, 0)
    first = told["notifications"][0]
    assert {key: first[key] for key in ("type", "reason", "read", "text")} == {
        "type": "discussion",
        "reason": "watching",
        "read": False,
        "text": "asker opened a discussion",
    }
    assert first["discussion"]["title"] == "Thread 2"
    assert first["repo"] == {"name": "owner/one", "type": "model"}

    ids = [threads[0].object_id, threads[1].object_id]
    assert _call("POST", "/api/notifications/mark-as-read", secret, {"discussionIds": ids, "read": True}) == {
        "changed": 2
    }
    unread = _call("GET", "/api/notifications?readStatus=unread", secret)
    assert [item["discussion"]["title"] for item in unread["notifications"]] == ["Thread 2"]
    assert unread["count"] == {"all": 3, "unread": 1, "view": 1}
    _call("POST", "/api/notifications/mark-as-read?applyToAll=true", secret, {})
    assert _call("GET", "/api/notifications", secret)["count"]["unread"] == 0
    assert _call("DELETE", "/api/notifications", secret, {"discussionIds": ids}) == {"deleted": 2}
    assert Notification.objects.filter(user=owner).count() == 1


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("repoType=model&repoName=owner/ONE", 3),
        ("repoType=dataset", 0),
        ("mention=true", 0),
        ("lastUpdate=2001-01-01T00:00:00Z", 3),
        ("lastUpdate=2999-01-01", 0),
        ("p=1", 0),
    ],
)
def test_lists_are_narrowed(owner: User, secret: str, query: str, count: int) -> None:
    _threads(owner)
    assert len(_call("GET", f"/api/notifications?{query}", secret)["notifications"]) == count


@pytest.mark.parametrize("query", ["p=-1", "p=x", "readStatus=new", "lastUpdate=soon", "repoType=thing", "mention=so"])
def test_wrong_questions_are_refused(secret: str, query: str) -> None:
    assert Client().get(f"/api/notifications?{query}", **bearer(secret)).status_code == 400


def test_settings_are_read_and_changed_in_part(secret: str) -> None:
    before = _call("GET", "/api/settings/notifications", secret)
    assert (before["digest"], before["quiet"]) == ("off", False)
    assert before["types"]["like"] == {"web": False, "mail": "off"}
    change = {"digest": "weekly", "types": {"like": {"web": True}, "mention": {"mail": "once"}}}
    after = _call("PATCH", "/api/settings/notifications", secret, change)
    assert after["digest"] == "weekly"
    assert (after["types"]["like"], after["types"]["mention"]) == (
        {"web": True, "mail": "off"},
        {"web": True, "mail": "once"},
    )
    for wrong in (
        {"digest": "hourly"},
        {"types": {"weather": {}}},
        {"types": {"like": {"mail": "never"}}},
        {"types": []},
    ):
        answer = Client().patch("/api/settings/notifications", json.dumps(wrong), "application/json", **bearer(secret))
        assert answer.status_code == 400, wrong


def test_watching_is_changed_by_id_and_name(owner: User, secret: str) -> None:
    repo = make_repo(make_user("other", password=None), "one")
    organization = make_organization("orchard")
    add = [
        {"type": "repo", "id": repo.object_id},
        {"type": "org", "id": organization.object_id, "level": "ignore"},
        {"type": "user", "id": "Other"},
    ]
    rows = _call("PATCH", "/api/settings/watch", secret, {"add": add})
    assert {(row["type"], row["name"], row["level"]) for row in rows} == {
        ("repo", "models/other/one", "all"),
        ("org", "orchard", "ignore"),
        ("user", "other", "all"),
    }
    rows = _call("PATCH", "/api/settings/watch", secret, {"delete": [{"type": "repo", "id": "models/other/one"}]})
    assert len(rows) == 2
    assert _call("GET", "/api/settings/watch", secret) == rows


def test_hidden_repos_are_watched_as_little_as_missing_ones_t35(secret: str) -> None:
    hidden = make_repo(make_user("other", password=None), "plans", is_private=True)
    answers = set()
    for subject in (hidden.object_id, "0" * 24, "models/other/plans", "models/other/nothing"):
        body = {"add": [{"type": "repo", "id": subject}]}
        answer = Client().patch("/api/settings/watch", json.dumps(body), "application/json", **bearer(secret))
        answers.add((answer.status_code, answer.content))
    assert len(answers) == 1
    assert answers.pop()[0] == 404
    assert not Watch.objects.exists()


@pytest.mark.parametrize(("role", "read", "write"), [("inference", 403, 403), ("read", 200, 403), ("write", 200, 200)])
def test_tokens_read_and_change_within_their_right_t21(owner: User, role: str, read: int, write: int) -> None:
    token = bearer(make_token(owner, role)[1])
    assert Client().get("/api/notifications", **token).status_code == read
    assert Client().get("/api/settings/watch", **token).status_code == read
    for method, path in (
        ("POST", "/api/notifications/mark-as-read"),
        ("DELETE", "/api/notifications"),
        ("PATCH", "/api/settings/notifications"),
        ("PATCH", "/api/settings/watch"),
    ):
        answer = Client().generic(method, path, "{}", content_type="application/json", **token)
        assert answer.status_code == write, path


@pytest.mark.parametrize("count", [1, 3])
def test_lists_take_constant_queries(owner: User, secret: str, count: int, django_assert_num_queries: Any) -> None:
    _threads(owner, count)
    client = Client()
    client.get("/api/whoami-v2", **bearer(secret))
    with django_assert_num_queries(5):  # token, memberships, page, its count, the numbers
        assert len(client.get("/api/notifications", **bearer(secret)).json()["notifications"]) == count
