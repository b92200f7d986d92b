"""The OAuth and OpenID routes: device codes, authorization codes with PKCE, refresh, claims (hub-api §5)."""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from allauth.idp.oidc.models import Client as Application
from django.conf import settings as hub_settings
from django.test import Client
from django.utils import timezone

from hub.accounts.auth import TOKEN_PATTERN
from hub.accounts.enums import Role
from hub.accounts.models import AccessToken, AuthorizationCode, DeviceCode, User
from hub.accounts.oauth import applications, device
from hub.accounts.oauth.tokens import ACCESS_LIFE, FORMER_LIFE
from hub.accounts.services.tokens import revoke_leaked
from tests.factories.accounts import bearer, make_organization, make_token, make_user
from tests.factories.repos import make_repo

pytestmark = pytest.mark.django_db

CLI = "26be6b09-91c5-47da-9861-d2d2bb7a7e36"
REDIRECT = "https://app.example/callback"
VERIFIER = "v" * 64
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


@pytest.fixture
def ann() -> User:
    return make_user("ann", full_name="Ann B")


@pytest.fixture
def browser(ann: User) -> Client:
    client = Client()
    client.force_login(ann)
    return client


def _app(owner: User, *, is_public: bool = False, redirect: str = REDIRECT) -> tuple[Application, str]:
    scopes = ["profile", "email", "read-repos", "read-memberships", "inference-api"]
    return applications.create_application(
        owner, name="App", redirect_uris=[redirect], scopes=scopes, is_public=is_public
    )


def _start(client: Client, **fields: str) -> Any:
    return client.post("/oauth/device", {"client_id": CLI, **fields}, HTTP_USER_AGENT="hf_hub/2.4.0")


def _poll(client: Client, device_code: str, client_id: str = CLI) -> Any:
    DeviceCode.objects.update(polled_at=None)  # as if five seconds had passed
    return client.post("/oauth/token", {"grant_type": device.GRANT, "device_code": device_code, "client_id": client_id})


def _allow(browser: Client, user_code: str, action: str = "allow") -> Any:
    return browser.post("/device", {"code": user_code, "action": action})


# --- devices ---------------------------------------------------------------------------------------------------------


def test_a_device_signs_in(client: Client, browser: Client) -> None:
    started = _start(client)
    body = started.json()
    assert started.headers["Cache-Control"] == "no-store"
    assert (body["expires_in"], body["interval"]) == (900, 5)
    assert body["verification_uri"] == "http://testserver/device"
    assert body["verification_uri_complete"] == f"http://testserver/device?code={body['user_code']}"
    waiting = _poll(client, body["device_code"])
    assert (waiting.status_code, waiting.json()["error"]) == (400, "authorization_pending")
    page = browser.get("/device", {"code": body["user_code"]})
    assert b"Hugging Face command line" in page.content
    assert b"hf_hub/2.4.0" in page.content
    assert _allow(browser, body["user_code"].lower().replace("-", " ")).status_code == 200
    answer = _poll(client, body["device_code"])
    tokens = answer.json()
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    assert (tokens["token_type"], tokens["expires_in"]) == ("bearer", 30 * 24 * 3600)
    assert tokens["access_token"].startswith("hf_oauth_")
    assert tokens["refresh_token"].startswith("hf_oauth__refresh_")
    who = client.get("/api/whoami-v2", **bearer(tokens["access_token"])).json()
    token = AccessToken.objects.get(application_id=CLI)
    assert (who["name"], who["email"]) == ("ann", "ann@example.org")
    assert who["auth"] == {
        "type": "oauth",
        "scopes": token.scopes,
        "clientId": CLI,
        "expiresAt": token.expires_at.isoformat(),
    }


def test_a_device_code_works_once_t14(client: Client, browser: Client) -> None:
    body = _start(client).json()
    _allow(browser, body["user_code"])
    assert _poll(client, body["device_code"]).status_code == 200
    again = _poll(client, body["device_code"])
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    assert _allow(browser, body["user_code"]).status_code == 422
    assert AccessToken.objects.count() == 1


def test_refused_expired_and_unknown_codes_say_so(client: Client, browser: Client) -> None:
    refused = _start(client).json()
    assert b"was refused" in _allow(browser, refused["user_code"], "refuse").content
    assert _poll(client, refused["device_code"]).json()["error"] == "access_denied"
    late = _start(client).json()
    DeviceCode.objects.filter(user_code=late["user_code"].replace("-", "")).update(expires_at=timezone.now())
    assert _poll(client, late["device_code"]).json()["error"] == "expired_token"
    assert _allow(browser, late["user_code"]).status_code == 422
    assert _poll(client, "x").json()["error"] == "invalid_grant"
    assert AccessToken.objects.count() == 0


