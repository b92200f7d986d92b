"""Pages of moderation: report, queues, case, own cases, blocks, rules, announcement (T33, T153)."""

from __future__ import annotations

import time
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from community.enums import CaseState
from community.models import Appeal, Block, Event, HeldPost, ModerationAction, Report
from community.services import moderation
from hub.accounts.auth import Viewer
from hub.accounts.models import AuditEvent, SiteSettings, User
from hub.accounts.services import site_settings
from tests.community.test_moderation import make_staff
from tests.factories.accounts import make_user
from tests.factories.community import make_discussion
from tests.factories.repos import make_repo

pytestmark = pytest.mark.django_db


def sign_in(user: User, *, is_recent: bool = True) -> Client:
    client = Client()
    client.force_login(user)
    session = client.session
    session["signed_in_at"] = int(time.time()) - (0 if is_recent else 3600)
    session.save()
    return client


@pytest.fixture
def staff() -> Viewer:
    return make_staff()


@pytest.fixture
def desk(staff: Viewer) -> Client:
    assert staff.user is not None
    return sign_in(staff.user)


@pytest.fixture
def ann() -> User:
    return make_user("ann", password=None)


def _report_path(kind: str, object_id: str) -> str:
    return f"/report?kind={kind}&id={object_id}"


def _spam(author: User | None = None) -> Event:
    return make_discussion(make_repo(), author or make_user(password=None), text="Buy <b>things</b>").events.get()


# --- reports ---------------------------------------------------------------------------------------------------------


def test_report_form_shows_what_is_reported_and_sends_it(ann: User) -> None:
    event, client = _spam(), sign_in(ann)
    path = _report_path("comment", event.object_id)
    page = client.get(path).content.decode()
    assert "Buy &lt;b&gt;things&lt;/b&gt;" in page
    assert client.post(path, {"text": "ads"}).status_code == 422  # no reason chosen
    answer = client.post(path, {"category": "spam", "text": "ads"})
    assert answer["Location"] == "/settings/moderation"
    made = Report.objects.get()
    assert (made.reporter, made.category, made.subject) == (ann, "spam", event.author)
    assert "waits for a moderator" in client.get("/settings/moderation").content.decode()
    assert "already" in client.post(path, {"category": "spam"}).content.decode()


def test_hidden_and_missing_things_answer_alike_t35(ann: User) -> None:
    hidden = make_repo(is_private=True)
    client = sign_in(ann)
    for path in (
        _report_path("repo", hidden.object_id),
        _report_path("repo", "0" * 24),
        _report_path("x", "y"),
        "/report",
    ):
        answer = client.get(path)
        assert answer.status_code == 404
        assert hidden.name not in answer.content.decode()


def test_pages_lead_to_the_report_form(ann: User) -> None:
    repo = make_repo(ann)
    client = sign_in(make_user(password=None))
    assert _report_path("repo", repo.object_id).replace("&", "&amp;") in client.get(repo.urls.page).content.decode()
    assert _report_path("user", ann.object_id).replace("&", "&amp;") in client.get("/ann").content.decode()


# --- the moderators' pages -------------------------------------------------------------------------------------------

_QUEUES = ["/moderation", "/moderation/appeals", "/moderation/held", "/moderation/measures"]


@pytest.mark.parametrize("path", _QUEUES)
def test_queues_are_for_staff_with_second_factor_t153(path: str, desk: Client, ann: User) -> None:
    assert desk.get(path).status_code == 200
    assert Client().get(path).status_code == 302
    assert sign_in(ann).get(path).status_code == 403
    without = make_user("plain", is_staff=True, password=None)
    assert sign_in(without).get(path)["Location"] == reverse("mfa_index")


def test_measures_need_a_recent_sign_in_t153(staff: Viewer, ann: User) -> None:
    assert staff.user is not None
    client = sign_in(staff.user, is_recent=False)
    path = f"/moderation/cases/user/{ann.object_id}"
    assert client.get(path).status_code == 200
    answer = client.post(path, {"action": "measure", "measure": "suspend", "reason": "x"})
    assert answer.status_code == 302
    assert "reauthenticate" in answer["Location"]
    assert not ModerationAction.objects.exists()


