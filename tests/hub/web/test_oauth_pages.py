"""Settings › Applications, the device page and consent as people see them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from allauth.idp.oidc.models import Client as Application
from django.test import Client

from hub.accounts.models import User
from hub.accounts.oauth import applications, device, tokens
from tests.factories.accounts import make_user

pytestmark = pytest.mark.django_db

CLI = "26be6b09-91c5-47da-9861-d2d2bb7a7e36"


@pytest.fixture
def ann() -> User:
    return make_user("ann")


@pytest.fixture
def browser(ann: User) -> Client:
    client = Client()
    client.force_login(ann)
    return client


def _fields(**more: Any) -> dict[str, Any]:
    return {
        "name": "My app",
        "kind": "confidential",
        "redirect_uris": "https://app.example/cb\r\nhttp://localhost/cb",
        "scopes": ["profile", "read-repos"],
        **more,
    }


def test_registering_shows_the_secret_once_t18(browser: Client, ann: User) -> None:
    assert browser.get("/settings/applications/new").status_code == 200
    made = browser.post("/settings/applications/new", _fields())
    application = Application.objects.get(owner=ann)
    secret = re.search(r"oauth_app_secret_[0-9a-f]{48}", made.content.decode())
    assert secret is not None
    assert application.check_secret(secret[0])
    assert "no-store" in made.headers["Cache-Control"]
    assert application.get_redirect_uris() == ["https://app.example/cb", "http://localhost/cb"]
    for path in ("/settings/applications", f"/settings/applications/{application.id}"):
        page = browser.get(path).content.decode()
        assert application.id in page
        assert secret[0] not in page
        assert application.secret not in page


def test_wrong_fields_are_explained_and_keep_what_was_typed(browser: Client) -> None:
    refused = browser.post("/settings/applications/new", _fields(redirect_uris="javascript:alert(1)"))
    assert refused.status_code == 400
    assert b"Redirect addresses are https://" in refused.content
    assert b"My app" in refused.content
    assert browser.post("/settings/applications/new", _fields(name="")).status_code == 422
    assert browser.post("/settings/applications/new", _fields(scopes=["root"])).status_code == 422
    assert Application.objects.filter(owner__isnull=False).count() == 0


def test_an_application_is_changed_renewed_and_deleted(browser: Client, ann: User) -> None:
    browser.post("/settings/applications/new", _fields())
    application = Application.objects.get(owner=ann)
    former = application.secret
    address = f"/settings/applications/{application.id}"
    assert browser.post(address, _fields(name="")).status_code == 422
    assert browser.post(address, _fields(name="Other", scopes=[])).headers["Location"] == address
    assert b"oauth_app_secret_" in browser.post(f"{address}/secret").content
    application.refresh_from_db()
    assert (application.name, application.get_scopes()) == ("Other", ["openid"])
    assert application.secret != former
    pair = tokens.new_pair()
    tokens.record_pair(make_user("bob"), application, pair, scopes=["openid"])
    assert browser.post(f"{address}/delete").headers["Location"] == "/settings/applications"
    assert not Application.objects.filter(pk=application.pk).exists()
    assert Client().get("/api/whoami-v2", HTTP_AUTHORIZATION=f"Bearer {pair.access}").status_code == 401


def test_others_applications_cannot_be_touched_t33(browser: Client) -> None:
    other, _secret = applications.create_application(
        make_user("bob"), name="x", redirect_uris=["https://app.example/cb"], scopes=[], is_public=False
    )
    address = f"/settings/applications/{other.id}"
    assert browser.get(address).status_code == 404
    for act in ("", "/secret", "/delete", "/withdraw"):
        assert browser.post(f"{address}{act}", _fields()).status_code == 404
    other.refresh_from_db()
    assert other.name == "x"


def test_the_list_takes_the_same_queries_for_one_and_three(
    browser: Client, ann: User, django_assert_num_queries: Any
) -> None:
    browser.get("/settings/applications")  # notes once that the session is in use
    for number in (1, 2, 3):
        application, _secret = applications.create_application(
            ann, name=f"App {number}", redirect_uris=["https://app.example/cb"], scopes=[], is_public=False
        )
        for _ in range(2):
            tokens.record_pair(ann, application, tokens.new_pair(), scopes=["openid"])
        if number != 2:
            with django_assert_num_queries(6):  # session, person, allowed, own; for the bell: memberships, unread
                page = browser.get("/settings/applications").content.decode()
            assert page.count("/withdraw") == number


@pytest.mark.parametrize(("language", "words"), [("en", "Let this program act for you?"), ("zh-hans", None)])
def test_the_device_page_speaks_the_readers_language(
    browser: Client, ann: User, language: str, words: str | None
) -> None:
    ann.language = language
    ann.save()
    started = device.start(CLI, None, client="hf_hub/2.4.0 <script>")
    page = browser.get("/device", {"code": started.row.shown_code})
    assert (page.status_code, "<script>;" in page.content.decode()) == (200, False)
    assert "hf_hub/2.4.0 &lt;script&gt;" in page.content.decode()
    if words:
        assert words in page.content.decode()


def test_the_device_page_keeps_a_wrong_code_for_correction(browser: Client) -> None:
    assert browser.get("/device").status_code == 200
    page = browser.get("/device", {"code": "WRNG-CODE"})
    assert page.status_code == 422
    assert b'value="WRNG-CODE"' in page.content
    assert b'aria-invalid="true"' in page.content
    assert browser.get("/device", {"code": "x" * 500}).status_code == 422
