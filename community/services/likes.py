"""Likes: one per person and repo; the number on cards is recounted with each change."""

from __future__ import annotations

from django.db import transaction

from community.enums import NoticeKind
from community.models import Like
from community.services.notices import admins_of, notify
from hub.accounts.auth import Viewer
from hub.accounts.enums import Action
from hub.accounts.permissions import require_user
from hub.accounts.queries import has_verified_email
from hub.core.errors import PermissionDenied
from hub.repos.models import Repo
from hub.repos.services.counters import set_likes


def like(viewer: Viewer, repo: Repo) -> int:
    """Like a repo that the viewer may see; doing so twice changes nothing. Return the number of likes.

    Raises: AuthenticationRequired, InsufficientScope
        PermissionDenied: their e-mail address is not confirmed: likes by such accounts are cheap (T50).
    """
    require_user(viewer, Action.DISCUSSION_WRITE)
    assert viewer.user is not None  # require_user
    if not has_verified_email(viewer.user):
        raise PermissionDenied("Please confirm your e-mail address first: only then do likes count.")
    return _change(viewer, repo, is_liked=True)


def unlike(viewer: Viewer, repo: Repo) -> int:
    """Take a like back; a missing one is no error. Raises: as ``like``."""
    require_user(viewer, Action.DISCUSSION_WRITE)
    return _change(viewer, repo, is_liked=False)


def _change(viewer: Viewer, repo: Repo, *, is_liked: bool) -> int:
    with transaction.atomic():
        # Changes of one repo's likes go one after another, so the count is always that of the rows (T175).
        Repo.objects.select_for_update().get(pk=repo.pk)
        if is_liked:
            _like, is_new = Like.objects.get_or_create(repo=repo, user=viewer.user)
            if is_new:
                notify(
                    admins_of(repo),
                    NoticeKind.LIKE,
                    actor=viewer.user,
                    repo=repo,
                    href=repo.urls.page,
                    group=f"likes:{repo.pk}",
                )
        else:
            Like.objects.filter(repo=repo, user=viewer.user).delete()
        count = Like.objects.filter(repo=repo).count()
        set_likes(repo.pk, count)
    return count
