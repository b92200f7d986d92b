"""Discussions: open, comment, edit, hide, rename, close, pin, lock, delete.  Pull requests add ``pulls``."""

from __future__ import annotations

from contextlib import nullcontext

from django.db import transaction
from django.utils import timezone

from community.enums import EventKind, Status
from community.models import CommentRevision, Discussion, Event
from community.permissions import (
    is_author,
    require_change,
    require_comment,
    require_discuss,
    require_moderate,
    require_unlock,
)
from community.services import threads
from community.services.holding import hold_if_suspicious
from community.services.threads import Change
from hub.accounts.auth import Viewer
from hub.accounts.models import User
from hub.accounts.services import audit
from hub.core.errors import BadRequest, Conflict, PermissionDenied
from hub.repos.models import Repo
from hub.storage.git.repository import writer_lock


def create_discussion(viewer: Viewer, repo: Repo, *, title: str, description: str = "") -> Discussion:
    """Open a discussion with ``description`` as its first comment.

    Raises: AuthenticationRequired, InsufficientScope, PermissionDenied, BadRequest, PayloadTooLarge, RateLimited
        PostHeld: it waits for a moderator.
    """
    require_discuss(viewer, repo)
    author = person(viewer)
    title, description = threads.clean_title(title), threads.clean_body(description, may_be_empty=True)
    threads.count_discussion(author)
    hold_if_suspicious(viewer, repo, title=title, body=description)
    return publish_discussion(author, repo, title=title, description=description)


def publish_discussion(author: User, repo: Repo, *, title: str, description: str) -> Discussion:
    """Write a discussion whose author's right, text and limits were checked."""
    with transaction.atomic():
        discussion = Discussion.objects.create(repo=repo, num=next_num(repo), title=title, author=author)
        open_thread(discussion, description)
    return discussion


def next_num(repo: Repo) -> int:
    """Take the repo's next number; two callers never get the same (the row is locked until the transaction ends)."""
    with transaction.atomic():
        locked = Repo.objects.select_for_update().get(pk=repo.pk)
        locked.last_discussion_num += 1
        locked.save(update_fields=["last_discussion_num"])
    return locked.last_discussion_num


def open_thread(discussion: Discussion, description: str) -> Event:
    """Write the first comment of a new discussion, count it and tell."""
    event = threads.add_event(discussion, EventKind.COMMENT, discussion.author, body=description)
    threads.recount(discussion.repo_id)
    threads.announce(discussion, Change.CREATED, actor_pk=discussion.author_id, comment_pk=event.pk)
    return event


def person(viewer: Viewer) -> User:
    """The person who acts; a permission was asked before."""
    assert viewer.user is not None
    return viewer.user


# --- comments --------------------------------------------------------------------------------------------------------


def comment_discussion(viewer: Viewer, discussion: Discussion, *, comment: str) -> Event:
    """Say something in a thread.

    Raises: AuthenticationRequired, InsufficientScope, PermissionDenied (locked), BadRequest, RateLimited, Conflict
        PostHeld: it waits for a moderator.
    """
    require_comment(viewer, discussion)
    comment = threads.clean_body(comment)
    threads.count_comment(person(viewer))
    hold_if_suspicious(viewer, discussion.repo, discussion=discussion, body=comment)
    return publish_comment(viewer, discussion, comment=comment)


def publish_comment(viewer: Viewer, discussion: Discussion, *, comment: str) -> Event:
    """Write a comment whose text and limits were checked. Raises: as ``require_comment``, and Conflict."""
    with threads.changing(discussion) as locked:
        require_comment(viewer, locked)
        return add_comment(viewer, locked, comment)


def add_comment(viewer: Viewer, locked: Discussion, comment: str) -> Event:
    """Write a comment into a locked thread."""
    event = threads.add_event(locked, EventKind.COMMENT, viewer.user, body=comment)
    threads.announce(locked, Change.COMMENTED, actor_pk=viewer.user_pk, comment_pk=event.pk)
    return event


def edit_discussion_comment(viewer: Viewer, discussion: Discussion, event: Event, *, new_content: str) -> Event:
    """Rewrite one's own comment; what it said before is kept in its history.

    Raises: AuthenticationRequired, InsufficientScope, PermissionDenied, BadRequest, Conflict (hidden)
    """
    require_comment(viewer, discussion)
    if not is_author(viewer, event):
        raise PermissionDenied("Only its author can edit a comment.")
    new_content = threads.clean_body(new_content)
    threads.count_comment(person(viewer))
    with threads.changing(discussion) as locked:
        event = _comment(locked, event)
        if event.is_hidden:
            raise Conflict("This comment is hidden: it cannot be edited.")
        if event.body == new_content:
            return event
        written_at = event.edited_at or event.created_at
        writer = event.edited_by if event.edited_at else event.author
        CommentRevision.objects.create(event=event, body=event.body, author=writer, created_at=written_at)
        event.body, event.edited_at, event.edited_by = new_content, timezone.now(), viewer.user
        event.save(update_fields=["body", "edited_at", "edited_by"])
        threads.announce(locked, Change.COMMENT_EDITED, actor_pk=viewer.user_pk, comment_pk=event.pk)
    return event


