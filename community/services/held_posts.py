"""Posts of new accounts that wait: a moderator publishes them, or refuses them with a reason."""

from __future__ import annotations

from typing import Final

from django.db import transaction
from django.utils import timezone

from community.enums import HeldState, NoticeKind
from community.models import HeldPost
from community.permissions import require_comment, require_discuss
from community.services.discussions import publish_comment, publish_discussion
from community.services.notices import notify
from hub.accounts.auth import Viewer
from hub.accounts.permissions import require_staff
from hub.accounts.services import audit
from hub.core.errors import BadRequest, Conflict, HubError, NotFound
from hub.repos.permissions import can_read

MAX_REASON: Final = 300


def find_held(object_id: str) -> HeldPost:
    """For moderators. Raises: NotFound."""
    rows = HeldPost.objects.select_related("author", "repo", "repo__namespace", "discussion")
    found = rows.filter(object_id=object_id).first()
    if found is None:
        raise NotFound
    return found


def release(viewer: Viewer, held: HeldPost) -> HeldPost:
    """Publish it in its author's name, if they may still say it there.

    Raises: as ``require_staff``; Conflict (decided already, or its author may not post there any more)
    """
    require_staff(viewer)
    with transaction.atomic():
        locked = _lock(held)
        locked.state = HeldState.RELEASED
        _close(viewer, locked)
        try:
            _publish(locked)
        except HubError as error:
            raise Conflict("Its author may not post there any more.") from error
        _tell(locked, "Your post was published.")
    return locked


def _publish(held: HeldPost) -> None:
    author = Viewer(user=held.author)
    if not can_read(author, held.repo) or held.repo.is_disabled or not held.author.is_active:
        raise NotFound
    if held.discussion is None:
        require_discuss(author, held.repo)
        publish_discussion(held.author, held.repo, title=held.title, description=held.body)
    else:
        require_comment(author, held.discussion)
        publish_comment(author, held.discussion, comment=held.body)


def refuse(viewer: Viewer, held: HeldPost, *, reason: str) -> HeldPost:
    """Do not publish it; its author reads why. Raises: as ``require_staff``; BadRequest, Conflict"""
    require_staff(viewer)
    reason = reason.strip()
    if not reason or len(reason) > MAX_REASON:
        raise BadRequest("Give the reason: the person reads it.", param="reason")
    with transaction.atomic():
        locked = _lock(held)
        locked.state, locked.reason = HeldState.REJECTED, reason
        _close(viewer, locked)
        _tell(locked, reason)
    return locked


def _tell(held: HeldPost, text: str) -> None:
    notify(
        [held.author],
        NoticeKind.MODERATION,
        title=held.title or held.repo.repo_id,
        text=text,
        href="/settings/moderation",
        group=f"held:{held.object_id}",
    )


def _lock(held: HeldPost) -> HeldPost:
    rows = HeldPost.objects.select_for_update(of=("self",)).select_related("author", "repo__namespace", "discussion")
    locked = rows.get(pk=held.pk)
    if locked.state != HeldState.WAITING:
        raise Conflict("This post is decided already.")
    return locked


def _close(viewer: Viewer, held: HeldPost) -> None:
    held.decided_by, held.decided_at = viewer.user, timezone.now()
    held.save(update_fields=["state", "reason", "decided_by", "decided_at"])
    audit.record("post.decide", actor=viewer, target=held.repo.repo_id, post=held.object_id, state=held.state)
