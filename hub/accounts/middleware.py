"""Puts ``request.viewer`` on every request; with an ``Authorization`` header the session plays no part."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.utils import translation

from hub.accounts.auth import ANONYMOUS, TOKEN_PATTERN, Viewer, authenticate_header
from hub.accounts.context import origin
from hub.accounts.sessions import keep_session
from hub.core.errors import BadRequest, HubError, PermissionDenied

_TOKEN_IN_URL: Final = "Send the access token in the Authorization header: addresses end up in logs."  # noqa: S105 -- a sentence
# Pages where people manage their account: a token opens none of them, whatever its role (T13, T17).
_SESSION_ONLY: Final = ("/settings/", "/accounts/", "/admin/", "/moderation/")
# Here the header holds the name and secret of an application, which the view itself checks (RFC 6749 §2.3.1).
_OF_APPLICATIONS: Final = frozenset({"/oauth/token", "/oauth/revoke"})
# What a worker fetches: the list of a model's files, and each of them.
_OF_WORKERS: Final = re.compile(r"/api/models/[^/]+/[^/]+(?:/|$)|/[^/]+/[^/]+/resolve/")


class ViewerMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        header = request.headers.get("authorization", "")
        if re.search(TOKEN_PATTERN, request.META.get("QUERY_STRING", "")):
            request.credential_error = BadRequest(_TOKEN_IN_URL)
        address = request.META.get("REMOTE_ADDR", "")
        if request.path in _OF_APPLICATIONS:
            request.viewer = ANONYMOUS
        elif header:
            self._use_header(request, header, address)
        else:
            self._use_session(request)
        token = request.viewer.token
        with origin(address, token.pk if token else None):
            return self.get_response(request)

    def _use_session(self, request: HttpRequest) -> None:
        keep_session(request)
        request.viewer = Viewer(user=request.user) if request.user.is_authenticated else ANONYMOUS
        self._use_language(request)

    def _use_language(self, request: HttpRequest) -> None:
        """The account's language holds on every device; the cookie and the browser's wish are for strangers."""
        user = request.viewer.user
        if user and user.language in dict(settings.LANGUAGES) and user.language != translation.get_language():
            translation.activate(user.language)  # LocaleMiddleware resets it for each request
            request.LANGUAGE_CODE = user.language

    def _use_header(self, request: HttpRequest, header: str, address: str) -> None:
        try:
            request.viewer = authenticate_header(header, client=request.headers.get("user-agent", ""), address=address)
            if request.viewer.service is not None and not _OF_WORKERS.match(request.path):
                raise PermissionDenied
            if request.path.startswith(_SESSION_ONLY):
                raise PermissionDenied("This page needs a signed-in browser; access tokens do not open it.")
        except HubError as error:
            # Raised again inside the view layer, where the surface of this path words the answer.
            request.viewer = ANONYMOUS
            request.credential_error = error
        request.user = request.viewer.user or AnonymousUser()
        # A header is never sent by a browser on its own: no cookie is used, so there is nothing to forge.
        request._dont_enforce_csrf_checks = True
