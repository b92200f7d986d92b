"""Registered applications: names, addresses, secrets (T10, T19, T33)."""

from __future__ import annotations

import pytest

from hub.accounts.models import AuditEvent
from hub.accounts.oauth import applications
from hub.accounts.oauth.server import is_redirect_uri_allowed
from hub.core.errors import BadRequest, Conflict, NotFound
from tests.factories.accounts import make_user

HTTPS = "https://app.example/callback"


@pytest.mark.parametrize(
    "uri",
    [
        "http://app.example/cb",
        "https://",
        "https:///cb",
        "//app.example/cb",
        "https://user@app.example/cb",
        "https://app.example/cb#part",
        "https://evil.example\\@app.example/cb",
        "https://*.example/cb",
        "https://app.example/c b",
        "https://app.example/\tcb",
        "https://app.example:port/cb",
        "https://äpp.example/cb",
        "javascript:alert(1)",
        "data:text/html,x",
        "myapp:/cb",
        "http://localhost@evil.example/cb",
        "https://app.example/" + "x" * 500,
    ],
)
def test_unfit_addresses_are_refused_t10(uri: str, settings) -> None:
    settings.IS_HTTPS = True
    with pytest.raises(BadRequest):
        applications.clean_redirect_uris([uri])


def test_fit_addresses_are_kept_once_t10(settings) -> None:
    settings.IS_HTTPS = True
    given = [HTTPS, "http://localhost:7860/cb", "http://[::1]/cb", "com.example.app:/cb", HTTPS]
    assert applications.clean_redirect_uris(given) == given[:-1]
    settings.IS_HTTPS = False  # a hub without TLS, in a network of its own
    assert applications.clean_redirect_uris(["http://app.lan/cb"]) == ["http://app.lan/cb"]


@pytest.mark.parametrize(
    ("uri", "is_allowed"),
    [
        (HTTPS, True),
        (HTTPS + "/", False),
        (HTTPS + "?x=1", False),
        ("https://app.example:8443/callback", False),
        ("https://evil.example\\@app.example/callback", False),
        ("https://APP.example/callback", False),
        ("http://localhost:7860/cb", True),
        ("http://localhost:5/cb", True),
        ("http://localhost:5/cb/other", False),
        ("http://127.0.0.1:5/cb", False),
        ("http://x@localhost:5/cb", False),
        ("http://localhost:99999/cb", False),
        ("http://localhost:5\\@evil.example/cb", False),
        ("https://localhost:5/cb", False),
    ],
)
def test_people_are_sent_to_registered_addresses_only_t10(uri: str, is_allowed: bool) -> None:
    assert is_redirect_uri_allowed(uri, [HTTPS, "http://localhost:7860/cb"]) is is_allowed


@pytest.mark.django_db
def test_only_a_hash_of_the_secret_is_kept_t18_t19() -> None:
    owner = make_user("ann")
    application, secret = applications.create_application(
        owner, name=" My  app ", redirect_uris=[HTTPS], scopes=["email"], is_public=False
    )
    application.refresh_from_db()
    assert application.name == "My app"
    assert secret not in application.secret
    assert application.check_secret(secret)
    renewed = applications.renew_secret(application)
    application.refresh_from_db()
    assert not application.check_secret(secret)
    assert application.check_secret(renewed)
    assert application.get_scopes() == ["openid", "email"]
    acts = AuditEvent.objects.filter(target=application.id).order_by("pk").values_list("action", flat=True)
    assert list(acts) == ["oauth.application_create", "oauth.application_secret"]


@pytest.mark.django_db
def test_public_applications_have_no_secret() -> None:
    application, secret = applications.create_application(
        make_user("ann"), name="Tool", redirect_uris=["http://localhost/cb"], scopes=[], is_public=True
    )
    assert secret == ""
    with pytest.raises(BadRequest):
        applications.renew_secret(application)


@pytest.mark.django_db
def test_fields_and_numbers_are_bounded() -> None:
    owner = make_user("ann")
    fields = {"name": "x", "redirect_uris": [HTTPS], "scopes": [], "is_public": False}
    for wrong in ({"name": ""}, {"name": "x" * 61}, {"name": "a\u202eb"}, {"redirect_uris": []}, {"scopes": ["root"]}):
        with pytest.raises(BadRequest):
            applications.create_application(owner, **{**fields, **wrong})
    with pytest.raises(BadRequest):
        applications.create_application(owner, **{**fields, "redirect_uris": [f"{HTTPS}/{n}" for n in range(11)]})
    for _ in range(applications.MAX_APPLICATIONS):
        applications.create_application(owner, **fields)
    with pytest.raises(Conflict):
        applications.create_application(owner, **fields)


@pytest.mark.django_db
def test_others_applications_are_missing_t33() -> None:
    application, _secret = applications.create_application(
        make_user("ann"), name="x", redirect_uris=[HTTPS], scopes=[], is_public=False
    )
    with pytest.raises(NotFound):
        applications.get_own_application(make_user("bob"), application.id)
