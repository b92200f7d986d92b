"""Reactions: an emoji of a small set at a comment, once per person; the thread keeps the sums that lists show."""

from __future__ import annotations

from django.conf import settings

from community.enums import Emoji, EventKind
from community.models import Discussion, Event, Reaction
from community.permissions import require_comment
from community.services import threads
from community.services.discussions import person
from hub.accounts.auth import Viewer
from hub.core.errors import BadRequest, Conflict
from hub.core.ratelimit import Bucket, hit


def set_reaction(viewer: Viewer, discussion: Discussion, event: Event, *, emoji: str, is_on: bool) -> None:
    """Put one's emoji at a comment, or take it back; doing so twice changes nothing.

    Raises: AuthenticationRequired, InsufficientScope, PermissionDenied (locked), BadRequest, Conflict, RateLimited
    """
    require_comment(viewer, discussion)
    if emoji not in Emoji.values:
        raise BadRequest("There is no such reaction.", param="emoji")
    user = person(viewer)
    hit(Bucket("reactions", settings.HUB_RATE_COMMENTS, 3600), f"user:{user.pk}")
    with threads.changing(discussion) as locked:
        current = Event.objects.filter(pk=event.pk, discussion=locked, kind=EventKind.COMMENT).first()
        if current is None or current.is_hidden:
            raise Conflict("This comment is hidden: nobody can react to it.")
        if is_on:
            Reaction.objects.get_or_create(event=current, user=user, emoji=emoji)
        else:
            Reaction.objects.filter(event=current, user=user, emoji=emoji).delete()
        threads.recount_reactions(locked)
