"""Errors on the wire (hub-api §2): JSON ``{"error": …}`` and the same in headers, for HEAD has no body."""

from __future__ import annotations

from typing import Any, Final

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase

from hub.core.error_words import in_words_of_reader
from hub.core.errors import GatedRepo, HubError, RangeNotSatisfiable, RepoNotFound, header_text

#: Facts of an error that clients read beside its text.
_BODY_FACTS: Final = ("url", "slug", "errors", "warnings", "missing", "estimated_time")
_REALM: Final = 'Basic realm="Agora"'


class MethodNotAllowed(HubError):
    status = 405
    default_message = "This method is not allowed here."


def error_response(request: HttpRequest, error: HubError) -> HttpResponse:
    """Word an error for clients. Equal for what is missing and what is hidden, but for the request id (T29).

    Scripts of our own pages, known by their CSRF token, show the text to people: they get it in the reader's language.
    """
    is_page = "X-CSRFToken" in request.headers
    body: dict[str, Any] = {"error": in_words_of_reader(error.message) if is_page else error.message}
    body |= {name: error.data[name] for name in _BODY_FACTS if name in error.data}
    if "/info/lfs/" in request.path:
        body["message"] = body["error"]  # where git-lfs looks for it
    response = JsonResponse(body, status=_status(request, error))
    response["X-Error-Message"] = header_text(error.message)
    if error.code:
        response["X-Error-Code"] = error.code
    _add_facts(response, error)
    if response.status_code == 401:
        response["WWW-Authenticate"] = _REALM
    response["Cache-Control"] = "no-store"
    return response


def _status(request: HttpRequest, error: HubError) -> int:
    """A stranger is told to sign in, whether or not there is anything to see."""
    viewer = getattr(request, "viewer", None)
    is_anonymous = viewer is None or not viewer.is_authenticated
    if is_anonymous and isinstance(error, RepoNotFound | GatedRepo):
        return 401
    return error.status


def _add_facts(response: HttpResponse, error: HubError) -> None:
    data = error.data
    if "commit_oid" in data and error.code == "EntryNotFound":
        response["X-Repo-Commit"] = data["commit_oid"]
    if "retry_after_s" in data:
        response["Retry-After"] = str(data["retry_after_s"])
    if error.status == 429 and "bucket" in data:
        response["RateLimit"] = f'"{data["bucket"]}";r=0;t={data["retry_after_s"]}'
    if isinstance(error, RangeNotSatisfiable) and "size_bytes" in data:
        response["Content-Range"] = f"bytes */{data['size_bytes']}"


def exception_handler(error: Exception, context: dict[str, Any]) -> HttpResponseBase | None:
    """REST framework's door to ``error_response``; what is no HubError is the framework's own."""
    if isinstance(error, HubError):
        return error_response(context["request"], error)
    from rest_framework.views import exception_handler as default_handler  # noqa: PLC0415 -- settings load this module

    return default_handler(error, context)