def test_polling_too_fast_is_slowed_down(client: Client) -> None:
    body = _start(client).json()
    fields = {"grant_type": device.GRANT, "device_code": body["device_code"], "client_id": CLI}
    errors = [client.post("/oauth/token", fields).json()["error"] for _ in range(2)]
    assert errors == ["authorization_pending", "slow_down"]


def test_only_registered_applications_start_a_device_flow(client: Client, ann: User) -> None:
    application, _secret = _app(ann)
    for client_id, error in (("nobody", "invalid_client"), (application.id, "invalid_client"), ("", "invalid_client")):
        answer = client.post("/oauth/device", {"client_id": client_id})
        assert (answer.status_code, answer.json()["error"]) == (400, error)
    public, _none = _app(ann, is_public=True)
    assert _start(client, client_id=public.id).json()["error"] == "unauthorized_client"
    assert _start(client, scope="openid read-billing").json()["error"] == "invalid_scope"
    assert _poll(client, _start(client).json()["device_code"], public.id).json()["error"] == "unauthorized_client"
    assert DeviceCode.objects.count() == 1


def test_a_device_gets_the_scopes_it_asked_for_t21(client: Client, browser: Client, ann: User) -> None:
    private = make_repo(ann, "secret", is_private=True)
    body = _start(client, scope="openid inference-api").json()
    _allow(browser, body["user_code"])
    tokens = _poll(client, body["device_code"]).json()
    assert tokens["scope"] == "openid inference-api"
    narrow = bearer(tokens["access_token"])
    assert client.get(f"/api/models/{private.repo_id}", **narrow).status_code == 404
    refused = client.post("/api/repos/create", {"name": "x"}, content_type="application/json", **narrow)
    assert refused.status_code == 403
    assert "email" not in client.get("/api/whoami-v2", **narrow).json()


def test_the_command_line_may_do_what_a_write_token_may(client: Client, browser: Client) -> None:
    body = _start(client).json()
    _allow(browser, body["user_code"])
    wide = bearer(_poll(client, body["device_code"]).json()["access_token"])
    made = client.post("/api/repos/create", {"name": "made", "private": True}, content_type="application/json", **wide)
    assert made.status_code == 200
    assert client.get("/api/models/ann/made", **wide).json()["private"] is True


def test_a_stranger_cannot_allow_a_device_and_forged_forms_do_nothing_t09(client: Client, ann: User) -> None:
    body = _start(client).json()
    answer = client.post("/device", {"code": body["user_code"], "action": "allow"})
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/accounts/login/")
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(ann)
    assert strict.post("/device", {"code": body["user_code"], "action": "allow"}).status_code == 403
    strict.get("/device", {"code": body["user_code"], "action": "allow"})
    assert DeviceCode.objects.get().state == "pending"


def test_a_token_cannot_allow_a_device_t17(client: Client, ann: User) -> None:
    body = _start(client).json()
    _token, secret = make_token(ann)
    answer = client.post("/device", {"code": body["user_code"], "action": "allow"}, **bearer(secret))
    assert answer.status_code == 403
    assert DeviceCode.objects.get().state == "pending"


def test_guessing_codes_is_limited(client: Client, browser: Client) -> None:
    body = _start(client).json()
    statuses = [browser.get("/device", {"code": f"BCDF{n:04}"}).status_code for n in range(11)]
    assert statuses == [422] * 10 + [429]
    assert _allow(browser, body["user_code"]).status_code == 429


def test_an_old_sign_in_is_confirmed_first_t13(client: Client, browser: Client) -> None:
    body = _start(client).json()
    session = browser.session
    session["signed_in_at"] -= 16 * 60
    session["account_authentication_methods"] = []
    session.save()
    answer = _allow(browser, body["user_code"])
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/accounts/reauthenticate/")
    assert DeviceCode.objects.get().state == "pending"


# --- tokens at rest, refresh, revocation -----------------------------------------------------------------------------


@pytest.fixture
def signed_in(client: Client, browser: Client) -> dict[str, str]:
    body = _start(client).json()
    _allow(browser, body["user_code"])
    return _poll(client, body["device_code"]).json()


def _refresh(client: Client, secret: str, client_id: str = CLI, **more: str) -> Any:
    return client.post(
        "/oauth/token", {"grant_type": "refresh_token", "refresh_token": secret, "client_id": client_id, **more}
    )


