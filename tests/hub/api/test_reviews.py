"""``/api/models/{id}/reviews``: list with summary, one's own, reply, votes (T28, T30, T106)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from community.models import Review
from tests.factories.accounts import bearer, make_token, make_user
from tests.factories.inference import make_usage
from tests.factories.repos import make_repo
from tests.factories.reviews import make_review

pytestmark = pytest.mark.django_db


def _call(method: str, path: str, secret: str = "", body: Any = None) -> Any:
    headers = bearer(secret) if secret else {}
    return Client().generic(method, path, data=b"" if body is None else json.dumps(body), **headers)


def test_a_review_is_written_changed_shown_and_deleted() -> None:
    repo, (_token, secret) = make_repo(files={"a.txt": b"a"}), make_token(make_user("rae", password=None))
    address = f"{repo.urls.api}/reviews"
    made = _call("PUT", address, secret, {"stars": 2, "text": "**No**", "task": "text-generation"})
    assert made.status_code == 200
    changed = _call("PUT", address, secret, {"stars": 4, "text": "Yes", "outcome": "worked"}).json()
    assert changed["history"][0]["stars"] == 2
    assert changed["history"][0]["text"]["html"].strip() == "<p><strong>No</strong></p>"
    shown = _call("GET", address).json()
    assert shown["summary"]["count"] == 1
    assert shown["summary"]["mean"] == 4
    assert shown["summary"]["distribution"] == {"1": 0, "2": 0, "3": 0, "4": 1, "5": 0}
    assert 1 < shown["summary"]["lowerBound"] < 4
    assert shown["summary"]["confidence"] == 0.95
    (review,) = shown["reviews"]
    assert review["author"]["user"] == "rae"
    assert review["facts"] == {"outcome": "worked"}
    assert review["version"]["revision"] == "main"
    assert review["version"]["isHead"]
    assert review["evidence"]["runs"] == 0
    assert _call("GET", f"{address}/{review['id']}").json() == changed
    assert _call("DELETE", address, secret).status_code == 200
    assert _call("DELETE", address, secret).status_code == 404
    assert _call("GET", address).json()["reviews"] == []


def test_the_owner_replies_and_readers_vote() -> None:
    repo = make_repo()
    review = make_review(repo)
    _token, owner = make_token(repo.created_by)
    _token, reader = make_token(make_user(password=None))
    address = f"{repo.urls.api}/reviews/{review.object_id}"
    assert _call("PUT", f"{address}/reply", owner, {"text": "Thanks"}).json()["text"]["raw"] == "Thanks"
    assert _call("PUT", f"{address}/reply", reader, {"text": "Mine"}).status_code == 403
    assert _call("GET", address).json()["reply"]["text"]["raw"] == "Thanks"
    assert _call("POST", f"{address}/helpful", reader).json() == {"helpful": 1}
    assert _call("GET", address, reader).json()["isHelpfulToYou"]
    assert _call("DELETE", f"{address}/helpful", reader).json() == {"helpful": 0}
    assert _call("POST", f"{address}/helpful", owner).status_code == 403
    assert _call("DELETE", f"{address}/reply", owner).status_code == 200
    assert "reply" not in _call("GET", address).json()


def test_refusals() -> None:
    repo, (_token, secret) = make_repo(), make_token(make_user(password=None))
    address = f"{repo.urls.api}/reviews"
    assert _call("PUT", address, "", {"stars": 5}).status_code == 401
    assert _call("PUT", address, make_token(repo.created_by)[1], {"stars": 5}).status_code == 403
    for body in ({}, {"stars": 7}, {"stars": "5"}, {"stars": 5, "text": 1}, {"stars": 5, "outcome": "x"}):
        assert _call("PUT", address, secret, body).status_code == 400
    assert _call("PUT", address, secret, {"stars": 5, "revision": "nowhere"}).status_code == 404
    for query in ("stars=9", "sort=loud", "cursor=x", "proven=maybe", "limit=0"):
        assert _call("GET", f"{address}?{query}").status_code == 400
    assert _call("GET", f"{address}/{'0' * 24}").status_code == 404
    assert not Review.objects.exists()


def test_filters_and_pages() -> None:
    repo = make_repo()
    for stars in (1, 5, 5):
        make_review(repo, stars=stars)
    proven = make_user(password=None)
    make_usage(proven, repo)
    make_review(repo, proven, stars=3)
    address = f"{repo.urls.api}/reviews"
    assert len(_call("GET", f"{address}?stars=5").json()["reviews"]) == 2
    (one,) = _call("GET", f"{address}?proven=true").json()["reviews"]
    assert one["evidence"]["runsOfOtherVersions"] + one["evidence"]["runs"] == 1
    first = _call("GET", f"{address}?limit=3&sort=newest")
    assert 'rel="next"' in first["Link"]
    assert [item["stars"] for item in first.json()["reviews"]] == [3, 5, 5]


def test_reviews_of_a_repo_are_not_found_under_another() -> None:
    review = make_review(make_repo())
    assert _call("GET", f"{make_repo().urls.api}/reviews/{review.object_id}").status_code == 404


@pytest.mark.parametrize("count", [1, 3])
def test_the_list_takes_the_same_queries_whatever_it_shows(count: int) -> None:
    repo, secret = make_repo(), make_token(make_user(password=None))[1]
    for _ in range(count):
        make_usage(make_review(repo).author, repo)
    _call("GET", f"{repo.urls.api}/reviews", secret)  # the token's last use is written
    with CaptureQueriesContext(connection) as taken:
        answer = _call("GET", f"{repo.urls.api}/reviews", secret)
    assert len(answer.json()["reviews"]) == count
    assert len(taken) == 7, [query["sql"][:120] for query in taken]