def test_case_is_judged_and_undone(desk: Client, ann: User) -> None:
    event = _spam()
    moderation.report(Viewer(user=ann), "comment", event.object_id, category="spam", text="Only ads")
    queue = desk.get("/moderation").content.decode()
    path = f"/moderation/cases/comment/{event.object_id}"
    assert path in queue
    page = desk.get(path).content.decode()
    assert "Only ads" in page
    assert "Buy &lt;b&gt;things&lt;/b&gt;" in page
    assert desk.post(path, {"action": "measure", "measure": "hide", "reason": ""}).status_code == 422
    assert desk.post(path, {"action": "measure", "measure": "suspend", "reason": "x"}).status_code == 422
    done = desk.post(path, {"action": "measure", "measure": "hide", "reason": "Advertising."}, follow=True)
    assert "Done." in done.content.decode()
    event.refresh_from_db()
    assert event.is_hidden
    assert Report.objects.get().state == CaseState.ACCEPTED
    action = ModerationAction.objects.get()
    desk.post(f"/moderation/measures/{action.object_id}/undo")
    event.refresh_from_db()
    assert not event.is_hidden
    again = desk.post(f"/moderation/measures/{action.object_id}/undo", follow=True)
    assert "This was undone already." in again.content.decode()


def test_reports_can_be_closed_without_a_measure(desk: Client, ann: User) -> None:
    event = _spam()
    moderation.report(Viewer(user=ann), "comment", event.object_id, category="spam")
    desk.post(f"/moderation/cases/comment/{event.object_id}", {"action": "dismiss"})
    assert Report.objects.get().state == CaseState.REJECTED
    assert "No reports" in desk.get("/moderation").content.decode()
    assert event.object_id in desk.get("/moderation?state=rejected&kind=comment&category=spam").content.decode()


def test_case_of_nothing_is_missing_and_of_what_is_gone_is_kept(desk: Client, ann: User) -> None:
    assert desk.get(f"/moderation/cases/comment/{'0' * 24}").status_code == 404
    assert desk.get("/moderation/cases/x/y").status_code == 404
    event = _spam()
    moderation.report(Viewer(user=ann), "comment", event.object_id, category="spam")
    event.discussion.delete()
    page = desk.get(f"/moderation/cases/comment/{event.object_id}").content.decode()
    assert "(gone)" in page
    assert "Take a measure" not in page


def test_author_reads_the_reason_appeals_and_is_answered(desk: Client, staff: Viewer, ann: User) -> None:
    event = _spam(ann)
    action = moderation.take_measure(staff, "hide", "comment", event.object_id, reason="Advertising.", note="3rd time")
    client = sign_in(ann)
    page = client.get("/settings/moderation").content.decode()
    assert "Advertising." in page
    assert "3rd time" not in page
    assert "warden" not in page
    path = f"/settings/moderation/{action.object_id}/appeal"
    assert client.post(path, {"text": " "}).status_code == 422
    assert sign_in(make_user(password=None)).post(path, {"text": "Let her"}).status_code == 404  # T33
    client.post(path, {"text": "They are my own."})
    appeal = Appeal.objects.get()
    assert "They are my own." in desk.get("/moderation/appeals").content.decode()
    refused = desk.post(f"/moderation/appeals/{appeal.object_id}", {"decision": "reject"}, follow=True)
    assert "Say why the decision stands." in refused.content.decode()
    desk.post(f"/moderation/appeals/{appeal.object_id}", {"decision": "accept", "answer": "True."})
    event.refresh_from_db()
    assert not event.is_hidden
    assert "True." in client.get("/settings/moderation").content.decode()


def test_held_posts_are_published_or_refused(desk: Client, ann: User) -> None:
    thread = make_discussion(make_repo())
    posts = [
        HeldPost.objects.create(author=ann, repo=thread.repo, discussion=thread, body=f"Text {n}", signs=["links"])
        for n in (1, 2)
    ]
    page = desk.get("/moderation/held").content.decode()
    assert "Text 1" in page
    assert "Many links in a first post" in page
    desk.post(f"/moderation/held/{posts[0].object_id}", {"decision": "accept"})
    assert Event.objects.filter(author=ann).get().body == "Text 1"
    asked = desk.post(f"/moderation/held/{posts[1].object_id}", {"decision": "reject"}, follow=True)
    assert "Give the reason" in asked.content.decode()
    desk.post(f"/moderation/held/{posts[1].object_id}", {"decision": "reject", "answer": "Ads."})
    assert "Ads." in sign_in(ann).get("/settings/moderation").content.decode()


def _fill(staff: Viewer, count: int) -> None:
    for _number in range(count):
        event = _spam()
        moderation.report(Viewer(user=make_user(password=None)), "comment", event.object_id, category="spam")
        person = make_user(password=None)
        action = moderation.take_measure(staff, "warn", "user", person.object_id, reason="Hm.")
        moderation.appeal(person, action, text="But")
        HeldPost.objects.create(author=person, repo=event.discussion.repo, discussion=event.discussion, body="x")