def _status(client: Client, tokens: dict[str, str]) -> int:
    return client.get("/api/whoami-v2", **bearer(tokens["access_token"])).status_code


def test_secrets_are_kept_as_hashes_and_recognisable_t19_t20(signed_in: dict[str, str]) -> None:
    for secret in (signed_in["access_token"], signed_in["refresh_token"]):
        assert re.fullmatch(TOKEN_PATTERN, secret)
        for model in (AccessToken, DeviceCode):
            assert all(secret not in str(value) for row in model.objects.values() for value in row.values())


def test_a_refresh_gives_a_new_pair_and_retires_the_old(client: Client, signed_in: dict[str, str]) -> None:
    renewed = _refresh(client, signed_in["refresh_token"])
    tokens = renewed.json()
    assert renewed.status_code == 200
    assert (tokens["expires_in"], tokens["token_type"].lower()) == (int(ACCESS_LIFE.total_seconds()), "bearer")
    assert len({tokens["access_token"], tokens["refresh_token"], *signed_in.values()}) == len(signed_in) + 2
    assert (_status(client, tokens), _status(client, signed_in)) == (200, 200)
    former, latest = AccessToken.objects.order_by("pk")
    assert former.sign_in == latest.sign_in
    assert former.scopes == latest.scopes
    assert former.expires_at <= timezone.now() + FORMER_LIFE


def test_a_replayed_refresh_token_ends_the_sign_in(client: Client, signed_in: dict[str, str]) -> None:
    tokens = _refresh(client, signed_in["refresh_token"]).json()
    replay = _refresh(client, signed_in["refresh_token"])
    assert (replay.status_code, replay.json()["error"]) == (400, "invalid_grant")
    assert (_status(client, tokens), _status(client, signed_in)) == (401, 401)
    assert _refresh(client, tokens["refresh_token"]).json()["error"] == "invalid_grant"


def test_a_refresh_token_belongs_to_its_application_and_person(
    client: Client, signed_in: dict[str, str], ann: User
) -> None:
    other, _none = _app(ann, is_public=True)
    assert _refresh(client, signed_in["refresh_token"], other.id).json()["error"] == "invalid_grant"
    assert client.get("/api/whoami-v2", **bearer(signed_in["refresh_token"])).status_code == 401
    User.objects.filter(pk=ann.pk).update(is_active=False)
    assert _refresh(client, signed_in["refresh_token"]).json()["error"] == "invalid_grant"
    assert _status(client, signed_in) == 401


def test_a_refresh_widens_nothing_t17(client: Client, browser: Client) -> None:
    body = _start(client, scope="openid").json()
    _allow(browser, body["user_code"])
    tokens = _poll(client, body["device_code"]).json()
    answer = _refresh(client, tokens["refresh_token"], scope="openid write-repos")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope")


def test_a_refresh_token_wears_out(client: Client, signed_in: dict[str, str]) -> None:
    AccessToken.objects.update(created_at=timezone.now() - timedelta(days=181))
    assert _refresh(client, signed_in["refresh_token"]).json()["error"] == "invalid_grant"


def test_people_withdraw_access_t25(client: Client, browser: Client, signed_in: dict[str, str]) -> None:
    page = browser.get("/settings/applications")
    assert b"Hugging Face command line" in page.content
    assert browser.post(f"/settings/applications/{CLI}/withdraw").status_code == 302
    assert _status(client, signed_in) == 401
    assert _refresh(client, signed_in["refresh_token"]).json()["error"] == "invalid_grant"
    assert b"no longer has access" in browser.get("/settings/applications").content
    assert b"Hugging Face command line" not in browser.get("/settings/applications").content
    assert browser.post(f"/settings/applications/{CLI}/withdraw").status_code == 404


def test_an_application_gives_its_tokens_back(client: Client, signed_in: dict[str, str], ann: User) -> None:
    other, _none = _app(ann, is_public=True)
    fields = {"token": signed_in["refresh_token"], "client_id": other.id}
    assert client.post("/oauth/revoke", fields).status_code == 200
    assert _status(client, signed_in) == 200  # not its own
    assert client.post("/oauth/revoke", {**fields, "client_id": CLI}).status_code == 200
    assert _status(client, signed_in) == 401


