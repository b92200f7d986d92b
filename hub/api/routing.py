"""One wrapper for every API route: method, rate limit, cross-site check, errors, CORS.

    path("api/…", api(GET=view, POST=view))

Views take ``request`` and the route's arguments, return a response or raise HubError.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.csrf import CsrfViewMiddleware
from django.utils.cache import patch_vary_headers

from hub.api.errors import MethodNotAllowed, error_response
from hub.api.redirects import redirect_to_new_address
from hub.core.errors import HubError, PermissionDenied
from hub.core.ratelimit import Bucket, Standing, hit
from hub.repos.permissions import RepoMoved

View = Callable[..., HttpResponseBase]

WINDOW_S: Final = 300
# Twentieths of a user's limit that one address of strangers has: many people's scripts, one after the other, are
# thousands of calls; what nobody answers for stays small (T138).
_STRANGERS_TWENTIETHS: Final = {"api": 1, "resolvers": 3}
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_EXPOSED: Final = (
    "X-Repo-Commit, X-Request-Id, X-Error-Code, X-Error-Message, X-Total-Count, ETag, Link, Accept-Ranges, "
    "Content-Range, Content-Length, Content-Disposition, X-Linked-Size, X-Linked-Etag, X-Xet-Hash, RateLimit, "
    "X-Agora-Pull-Request"
)
_ALLOWED_HEADERS: Final = (
    "authorization, content-type, range, if-range, if-none-match, x-request-id, x-hf-download-counter, x-csrftoken"
)


def api(*, limit: str = "api", **views: View) -> View:
    """Make a Django view out of one view per method. ``limit``: the rate bucket, "api" or "resolvers"."""
    if "GET" in views:
        views.setdefault("HEAD", views["GET"])
    route = _Route(views, limit)

    def view(request: HttpRequest, **arguments: Any) -> HttpResponseBase:
        return route.answer(request, arguments)

    # Clients without a session have nothing to forge; the others are checked in `_refuse_forgery`.
    view.csrf_exempt = True
    view.methods = frozenset(views)
    view.views = dict(views)  # for the document of the API (hub.api.schema)
    return view


@dataclass(frozen=True, slots=True)
class _Route:
    views: dict[str, View]
    limit: str

    def answer(self, request: HttpRequest, arguments: dict[str, Any]) -> HttpResponseBase:
        if request.method == "OPTIONS":
            return self._preflight()
        standing: Standing | None = None
        try:
            standing = self._count(request)
            response = self._dispatch(request, arguments)
        except RepoMoved as moved:
            response = redirect_to_new_address(request, moved.repo)
        except HubError as error:
            response = error_response(request, error)
        if standing is not None:
            _add_standing(response, self.limit, standing)
        return _finish(response)

    def _dispatch(self, request: HttpRequest, arguments: dict[str, Any]) -> HttpResponseBase:
        view = self.views.get(request.method or "")
        if view is None:
            raise MethodNotAllowed(allowed=", ".join(sorted(self.views)))
        if request.method not in _SAFE:
            _refuse_forgery(request)
        return view(request, **arguments)

    def _count(self, request: HttpRequest) -> Standing | None:
        viewer = request.viewer
        if viewer.service is not None:  # our own workers
            return None
        limit = settings.HUB_RATE_RESOLVE if self.limit == "resolvers" else settings.HUB_RATE_API
        if viewer.user is None:
            allowed = max(limit * _STRANGERS_TWENTIETHS[self.limit] // 20, 1)
            return hit(Bucket(f"{self.limit}-anonymous", allowed, WINDOW_S), request.META.get("REMOTE_ADDR", ""))
        return hit(Bucket(self.limit, limit, WINDOW_S), f"user:{viewer.user_pk}")

    def _preflight(self) -> HttpResponseBase:
        response = HttpResponse(status=204)
        response["Access-Control-Allow-Methods"] = ", ".join(sorted({*self.views, "OPTIONS"}))
        response["Access-Control-Allow-Headers"] = _ALLOWED_HEADERS
        response["Access-Control-Max-Age"] = "86400"
        return _finish(response)


class _ForgeryCheck(CsrfViewMiddleware):
    def _reject(self, request: HttpRequest, reason: str) -> str:
        return reason


_forgery_check = _ForgeryCheck(lambda request: HttpResponse())


def _refuse_forgery(request: HttpRequest) -> None:
    """A browser's session acts only with the page's token, API routes included (T09)."""
    viewer = request.viewer
    if viewer.user is None or "authorization" in request.headers:
        return
    _forgery_check.process_request(request)
    if _forgery_check.process_view(request, HttpResponse, (), {}) is not None:
        raise PermissionDenied("The page has expired. Please reload it and try again.")


def _add_standing(response: HttpResponseBase, name: str, standing: Standing) -> None:
    response["RateLimit"] = f'"{name}";r={max(standing.remaining, 0)};t={standing.reset_s}'
    response["RateLimit-Policy"] = f'"fixed window";"{name}";q={standing.limit};w={WINDOW_S}'


def _finish(response: HttpResponseBase) -> HttpResponseBase:
    # Never with credentials: a foreign page reads only what anybody may read, or what its own token may (T44).
    response["Access-Control-Allow-Origin"] = "*"
    response["Access-Control-Expose-Headers"] = _EXPOSED
    response.setdefault("Cache-Control", "private, no-cache")
    patch_vary_headers(response, ["Authorization", "Cookie", "Origin"])
    return response
