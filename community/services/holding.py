"""Keep a post of a new account back until a moderator has read it (``held_posts`` decides)."""

from __future__ import annotations

from django.db import transaction

from community.models import Discussion, HeldPost
from community.permissions import can_moderate
from community.spam import Sign, digest_of, signs_of
from hub.accounts.auth import Viewer
from hub.accounts.services import audit
from hub.core.errors import PostHeld
from hub.repos.models import Repo


def hold_if_suspicious(
    viewer: Viewer, repo: Repo, *, body: str, title: str = "", discussion: Discussion | None = None
) -> None:
    """Keep the post instead of publishing it. Raises: PostHeld when that was done."""
    signs = _signs(viewer, repo, title, body)
    if signs:
        _hold(viewer, repo, discussion, title, body, signs)
        raise PostHeld


def hold_quietly(viewer: Viewer, discussion: Discussion, *, body: str) -> bool:
    """As above for what stands at the head of a thread that is opened all the same; whether it is held."""
    signs = _signs(viewer, discussion.repo, "", body) if body.strip() else []
    if signs:
        _hold(viewer, discussion.repo, discussion, "", body, signs)
    return bool(signs)


def _signs(viewer: Viewer, repo: Repo, title: str, body: str) -> list[Sign]:
    if viewer.user is None or can_moderate(viewer, repo):  # at home one may say anything
        return []
    return signs_of(viewer.user, title=title, body=body)


def _hold(
    viewer: Viewer, repo: Repo, discussion: Discussion | None, title: str, body: str, signs: list[Sign]
) -> HeldPost:
    assert viewer.user is not None  # nobody else has signs
    with transaction.atomic():
        held = HeldPost.objects.create(
            author=viewer.user,
            repo=repo,
            discussion=discussion,
            title=title,
            body=body,
            digest=digest_of(body),
            signs=[sign.value for sign in signs],
        )
        audit.record("post.hold", actor=viewer, target=repo.repo_id, post=held.object_id, signs=held.signs)
    return held
