"""Chooses the surface that words an error, Hub API body and headers or a page, and counts pages."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from hub.core.errors import BadRequest, HubError, NotFound, PermissionDenied
from hub.core.ratelimit import Bucket, hit
from hub.repos.permissions import RepoMoved

# Routes of programs rather than of people: the API, hosted calls, and what clients fetch beside a repo's pages.
_API_PATH: Final = re.compile(
    r"/(?:api|v1|pipeline|\.well-known)/.*|/oauth/(?:device|jwks|revoke|token|userinfo)"
    r"|/(?:datasets/|spaces/|kernels/)?[^/]+/[^/]+/(?:(?:resolve|raw|info/lfs)/.*|ask-access|user-access-report)",
    re.DOTALL,
)
_PAGES_WINDOW_S: Final = 300


def is_api_path(path: str) -> bool:
    return _API_PATH.fullmatch(path) is not None


class HubErrorMiddleware:
    """Innermost: turns HubError and RepoMoved from views into answers, and refuses bad credentials (T27)."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: object, args: object, kwargs: object) -> HttpResponse | None:
        error = getattr(request, "credential_error", None)
        if error:
            return _answer(request, error)
        if not is_api_path(request.path):  # the API counts its own requests, and says so in headers
            try:
                _count_page(request)
            except HubError as refusal:
                return _answer(request, refusal)
        return None

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if isinstance(exception, RepoMoved):
            return _moved(request, exception)
        return _answer(request, exception) if isinstance(exception, HubError) else None


def _count_page(request: HttpRequest) -> None:
    """Raises: RateLimited above ``HUB_RATE_PAGES``."""
    viewer = request.viewer
    who = f"user:{viewer.user_pk}" if viewer.user else request.META.get("REMOTE_ADDR", "")
    hit(Bucket("pages", settings.HUB_RATE_PAGES, _PAGES_WINDOW_S), who)


# Both surfaces import all of the hub, and settings load this module before apps are ready: hence the late imports.


def _answer(request: HttpRequest, error: HubError) -> HttpResponse:
    from hub.api.errors import error_response  # noqa: PLC0415 -- see above
    from hub.web.errors import error_page  # noqa: PLC0415 -- see above

    return error_response(request, error) if is_api_path(request.path) else error_page(request, error)


def _moved(request: HttpRequest, moved: RepoMoved) -> HttpResponse:
    from hub.api.redirects import redirect_to_new_address  # noqa: PLC0415 -- see above

    return redirect_to_new_address(request, moved.repo)


# --- handlers of hub.urls: what Django itself refuses, worded for the surface too -------------------------------------


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """``handler400``: what Django found suspicious is not repeated to the caller."""
    return _answer(request, BadRequest())


def permission_denied(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """``handler403``."""
    return _answer(request, PermissionDenied())


def page_not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """``handler404``; the path is not echoed."""
    if is_api_path(request.path):
        return _answer(request, NotFound())
    from hub.web import errors  # noqa: PLC0415 -- see above

    return errors.page_not_found(request)


def server_error(request: HttpRequest) -> HttpResponse:
    """``handler500``: the id of the request and nothing of what broke (T150)."""
    if is_api_path(request.path):
        return _answer(request, HubError())
    from hub.web import errors  # noqa: PLC0415 -- see above

    return errors.server_error(request)
