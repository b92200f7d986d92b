"""Reports, measures and their undoing, appeals, suspension, quarantine; each act with its audit event (T148)."""

from __future__ import annotations

from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.core import mail
from django.db import transaction
from django.test import Client
from django.urls import reverse

from community.collections import CollectionFilter, list_collections
from community.enums import CaseState, MeasureKind
from community.models import Appeal, Collection, Happening, ModerationAction, Report
from community.queries import DiscussionFilter, get_discussion, list_discussions
from community.reviews import ReviewFilter, get_review, list_reviews, rating_summary
from community.services import discussions, moderation, ratings
from community.targets import MEASURES, find_target
from hub.accounts.auth import Viewer
from hub.accounts.models import AuditEvent, User
from hub.catalog.models import RepoIndex
from hub.core.errors import (
    BadRequest,
    Conflict,
    InsufficientScope,
    NotFound,
    PermissionDenied,
    RateLimited,
)
from hub.repos.enums import ImportState
from hub.repos.models import Repo, RepoImport
from tests.factories.accounts import PASSWORD, bearer, make_organization, make_token, make_user, make_viewer
from tests.factories.community import make_discussion
from tests.factories.repos import make_repo

pytestmark = pytest.mark.django_db


def make_staff(name: str = "warden") -> Viewer:
    """Staff with a second factor."""
    staff = make_user(name, is_staff=True, password=None)
    Authenticator.objects.create(user=staff, type=Authenticator.Type.TOTP, data={"secret": "x"})
    return Viewer(user=staff)


@pytest.fixture
def staff() -> Viewer:
    return make_staff()


@pytest.fixture
def author() -> User:
    return make_user("ann", password=None)


def _take(staff: Viewer, measure: str, kind: str, thing: Any, reason: str = "Against the rules.") -> ModerationAction:
    return moderation.take_measure(staff, measure, kind, thing.object_id, reason=reason)


def _acts() -> list[str]:
    return list(AuditEvent.objects.order_by("pk").values_list("action", flat=True))


def _new_acts(before: int) -> list[str]:
    return _acts()[before:]


# --- reports ---------------------------------------------------------------------------------------------------------


def test_report_is_kept_once_and_recorded_t148(author: User) -> None:
    repo, reporter = make_repo(author), Viewer(user=make_user(password=None))
    before = AuditEvent.objects.count()
    made = moderation.report(reporter, "repo", repo.object_id, category="spam", text=" Only ads. ")
    assert (made.target_name, made.subject, made.text, made.state) == (repo.repo_id, author, "Only ads.", "open")
    assert _new_acts(before) == ["report.create"]
    with pytest.raises(Conflict):
        moderation.report(reporter, "repo", repo.object_id, category="other", text="Again")
    assert Report.objects.count() == 1
    assert _new_acts(before) == ["report.create"]


@pytest.mark.parametrize(("category", "text"), [("nonsense", "x"), ("other", " "), ("spam", "x" * 2001)])
def test_report_says_what_is_wrong(author: User, category: str, text: str) -> None:
    with pytest.raises(BadRequest):
        moderation.report(Viewer(user=author), "repo", make_repo().object_id, category=category, text=text)


def test_reports_are_limited(author: User, settings: Any) -> None:
    settings.HUB_RATE_REPORTS = 1
    viewer = Viewer(user=author)
    moderation.report(viewer, "repo", make_repo().object_id, category="spam")
    with pytest.raises(RateLimited):
        moderation.report(viewer, "repo", make_repo().object_id, category="spam")


def _things(owner: User, *, is_private: bool) -> dict[str, str]:
    repo = make_repo(owner, is_private=is_private)
    thread = make_discussion(repo, owner)
    collection = Collection.objects.create(namespace=owner.namespace, title="Finds", is_private=is_private)
    return {
        "repo": repo.object_id,
        "discussion": thread.object_id,
        "comment": thread.events.get().object_id,
        "collection": collection.object_id,
    }


def test_nobody_reports_what_they_cannot_see_t33_t35(author: User) -> None:
    stranger = Viewer(user=make_user(password=None))
    hidden, public = _things(author, is_private=True), _things(make_user(password=None), is_private=False)
    for kind, object_id in hidden.items():
        with pytest.raises(NotFound) as refused:
            find_target(stranger, kind, object_id)
        with pytest.raises(NotFound) as missing:
            find_target(stranger, kind, "0" * 24)
        assert refused.value.message == missing.value.message
        assert find_target(Viewer(user=author), kind, object_id).object_id == object_id
    for kind, object_id in public.items():
        assert find_target(stranger, kind, object_id).kind == kind
        other = "comment" if kind != "comment" else "repo"
        with pytest.raises(NotFound):
            find_target(stranger, other, object_id)  # the id of another kind


