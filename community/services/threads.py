"""What all changes of a thread share: its row locked, an event written, numbers kept, the change told."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from functools import partial
from typing import Any, Final

from django.conf import settings
from django.db import transaction
from django.db.models import Count
from django.utils import timezone

from community.enums import EventKind, Status
from community.models import Discussion, Event, Reaction
from community.signals import discussion_changed
from community.spam import is_new_account
from hub.accounts.models import User
from hub.core.errors import BadRequest, Conflict, NotFound, PayloadTooLarge
from hub.core.ratelimit import Bucket, hit
from hub.repos.models import Repo
from hub.repos.services.counters import set_discussions_open

MIN_TITLE: Final = 3
MAX_TITLE: Final = 200
MAX_BODY: Final = 65_536
#: A thread is shown whole: beyond this, people open another one.
MAX_EVENTS: Final = 2_000
_TOP_REACTIONS: Final = 3
_TALK: Final = (EventKind.COMMENT, EventKind.TITLE_CHANGE)


class Change(StrEnum):
    """What ``discussion_changed`` says in ``action``."""

    CREATED = "created"
    COMMENTED = "commented"
    COMMENT_EDITED = "comment-edited"
    COMMENT_HIDDEN = "comment-hidden"
    STATUS = "status-changed"
    RENAMED = "renamed"
    COMMITS = "commits-added"
    PINNED = "pinned"
    LOCKED = "locked"
    DELETED = "deleted"


def count_discussion(user: User) -> None:
    """Raises: RateLimited above ``HUB_RATE_DISCUSSIONS``."""
    _count_new(user)
    hit(Bucket("discussions", settings.HUB_RATE_DISCUSSIONS, 3600), f"user:{user.pk}")


def count_comment(user: User) -> None:
    """Raises: RateLimited above ``HUB_RATE_COMMENTS``."""
    _count_new(user)
    hit(Bucket("comments", settings.HUB_RATE_COMMENTS, 3600), f"user:{user.pk}")


def _count_new(user: User) -> None:
    """What a new account may post is less. Raises: RateLimited above ``HUB_RATE_NEW_ACCOUNT``."""
    if is_new_account(user):
        hit(Bucket("new-account", settings.HUB_RATE_NEW_ACCOUNT, 3600), f"user:{user.pk}")


def clean_title(title: str) -> str:
    """One line without spaces around it. Raises: BadRequest."""
    title = title.strip()
    if any(_is_no_text(character) for character in title):
        raise BadRequest("A title is one line of text.", param="title")
    if not MIN_TITLE <= len(title) <= MAX_TITLE:
        raise BadRequest(f"A title has {MIN_TITLE} to {MAX_TITLE} characters.", param="title")
    return title


def title_of(message: str) -> str:
    """A title made of a commit's summary."""
    return "".join(character for character in " ".join(message.split()) if not _is_no_text(character))[:MAX_TITLE]


def _is_no_text(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")


def clean_body(text: str, *, may_be_empty: bool = False) -> str:
    """Raises: BadRequest, PayloadTooLarge."""
    if not may_be_empty and not text.strip():
        raise BadRequest("A comment needs a text.", param="comment")
    if len(text) > MAX_BODY:
        raise PayloadTooLarge(f"A comment has at most {MAX_BODY} characters.", param="comment")
    return text


@contextmanager
def changing(discussion: Discussion) -> Iterator[Discussion]:
    """Hold the row of a discussion in a transaction; changes of one thread go one after another.

    Raises: NotFound when it was deleted meanwhile.
    """
    with transaction.atomic():
        locked = (
            Discussion.objects.select_for_update(of=("self",))
            .select_related("repo", "repo__namespace", "author")
            .filter(pk=discussion.pk)
            .first()
        )
        if locked is None:
            raise NotFound("This discussion does not exist.")
        yield locked


def add_event(discussion: Discussion, kind: EventKind, author: User | None, **fields: Any) -> Event:
    """Write one entry of a locked thread. Raises: Conflict when it is full; it can be closed all the same."""
    if kind in _TALK and Event.objects.filter(discussion=discussion).count() >= MAX_EVENTS:
        raise Conflict(f"This discussion has {MAX_EVENTS} entries. Please open a new one.")
    now = timezone.now()
    event = Event.objects.create(discussion=discussion, kind=kind, author=author, created_at=now, **fields)
    discussion.updated_at = now
    discussion.num_comments += kind is EventKind.COMMENT
    discussion.save(update_fields=["updated_at", "num_comments"])
    return event


def set_status(discussion: Discussion, status: Status, author: User | None) -> Event:
    """Move a locked discussion to another state, and keep the repo's count."""
    discussion.status = status
    discussion.closed_at = None if status.is_active else timezone.now()
    discussion.save(update_fields=["status", "closed_at"])
    event = add_event(discussion, EventKind.STATUS_CHANGE, author, data={"status": status.value})
    recount(discussion.repo_id)
    return event


def recount(repo_pk: int) -> None:
    """Count the open discussions of a repo anew; to be called inside the transaction that changed them (T175)."""
    Repo.objects.select_for_update().get(pk=repo_pk)
    active = [status for status in Status if status.is_active]
    set_discussions_open(
        repo_pk, Discussion.objects.filter(repo_id=repo_pk, status__in=active, hidden_at__isnull=True).count()
    )


def recount_reactions(locked: Discussion) -> None:
    """Write the sums of a locked thread's reactions; what is hidden counts no more."""
    rows = Reaction.objects.filter(event__discussion=locked, event__hidden_at__isnull=True)
    counts = rows.values_list("emoji").annotate(count=Count("pk")).order_by("-count", "emoji")
    locked.num_reaction_users = rows.values("user").distinct().count()
    locked.top_reactions = [list(pair) for pair in counts[:_TOP_REACTIONS]]
    locked.save(update_fields=["num_reaction_users", "top_reactions"])


def announce(discussion: Discussion, change: Change, *, actor_pk: int | None, comment_pk: int | None = None) -> None:
    """Tell other packages, once the database has it."""
    transaction.on_commit(
        partial(
            discussion_changed.send_robust,
            sender=Discussion,
            discussion_pk=discussion.pk,
            repo_pk=discussion.repo_id,
            num=discussion.num,
            action=change.value,
            comment_pk=comment_pk,
            actor_pk=actor_pk,
        )
    )
