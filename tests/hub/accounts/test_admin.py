"""Staff pages open, show no secret and change nothing that services keep (T18, T148)."""

from __future__ import annotations

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import Permission
from django.urls import reverse

from hub.accounts.models import AuditEvent, User
from tests.factories.accounts import PASSWORD, make_organization, make_token, make_user

pytestmark = pytest.mark.django_db


def make_staff() -> User:
    """Staff with a second factor."""
    staff = make_user("root1", is_staff=True, password=None)
    Authenticator.objects.create(user=staff, type=Authenticator.Type.TOTP, data={"secret": "x"})
    return staff


def test_staff_read_without_secrets_and_can_switch_off(client):
    staff = make_staff()
    user = make_user("ann", password=None)
    organization = make_organization("acme", admin=user)
    token, secret = make_token(user)
    client.force_login(staff)
    pages = {
        "user": user.pk,
        "organization": organization.pk,
        "accesstoken": token.pk,
        "auditevent": AuditEvent.objects.first().pk,
    }
    for name, pk in pages.items():
        assert client.get(reverse(f"admin:accounts_{name}_changelist")).status_code == 200
        page = client.get(reverse(f"admin:accounts_{name}_change", args=[pk])).content.decode()
        assert token.digest not in page
        assert secret not in page
    assert client.post(reverse("admin:accounts_auditevent_delete", args=[pages["auditevent"]])).status_code == 403
    data = {"action": "switch_off", "_selected_action": [user.pk, staff.pk]}
    client.post(reverse("admin:accounts_user_changelist"), data)
    user.refresh_from_db()
    staff.refresh_from_db()
    assert (user.is_active, staff.is_active) == (False, True)


def test_others_do_not_get_in(client):
    path = reverse("admin:accounts_user_changelist")
    client.force_login(make_user(password=None))
    assert client.get(path, follow=True).status_code == 403


def test_staff_without_second_factor_are_sent_to_turn_it_on_t153(client):
    client.force_login(make_user("root1", is_staff=True, password=None))
    response = client.get(reverse("admin:index"), follow=True)
    assert response.redirect_chain[-1][0] == reverse("mfa_index")
    assert client.get(reverse("admin:accounts_user_changelist")).status_code == 302


def test_signed_in_staff_cannot_become_another_by_password_alone_t16(client):
    make_user("root2", is_staff=True)
    staff = make_staff()
    client.force_login(staff)
    client.post(reverse("admin:login"), {"username": "root2", "password": PASSWORD})
    assert client.session["_auth_user_id"] == str(staff.pk)


def test_staff_give_no_right_that_they_lack_t153(client):
    staff = make_staff()
    staff.is_superuser = False
    staff.save()
    staff.user_permissions.set(Permission.objects.filter(codename__in=["change_user", "view_user"]))
    client.force_login(staff)
    page = reverse("admin:accounts_user_change", args=[staff.pk])
    client.post(page, {"full_name": "Root", "bio": "", "website": "", "is_staff": "on", "is_superuser": "on"})
    staff.refresh_from_db()
    assert (staff.full_name, staff.is_superuser) == ("Root", False)


def test_staff_sign_in_by_the_common_page_only_t16(client):
    make_user("root1", is_staff=True)
    data = {"username": "root1", "password": PASSWORD}
    response = client.post(reverse("admin:login"), data)
    assert response.headers["Location"].startswith(reverse("account_login"))
    assert "_auth_user_id" not in client.session
