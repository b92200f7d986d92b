"""Headers of every page, and who is asking."""

from __future__ import annotations

import pytest
from django.http import HttpResponse
from django.test import RequestFactory

from hub.core.middleware import RequestIdMiddleware, SecurityHeadersMiddleware, content_security_policy


def directives(policy: str) -> dict[str, str]:
    return dict(part.split(" ", 1) for part in policy.split("; "))


def test_policy_allows_nothing_inline_and_nothing_foreign() -> None:
    policy = directives(content_security_policy("file:///var/blobs"))

    assert (policy["default-src"], policy["script-src"], policy["style-src"]) == ("'none'", "'self'", "'self'")
    assert (policy["frame-ancestors"], policy["base-uri"], policy["form-action"]) == ("'none'", "'none'", "'self'")
    assert policy["img-src"] == "'self' data: blob:"
    assert policy["connect-src"] == "'self'"
    assert "unsafe" not in str(policy)


def test_policy_lets_uploads_reach_the_bucket() -> None:
    policy = directives(content_security_policy("s3://models?endpoint=https://s3.example.org:9000"))

    assert policy["connect-src"] == "'self' https://s3.example.org:9000 https://models.s3.example.org:9000"


def test_policy_names_the_endpoint_that_signed_urls_lead_to() -> None:
    inside = "s3://models?endpoint=http://s3:9000"
    public = directives(content_security_policy(f"{inside}&public_endpoint=https://files.example.org"))
    assert public["connect-src"] == "'self' https://files.example.org https://models.files.example.org"
    # Bytes pass the hub: no other origin is needed.
    assert directives(content_security_policy(f"{inside}&presign=0"))["connect-src"] == "'self'"


def test_a_view_may_be_stricter() -> None:
    def view(request):
        return HttpResponse(headers={"Content-Security-Policy": "sandbox"})

    answer = SecurityHeadersMiddleware(view)(RequestFactory().get("/"))

    assert answer["Content-Security-Policy"] == "sandbox"
    assert answer["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(("cookie", "theme"), [("dark", "dark"), ("light", "light"), ("<x>", "auto"), ("", "auto")])
def test_theme_is_one_of_three(cookie: str, theme: str) -> None:
    request = RequestFactory().get("/")
    request.COOKIES["theme"] = cookie
    RequestIdMiddleware(lambda _: HttpResponse())(request)

    assert request.theme == theme


def test_request_id_of_the_edge_is_kept_and_answered() -> None:
    request = RequestFactory().get("/", **{"agora.request_id": "r-1"})
    answer = RequestIdMiddleware(lambda _: HttpResponse())(request)

    assert (request.id, answer["X-Request-Id"]) == ("r-1", "r-1")


def test_forwarded_headers_do_not_move_the_address() -> None:
    """T157: the edge has decided; nothing later reads such headers."""
    request = RequestFactory().get("/", REMOTE_ADDR="203.0.113.9", HTTP_X_FORWARDED_FOR="6.6.6.6")
    RequestIdMiddleware(lambda _: HttpResponse())(request)

    assert request.client_address == "203.0.113.9"
