"""Errors in the words of their surface, whoever raised them, and the limit on pages (T23, T111, T138, T150)."""

from __future__ import annotations

import pytest
from django.test import Client

from hub.accounts.auth import Viewer
from hub.repos.services.repos import move_repo
from hub.surface import is_api_path
from tests.factories.accounts import bearer, make_token, make_user
from tests.factories.repos import make_repo

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("path", "is_api"),
    [
        ("/api/models", True),
        ("/v1/models", True),
        ("/pipeline/x/a/b", True),
        ("/ann/model/resolve/main/a", True),
        ("/datasets/ann/data/raw/main/a", True),
        ("/ann/model.git/info/lfs/objects/batch", True),
        ("/ann/model/blob/main/resolve/raw/x", False),
        ("/ann/model/tree/main/info/lfs/x", False),
        ("/", False),
        ("/apiary/model", False),
    ],
)
def test_programs_and_people_are_told_apart(path: str, is_api: bool) -> None:
    assert is_api_path(path) is is_api


def test_unknown_addresses_answer_in_the_words_of_their_surface() -> None:
    client = Client()
    unknown = client.get("/api/nothing/of/the/kind")
    assert (unknown.status_code, unknown.json()) == (404, {"error": "Not found"})
    assert client.get("/-/nothing/of/the/kind/at/all")["Content-Type"].startswith("text/html")


@pytest.mark.parametrize("path", ["/api/tasks", "/robots.txt"])
def test_a_crash_says_nothing_but_that_it_happened_t150(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_arguments: object, **_named: object) -> None:
        raise RuntimeError("/secret/path")

    # Where every request passes and no door of ours catches what is not a HubError.
    monkeypatch.setattr("hub.surface.HubErrorMiddleware.process_view", crash)
    answer = Client(raise_request_exception=False).get(path)
    assert answer.status_code == 500
    assert b"secret" not in answer.content
    assert answer["Content-Type"].startswith("application/json") is path.startswith("/api/")


def test_pages_are_limited_by_person_or_address(settings) -> None:
    settings.HUB_RATE_PAGES = 2
    stranger, person = Client(), Client()
    person.force_login(make_user(password=None))
    assert [stranger.get("/robots.txt").status_code for _ in range(3)] == [200, 200, 429]
    assert stranger.get("/models").headers["Retry-After"].isdigit()
    assert person.get("/robots.txt").status_code == 200
    assert stranger.get("/api/tasks").status_code == 200  # programs have a limit of their own


def test_token_in_the_address_is_refused_even_if_good_t23() -> None:
    _token, secret = make_token(make_user(password=None))
    client = Client()
    for path in ("/api/tasks", "/robots.txt"):
        assert client.get(f"{path}?token={secret}").status_code == 400
        assert client.get(f"{path}?q=x-{secret}", **bearer(secret)).status_code == 400
    assert client.get("/api/tasks?token=word").status_code == 200


def test_pages_are_kept_by_no_shared_cache_t41() -> None:
    for path in ("/", "/models", "/-/nothing/of/the/kind"):
        answer = Client().get(path)
        assert answer["Cache-Control"].startswith("private")
        assert {"Cookie", "Authorization"} <= set(answer["Vary"].split(", "))


@pytest.mark.parametrize(
    "path", ["/{0}/old", "/{0}/%6Fld", "/api/models/{0}/old", "/api/models/{0}/%6Fld", "/{0}/%6fld/tree/main"]
)
def test_former_address_leads_on_and_never_to_itself_t47(path: str) -> None:
    owner = make_user(password=None)
    repo = make_repo(owner, "old")
    move_repo(Viewer(user=owner), repo, to_namespace=owner.username, to_name="new")
    path = path.format(owner.username)
    # As the server gives it: the escapes of the address are kept in RAW_URI.
    answer = Client().get(path, RAW_URI=path)
    assert answer.status_code == 307
    assert f"/{owner.username}/new" in answer["Location"]
