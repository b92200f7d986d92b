"""How long a browser stays signed in: 14 days idle, 30 days at most (T12).

The session row is rewritten at most once a day and the 'last seen' of the sessions page every few minutes, so that
reading pages costs no writes.
"""

from __future__ import annotations

import time
from typing import Final

from allauth.usersessions.models import UserSession
from django.contrib.auth import logout
from django.http import HttpRequest

ABSOLUTE_LIFE_S: Final = 30 * 24 * 3600
_TOUCH_EVERY_S: Final = 24 * 3600
_SEEN_EVERY_S: Final = 5 * 60
_STARTED: Final = "signed_in_at"
_TOUCHED: Final = "touched_at"
_SEEN: Final = "seen_at"


def keep_session(request: HttpRequest) -> None:
    """End a session that is too old; otherwise note, rarely, that it is in use."""
    if not request.user.is_authenticated:
        return
    now = int(time.time())
    session = request.session
    started = session.get(_STARTED)
    if started is None:
        # Rewritten by the sign-in itself: allauth keys the session anew there.
        session[_STARTED] = session[_TOUCHED] = now
    elif now - started > ABSOLUTE_LIFE_S:
        logout(request)
        return
    elif now - session.get(_TOUCHED, 0) > _TOUCH_EVERY_S:
        session[_TOUCHED] = now  # saving it moves the idle limit
    if now - session.get(_SEEN, 0) > _SEEN_EVERY_S:
        session[_SEEN] = now
        UserSession.objects.create_from_request(request)