def test_every_kind_has_measures() -> None:
    assert all(MeasureKind.WARN in measures for measures in MEASURES.values())


# --- who may ---------------------------------------------------------------------------------------------------------


def test_moderators_are_staff_with_second_factor_in_a_browser_t153(author: User, staff: Viewer) -> None:
    repo = make_repo(author)
    without = Viewer(user=make_user("plain", is_staff=True, password=None))
    by_token = make_viewer(staff.user, "write")
    for viewer, error in (
        (without, PermissionDenied),
        (by_token, InsufficientScope),
        (Viewer(user=author), PermissionDenied),
    ):
        with pytest.raises(error):
            _take(viewer, "warn", "repo", repo)
        with pytest.raises(error):
            moderation.dismiss_reports(viewer, "repo", repo.object_id)
    assert ModerationAction.objects.count() == 0


def test_measures_fit_their_target_and_need_a_reason(author: User, staff: Viewer) -> None:
    repo = make_repo(author)
    with pytest.raises(BadRequest):
        _take(staff, "suspend", "repo", repo)
    with pytest.raises(BadRequest):
        _take(staff, "warn", "repo", repo, reason="  ")
    with pytest.raises(NotFound):
        moderation.take_measure(staff, "warn", "repo", "0" * 24, reason="x")


# --- hide and lock ---------------------------------------------------------------------------------------------------


def test_hidden_comment_comes_back_with_its_words(author: User, staff: Viewer) -> None:
    repo = make_repo()
    thread = make_discussion(repo, text="Why?")
    event = discussions.comment_discussion(Viewer(user=author), thread, comment="Buy my things")
    moderation.report(Viewer(user=repo.created_by), "comment", event.object_id, category="spam")
    before = AuditEvent.objects.count()
    action = _take(staff, "hide", "comment", event, "Advertising.")
    event.refresh_from_db()
    assert (event.is_hidden, event.hidden_by, event.body) == (True, staff.user, "Buy my things")
    assert (action.subject, action.excerpt) == (author, "Buy my things")
    assert Report.objects.get().state == CaseState.ACCEPTED
    assert _new_acts(before) == ["report.handle", "moderation.hide"]
    told = Happening.objects.filter(kind="moderation").get()
    assert (told.recipients, told.text, told.href) == ([author.pk], "Advertising.", "/settings/moderation")
    with pytest.raises(Conflict):
        _take(staff, "hide", "comment", event)
    # The author cannot erase what an appeal may bring back.
    discussions.hide_discussion_comment(Viewer(user=author), thread, event)
    before = AuditEvent.objects.count()
    moderation.revert_measure(staff, action)
    event.refresh_from_db()
    assert (event.is_hidden, event.body) == (False, "Buy my things")
    assert _new_acts(before) == ["moderation.revert"]
    with pytest.raises(Conflict):
        moderation.revert_measure(staff, action)


def test_hidden_discussion_is_as_if_it_were_not_there(author: User, staff: Viewer, client: Client) -> None:
    repo = make_repo()
    thread = make_discussion(repo, author)
    action = _take(staff, "hide", "discussion", thread)
    with pytest.raises(NotFound):
        get_discussion(repo, thread.num)
    assert list_discussions(repo, DiscussionFilter()).count == 0
    repo.refresh_from_db()
    assert repo.discussions_open == 0
    assert client.get(f"{repo.urls.api}/discussions/{thread.num}").status_code == 404
    moderation.revert_measure(staff, action)
    assert get_discussion(repo, thread.num) == thread
    repo.refresh_from_db()
    assert repo.discussions_open == 1


def test_reported_and_hidden_comment_keeps_the_shape_of_the_wire(author: User, staff: Viewer, client: Client) -> None:
    repo = make_repo()
    thread = make_discussion(repo, author, text="Spam!")
    path = f"{repo.urls.api}/discussions/{thread.num}"
    before = client.get(path).json()
    moderation.report(Viewer(user=repo.created_by), "discussion", thread.object_id, category="spam")
    assert client.get(path).json() == before
    _take(staff, "hide", "comment", thread.events.get())
    after = client.get(path).json()
    assert set(after) == set(before)
    shown = after["events"][0]
    assert set(shown) == set(before["events"][0])
    assert set(shown["data"]) == set(before["events"][0]["data"])
    assert (shown["data"]["hidden"], shown["data"]["latest"]["raw"]) == (True, "")
    assert "Spam!" not in client.get(path).content.decode()


