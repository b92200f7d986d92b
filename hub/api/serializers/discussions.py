"""Discussions and their events as they travel (hub-api §18): one form for lists, details and answers to changes."""

from __future__ import annotations

from typing import Any

from django.conf import settings

from community.enums import Emoji, EventKind
from community.models import CommentRevision, Discussion, Event
from hub.accounts.models import User
from hub.api.serializers.values import date_text
from hub.core.markdown import render_markdown
from hub.repos.models import Repo


def discussion_json(discussion: Discussion, repo: Repo) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "_id": discussion.object_id,
        "num": discussion.num,
        "title": discussion.title,
        "status": discussion.status,
        "isPullRequest": discussion.is_pull_request,
        "createdAt": date_text(discussion.created_at),
        "repo": {"name": repo.repo_id, "type": repo.repo_type},
        "pinned": discussion.is_pinned,
        "locked": discussion.is_locked,
        "numComments": discussion.num_comments,
        "numReactionUsers": discussion.num_reaction_users,
        "topReactions": [
            {"reaction": Emoji(emoji).symbol, "count": count} for emoji, count in discussion.top_reactions
        ],
    }
    return shown | _by(discussion.author)


def details_json(
    discussion: Discussion, repo: Repo, events: list[Event], *, conflicts: list[str] | bool, diff: str | None
) -> dict[str, Any]:
    shown = discussion_json(discussion, repo) | {"events": [event_json(event) for event in events]}
    if not discussion.is_pull_request:
        return shown
    changes = {"base": discussion.base_ref}
    if discussion.merge_oid:
        changes["mergeCommitId"] = discussion.merge_oid
    shown |= {"changes": changes, "filesWithConflicts": conflicts}
    if discussion.is_ref_deleted:
        shown["isRefDeleted"] = True
    return shown if diff is None else shown | {"diff": diff}


def event_json(event: Event) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": event.object_id,
        "type": event.kind,
        "createdAt": date_text(event.created_at),
        "data": _comment(event) if event.kind == EventKind.COMMENT else event.data,
    }
    return shown | _by(event.author)


def person_json(user: User) -> dict[str, Any]:
    return {
        "_id": user.object_id,
        "name": user.username,
        "fullname": user.get_full_name(),
        "avatarUrl": f"{settings.HUB_URL}{user.avatar_url or '/static/icons/mark.svg'}",
        "type": "user",
        "isPro": False,
        "isHf": False,
    }


def _by(user: User | None) -> dict[str, Any]:
    """Without the key, clients say "deleted"."""
    return {} if user is None else {"author": person_json(user)}


def _comment(event: Event) -> dict[str, Any]:
    if event.is_hidden:
        hidden = _version("", event.hidden_at, event.hidden_by)
        return {"edited": False, "hidden": True, "latest": hidden, "history": [], "numEdits": 0, "reactions": []}
    history = [_revision(revision) for revision in event.revisions.all()]
    written_at, writer = event.edited_at or event.created_at, event.edited_by if event.edited_at else event.author
    return {
        "edited": event.edited_at is not None,
        "hidden": False,
        "latest": _version(event.body, written_at, writer),
        "history": history,
        "numEdits": len(history),
        "reactions": _reactions(event),
    }


def _reactions(event: Event) -> list[dict[str, Any]]:
    """One item an emoji, in the order of first use."""
    names: dict[str, list[str]] = {}
    for reaction in event.reactions.all():
        names.setdefault(Emoji(reaction.emoji).symbol, []).append(reaction.user.username)
    return [{"reaction": symbol, "users": users, "count": len(users)} for symbol, users in names.items()]


def _revision(revision: CommentRevision) -> dict[str, Any]:
    return _version(revision.body, revision.created_at, revision.author)


def _version(body: str, written_at: Any, writer: User | None) -> dict[str, Any]:
    html = render_markdown(body).html if body else ""
    return {"raw": body, "html": html, "updatedAt": date_text(written_at)} | _by(writer)
