"""Follow people and organizations."""

from __future__ import annotations

from typing import Final

from django.db import transaction

from community.enums import NoticeKind
from community.models import Block, Follow
from community.services.notices import notify
from hub.accounts.auth import Viewer
from hub.accounts.enums import Action, Role
from hub.accounts.models import Organization, User
from hub.accounts.permissions import require_user
from hub.core.errors import BadRequest, PermissionDenied
from hub.core.ratelimit import Bucket, hit

_FOLLOWING: Final = Bucket("follows", 500, 3600)


def follow(viewer: Viewer, subject: User | Organization) -> None:
    """Doing so twice changes nothing.

    Raises: AuthenticationRequired, InsufficientScope, BadRequest, PermissionDenied (blocked), RateLimited.
    """
    follower = _person(viewer)
    if isinstance(subject, Organization):
        with transaction.atomic():
            _row, is_new = Follow.objects.get_or_create(follower=follower, organization=subject)
            if is_new:
                notify(
                    subject.members.filter(memberships__role=Role.ADMIN),
                    NoticeKind.FOLLOWER,
                    actor=follower,
                    title=subject.name,
                    href=f"{subject.get_absolute_url()}?tab=followers",
                    group=f"followers:{subject.namespace_id}",
                )
        return
    if subject.pk == follower.pk:
        raise BadRequest("Nobody follows themselves.")
    if Block.objects.filter(blocker=subject, blocked=follower).exists():
        raise PermissionDenied("This person has blocked you.")
    with transaction.atomic():
        _row, is_new = Follow.objects.get_or_create(follower=follower, user=subject)
        if is_new:
            notify(
                [subject],
                NoticeKind.FOLLOWER,
                actor=follower,
                href=f"{subject.get_absolute_url()}?tab=followers",
                group="followers",
            )


def unfollow(viewer: Viewer, subject: User | Organization) -> None:
    """Not following is no error. Raises: as ``follow``."""
    rows = Follow.objects.filter(follower=_person(viewer))
    (rows.filter(organization=subject) if isinstance(subject, Organization) else rows.filter(user=subject)).delete()


def _person(viewer: Viewer) -> User:
    require_user(viewer, Action.DISCUSSION_WRITE)
    assert viewer.user is not None  # require_user
    hit(_FOLLOWING, f"user:{viewer.user_pk}")
    return viewer.user
