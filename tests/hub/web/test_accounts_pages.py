"""Account, organization and token pages through the browser's door: T01, T07–T10, T13, T15–T18, T32–T34, T43, T45."""

from __future__ import annotations

import time
from io import BytesIO

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, generate_totp_secret, hotp_value
from django.core import mail
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from PIL import Image

from hub.accounts.enums import Role, TokenRole
from hub.accounts.models import AccessToken, AuditEvent, Namespace, Organization, User
from hub.accounts.services.organizations import invite_member
from hub.accounts.services.users import deactivate, delete_account
from hub.repos.models import Repo
from tests.factories.accounts import PASSWORD, bearer, make_organization, make_token, make_user

pytestmark = pytest.mark.django_db

SIGN_UP = {"username": "ann", "email": "ann@example.org", "password1": PASSWORD, "password2": PASSWORD}


def sign_in(user: User, password: str = PASSWORD) -> Client:
    """A browser that has just signed in by the form, so that its sign-in is recent."""
    browser = Client()
    response = browser.post(reverse("account_login"), {"login": user.username, "password": password})
    assert response.status_code == 302, response.content
    return browser


def make_stale(browser: Client) -> None:
    """Let the last sign-in lie longer back than the fifteen minutes of T13."""
    session = browser.session
    session["signed_in_at"] = int(time.time()) - 15 * 60 - 1
    session.save()


# --- sign-up and sign-in ---------------------------------------------------------------------------------------------


def test_sign_up_makes_account_and_namespace_together(client):
    response = client.post(reverse("account_signup"), SIGN_UP)
    assert response.status_code == 302
    user = User.objects.get()
    assert (user.username, user.namespace.name, user.email) == ("ann", "ann", "ann@example.org")
    assert client.get(reverse("web:settings_profile")).status_code == 200


@pytest.mark.parametrize("name", ["admin", "Acme", "gone", "a--b", "x", "../x"])
def test_sign_up_refuses_names_with_the_reason(client, name):
    make_organization("acme")
    delete_account(make_user("gone", password=None))
    before = (User.objects.count(), Namespace.objects.count())
    response = client.post(reverse("account_signup"), {**SIGN_UP, "username": name})
    assert response.status_code == 200
    assert response.context["form"].errors["username"]
    assert (User.objects.count(), Namespace.objects.count()) == before


@pytest.mark.parametrize("password", ["short", "password1234", "ann@example.org", "x" * 1025, "123456789012"])
def test_sign_up_refuses_weak_passwords_t03(client, password):
    response = client.post(reverse("account_signup"), {**SIGN_UP, "password1": password, "password2": password})
    assert response.status_code == 200
    assert response.context["form"].errors
    assert not User.objects.exists()


def test_long_passwords_count_to_the_last_character_t03(client):
    password = "correct horse " * 7 + "ab"
    client.post(reverse("account_signup"), {**SIGN_UP, "password1": password, "password2": password})
    user = User.objects.get()
    assert user.check_password(password)
    assert not user.check_password(password[:-1] + "c")


def test_sign_up_sets_no_other_field_t34(client):
    client.post(reverse("account_signup"), {**SIGN_UP, "is_staff": "1", "is_superuser": "1", "object_id": "0" * 24})
    user = User.objects.get()
    assert (user.is_staff, user.is_superuser, user.object_id == "0" * 24) == (False, False, False)


def test_sign_up_can_be_closed(client, settings):
    settings.HUB_SIGNUP_OPEN = False
    client.post(reverse("account_signup"), SIGN_UP)
    assert not User.objects.exists()


@pytest.mark.parametrize("login", ["ann", "ANN", "ann@example.org"])
def test_sign_in_by_name_or_mail(client, login):
    make_user("ann")
    assert client.post(reverse("account_login"), {"login": login, "password": PASSWORD}).status_code == 302
    assert "_auth_user_id" in client.session


def test_sign_in_tells_unknown_and_wrong_the_same_t01(client):
    make_user("ann")
    answers = [
        client.post(reverse("account_login"), {"login": login, "password": "wrong password 1"})
        for login in ("ann", "nobody-here")
    ]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert len({str(answer.context["form"].non_field_errors()) for answer in answers}) == 1


