"""The pages of reviews, over ``community.services.ratings`` (T28, T85)."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from community.models import HelpfulVote, Review, ReviewReply
from hub.accounts.auth import Viewer
from hub.accounts.models import User
from hub.catalog.services import index_repo
from hub.repos.enums import Gating
from hub.repos.services.repos import update_repo_settings
from tests.factories.accounts import make_user
from tests.factories.inference import make_usage
from tests.factories.repos import make_repo
from tests.factories.reviews import make_review

pytestmark = pytest.mark.django_db


def _client(user: User | None = None) -> Client:
    client = Client()
    if user is not None:
        client.force_login(user)
    return client


def _text(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


def test_an_empty_list_says_so_and_leads_to_the_form() -> None:
    repo = make_repo()
    shown = _text(_client().get(f"{repo.urls.page}/reviews"))
    assert "No reviews yet" in shown
    assert f"{repo.urls.page}/reviews/write" in shown
    assert f'href="{repo.urls.page}/reviews"' in _text(_client().get(repo.urls.page))


def test_a_person_writes_edits_and_deletes() -> None:
    repo, client = make_repo(), _client(make_user("rae", password=None))
    write = f"{repo.urls.page}/reviews/write"
    assert "Write a review" in _text(client.get(write))
    assert client.post(write, {"stars": "", "text": "x"}).status_code == 422
    saved = client.post(
        write, {"stars": "4", "text": "Fine <script>x</script>", "hardware": "laptop", "outcome": "worked"}
    )
    review = Review.objects.get()
    assert saved.status_code == 302
    assert saved["Location"] == f"{repo.urls.page}/reviews/{review.object_id}"
    shown = _text(client.get(saved["Location"]))
    assert "<script>x" not in shown
    assert "laptop" in shown
    assert "Delete my review" in shown
    assert 'value="4" required' in _text(client.get(write)) or "checked" in _text(client.get(write))
    client.post(write, {"stars": "2", "text": "Less fine"})
    assert "What it said before" in _text(client.get(saved["Location"]))
    assert client.post(f"{saved['Location']}/delete").status_code == 302
    assert not Review.objects.exists()


def test_the_badge_is_there_for_who_ran_it_alone() -> None:
    repo, ran = make_repo(files={"a.txt": b"a"}), make_user("ran", password=None)
    repo.refresh_from_db()
    for _ in range(3):
        make_usage(ran, repo)
    make_review(repo, ran, text="I did")
    make_review(repo, text="I did not")
    address = f"{repo.urls.page}/reviews"
    assert _text(_client().get(address)).count("ran it here 3 times") == 1
    proven = _text(_client().get(f"{address}?proven=1"))
    assert "I did" in proven
    assert "I did not" not in proven


def test_owners_are_told_why_they_cannot_and_may_reply() -> None:
    repo = make_repo()
    review, client = make_review(repo), _client(repo.created_by)
    page = f"{repo.urls.page}/reviews"
    refused = client.get(f"{page}/write")
    assert refused.status_code == 403
    assert "Members of the owner do not judge" in _text(refused)
    assert "Write a review" not in _text(client.get(page))
    one = f"{page}/{review.object_id}"
    assert client.post(f"{one}/reply", {"text": ""}).status_code == 422
    assert client.post(f"{one}/reply", {"text": "Thanks, **really**"}).status_code == 302
    assert "<strong>really</strong>" in _text(_client().get(page))
    assert client.post(f"{one}/reply", {"action": "delete"}).status_code == 302
    assert not ReviewReply.objects.exists()


def test_votes_work_without_script_and_with_it() -> None:
    repo = make_repo()
    review, reader = make_review(repo), _client(make_user(password=None))
    one = f"{repo.urls.page}/reviews/{review.object_id}"
    assert reader.post(f"{one}/helpful", {"helpful": "1"}).status_code == 302
    assert HelpfulVote.objects.count() == 1
    button = reader.post(f"{one}/helpful", {"helpful": "0"}, headers={"HX-Request": "true"})
    assert 'aria-pressed="false"' in _text(button)
    assert not HelpfulVote.objects.exists()
    assert _client().post(f"{one}/helpful", {"helpful": "1"}).status_code == 302
    assert not HelpfulVote.objects.exists()


def test_a_gate_stands_before_the_form_not_before_the_reviews() -> None:
    repo = make_repo()
    make_review(repo, text="Worth asking for")
    update_repo_settings(Viewer(user=repo.created_by), repo, gated=Gating.MANUAL)
    client = _client(make_user(password=None))
    shown = _text(client.get(f"{repo.urls.page}/reviews"))
    assert "Worth asking for" in shown
    assert "Whoever has access to the files can review them." in shown
    assert client.get(f"{repo.urls.page}/reviews/write").status_code == 403


def test_the_version_is_shown_and_filters_the_list() -> None:
    repo = make_repo(files={"a.txt": b"a"})
    repo.refresh_from_db()
    review = make_review(repo)
    page = f"{repo.urls.page}/reviews"
    assert f"main · {review.commit_oid[:8]}" in _text(_client().get(page))
    assert "Rating of this version" in _text(_client().get(f"{page}?version={review.commit_oid}"))
    assert "No review fits" in _text(_client().get(f"{page}?version={'0' * 40}"))
    for query in ("stars=x", "sort=x", "version=%00", "proven=x"):
        assert _client().get(f"{page}?{query}").status_code == 200


def test_a_deleted_author_is_nameless() -> None:
    repo = make_repo()
    review = make_review(repo)
    Review.objects.filter(pk=review.pk).update(author=None)
    assert "Deleted user" in _text(_client().get(f"{repo.urls.page}/reviews"))


def test_ratings_are_on_cards_and_order_the_catalogue() -> None:
    good, poor = make_repo(name="zz-good"), make_repo(name="zz-poor")
    make_review(good, stars=5)
    make_review(poor, stars=2)
    for repo in (good, poor):
        index_repo(repo.pk)
    shown = _text(_client().get("/models?sort=rating"))
    assert shown.index("zz-good") < shown.index("zz-poor")
    assert "5.0 <span" in shown
    assert "How ratings are ordered" in shown
    assert "5.0" in _text(_client().get(good.urls.page))


def test_the_list_takes_the_same_queries_whatever_it_shows() -> None:
    assert _queries_for(1) == _queries_for(3)


def _queries_for(count: int) -> int:
    repo, client = make_repo(), _client(make_user(password=None))
    for _ in range(count):
        make_usage(make_review(repo).author, repo)
    client.get("/")
    with CaptureQueriesContext(connection) as taken:
        answer = client.get(f"{repo.urls.page}/reviews")
    assert _text(answer).count("<article") == count
    return len(taken)
