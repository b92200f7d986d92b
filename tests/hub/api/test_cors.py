"""T44: other sites read what anybody may read; no browser ever lends them its session."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.factories.accounts import make_user
from tests.factories.repos import make_repo

pytestmark = pytest.mark.django_db

ORIGINS = [
    "null",
    "https://evil.example",
    "http://localhost.evil.example",
    "http://localhost:8000.evil.example",
    "http://evil-localhost:8000",
    "http://localhost:8000@evil.example",
    "http://localhost:8001",
    "https://localhost:8000",
    "HTTP://LOCALHOST:8000",
    "http://localhost:8000",
    "file://",
    "chrome-extension://abc",
    "*",
    "",
    "http://testserver, https://evil.example",
]
PATHS = ["/api/models", "/api/whoami-v2", "/api/models/ann/open", "/ann/open/resolve/main/README.md", "/api/absent"]


@pytest.mark.parametrize("origin", ORIGINS)
def test_no_origin_gets_credentials_t44(origin: str) -> None:
    ann = make_user("ann", password=None)
    make_repo(ann, "open", files={"README.md": b"# x\n"})
    browser = Client()
    browser.force_login(ann)
    for path in PATHS:
        for method in ("GET", "HEAD", "OPTIONS", "POST"):
            answer = browser.generic(method, path, HTTP_ORIGIN=origin, HTTP_ACCESS_CONTROL_REQUEST_METHOD="POST")
            assert "Access-Control-Allow-Credentials" not in answer.headers, (method, path)
            assert answer.headers.get("Access-Control-Allow-Origin") in (None, "*"), (method, path)
            if path.startswith("/api/") and path != "/api/absent":
                assert answer["Access-Control-Allow-Origin"] == "*"
                assert "Origin" in answer["Vary"]


def test_no_page_is_open_to_other_sites_t44() -> None:
    for path in ("/", "/models", "/accounts/login/", "/settings"):
        answer = Client().get(path, HTTP_ORIGIN="https://evil.example")
        assert not [name for name in answer.headers if name.lower().startswith("access-control-")], path


@pytest.mark.parametrize("query", ["callback=x", "jsonp=x", "cb=x", "_callback=alert", "format=jsonp"])
def test_no_answer_is_a_script_t44(query: str) -> None:
    plain, asked = (Client().get(f"/api/models{end}") for end in ("", f"?{query}"))
    assert asked["Content-Type"].startswith("application/json")
    assert asked["X-Content-Type-Options"] == "nosniff"
    assert b"callback" not in asked.content
    assert asked.status_code in (200, 400)
    assert asked.status_code == 400 or asked.content == plain.content


def test_another_site_cannot_write_with_a_session_t44() -> None:
    """The simple requests that a browser sends without asking first."""
    ann = make_user("ann", password=None)
    repo = make_repo(ann, "open")
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(ann)
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        for origin in ("https://evil.example", "null"):
            answer = browser.generic("POST", f"{repo.urls.api}/like", "{}", content_type=kind, HTTP_ORIGIN=origin)
            assert answer.status_code == 403
    repo.refresh_from_db()
    assert repo.likes == 0
