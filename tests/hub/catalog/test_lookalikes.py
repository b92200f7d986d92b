"""Names that look like well-known ones, and bursts, in trending (T49, T50)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from allauth.mfa.models import Authenticator
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from hub.accounts.models import AuditEvent
from hub.catalog.lookalikes import is_like, skeleton
from hub.catalog.models import LookAlike, LookAlikeVerdict, RepoIndex
from hub.catalog.trending import damped, update_trending
from hub.core.errors import HubError
from hub.repos.models import DownloadDay
from tests.factories.accounts import make_user
from tests.factories.catalog import make_row


@pytest.mark.parametrize(
    ("name", "known", "expected"),
    [
        ("0penai", "openai", True),
        ("op3nai", "openai", True),
        ("openal", "openai", True),
        ("open-ai", "openai", True),
        ("gernma", "gemma", True),
        ("gamma", "gemma", True),
        ("mistra1", "mistral", True),
        ("mitsral", "mistral", True),
        ("llama-3-instruct", "llama-2-instruct", False),
        ("qwen-7b", "qwen-1b", False),
        ("whisper", "whisper", False),
        ("Whisper", "whisper", False),
        ("bert", "bart", False),
        ("roberta", "bert", False),
    ],
)
def test_what_is_alike_t49(name: str, known: str, expected: bool) -> None:
    assert is_like(name, known) is expected


def test_letters_in_another_case_are_the_same_name_t49(db) -> None:
    """c for C: no second namespace can have it, so nothing is left to confuse."""
    make_user("Cohere", password=None)
    with pytest.raises(HubError):
        make_user("cohere", password=None, email="other@example.org")
    assert skeleton("Cohere") == skeleton("c0here")


@pytest.fixture
def known(db):
    """A well-known repo, older than those that imitate it."""
    owner = make_user("openai", password=None)
    return make_row(owner.namespace, "whisper", likes=50, created_at=timezone.now() - timedelta(days=400))


def row_of(owner: str, name: str, **more) -> RepoIndex:
    return make_row(make_user(owner, password=None).namespace, name, **more)


def scores() -> dict[str, float]:
    return {row.full_id: row.trending_score for row in RepoIndex.objects.all()}


@pytest.mark.django_db
def test_look_alikes_wait_for_a_review_before_they_trend_t49(known) -> None:
    row_of("0penai", "speech")
    row_of("somebody", "whisqer")
    row_of("tuner", "whisper")
    row_of("honest", "murmur")
    update_trending()
    found = scores()
    assert (found["0penai/speech"], found["somebody/whisqer"]) == (0, 0)
    assert found["tuner/whisper"] > 4 < found["honest/murmur"]
    rows = LookAlike.objects.order_by("name").values_list("name", "resembles", "verdict")
    assert list(rows) == [("0penai/speech", "openai/whisper", "open"), ("somebody/whisqer", "openai/whisper", "open")]


@pytest.mark.django_db
def test_who_was_first_imitates_nobody_t49(known) -> None:
    row_of("0penai", "speech", created_at=known.created_at - timedelta(days=1))
    update_trending()
    assert not LookAlike.objects.exists()


@pytest.mark.django_db
def test_operators_clear_and_confirm_in_the_admin_t49(client: Client, known) -> None:
    for owner in ("0penai", "openal"):
        row_of(owner, "speech")
    update_trending()
    staff = make_user("root1", password=None, is_staff=True)
    Authenticator.objects.create(user=staff, type=Authenticator.Type.TOTP, data={"secret": "x"})
    client.force_login(staff)
    page = reverse("admin:catalog_lookalike_changelist")
    for name, action in (("0penai/speech", "clear"), ("openal/speech", "confirm")):
        pk = LookAlike.objects.get(name=name).pk
        assert client.post(page, {"action": action, "_selected_action": [pk]}).status_code == 302
    update_trending()
    assert scores()["0penai/speech"] > 4
    assert scores()["openal/speech"] == 0
    assert LookAlike.objects.get(name="0penai/speech").verdict == LookAlikeVerdict.CLEARED
    assert AuditEvent.objects.filter(action="lookalike.review", actor__isnull=False).count() == 2


@pytest.mark.django_db
def test_a_burst_of_downloads_counts_as_far_as_the_week_makes_it_likely_t50(known) -> None:
    now = timezone.now()
    old = now - timedelta(days=200)
    bought = row_of("buyer", "sudden", created_at=old)
    used = row_of("regular", "steady", created_at=old)
    DownloadDay.objects.create(repo_id=bought.pk, day=now.date(), count=10_000)
    DownloadDay.objects.bulk_create(
        DownloadDay(repo_id=used.pk, day=now.date() - timedelta(days=ago), count=200) for ago in range(28)
    )
    update_trending(now)
    found = scores()
    assert found["buyer/sudden"] == pytest.approx(50, abs=0.1)
    assert found["regular/steady"] > 900
    assert damped({0: 40}, 0) == 40
    assert damped({0: 1000, 1: 700}, 0) == 350


@pytest.mark.django_db
def test_a_burst_of_likes_enters_in_helpings_t50(known) -> None:
    now = timezone.now()
    row = row_of("buyer", "liked", created_at=now - timedelta(days=200), heat_at=now, likes=1000)
    heats = []
    for quarter in range(1, 5):
        update_trending(now + timedelta(minutes=15 * quarter))
        heats.append(round(RepoIndex.objects.get(pk=row.pk).likes_heat))
    assert heats == [5, 10, 15, 20]
    RepoIndex.objects.filter(pk=row.pk).update(likes=0)
    update_trending(now + timedelta(minutes=75))
    assert RepoIndex.objects.get(pk=row.pk).likes_heat == pytest.approx(0, abs=0.1)