def test_a_leaked_refresh_token_ends_its_token_t26(client: Client, signed_in: dict[str, str]) -> None:
    [token] = revoke_leaked([signed_in["refresh_token"]])
    assert token.application_id == CLI
    assert _status(client, signed_in) == 401
    assert _refresh(client, signed_in["refresh_token"]).json()["error"] == "invalid_grant"


def test_tokens_of_applications_are_not_among_ones_own(browser: Client, signed_in: dict[str, str], ann: User) -> None:
    make_token(ann, name="laptop")
    page = browser.get("/settings/tokens").content
    assert b"laptop" in page
    assert b"Hugging Face" not in page.split(b"<main")[1]
    token = AccessToken.objects.get(application_id=CLI)
    assert browser.get(f"/settings/tokens/{token.object_id}").status_code == 404


# --- authorization code ----------------------------------------------------------------------------------------------


def _query(application: Application, **fields: str) -> dict[str, str]:
    return {
        "client_id": application.id,
        "redirect_uri": REDIRECT,
        "response_type": "code",
        "scope": "openid profile email",
        "state": "st&te",
        "nonce": "n0nce",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        **fields,
    }


def _consent(browser: Client, query: dict[str, str], action: str = "allow") -> Any:
    return browser.post("/oauth/authorize", {"action": action}, query_params=query)


def _code_of(answer: Any) -> str:
    assert answer.status_code == 303, answer.content[:500]
    return parse_qs(urlsplit(answer.headers["Location"]).query)["code"][0]


def _exchange(client: Client, application: Application, code: str, secret: str = "", /, **fields: str) -> Any:
    body = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": REDIRECT,
        "client_id": application.id,
        "code_verifier": VERIFIER,
        **({"client_secret": secret} if secret else {}),
        **fields,
    }
    return client.post("/oauth/token", body)


@pytest.mark.parametrize("door", ["form", "basic", "public"])
def test_a_code_is_exchanged_for_tokens_and_a_signed_id(client: Client, browser: Client, ann: User, door: str) -> None:
    application, secret = _app(ann, is_public=door == "public")
    page = browser.get("/oauth/authorize", _query(application))
    assert b"See your e-mail address" in page.content
    assert "form-action 'self' https://app.example" in page.headers["Content-Security-Policy"]
    sent = _consent(browser, _query(application))
    assert sent.headers["Location"].startswith(f"{REDIRECT}?")
    assert parse_qs(urlsplit(sent.headers["Location"]).query)["state"] == ["st&te"]
    headers = {}
    if door == "basic":
        headers["HTTP_AUTHORIZATION"] = "Basic " + base64.b64encode(f"{application.id}:{secret}".encode()).decode()
        secret = ""
    body = {
        "grant_type": "authorization_code",
        "code": _code_of(sent),
        "redirect_uri": REDIRECT,
        "code_verifier": VERIFIER,
        **({} if door == "basic" else {"client_id": application.id}),
        **({"client_secret": secret} if secret else {}),
    }
    answer = client.post("/oauth/token", body, **headers)
    tokens = answer.json()
    assert answer.status_code == 200, tokens
    assert tokens["scope"] == "openid profile email"
    [key] = client.get("/oauth/jwks").json()["keys"]
    claims = jwt.decode(
        tokens["id_token"],
        jwt.PyJWK(key).key,
        algorithms=["RS256"],
        audience=application.id,
        issuer=client.get("/.well-known/openid-configuration").json()["issuer"],
    )
    assert (claims["sub"], claims["nonce"], claims["preferred_username"]) == (ann.object_id, "n0nce", "ann")
    assert "d" not in key  # the private half stays here
    info = client.get("/oauth/userinfo", **bearer(tokens["access_token"])).json()
    assert info == client.post("/oauth/userinfo", **bearer(tokens["access_token"])).json()
    assert info == {
        "sub": ann.object_id,
        "name": "Ann B",
        "preferred_username": "ann",
        "profile": f"{hub_settings.HUB_URL}/ann",
        "picture": f"{hub_settings.HUB_URL}/static/icons/mark.svg",
        "isPro": False,
        "email": "ann@example.org",
        "email_verified": True,
    }


def test_a_code_works_once_and_a_replay_ends_what_it_gave(client: Client, browser: Client, ann: User) -> None:
    application, secret = _app(ann)
    code = _code_of(_consent(browser, _query(application)))
    tokens = _exchange(client, application, code, secret).json()
    assert _status(client, tokens) == 200
    replay = _exchange(client, application, code, secret)
    assert (replay.status_code, replay.json()["error"]) == (400, "invalid_grant")
    assert _status(client, tokens) == 401