def test_reset_tells_known_and_unknown_the_same_t01(client):
    make_user("ann")
    answers = [
        client.post(reverse("account_reset_password"), {"email": email}, follow=True)
        for email in ("ann@example.org", "nobody@example.org")
    ]
    assert len({(answer.status_code, answer.redirect_chain[-1][0]) for answer in answers}) == 1


def test_reset_link_names_the_configured_host_t04(client, settings):
    make_user("ann")
    settings.ALLOWED_HOSTS = ["*"]
    client.post(reverse("account_reset_password"), {"email": "ann@example.org"}, HTTP_HOST="evil.example")
    [message] = mail.outbox
    assert f"{settings.HUB_URL}/accounts/password/reset/key/" in message.body
    assert "evil.example" not in message.body


def test_reset_works_once_and_ends_other_sessions_t04_t05(client, settings):
    user = make_user("ann")
    other = sign_in(user)
    other.get(reverse("web:settings_profile"))
    client.post(reverse("account_reset_password"), {"email": "ann@example.org"})
    link = next(line for line in mail.outbox[0].body.splitlines() if "/password/reset/key/" in line)
    path = link.strip().removeprefix(settings.HUB_URL)
    page = client.get(path)
    assert page.status_code == 302  # the secret went into the session, the address is clean
    clean = page.headers["Location"]
    assert client.get(clean).status_code == 200
    new = "another correct horse"
    assert client.post(clean, {"password1": new, "password2": new}).status_code == 302
    user.refresh_from_db()
    assert user.check_password(new)
    assert other.get(reverse("web:settings_profile")).status_code == 302
    assert "token_fail" in Client().get(path, follow=True).context


@pytest.mark.parametrize(
    "target", ["//e.example", "/\\e.example", "https:e", "https://e.example", "javascript:alert(1)"]
)
def test_sign_in_goes_only_to_own_pages_t10(client, target):
    make_user("ann")
    response = client.post(reverse("account_login"), {"login": "ann", "password": PASSWORD, "next": target})
    assert response.headers["Location"] == reverse("web:home")


def test_sign_in_gives_a_new_session_t08(client):
    user = make_user("ann")
    client.get(reverse("account_login"))
    session = client.session
    session["planted"] = 1
    session.save()
    before = session.session_key
    client.post(reverse("account_login"), {"login": user.username, "password": PASSWORD})
    assert client.session.session_key != before
    client.post(reverse("account_logout"))
    assert "_auth_user_id" not in client.session


def test_disabled_account_is_out_at_once_t07():
    user = make_user("ann")
    browser = sign_in(user)
    assert browser.get(reverse("web:settings_profile")).status_code == 200
    deactivate(user, actor=None)
    assert browser.get(reverse("web:settings_profile")).status_code == 302
    assert Client().get(reverse("web:profile", args=["ann"])).status_code == 404


def test_session_ends_after_thirty_days_t12():
    browser = sign_in(make_user("ann"))
    browser.get(reverse("web:settings_profile"))
    session = browser.session
    session["signed_in_at"] = int(time.time()) - 30 * 24 * 3600 - 1
    session.save()
    assert browser.get(reverse("web:settings_profile")).status_code == 302


def test_password_change_ends_other_sessions_and_keeps_this_t12():
    user = make_user("ann")
    here, there = sign_in(user), sign_in(user)
    for browser in (here, there):
        assert browser.get(reverse("web:settings_profile")).status_code == 200
    new = "another correct horse"
    response = here.post(
        reverse("account_change_password"), {"oldpassword": PASSWORD, "password1": new, "password2": new}
    )
    assert response.status_code == 302
    assert here.get(reverse("web:settings_profile")).status_code == 200
    assert there.get(reverse("web:settings_profile")).status_code == 302


def test_sessions_page_lists_and_ends_t12():
    user = make_user("ann")
    here, there = sign_in(user), sign_in(user)
    there.get(reverse("web:settings_profile"))
    assert here.get(reverse("usersessions_list")).context["session_count"] == 2
    here.post(reverse("usersessions_list"))
    assert there.get(reverse("web:settings_profile")).status_code == 302
    assert here.get(reverse("usersessions_list")).context["session_count"] == 1


def test_reading_pages_writes_nothing_after_the_first():
    browser = sign_in(make_user("ann"))
    browser.get(reverse("web:settings_profile"))
    with CaptureQueriesContext(connection) as queries:
        browser.get(reverse("web:settings_profile"))
    assert not [query for query in queries if not query["sql"].startswith("SELECT")]


