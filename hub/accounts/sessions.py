"""How long a browser stays signed in: 14 days idle, 30 days at most (T12).

The session row is rewritten at most once a day and the 'last seen' of the sessions page every few minutes, so that
reading pages costs no writes.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

from allauth.account.internal.flows.reauthentication import is_reauthentication_required
from allauth.usersessions.models import UserSession
from django.contrib.auth import logout
from django.http import HttpRequest

from hub.accounts.auth import Viewer
from hub.core.errors import ReauthenticationRequired

ABSOLUTE_LIFE_S: Final = 30 * 24 * 3600
_TOUCH_EVERY_S: Final = 24 * 3600
_SEEN_EVERY_S: Final = 5 * 60
_STARTED: Final = "signed_in_at"
_TOUCHED: Final = "touched_at"
_SEEN: Final = "seen_at"


def note_sign_in(request: HttpRequest) -> None:
    """Called at every completed sign-in: the second factor is behind it, a new session key before it."""
    request.session[_STARTED] = int(time.time())


def signed_in_within(request: HttpRequest, seconds: int) -> bool:
    return time.time() - request.session.get(_STARTED, 0) < seconds


def require_recent_sign_in(request: HttpRequest) -> None:
    """For acts of a browser that cannot be undone (T13); a token says with its scopes what it may do.

    Raises: ReauthenticationRequired when neither sign-in nor confirmation is of the last minutes.
    """
    viewer: Viewer = request.viewer  # type: ignore[attr-defined]
    if viewer.user is not None and viewer.token is None and is_reauthentication_required(request, app=""):
        raise ReauthenticationRequired


def is_too_old(session: Mapping[str, Any]) -> bool:
    """Whether a session has lived its 30 days; also for doors that read it without Django's request."""
    return time.time() - session.get(_STARTED, 0) > ABSOLUTE_LIFE_S


def keep_session(request: HttpRequest) -> None:
    """End a session that is too old; otherwise note, rarely, that it is in use."""
    if not request.user.is_authenticated:
        return
    now = int(time.time())
    session = request.session
    if is_too_old(session):
        logout(request)
        return
    if now - session.get(_TOUCHED, session[_STARTED]) > _TOUCH_EVERY_S:
        session[_TOUCHED] = now  # saving it moves the idle limit
    if now - session.get(_SEEN, 0) > _SEEN_EVERY_S:
        session[_SEEN] = now
        UserSession.objects.create_from_request(request)