@pytest.mark.parametrize(
    "wrong",
    [
        {"code_verifier": "w" * 64},
        {"code_verifier": ""},
        {"redirect_uri": "https://app.example/other"},
        {"redirect_uri": ""},
        {"client_secret": "guess"},
        {"client_id": "other"},
        {"code": "x"},
    ],
)
def test_a_code_alone_is_worth_nothing(client: Client, browser: Client, ann: User, wrong: dict[str, str]) -> None:
    application, secret = _app(ann)
    code = _code_of(_consent(browser, _query(application)))
    answer = _exchange(client, application, code, **{"client_secret": secret, **wrong})
    assert answer.status_code in {400, 401}, answer.content
    assert AccessToken.objects.count() == 0


def test_a_code_is_not_for_another_application(client: Client, browser: Client, ann: User) -> None:
    application, _secret = _app(ann)
    other, other_secret = _app(ann)
    code = _code_of(_consent(browser, _query(application)))
    assert _exchange(client, other, code, other_secret).json()["error"] == "invalid_grant"
    assert AccessToken.objects.count() == 0


def test_a_code_lives_a_minute(client: Client, browser: Client, ann: User) -> None:
    application, secret = _app(ann)
    code = _code_of(_consent(browser, _query(application)))
    row = AuthorizationCode.objects.get()
    assert timedelta(seconds=50) < row.expires_at - timezone.now() <= timedelta(seconds=60)
    assert code not in str(AuthorizationCode.objects.values().get())
    AuthorizationCode.objects.update(expires_at=timezone.now())
    assert _exchange(client, application, code, secret).json()["error"] == "invalid_grant"


def test_public_applications_need_pkce_with_s256(browser: Client, ann: User) -> None:
    application, _none = _app(ann, is_public=True)
    bare = {key: value for key, value in _query(application).items() if not key.startswith("code_challenge")}
    answer = browser.get("/oauth/authorize", bare)
    assert answer.status_code == 303
    assert parse_qs(urlsplit(answer.headers["Location"]).query)["error"] == ["invalid_request"]
    assert browser.get("/oauth/authorize", _query(application, code_challenge_method="plain")).status_code == 400


@pytest.mark.parametrize(
    "wrong",
    [
        {"redirect_uri": "https://evil.example/callback"},
        {"redirect_uri": "https://evil.example\\@app.example/callback"},
        {"redirect_uri": "javascript:alert(1)"},
        {"redirect_uri": ""},
        {"client_id": "nobody"},
    ],
)
def test_nobody_is_sent_to_an_unregistered_address_t10(browser: Client, ann: User, wrong: dict[str, str]) -> None:
    application, _secret = _app(ann)
    for action in (None, "allow", "refuse"):
        query = _query(application, **wrong)
        answer = browser.get("/oauth/authorize", query) if action is None else _consent(browser, query, action)
        assert answer.status_code == 400
        assert "Location" not in answer.headers


def test_a_refusal_and_faults_go_back_to_the_application(browser: Client, ann: User) -> None:
    application, _secret = _app(ann)
    for answer, error in (
        (_consent(browser, _query(application), "refuse"), "access_denied"),
        (browser.get("/oauth/authorize", _query(application, scope="openid write-repos")), "invalid_scope"),
        (browser.get("/oauth/authorize", _query(application, response_type="token")), "unauthorized_client"),
        (Client().get("/oauth/authorize", _query(application, prompt="none")), "login_required"),
        (browser.get("/oauth/authorize", _query(application, prompt="none")), "consent_required"),
    ):
        assert answer.status_code == 303
        back = parse_qs(urlsplit(answer.headers["Location"]).query)
        assert (back["error"], back["state"]) == ([error], ["st&te"])
    assert AuthorizationCode.objects.count() == 0


def test_consent_is_remembered_while_a_sign_in_lives(client: Client, browser: Client, ann: User) -> None:
    application, secret = _app(ann)
    _exchange(client, application, _code_of(_consent(browser, _query(application))), secret)
    again = browser.get("/oauth/authorize", _query(application))
    assert _exchange(client, application, _code_of(again), secret).status_code == 200
    assert browser.get("/oauth/authorize", _query(application, prompt="none")).status_code == 303
    assert browser.get("/oauth/authorize", _query(application, prompt="consent")).status_code == 200
    assert browser.get("/oauth/authorize", _query(application, scope="openid inference-api")).status_code == 200
    browser.post(f"/settings/applications/{application.id}/withdraw")
    assert browser.get("/oauth/authorize", _query(application)).status_code == 200


