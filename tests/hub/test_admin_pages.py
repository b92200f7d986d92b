"""The administration: all lists and rows open, show no secret, and change nothing that services keep (T18, T148)."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from community.models import Appeal, Block, Delivery, HeldPost, ModerationAction, Report, Webhook
from community.services import moderation
from hub.accounts.admin import ReadOnlyAdmin
from hub.accounts.models import AuditEvent, Namespace, SiteSettings, User
from hub.accounts.services import audit, site_settings
from hub.repos.models import Repo, RepoImport, UploadDraft
from tests.community.test_moderation import make_staff
from tests.factories.accounts import make_token, make_user
from tests.factories.community import make_discussion
from tests.factories.repos import make_repo
from tests.hub.web.test_moderation_pages import sign_in

pytestmark = pytest.mark.django_db

SECRETS = ("sealed-secret-1", "sealed-secret-2", "sealed-token", "hooks.example/secret-path", "private body")


@pytest.fixture
def desk() -> Client:
    staff = make_staff().user
    assert staff is not None
    return sign_in(staff)


def _fill() -> None:
    ann, bob = make_user("ann", password=None), make_user("bob", password=None)
    thread = make_discussion(make_repo(ann))
    staff = make_staff("second")
    action = moderation.take_measure(staff, "warn", "user", ann.object_id, reason="Hm.")
    moderation.appeal(ann, action, text="But")
    moderation.report(staff, "user", ann.object_id, category="spam")
    HeldPost.objects.create(author=bob, repo=thread.repo, discussion=thread, body="x")
    Block.objects.create(blocker=ann, blocked=bob)
    hook = Webhook.objects.create(
        owner=ann, url=f"https://{SECRETS[3]}", sealed_secret=SECRETS[0], former_sealed_secret=SECRETS[1]
    )
    Delivery.objects.create(webhook=hook, event="repo.create", body=SECRETS[4])
    RepoImport.objects.create(
        author=ann, repo=thread.repo, namespace=ann.namespace, name="copy", repo_type="model",
        endpoint="https://hub.example", source="a/b", sealed_token=SECRETS[2],
    )  # fmt: skip
    UploadDraft.objects.create(repo=thread.repo, author=ann)


def test_lists_and_rows_open_without_secrets_t18(desk: Client) -> None:
    _fill()
    token, secret = make_token(make_user(password=None))
    opened = set()
    for model, site in admin.site._registry.items():
        if model._meta.app_label not in {"accounts", "repos", "community", "inference"}:
            continue
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        assert desk.get(reverse(f"{name}_changelist")).status_code == 200, name
        if site.search_fields:
            assert desk.get(reverse(f"{name}_changelist"), {"q": "ann"}).status_code == 200, name
        row = model._default_manager.first()
        if row is not None:
            page = desk.get(reverse(f"{name}_change", args=[row.pk]))
            assert page.status_code == 200, name
            text = page.content.decode()
            assert [word for word in (*SECRETS, secret, token.digest) if word in text] == [], name
            opened.add(model)
    assert {Report, ModerationAction, Appeal, HeldPost, Block, Delivery, RepoImport, UploadDraft, Repo, User} <= opened


@pytest.mark.parametrize("model", [AuditEvent, Repo, Report, ModerationAction, Appeal, HeldPost, Delivery, RepoImport])
def test_what_services_keep_is_only_looked_at_t148(desk: Client, model: Any) -> None:
    _fill()
    assert isinstance(admin.site._registry[model], ReadOnlyAdmin)
    row = model.objects.first()
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    assert desk.post(reverse(f"{name}_change", args=[row.pk]), {"state": "x"}).status_code == 403
    assert desk.post(reverse(f"{name}_delete", args=[row.pk]), {"post": "yes"}).status_code == 403
    assert desk.get(reverse(f"{name}_add")).status_code == 403


def test_site_settings_are_saved_by_their_service(desk: Client) -> None:
    before = AuditEvent.objects.count()
    form = {"name": "Orchard", "signup": "closed", "announcement_tone": "info", "announcement_en": "Hello"}
    answer = desk.post(reverse("admin:accounts_sitesettings_add"), form)
    assert answer.status_code == 302, answer.context["errors"]
    assert SiteSettings.objects.get().updated_by is not None
    acts = list(AuditEvent.objects.order_by("pk").values_list("action", flat=True))[before:]
    assert acts == ["site.settings"]
    cache.delete(site_settings.CACHE_KEY)
    assert (site_settings.current().name, site_settings.current().is_signup_open) == ("Orchard", False)
    assert desk.get(reverse("admin:accounts_sitesettings_add")).status_code == 403  # there is one
    desk.post(reverse("admin:accounts_sitesettings_change", args=[1]), form | {"name": "Meadow"})
    assert SiteSettings.objects.get().name == "Meadow"


def test_accounts_are_switched_on_again(desk: Client) -> None:
    person = make_user(password=None, is_staff=False)
    path = reverse("admin:accounts_user_changelist")
    for action, is_active in (("switch_off", False), ("switch_on", True)):
        before = AuditEvent.objects.count()
        desk.post(path, {"action": action, "_selected_action": [person.pk]})
        person.refresh_from_db()
        assert person.is_active is is_active
        assert AuditEvent.objects.count() == before + 1


def test_names_show_how_much_of_the_quota_is_used(desk: Client, settings: Any) -> None:
    settings.HUB_QUOTA_BYTES = 4000
    repo = make_repo()
    Repo.objects.filter(pk=repo.pk).update(storage_bytes=1000)
    page = desk.get(reverse("admin:accounts_namespace_changelist")).content.decode()
    assert "25 %" in page


# --- the record itself -----------------------------------------------------------------------------------------------


def test_audit_events_are_never_changed_t148() -> None:
    event = audit.record("test.act", actor=make_user(password=None), target="x")
    event.action = "other"
    for change in (
        event.save,
        event.delete,
        AuditEvent.objects.all().delete,
        lambda: AuditEvent.objects.update(action=""),
    ):
        with pytest.raises(TypeError):
            change()
    assert AuditEvent.objects.get(pk=event.pk).action == "test.act"


def test_audit_events_outlive_their_people_and_go_when_their_time_is_over_t148() -> None:
    from datetime import timedelta

    from django.utils import timezone

    from hub.accounts.services.retention import AUDIT_LIFE, clear_expired
    from hub.accounts.services.users import delete_account

    person = make_user("gone", password=None)
    event = audit.record("test.act", actor=person, target="x")
    old = AuditEvent.objects.create(action="test.old", created_at=timezone.now() - AUDIT_LIFE - timedelta(days=1))
    delete_account(person)
    kept = AuditEvent.objects.get(pk=event.pk)
    assert (kept.actor, kept.actor_name) == (None, "gone")
    clear_expired()
    assert not AuditEvent.objects.filter(pk=old.pk).exists()
    assert AuditEvent.objects.filter(pk=event.pk).exists()


def test_the_database_refuses_to_change_audit_events_t148() -> None:
    from django.db import DatabaseError, connection, transaction

    if connection.vendor != "postgresql":
        # Django changes tables on SQLite by making them anew, which would drop a trigger unseen: the hub makes none
        # there, and the model's refusal, under test above on both databases, is the guard. `make test-pg` runs this.
        pytest.skip("the guard within the database is PostgreSQL's alone")
    event = audit.record("test.act", actor=make_user(password=None), target="x")
    for statement in ("UPDATE accounts_auditevent SET action = 'x'", "DELETE FROM accounts_auditevent"):
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"{statement} WHERE id = %s", [event.pk])
    assert AuditEvent.objects.get(pk=event.pk).action == "test.act"
    assert Namespace.objects.exists()