def test_lock_of_moderators_is_not_the_owners_to_open(author: User, staff: Viewer) -> None:
    repo = make_repo()
    thread = make_discussion(repo, author)
    action = _take(staff, "lock", "discussion", thread)
    thread.refresh_from_db()
    with pytest.raises(PermissionDenied):
        discussions.comment_discussion(Viewer(user=author), thread, comment="More")
    with pytest.raises(PermissionDenied):
        discussions.lock_discussion(Viewer(user=repo.created_by), thread, is_locked=False)
    moderation.revert_measure(staff, action)
    thread.refresh_from_db()
    discussions.comment_discussion(Viewer(user=author), thread, comment="More")


def test_hidden_collection_is_gone_from_lists(author: User, staff: Viewer, client: Client) -> None:
    collection = Collection.objects.create(namespace=author.namespace, title="Finds")
    action = _take(staff, "hide", "collection", collection)
    assert list_collections(Viewer(), CollectionFilter(), limit=10)[0].items == []
    assert client.get(f"/api/collections/{collection.slug}").status_code == 404
    moderation.revert_measure(staff, action)
    assert list_collections(Viewer(), CollectionFilter(), limit=10)[0].items == [collection]


# --- suspend ---------------------------------------------------------------------------------------------------------


def test_suspended_person_neither_signs_in_nor_uses_tokens_t07(
    staff: Viewer, client: Client, settings: Any, django_capture_on_commit_callbacks: Any
) -> None:
    settings.IS_MAIL_CONFIGURED = True
    person = make_user("mallory")
    repo = make_repo(person)
    _token, secret = make_token(person)
    client.post(reverse("account_login"), {"login": "mallory", "password": PASSWORD})
    assert client.get("/settings/profile").status_code == 200
    before = AuditEvent.objects.count()
    with django_capture_on_commit_callbacks(execute=True):
        action = _take(staff, "suspend", "user", person, "Threats in three threads.")
    assert _new_acts(before) == ["user.deactivate", "moderation.suspend"]
    assert client.get("/settings/profile").status_code == 302
    assert not UserSession.objects.filter(user=person).exists()
    assert Client().get("/api/whoami-v2", **bearer(secret)).status_code == 401
    assert Client().get(f"/{repo.repo_id}").status_code == 200  # what they published stays
    assert "Threats in three threads." in mail.outbox[-1].body

    answer = Client().post(reverse("account_login"), {"login": "mallory", "password": PASSWORD})
    assert "/moderation/closed/" in answer["Location"]
    assert answer["Location"].split("/")[-1].split(":")[0] in mail.outbox[-1].body  # the same page
    page = Client().get(answer["Location"])
    assert "Threats in three threads." in page.content.decode()
    Client().post(answer["Location"], {"measure_id": action.object_id, "text": "It was a quarrel; I am sorry."})
    assert Appeal.objects.get().author == person

    moderation.decide_appeal(staff, Appeal.objects.get(), is_accepted=True, answer="")
    assert Client().get("/api/whoami-v2", **bearer(secret)).status_code == 200
    person.refresh_from_db()
    assert person.is_active


def test_wrong_password_learns_nothing_of_a_closed_account_t01(staff: Viewer) -> None:
    person = make_user("mallory")
    _take(staff, "suspend", "user", person)
    answer = Client().post(reverse("account_login"), {"login": "mallory", "password": "not the password at all"})
    unknown = Client().post(reverse("account_login"), {"login": "nobody-here", "password": "not the password at all"})
    assert (answer.status_code, unknown.status_code) == (200, 200)


def test_link_of_a_closed_account_is_signed_and_opens_only_its_own(staff: Viewer, author: User) -> None:
    assert Client().get("/moderation/closed/MQ:1abc:xyz").status_code == 404
    person = make_user("mallory", password=None)
    _take(staff, "suspend", "user", person)
    foreign = _take(staff, "warn", "user", author)
    from hub.accounts.closed import closed_account_url

    link = closed_account_url(person)
    assert Client().post(link, {"measure_id": foreign.object_id, "text": "Not mine"}).status_code == 404
    assert Appeal.objects.count() == 0


def test_staff_are_not_suspended(staff: Viewer) -> None:
    other = make_staff("second")
    for user in (other.user, staff.user):
        with pytest.raises(PermissionDenied):
            _take(staff, "suspend", "user", user)
    assert ModerationAction.objects.count() == 0


# --- appeals ---------------------------------------------------------------------------------------------------------


def test_appeal_once_by_whom_it_concerns_t33(author: User, staff: Viewer) -> None:
    action = _take(staff, "warn", "user", author)
    with pytest.raises(NotFound):
        moderation.appeal(make_user(password=None), action, text="Let them")
    before = AuditEvent.objects.count()
    made = moderation.appeal(author, action, text="It was a joke.")
    assert _new_acts(before) == ["appeal.create"]
    with pytest.raises(Conflict):
        moderation.appeal(author, action, text="Again")
    with pytest.raises(BadRequest):
        moderation.decide_appeal(staff, made, is_accepted=False, answer="")
    before = AuditEvent.objects.count()
    decided = moderation.decide_appeal(staff, made, is_accepted=False, answer="It was not.")
    assert (decided.state, decided.answer) == ("rejected", "It was not.")
    assert _new_acts(before) == ["appeal.decide"]
    with pytest.raises(Conflict):
        moderation.decide_appeal(staff, made, is_accepted=True, answer="")