def test_programs_on_peoples_machines_are_asked_about_each_time(client: Client, browser: Client, ann: User) -> None:
    application, _none = _app(ann, is_public=True, redirect="http://localhost:7860/cb")
    query = _query(application, redirect_uri="http://localhost:5001/cb")
    code = _code_of(_consent(browser, query))
    assert _exchange(client, application, code, redirect_uri="http://localhost:5001/cb").status_code == 200
    assert browser.get("/oauth/authorize", query).status_code == 200


def test_wide_consent_needs_a_fresh_sign_in_t13(browser: Client, ann: User) -> None:
    application, _secret = _app(ann)
    session = browser.session
    session["signed_in_at"] -= 16 * 60
    session["account_authentication_methods"] = []
    session.save()
    assert browser.get("/oauth/authorize", _query(application)).status_code == 200
    wide = browser.get("/oauth/authorize", _query(application, scope="openid read-repos"))
    assert wide.headers["Location"].startswith("/accounts/reauthenticate/")


def test_forged_consent_does_nothing_t09(ann: User) -> None:
    application, _secret = _app(ann)
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(ann)
    assert _consent(strict, _query(application)).status_code == 403
    assert AuthorizationCode.objects.count() == 0


def test_guessing_secrets_is_limited_t27(client: Client, ann: User) -> None:
    application, _secret = _app(ann)
    statuses = [_exchange(client, application, "x", "guess").status_code for _ in range(22)]
    assert statuses == [401] * 20 + [429] * 2


def test_userinfo_tells_what_the_token_allows_t24(client: Client, ann: User) -> None:
    organization = make_organization("acme", members={ann: Role.WRITE}, full_name="Acme Ltd")
    inference = client.get("/oauth/userinfo", **bearer(make_token(ann, "inference")[1])).json()
    assert set(inference) == {"sub", "name", "preferred_username", "profile", "picture", "isPro"}
    [org] = client.get("/oauth/userinfo", **bearer(make_token(ann, "read")[1])).json()["orgs"]
    assert (org["sub"], org["name"], org["preferred_username"]) == (organization.object_id, "Acme Ltd", "acme")
    assert client.get("/oauth/userinfo").status_code == 401


def test_organizations_are_told_with_their_scope_only(client: Client, browser: Client, ann: User) -> None:
    make_organization("acme", members={ann: Role.WRITE})
    names = []
    for scope in ("openid", "openid read-memberships"):
        body = _start(client, scope=scope).json()
        _allow(browser, body["user_code"])
        answer = client.get("/api/whoami-v2", **bearer(_poll(client, body["device_code"]).json()["access_token"]))
        names.append([org["name"] for org in answer.json()["orgs"]])
    assert names == [[], ["acme"]]


# --- the rest --------------------------------------------------------------------------------------------------------


def test_the_configuration_names_live_addresses(client: Client) -> None:
    answer = client.get("/.well-known/openid-configuration")
    body = answer.json()
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in answer.headers
    assert body["issuer"] == hub_settings.HUB_URL
    for name in (
        "token_endpoint",
        "userinfo_endpoint",
        "jwks_uri",
        "device_authorization_endpoint",
        "authorization_endpoint",
        "revocation_endpoint",
    ):
        path = urlsplit(body[name]).path
        assert client.get(path).status_code in {200, 302, 303, 400, 401, 405}, name
    assert client.get("/oauth/device", {"code": "X"}).headers["Location"] == "/device?code=X"


def test_odd_forms_are_refused_in_words(client: Client) -> None:
    for body in ({"grant_type": "password"}, {"grant_type": "client_credentials"}, {}, {"grant_type": "implicit"}):
        answer = client.post("/oauth/token", {**body, "client_id": CLI, "username": "ann", "password": "x"})
        assert (answer.status_code, answer.json()["error"]) == (400, "unsupported_grant_type")
    assert client.post("/oauth/token", {"grant_type": ["a", "b"]}).status_code == 400
    assert client.post("/oauth/token", {"grant_type": "a\0"}).status_code == 400
    assert client.post("/oauth/token", b"\xff\xfe", content_type="application/json").status_code == 400
    long = client.post("/oauth/device", {"client_id": "x" * 5000, "scope": "y " * 5000})
    assert (long.status_code, long.json()["error"]) == (400, "invalid_client")


def test_device_codes_are_limited_by_address(client: Client) -> None:
    statuses = [_start(client).status_code for _ in range(31)]
    assert statuses == [200] * 30 + [429]
