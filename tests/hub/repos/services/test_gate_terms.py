"""Time at the gate: promises, ends of grants, asking again, mails (T37, T39)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core import mail
from django.utils import timezone

from hub.accounts.auth import Viewer
from hub.accounts.models import User
from hub.core.errors import Conflict, GatedRepo, PermissionDenied
from hub.repos import gates
from hub.repos.enums import AccessState, Gating
from hub.repos.gates import GateTerms
from hub.repos.models import AccessRequest, Repo
from hub.repos.permissions import check_files, get_repo_for_inference
from hub.repos.services import access
from hub.repos.services.repos import update_repo_settings
from tests.factories.accounts import make_user
from tests.factories.repos import make_repo

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _mail(settings) -> None:
    settings.IS_MAIL_CONFIGURED = True


@pytest.fixture
def owner() -> User:
    return make_user("owner", password=None)


@pytest.fixture
def asker() -> User:
    return make_user("asker", password=None)


@pytest.fixture
def repo(owner: User) -> Repo:
    repo = make_repo(owner, "maps", files={"README.md": b"# Maps\n"})
    return update_repo_settings(Viewer(user=owner), repo, gated=Gating.MANUAL)


def terms(repo: Repo, owner: User, **days: int) -> Repo:
    return update_repo_settings(Viewer(user=owner), repo, gate_terms=GateTerms(**days))


def ask(repo: Repo, user: User) -> AccessRequest:
    request = access.ask_access(Viewer(user=user), repo, {})
    assert request is not None
    return request


def decide(owner: User, request: AccessRequest, state: AccessState, **more: str) -> AccessRequest:
    return access.handle_access_request(Viewer(user=owner), request, state, **more)


def may_read(repo: Repo, user: User) -> bool:
    try:
        check_files(Viewer(user=user), repo)
    except GatedRepo:
        return False
    return True


def age(request: AccessRequest, **fields: timedelta) -> None:
    """Move dates of a request into the past."""
    now = timezone.now()
    AccessRequest.objects.filter(pk=request.pk).update(**{name: now - ago for name, ago in fields.items()})


def test_a_grant_that_has_run_out_closes_every_door_and_may_be_asked_for_again_t37(repo, owner, asker) -> None:
    repo = terms(repo, owner, gate_grant_days=30)
    request = decide(owner, ask(repo, asker), AccessState.ACCEPTED)
    assert timedelta(days=29) < request.expires_at - timezone.now() <= timedelta(days=30)
    assert may_read(repo, asker)
    age(request, expires_at=timedelta(seconds=1))
    assert not may_read(repo, asker)
    with pytest.raises(GatedRepo):
        get_repo_for_inference(Viewer(user=asker), "owner", "maps")

    again = ask(repo, asker)
    assert (again.pk, again.state, again.expires_at) == (request.pk, AccessState.PENDING, None)
    decide(owner, again, AccessState.ACCEPTED)
    assert may_read(repo, asker)
    with pytest.raises(Conflict):
        access.grant_access(Viewer(user=owner), repo, asker)


def test_owners_renew_a_grant_that_has_run_out(repo, owner, asker) -> None:
    repo = terms(repo, owner, gate_grant_days=1)
    request = decide(owner, ask(repo, asker), AccessState.ACCEPTED)
    age(request, expires_at=timedelta(hours=1))
    decide(owner, request, AccessState.ACCEPTED)
    assert may_read(repo, asker)


def test_automatic_grants_end_too(repo, owner, asker) -> None:
    repo = update_repo_settings(Viewer(user=owner), repo, gated=Gating.AUTO, gate_terms=GateTerms(gate_grant_days=2))
    request = ask(repo, asker)
    assert request.expires_at is not None
    age(request, expires_at=timedelta(seconds=1))
    assert not may_read(repo, asker)
    ask(repo, asker)
    assert may_read(repo, asker)


@pytest.mark.parametrize("gating", [Gating.MANUAL, Gating.AUTO])
def test_a_rejected_person_asks_again_only_when_the_terms_say_so_t39(repo, owner, asker, gating) -> None:
    request = decide(owner, ask(repo, asker), AccessState.REJECTED)
    repo = update_repo_settings(Viewer(user=owner), repo, gated=gating)
    age(request, decided_at=timedelta(days=400))
    with pytest.raises(PermissionDenied):  # no term: never
        ask(repo, asker)
    repo = terms(repo, owner, gate_retry_days=14)
    age(request, decided_at=timedelta(days=13))
    with pytest.raises(PermissionDenied):
        ask(repo, asker)
    assert not may_read(repo, asker)
    age(request, decided_at=timedelta(days=14, seconds=1))
    again = ask(repo, asker)
    assert again.state == (AccessState.ACCEPTED if gating == Gating.AUTO else AccessState.PENDING)
    assert again.rejection_reason == ""


def test_taking_a_request_back_leaves_no_way_round_a_rejection_t39(repo, owner, asker) -> None:
    decide(owner, ask(repo, asker), AccessState.REJECTED)
    with pytest.raises(Exception, match="no request that waits"):
        access.cancel_access_request(Viewer(user=asker), repo)
    with pytest.raises(PermissionDenied):
        ask(repo, asker)


def test_owners_are_reminded_once_of_each_who_waits_too_long(repo, owner, asker) -> None:
    other = make_user("other", password=None)
    repo = terms(repo, owner, gate_answer_days=3)
    late, fresh = ask(repo, asker), ask(repo, other)
    age(late, created_at=timedelta(days=3, seconds=1))
    age(fresh, created_at=timedelta(days=2))
    mail.outbox.clear()
    assert access.remind_owners() == 1
    assert access.remind_owners() == 0
    (sent,) = mail.outbox
    assert (sent.to, sent.subject) == (["owner@example.org"], "1 person waits for your answer at owner/maps")
    assert "- asker" in sent.body
    assert "other" not in sent.body
    decide(owner, fresh, AccessState.ACCEPTED)
    age(late, created_at=timedelta(days=9))
    assert access.remind_owners() == 0


def test_without_a_promise_nobody_is_reminded(repo, owner, asker) -> None:
    age(ask(repo, asker), created_at=timedelta(days=90))
    assert access.remind_owners() == 0


def test_answer_time_is_said_from_five_decisions_on(repo, owner) -> None:
    for number in range(5):
        assert gates.answer_time(repo) is None
        request = decide(owner, ask(repo, make_user(password=None)), AccessState.ACCEPTED)
        age(request, created_at=timedelta(days=number + 1), decided_at=timedelta(days=0))
    assert gates.answer_time(repo) == pytest.approx(timedelta(days=3), abs=timedelta(minutes=1))
