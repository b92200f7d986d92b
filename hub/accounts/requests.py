"""What views get once a guard has let the request in."""

from __future__ import annotations

from django.http import HttpRequest

from hub.accounts.auth import Viewer
from hub.accounts.models import User


class SignedInRequest(HttpRequest):
    """A request of a person: for annotations behind ``session_required`` and ``login_required``."""

    user: User
    viewer: Viewer
