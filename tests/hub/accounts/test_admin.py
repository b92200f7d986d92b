"""Staff pages open, show no secret and change nothing that services keep (T18, T148)."""

from __future__ import annotations

import pytest
from django.urls import reverse

from hub.accounts.models import AuditEvent
from tests.factories.accounts import PASSWORD, make_organization, make_token, make_user

pytestmark = pytest.mark.django_db


def test_staff_read_without_secrets_and_can_switch_off(client):
    staff = make_user("root1", is_staff=True, password=None)
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


def test_staff_sign_in_by_the_common_page_only_t16(client):
    make_user("root1", is_staff=True)
    data = {"username": "root1", "password": PASSWORD}
    response = client.post(reverse("admin:login"), data)
    assert response.headers["Location"].startswith(reverse("account_login"))
    assert "_auth_user_id" not in client.session