def test_admins_of_an_organization_appeal_for_it(staff: Viewer) -> None:
    admin, member = make_user(password=None), make_user(password=None)
    organization = make_organization("acme", admin=admin, members={member: "write"})
    repo = make_repo(member, namespace="acme")
    action = _take(staff, "quarantine", "repo", repo)
    assert sorted(Happening.objects.get(kind="moderation").recipients) == sorted({admin.pk, member.pk})
    assert moderation.concerns(admin, action)
    assert not moderation.concerns(make_user(password=None), action)
    assert organization.namespace_id == action.namespace_id


# --- quarantine ------------------------------------------------------------------------------------------------------


def test_quarantine_stops_jobs_and_is_recorded_t152(staff: Viewer, author: User) -> None:
    repo = make_repo(author)
    job = RepoImport.objects.create(
        author=author,
        repo=repo,
        namespace=author.namespace,
        name=repo.name,
        repo_type="model",
        endpoint="https://hub.example",
        source="a/b",
        state=ImportState.RUNNING,
        sealed_token="sealed",
    )
    before = AuditEvent.objects.count()
    action = _take(staff, "quarantine", "repo", repo, "Malware in model.bin.")
    assert _new_acts(before) == ["repo.disable", "moderation.quarantine"]
    job.refresh_from_db()
    assert (job.state, job.sealed_token) == (ImportState.CANCELLED, "")
    repo.refresh_from_db()
    assert (repo.is_disabled, repo.disabled_reason) == (True, "Malware in model.bin.")
    with pytest.raises(Conflict):
        _take(staff, "quarantine", "repo", repo)
    moderation.revert_measure(staff, action)
    repo.refresh_from_db()
    assert (repo.is_disabled, repo.disabled_reason) == (False, "")


def test_quarantined_repo_leaves_lists_at_once_t40(
    staff: Viewer, author: User, client: Client, django_capture_on_commit_callbacks: Any
) -> None:
    repo = make_repo(author, "poison")
    with django_capture_on_commit_callbacks(execute=True):
        action = _take(staff, "quarantine", "repo", repo)
    assert not RepoIndex.objects.get(repo=repo).is_listed
    assert [item["id"] for item in client.get("/api/models?search=poison").json()] == []
    assert client.get(f"/api/models/{repo.repo_id}")["X-Error-Message"] == "Access to this resource is disabled."
    with django_capture_on_commit_callbacks(execute=True):
        moderation.revert_measure(staff, action)
    assert [item["id"] for item in client.get("/api/models?search=poison").json()] == [repo.repo_id]


def test_a_measure_and_its_record_stand_or_fall_together_t148(staff: Viewer, author: User) -> None:
    repo = make_repo(author)
    before = AuditEvent.objects.count()

    def fails_afterwards() -> None:
        with transaction.atomic():
            _take(staff, "quarantine", "repo", repo)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fails_afterwards()
    assert AuditEvent.objects.count() == before
    assert not Repo.objects.get(pk=repo.pk).is_disabled
    assert ModerationAction.objects.count() == Happening.objects.filter(kind="moderation").count() == 0


# --- reviews ---------------------------------------------------------------------------------------------------------


def test_hidden_review_counts_nowhere_and_comes_back(staff: Viewer, author: User) -> None:
    repo = make_repo(files={"a.txt": b"a"})
    other = Viewer(user=make_user(password=None))
    ratings.save_review(other, repo, ratings.Opinion(stars=5, text="Fine"))
    review = ratings.save_review(Viewer(user=author), repo, ratings.Opinion(stars=1, text="Buy my things"))
    before = rating_summary(repo).rating
    assert before.n == 2
    action = _take(staff, "hide", "review", review, "Advertising.")
    assert (action.subject, "Buy my things" in action.excerpt) == (author, True)
    assert (rating_summary(repo).rating.n, rating_summary(repo).rating.mean) == (1, 5)
    assert [item.author for item in list_reviews(repo, ReviewFilter()).items] == [other.user]
    with pytest.raises(NotFound):
        get_review(repo, review.object_id)
    with pytest.raises(Conflict):
        ratings.save_review(Viewer(user=author), repo, ratings.Opinion(stars=1, text="Again"))
    moderation.revert_measure(staff, action)
    assert rating_summary(repo).rating == before
    assert get_review(repo, review.object_id).is_latest
