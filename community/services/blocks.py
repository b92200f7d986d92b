"""Who blocks whom: the blocked cannot write in the other's repos, follow them, or call them by name."""

from __future__ import annotations

from django.db import transaction
from django.db.models import QuerySet

from community.models import Block, Follow
from hub.accounts.auth import Viewer
from hub.accounts.enums import Action
from hub.accounts.models import User
from hub.accounts.permissions import require_user
from hub.accounts.services import audit
from hub.core.errors import BadRequest


def block(viewer: Viewer, user: User) -> Block:
    """Doing so twice changes nothing. Raises: AuthenticationRequired, InsufficientScope, BadRequest (oneself)"""
    require_user(viewer, Action.DISCUSSION_WRITE)
    if user.pk == viewer.user_pk:
        raise BadRequest("Nobody blocks themselves.")
    with transaction.atomic():
        found, is_new = Block.objects.get_or_create(blocker=viewer.user, blocked=user)
        if is_new:
            Follow.objects.filter(follower=user, user=viewer.user).delete()
            audit.record("user.block", actor=viewer, target=user.username)
    return found


def unblock(viewer: Viewer, user: User) -> None:
    """Not blocking is no error. Raises: as ``block``"""
    require_user(viewer, Action.DISCUSSION_WRITE)
    with transaction.atomic():
        deleted, _rows = Block.objects.filter(blocker=viewer.user, blocked=user).delete()
        if deleted:
            audit.record("user.unblock", actor=viewer, target=user.username)


def blocks_of(viewer: Viewer) -> QuerySet[Block]:
    """Whom the viewer blocks, newest first. Raises: AuthenticationRequired, InsufficientScope"""
    require_user(viewer, Action.ACCOUNT_READ)
    return Block.objects.select_related("blocked").filter(blocker=viewer.user).order_by("-pk")


def is_blocking(viewer: Viewer, user: User) -> bool:
    return viewer.user is not None and Block.objects.filter(blocker=viewer.user, blocked=user).exists()
