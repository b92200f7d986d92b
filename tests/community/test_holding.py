"""New accounts: fewer posts, and suspicious ones wait for a moderator; what is held is nowhere else."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from community.enums import HeldState
from community.models import Discussion, Event, Happening, HeldPost
from community.services import discussions, held_posts
from community.services.pulls import create_pull_request
from hub.accounts.auth import Viewer
from hub.accounts.models import AuditEvent, User
from hub.core.errors import BadRequest, Conflict, PermissionDenied, PostHeld, RateLimited
from tests.community.test_moderation import make_staff
from tests.factories.accounts import bearer, make_token, make_user
from tests.factories.community import make_discussion
from tests.factories.repos import make_repo

pytestmark = pytest.mark.django_db

SPAM = "Buy at https://a.example and https://b.example or www.c.example today"


@pytest.fixture
def staff() -> Viewer:
    return make_staff()


@pytest.fixture
def newcomer() -> Viewer:
    return Viewer(user=make_user("newcomer", password=None))


def _age(user: User, hours: int) -> None:
    user.date_joined = timezone.now() - timedelta(hours=hours)
    user.save()


def _hold(viewer: Viewer, thread: Discussion, text: str = SPAM) -> HeldPost:
    with pytest.raises(PostHeld):
        discussions.comment_discussion(viewer, thread, comment=text)
    return HeldPost.objects.latest("pk")


def test_first_post_with_many_links_waits_and_is_published_by_a_moderator(newcomer: Viewer, staff: Viewer) -> None:
    thread = make_discussion(make_repo())
    before = AuditEvent.objects.count()
    held = _hold(newcomer, thread)
    assert (held.signs, held.state, held.body) == (["links"], "waiting", SPAM)
    assert Event.objects.filter(author=newcomer.user).count() == 0
    held_posts.release(staff, held)
    event = Event.objects.get(author=newcomer.user)
    assert (event.body, event.discussion) == (SPAM, thread)
    acts = AuditEvent.objects.order_by("pk").values_list("action", flat=True)[before:]
    assert list(acts) == ["post.hold", "post.decide"]
    assert Happening.objects.filter(kind="moderation").get().recipients == [newcomer.user.pk]
    with pytest.raises(Conflict):
        held_posts.release(staff, held)
    # With a post that a moderator let pass, links are no sign any more.
    discussions.comment_discussion(newcomer, thread, comment=f"{SPAM}, and more")


def test_held_discussion_is_opened_with_its_title_when_released(newcomer: Viewer, staff: Viewer) -> None:
    repo = make_repo()
    with pytest.raises(PostHeld):
        discussions.create_discussion(newcomer, repo, title="Offers", description=SPAM)
    assert Discussion.objects.count() == 0
    held_posts.release(staff, HeldPost.objects.get())
    opened = Discussion.objects.get()
    assert (opened.title, opened.author, opened.num) == ("Offers", newcomer.user, 1)


def test_refused_post_tells_why_and_is_known_again(newcomer: Viewer, staff: Viewer) -> None:
    thread = make_discussion(make_repo())
    held = _hold(newcomer, thread)
    with pytest.raises(BadRequest):
        held_posts.refuse(staff, held, reason=" ")
    held_posts.refuse(staff, held, reason="Advertising.")
    held.refresh_from_db()
    assert (held.state, held.reason) == (HeldState.REJECTED, "Advertising.")
    ring = Viewer(user=make_user(password=None))
    assert "known" in _hold(ring, thread, SPAM.upper().replace("TODAY", "TODAY!!! 7")).signs


@pytest.mark.parametrize(("hours", "text"), [(73, SPAM), (1, "See https://a.example for the paper.")])
def test_older_accounts_and_few_links_are_not_held(newcomer: Viewer, hours: int, text: str) -> None:
    assert newcomer.user is not None
    _age(newcomer.user, hours)
    thread = make_discussion(make_repo())
    assert discussions.comment_discussion(newcomer, thread, comment=text).body == text


def test_nobody_waits_in_their_own_repo_and_links_to_this_hub_do_not_count(newcomer: Viewer, settings: Any) -> None:
    own = make_discussion(make_repo(newcomer.user))
    discussions.comment_discussion(newcomer, own, comment=SPAM)
    Event.objects.filter(author=newcomer.user).delete()
    links = f"{settings.HUB_URL}/a {settings.HUB_URL}/b {settings.HUB_URL}/c"
    discussions.comment_discussion(newcomer, make_discussion(make_repo()), comment=links)


def test_one_text_again_and_again_is_held(newcomer: Viewer, settings: Any) -> None:
    text = "Please look at my wonderful model"
    thread = make_discussion(make_repo())
    for _time in range(settings.HUB_HOLD_REPEATS):
        discussions.comment_discussion(newcomer, thread, comment=text)
    assert _hold(newcomer, thread, f"{text}!").signs == ["repeated"]


def test_operator_can_hold_all_first_posts_or_none(newcomer: Viewer, settings: Any) -> None:
    thread = make_discussion(make_repo())
    settings.HUB_HOLD_POSTS = "all"
    assert _hold(newcomer, thread, "Hello").signs == ["first"]
    settings.HUB_HOLD_POSTS = "none"
    discussions.comment_discussion(newcomer, thread, comment=SPAM)


def test_pull_request_is_opened_while_its_words_wait(newcomer: Viewer, staff: Viewer) -> None:
    repo = make_repo(files={"a.txt": b"a"})
    opened = create_pull_request(newcomer, repo, title="A change", description=SPAM)
    assert opened.events.filter(kind="comment").get().body == ""
    held_posts.release(staff, HeldPost.objects.get(discussion=opened))
    assert [event.body for event in opened.events.filter(kind="comment").order_by("pk")] == ["", SPAM]


def test_what_its_author_may_not_say_any_more_is_not_released(newcomer: Viewer, staff: Viewer) -> None:
    repo = make_repo()
    held = _hold(newcomer, make_discussion(repo))
    repo.are_discussions_disabled = True
    repo.save()
    with pytest.raises(Conflict):
        held_posts.release(staff, held)
    held.refresh_from_db()
    assert held.state == HeldState.WAITING


def test_only_moderators_decide_t153(newcomer: Viewer) -> None:
    held = _hold(newcomer, make_discussion(make_repo()))
    with pytest.raises(PermissionDenied):
        held_posts.release(newcomer, held)


def test_api_says_that_the_post_waits(newcomer: Viewer, client: Client) -> None:
    assert newcomer.user is not None
    thread = make_discussion(make_repo())
    _token, secret = make_token(newcomer.user)
    path = f"{thread.repo.urls.api}/discussions/{thread.num}/comment"
    answer = client.post(path, {"comment": SPAM}, content_type="application/json", **bearer(secret))
    assert (answer.status_code, answer["X-Error-Code"]) == (403, "PostHeld")
    assert "waits for a moderator" in answer.json()["error"]


def test_new_accounts_post_less(newcomer: Viewer, settings: Any) -> None:
    assert newcomer.user is not None
    settings.HUB_RATE_NEW_ACCOUNT = 1
    thread = make_discussion(make_repo())
    discussions.comment_discussion(newcomer, thread, comment="One")
    with pytest.raises(RateLimited):
        discussions.comment_discussion(newcomer, thread, comment="Two")
    _age(newcomer.user, 80)
    discussions.comment_discussion(newcomer, thread, comment="Two")