@pytest.mark.parametrize("path", _QUEUES)
def test_queues_take_as_many_queries_for_three_as_for_one(path: str, staff: Viewer, desk: Client) -> None:
    counts = []
    for more in (1, 2):
        _fill(staff, more)
        desk.get(path)
        with CaptureQueriesContext(connection) as queries:
            assert desk.get(path).status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_own_cases_take_as_many_queries_for_three_as_for_one(staff: Viewer, ann: User) -> None:
    client, counts = sign_in(ann), []
    for more in (1, 2):
        for _number in range(more):
            event = _spam(ann)
            moderation.take_measure(staff, "hide", "comment", event.object_id, reason="Hm.")
            HeldPost.objects.create(author=ann, repo=event.discussion.repo, discussion=event.discussion, body="x")
        client.get("/settings/moderation")
        with CaptureQueriesContext(connection) as queries:
            client.get("/settings/moderation")
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_queues_have_pages(staff: Viewer, desk: Client) -> None:
    reporter = make_user(password=None)
    Report.objects.bulk_create(
        Report(reporter=reporter, target_kind="user", target_id=f"{n:024x}", target_name=f"n{n:03}", category="spam")
        for n in range(35)
    )
    first = desk.get("/moderation?state=open&kind=&category=")
    assert "n034" in first.content.decode()
    assert "n004" not in first.content.decode()
    second = desk.get(first.context["next_href"]).content.decode()
    assert "n004" in second


# --- blocks ----------------------------------------------------------------------------------------------------------


def test_block_and_unblock_on_the_profile(ann: User) -> None:
    bob = make_user("bob", password=None)
    client = sign_in(ann)
    assert 'value="block"' in client.get("/bob").content.decode()
    answer = client.post("/settings/blocks", {"user": "bob", "action": "block", "next": "/bob"})
    assert answer["Location"] == "/bob"
    assert Block.objects.get().blocked == bob
    assert 'value="unblock"' in client.get("/bob").content.decode()
    assert "bob" in client.get("/settings/blocks").content.decode()
    away = client.post("/settings/blocks", {"user": "bob", "action": "unblock", "next": "//evil.example/"})
    assert away["Location"] == "/settings/blocks"
    assert not Block.objects.exists()
    told = client.post("/settings/blocks", {"user": "nobody-here", "action": "block"}, follow=True)
    assert "This user or organization does not exist." in told.content.decode()


# --- the site --------------------------------------------------------------------------------------------------------


def _say(**values: Any) -> None:
    site_settings.save_site_settings(SiteSettings(**values), actor=make_user(password=None))


def test_conduct_is_shipped_and_can_be_replaced(client: Client) -> None:
    assert "Be decent" in client.get("/conduct").content.decode()
    _say(conduct_en="# Ours\n\nBe **kind**. <script>alert(1)</script>")
    cache.delete(site_settings.CACHE_KEY)
    page = client.get("/conduct").content.decode()
    assert "<strong>kind</strong>" in page
    assert "Be decent" not in page
    assert "alert(1)" not in page
    assert "/conduct" in client.get("/").content.decode()


def test_announcement_is_shown_until_put_away(client: Client) -> None:
    _say(announcement_en="Closed on <Sunday>", announcement_zh="周日关闭", announcement_tone="warning")
    cache.delete(site_settings.CACHE_KEY)
    page = client.get("/models").content.decode()
    assert "Closed on &lt;Sunday&gt;" in page
    assert "周日关闭" in Client(HTTP_ACCEPT_LANGUAGE="zh-hans").get("/models").content.decode()
    key = site_settings.current().announcement.key
    answer = client.post("/-/announcement", {"key": key, "next": "/models"})
    assert answer["Location"] == "/models"
    assert "Sunday" not in client.get("/models").content.decode()
    _say(announcement_en="Open again")
    cache.delete(site_settings.CACHE_KEY)
    assert "Open again" in client.get("/models").content.decode()


def test_operators_words_stand_over_the_environments(client: Client, settings: Any) -> None:
    settings.HUB_SIGNUP_OPEN = True
    _say(name="Orchard Hub", signup="closed")
    cache.delete(site_settings.CACHE_KEY)
    page = client.get("/").content.decode()
    assert "<span>Orchard Hub</span>" in page
    assert client.get("/accounts/signup/").context["is_signup_open"] is False
    assert AuditEvent.objects.filter(action="site.settings").get().data["fields"] == ["name", "signup"]
