"""Follow people and organizations."""

from __future__ import annotations

from typing import Final

from community.models import Follow
from hub.accounts.auth import Viewer
from hub.accounts.enums import Action
from hub.accounts.models import Organization, User
from hub.accounts.permissions import require_user
from hub.core.errors import BadRequest
from hub.core.ratelimit import Bucket, hit

_FOLLOWING: Final = Bucket("follows", 500, 3600)


def follow(viewer: Viewer, subject: User | Organization) -> None:
    """Doing so twice changes nothing. Raises: AuthenticationRequired, InsufficientScope, BadRequest, RateLimited."""
    follower = _person(viewer)
    if isinstance(subject, Organization):
        Follow.objects.get_or_create(follower=follower, organization=subject)
        return
    if subject.pk == follower.pk:
        raise BadRequest("Nobody follows themselves.")
    Follow.objects.get_or_create(follower=follower, user=subject)


def unfollow(viewer: Viewer, subject: User | Organization) -> None:
    """Not following is no error. Raises: as ``follow``."""
    rows = Follow.objects.filter(follower=_person(viewer))
    (rows.filter(organization=subject) if isinstance(subject, Organization) else rows.filter(user=subject)).delete()


def _person(viewer: Viewer) -> User:
    require_user(viewer, Action.DISCUSSION_WRITE)
    assert viewer.user is not None  # require_user
    hit(_FOLLOWING, f"user:{viewer.user_pk}")
    return viewer.user