# --- second factor ---------------------------------------------------------------------------------------------------


def test_totp_code_works_once_and_is_stored_encrypted_t14_t19():
    user = make_user("ann")
    secret = generate_totp_secret()
    TOTP.activate(user, secret)
    assert secret not in str(Authenticator.objects.values().get())
    code = format_hotp_value(hotp_value(secret, int(time.time()) // 30))
    outcomes = []
    for _ in range(2):
        browser = Client()
        response = browser.post(reverse("account_login"), {"login": "ann", "password": PASSWORD})
        assert response.headers["Location"] == reverse("mfa_authenticate")
        assert browser.get(reverse("web:settings_profile")).status_code == 302
        browser.post(reverse("mfa_authenticate"), {"code": code})
        outcomes.append("_auth_user_id" in browser.session)
    assert outcomes == [True, False]


def test_recovery_codes_are_long_encrypted_and_single_use_t15():
    user = make_user("ann")
    TOTP.activate(user, generate_totp_secret())
    codes = RecoveryCodes.activate(user)
    unused = codes.get_unused_codes()
    assert (len(unused), {len(code) for code in unused}) == (10, {20})
    assert not any(code in str(list(Authenticator.objects.values())) for code in unused)
    assert [codes.validate_code(unused[0]), codes.validate_code(unused[0])] == [True, False]


def test_second_factor_pages_open():
    browser = sign_in(make_user("ann"))
    for route in ("mfa_index", "mfa_activate_totp", "mfa_add_webauthn", "mfa_list_webauthn"):
        response = browser.get(reverse(route))
        assert response.status_code == 200, route
        assert b"<script>" not in response.content
        assert b"onclick" not in response.content


# --- profile and account ---------------------------------------------------------------------------------------------


def test_profile_form_saves_listed_fields_t34():
    user = make_user("ann")
    browser = sign_in(user)
    out = BytesIO()
    Image.new("RGB", (30, 20), "red").save(out, "PNG")
    data = {
        "full_name": "Ann B",
        "bio": "<b>hi</b>",
        "website": "https://example.org",
        "avatar": SimpleUploadedFile("../../x.png", out.getvalue(), "image/png"),
        "is_staff": "1",
        "username": "root2",
    }
    assert browser.post(reverse("web:settings_profile"), data).status_code == 302
    user.refresh_from_db()
    assert (user.full_name, user.bio, user.is_staff, user.username) == ("Ann B", "<b>hi</b>", False, "ann")
    picture = Client().get(user.avatar_url)
    assert (picture.status_code, picture.headers["Content-Type"]) == (200, "image/webp")
    assert picture.headers["X-Content-Type-Options"] == "nosniff"
    former = user.avatar_url
    browser.post(reverse("web:settings_profile"), {"full_name": "", "bio": "", "website": "", "remove_avatar": "on"})
    assert Client().get(former).status_code == 404


def test_profile_form_refuses_a_bad_picture_t43():
    user = make_user("ann")
    upload = SimpleUploadedFile("x.png", b"<svg onload=x>", "image/png")
    response = sign_in(user).post(reverse("web:settings_profile"), {"avatar": upload})
    assert response.status_code == 422
    assert response.context["form"].errors["avatar"]
    user.refresh_from_db()
    assert user.avatar == ""


@pytest.mark.parametrize("name", ["..%2f..%2fsecret_key", "x.webp", "0" * 32 + ".png"])
def test_avatar_route_serves_nothing_else_t43(client, name):
    assert client.get(f"/avatars/{name}").status_code == 404


def test_language_is_kept_on_the_account():
    user = make_user("ann")
    response = sign_in(user).post(reverse("web:settings_language"), {"language": "zh-hans"})
    assert response.cookies["language"].value == "zh-hans"
    user.refresh_from_db()
    assert user.language == "zh-hans"


def test_account_deletion_shows_what_goes_and_wants_the_name_t45():
    user = make_user("ann")
    make_token(user)
    organization = make_organization("acme", members={user: Role.WRITE})
    browser = sign_in(user)
    page = browser.get(reverse("web:account_delete"))
    assert b"acme" in page.content
    assert page.context["preview"].account.token_count == 1
    assert browser.post(reverse("web:account_delete"), {"name": "wrong"}).status_code == 422
    assert User.objects.filter(username="ann").exists()
    assert browser.post(reverse("web:account_delete"), {"name": "ann"}).status_code == 302
    assert not User.objects.filter(username="ann").exists()
    assert organization.memberships.count() == 1
    assert browser.get(reverse("web:settings_profile")).status_code == 302


def test_account_deletion_explains_what_blocks_it_t32():
    user = make_user("ann")
    make_organization("acme", admin=user)
    browser = sign_in(user)
    page = browser.get(reverse("web:account_delete"))
    assert [organization.name for organization in page.context["preview"].account.blocking] == ["acme"]
    assert browser.post(reverse("web:account_delete"), {"name": "ann"}).status_code == 422
    assert User.objects.filter(username="ann").exists()


# --- recent sign-in (T13) and tokens on pages (T17) ------------------------------------------------------------------


def sensitive_routes(user: User, token: AccessToken, organization: Organization) -> list[tuple[str, dict]]:
    return [
        (reverse("web:token_new"), {"name": "x", "role": "write", "expiry": "90"}),
        (reverse("web:token_rotate", args=[token.object_id]), {}),
        (reverse("web:account_delete"), {"name": user.username}),
        (reverse("web:org_delete", args=[organization.name]), {"name": organization.name}),
        (reverse("account_email"), {"action_add": "1", "email": "evil@example.org"}),
        (reverse("mfa_activate_totp"), {"code": "123456"}),
    ]


def test_sensitive_acts_need_a_recent_sign_in_t13():
    user = make_user("ann")
    token, _secret = make_token(user)
    organization = make_organization("acme", admin=user)
    before = (AccessToken.objects.count(), user.emailaddress_set.count())
    for path, data in sensitive_routes(user, token, organization):
        browser = sign_in(user)
        make_stale(browser)
        response = browser.post(path, data)
        assert response.status_code == 302, path
        assert response.headers["Location"].startswith(reverse("account_reauthenticate")), path
    assert (AccessToken.objects.count(), user.emailaddress_set.count()) == before
    assert User.objects.filter(pk=user.pk).exists()
    assert Organization.objects.exists()
    token.refresh_from_db()
    assert token.is_live()


def test_confirming_the_password_makes_the_sign_in_recent_t13():
    user = make_user("ann")
    browser = sign_in(user)
    make_stale(browser)
    path = reverse("web:token_new")
    to = browser.get(path).headers["Location"]
    assert browser.get(to).status_code == 200
    assert browser.post(to, {"password": "wrong password"}).status_code == 200
    assert browser.get(path).status_code == 302
    assert browser.post(to, {"password": PASSWORD}).status_code == 302
    assert browser.get(path).status_code == 200


def test_access_tokens_open_no_account_page_t13_t17(client):
    user = make_user("ann")
    token, secret = make_token(user, TokenRole.WRITE)
    organization = make_organization("acme", admin=user)
    for path, data in sensitive_routes(user, token, organization):
        assert client.post(path, data, **bearer(secret)).status_code == 403, path
    for route in ("web:settings_tokens", "web:settings_profile", "account_email", "usersessions_list", "mfa_index"):
        assert client.get(reverse(route), **bearer(secret)).status_code == 403, route
    assert AccessToken.objects.count() == 1
    assert User.objects.filter(pk=user.pk).exists()


def test_names_that_begin_like_an_account_page_stay_open_to_tokens(client):
    user = make_user("settings-lab")
    _token, secret = make_token(user)
    assert client.get(reverse("web:profile", args=["settings-lab"]), **bearer(secret)).status_code == 200


def test_a_bad_token_is_refused_even_on_public_pages_t27(client):
    make_user("ann", password=None)
    response = client.get(reverse("account_login"), **bearer("hf_nonsense"))
    assert response.status_code == 401


def test_forms_need_the_csrf_token_t09():
    user = make_user("ann")
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(user)
    response = browser.post(reverse("web:settings_profile"), {"bio": "forged"})
    assert response.status_code == 403
    user.refresh_from_db()
    assert user.bio == ""


# --- tokens page -----------------------------------------------------------------------------------------------------


def create_by_form(browser: Client, **data: str | list[str]):
    form = {
        "name": "laptop",
        "role": "write",
        "expiry": "90",
        "scope-TOTAL_FORMS": "0",
        "scope-INITIAL_FORMS": "0",
        **data,
    }
    return browser.post(reverse("web:token_new"), form)


def test_new_token_is_shown_once_t18():
    user = make_user("ann")
    browser = sign_in(user)
    response = create_by_form(browser)
    assert response.status_code == 200
    assert "no-store" in response.headers["Cache-Control"]
    secret = response.context["secret"]
    assert f"hf auth login --token {secret}" in response.content.decode()
    token = AccessToken.objects.get()
    assert 89 <= (token.expires_at - token.created_at).days <= 90
    page = browser.get(reverse("web:settings_tokens")).content.decode()
    assert secret not in page
    assert str(token) in page
    assert not AuditEvent.objects.filter(data__icontains=secret[5:20]).exists()


def test_fine_grained_token_from_the_grid():
    user = make_user("ann")
    make_organization("acme", members={user: Role.WRITE})
    response = create_by_form(
        sign_in(user),
        role="fineGrained",
        expiry="never",
        account_wide=["inference.serverless.write"],
        **{
            "scope-TOTAL_FORMS": "2",
            "scope-0-kind": "model",
            "scope-0-name": "acme/bert",
            "scope-0-permissions": ["repo.write"],
            "scope-1-kind": "model",
            "scope-1-name": "",
        },
    )
    assert response.status_code == 200, response.context["form"].errors
    token = AccessToken.objects.get()
    assert token.expires_at is None
    assert token.grants == {
        "global": ["inference.serverless.write"],
        "scoped": [{"entity": {"type": "model", "name": "acme/bert"}, "permissions": ["repo.write"]}],
    }


@pytest.mark.parametrize(
    "data",
    [
        {"name": ""},
        {"role": "admin"},
        {"role": "fineGrained"},
        {"expiry": "custom"},
        {"expiry": "custom", "expires_on": "2001-01-01"},
        {"expiry": "custom", "expires_on": "9999-12-31"},
    ],
)
def test_bad_token_forms_explain_and_make_nothing(data):
    response = create_by_form(sign_in(make_user("ann")), **data)
    assert response.status_code in {400, 422}
    assert response.context["form"].errors
    assert not AccessToken.objects.exists()


def test_link_prefills_the_form():
    browser = sign_in(make_user("ann"))
    query = "?name=CI&expiry=30&scope=model:acme/bert:repo.write,nonsense&permission=repo.content.read&role=x"
    page = browser.get(reverse("web:token_new") + query)
    form, scopes = page.context["form"], page.context["scopes"]
    assert form.initial == {
        "name": "CI",
        "expiry": "30",
        "account_wide": ["repo.content.read"],
        "role": TokenRole.FINE_GRAINED,
    }
    assert scopes.initial == [{"kind": "model", "name": "acme/bert", "permissions": ["repo.write"]}]


def test_tokens_of_others_are_not_found_t33():
    token, _secret = make_token(make_user("ann"))
    browser = sign_in(make_user("bob"))
    for act in ("rename", "rotate", "revoke"):
        response = browser.post(reverse(f"web:token_{act}", args=[token.object_id]), {"name": "stolen"})
        assert response.status_code == 404, act
    assert browser.get(reverse("web:token_detail", args=[token.object_id])).status_code == 404
    token.refresh_from_db()
    assert token.is_live()


def test_rename_rotate_revoke_own_token():
    user = make_user("ann")
    browser = sign_in(user)
    token, secret = make_token(user)
    browser.post(reverse("web:token_rename", args=[token.object_id]), {"name": "new name"})
    rotated = browser.post(reverse("web:token_rotate", args=[token.object_id]))
    successor = rotated.context["token"]
    assert successor.name == "new name"
    assert Client().get("/api/whoami-v2", **bearer(secret)).status_code == 401
    browser.post(reverse("web:token_revoke", args=[successor.object_id]))
    assert Client().get("/api/whoami-v2", **bearer(rotated.context["secret"])).status_code == 401


def test_tokens_page_has_a_fixed_number_of_queries():
    user = make_user("ann")
    browser = sign_in(user)
    browser.get(reverse("web:settings_tokens"))
    counts = []
    for _ in range(2):
        make_token(user)
        with CaptureQueriesContext(connection) as queries:
            browser.get(reverse("web:settings_tokens"))
        counts.append(len(queries))
    assert counts[0] == counts[1]


# --- organizations ---------------------------------------------------------------------------------------------------


def test_organization_from_form_to_members_page():
    user = make_user("ann")
    browser = sign_in(user)
    response = browser.post(reverse("web:org_new"), {"name": "acme", "is_private_by_default": "on"})
    assert response.headers["Location"] == reverse("web:profile", args=["acme"])
    assert Organization.objects.get().is_private_by_default
    assert browser.post(reverse("web:org_new"), {"name": "ANN"}).context["form"].errors["name"]
    make_user("bob", password=None)
    members = reverse("web:org_members", args=["acme"])
    assert browser.post(members, {"who": "bob", "role": "write"}).status_code == 302
    assert browser.post(members, {"who": "nobody-here", "role": "write"}).context["form"].errors["who"]
    assert b"bob" in browser.get(members).content


def test_organization_pages_are_closed_to_others_t32():
    make_organization("acme")
    member, stranger = make_user("bob"), make_user("eve")
    make_organization("others", members={member: Role.WRITE})
    browser, outside = sign_in(member), sign_in(stranger)
    for route in ("web:org_settings", "web:org_delete"):
        assert browser.get(reverse(route, args=["others"])).status_code == 403
    assert browser.get(reverse("web:org_members", args=["others"])).status_code == 200
    assert browser.post(reverse("web:org_members", args=["others"]), {"who": "eve", "role": "read"}).status_code == 403
    for route in ("web:org_settings", "web:org_members", "web:org_delete"):
        assert outside.get(reverse(route, args=["acme"])).status_code == 403
        assert Client().get(reverse(route, args=["acme"])).status_code == 302


def test_mailed_invitation_link_is_cleaned_and_joins_t05():
    admin, invitee = make_user("ann", password=None), make_user("bob")
    organization = make_organization("acme", admin=admin)
    _invitation, secret = invite_member(organization, inviter=admin, invitee=invitee, role=Role.WRITE)
    browser = sign_in(invitee)
    response = browser.get(reverse("web:invitation_link", args=[secret]))
    assert (response.headers["Location"], response.headers["Referrer-Policy"]) == (
        reverse("web:invitation"),
        "no-referrer",
    )
    assert browser.get(reverse("web:invitation")).status_code == 200
    assert not organization.memberships.filter(user=invitee).exists()
    browser.post(reverse("web:invitation"), {"answer": "accept"})
    assert organization.memberships.get(user=invitee).role == Role.WRITE


# --- name check ------------------------------------------------------------------------------------------------------


def test_name_check_answers(client):
    make_organization("acme")
    check = reverse("web:name_check")
    answers = {
        name: client.get(check, {"name": name}).json()["available"] for name in ("free-name", "ACME", "admin", "")
    }
    assert answers == {"free-name": True, "ACME": False, "admin": False, "": False}


def test_name_check_of_repos_tells_strangers_nothing_t35(client):
    owner = make_user("ann")
    Repo.objects.create(namespace=owner.namespace, repo_type="model", name="secret", visibility="private")
    check = reverse("web:name_check")

    def ask(browser: Client, name: str) -> dict:
        return browser.get(check, {"kind": "repo", "namespace": "ann", "name": name, "type": "model"}).json()

    own = sign_in(owner)
    assert (ask(own, "Secret")["available"], ask(own, "other")["available"]) == (False, True)
    stranger = sign_in(make_user("eve"))
    assert ask(stranger, "secret")["message"] == ask(stranger, "other")["message"]
    assert not ask(stranger, "other")["available"]


# --- profiles --------------------------------------------------------------------------------------------------------


def test_profiles_of_people_and_organizations(client):
    user = make_user("ann", full_name="Ann B", password=None)
    make_organization("acme", admin=user, description="We make things.")
    person = client.get(reverse("web:profile", args=["ann"])).content.decode()
    assert "Ann B" in person
    assert "acme" in person
    assert "ann@example.org" not in person
    organization = client.get(reverse("web:profile", args=["acme"])).content.decode()
    assert "We make things." in organization
    assert "/ann" in organization
    assert client.get("/ANN").headers["Location"] == "/ann"
    assert client.get("/nobody-here").status_code == 404