def hide_discussion_comment(viewer: Viewer, discussion: Discussion, event: Event) -> Event:
    """Take a comment out of sight for good. Its author's own is erased, with its history.

    Raises: AuthenticationRequired, InsufficientScope, PermissionDenied
    """
    if is_author(viewer, event):
        require_discuss(viewer, discussion.repo)
    else:
        require_moderate(viewer, discussion.repo)
    with threads.changing(discussion) as locked:
        event = _comment(locked, event)
        if event.is_hidden:
            return event
        if is_author(viewer, event):
            event.body = ""
            event.revisions.all().delete()
        else:
            audit.record(
                "comment.hide", actor=viewer, target=f"{locked.repo.repo_id}#{locked.num}", comment=event.object_id
            )
        event.hidden_at, event.hidden_by = timezone.now(), viewer.user
        event.save(update_fields=["body", "hidden_at", "hidden_by"])
        threads.recount_reactions(locked)
        threads.announce(locked, Change.COMMENT_HIDDEN, actor_pk=viewer.user_pk, comment_pk=event.pk)
    return event


def _comment(locked: Discussion, event: Event) -> Event:
    """The comment as it is now that its thread is locked."""
    return Event.objects.select_related("author", "edited_by").get(pk=event.pk, discussion=locked)


# --- the thread ------------------------------------------------------------------------------------------------------


def rename_discussion(viewer: Viewer, discussion: Discussion, *, new_title: str) -> Event:
    """Raises: AuthenticationRequired, InsufficientScope, PermissionDenied, BadRequest, Conflict (same title)"""
    require_change(viewer, discussion)
    new_title = threads.clean_title(new_title)
    threads.count_comment(person(viewer))
    with threads.changing(discussion) as locked:
        if locked.title == new_title:
            raise Conflict("The discussion has this title already.")
        change = {"from": locked.title, "to": new_title}
        locked.title = new_title
        locked.save(update_fields=["title"])
        event = threads.add_event(locked, EventKind.TITLE_CHANGE, viewer.user, data=change)
        threads.announce(locked, Change.RENAMED, actor_pk=viewer.user_pk)
    return event


def change_discussion_status(viewer: Viewer, discussion: Discussion, *, new_status: Status, comment: str = "") -> Event:
    """Open, close, or (pull requests) turn back into a draft, after an optional comment.

    Raises: AuthenticationRequired, InsufficientScope, PermissionDenied, BadRequest,
        Conflict (merged, or nothing changes)
    """
    require_change(viewer, discussion)
    if new_status is Status.MERGED or (new_status is Status.DRAFT and not discussion.is_pull_request):
        raise BadRequest("The status of a discussion is open or closed.", param="status")
    if comment:
        require_comment(viewer, discussion)
        comment = threads.clean_body(comment)
    threads.count_comment(person(viewer))
    # Commits and merges of a pull request ask for its state under this lock: none slips in behind a closing.
    lock = writer_lock(discussion.repo.git_path) if discussion.is_pull_request else nullcontext()
    with lock, threads.changing(discussion) as locked:
        _require_transition(locked, new_status)
        if comment:
            add_comment(viewer, locked, comment)
        event = threads.set_status(locked, new_status, viewer.user)
        threads.announce(locked, Change.STATUS, actor_pk=viewer.user_pk)
    return event


def _require_transition(locked: Discussion, new_status: Status) -> None:
    if locked.status == Status.MERGED:
        raise Conflict("This pull request is merged: that is final.")
    if locked.status == new_status:
        raise Conflict("The discussion has this status already.")
    if locked.is_ref_deleted and new_status.is_active:
        raise Conflict("The files of this pull request were removed: it cannot be opened again.")


def pin_discussion(viewer: Viewer, discussion: Discussion, *, is_pinned: bool) -> Event | None:
    """Show a discussion first in lists; None when nothing changes.

    Raises: AuthenticationRequired, InsufficientScope, PermissionDenied
    """
    require_moderate(viewer, discussion.repo)
    with threads.changing(discussion) as locked:
        if locked.is_pinned == is_pinned:
            return None
        locked.pinned_at = timezone.now() if is_pinned else None
        locked.save(update_fields=["pinned_at"])
        event = threads.add_event(locked, EventKind.PIN, viewer.user, data={"pinned": is_pinned})
        threads.announce(locked, Change.PINNED, actor_pk=viewer.user_pk)
    return event


def lock_discussion(viewer: Viewer, discussion: Discussion, *, is_locked: bool) -> Event | None:
    """Let only those who keep order write in it; None when nothing changes.

    Raises: AuthenticationRequired, InsufficientScope, PermissionDenied
    """
    require_moderate(viewer, discussion.repo)
    with threads.changing(discussion) as locked:
        if locked.is_locked == is_locked:
            return None
        if not is_locked:
            require_unlock(locked)
        locked.locked_at = timezone.now() if is_locked else None
        locked.save(update_fields=["locked_at"])
        event = threads.add_event(locked, EventKind.LOCK, viewer.user, data={"locked": is_locked})
        threads.announce(locked, Change.LOCKED, actor_pk=viewer.user_pk)
    return event
