"""Chooses the surface that words an error: Hub API body and headers, or a page."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from hub.core.errors import HubError
from hub.repos.permissions import RepoMoved

# Routes of programs rather than of people; resolve and raw are decided by hub.api.urls, which owns them.
_API_MARKS = ("/api/", "/resolve/", "/info/lfs", "/oauth/", "/v1/", "/cas/")


def is_api_path(path: str) -> bool:
    return path.startswith(("/api/", "/v1/", "/cas/", "/pipeline/")) or any(mark in path for mark in _API_MARKS[1:3])


class HubErrorMiddleware:
    """Innermost: turns HubError and RepoMoved from views into answers, and refuses bad credentials (T27)."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: object, args: object, kwargs: object) -> HttpResponse | None:
        error = getattr(request, "credential_error", None)
        return self._answer(request, error) if error else None

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if isinstance(exception, RepoMoved):
            return self._moved(request, exception)
        return self._answer(request, exception) if isinstance(exception, HubError) else None

    def _answer(self, request: HttpRequest, error: HubError) -> HttpResponse:
        # Both surfaces import all of the hub; the choice is made here, in the composition root.
        from hub.api.errors import error_response  # noqa: PLC0415 -- settings load this module before apps are ready
        from hub.web.errors import error_page  # noqa: PLC0415 -- see above

        if is_api_path(request.path):
            return error_response(request, error)
        return error_page(request, error)

    def _moved(self, request: HttpRequest, moved: RepoMoved) -> HttpResponse:
        from hub.api.redirects import redirect_to_new_address  # noqa: PLC0415 -- see above

        return redirect_to_new_address(request, moved.repo)
