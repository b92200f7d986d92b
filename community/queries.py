"""Lookups of what people said and did; visibility of the repos is part of each query."""

from __future__ import annotations

from dataclasses import dataclass

from community.models import Like
from hub.accounts.auth import Viewer
from hub.accounts.models import User
from hub.core.pagination import Page, cut_page, decode_cursor
from hub.repos.models import Repo
from hub.repos.permissions import visible_to


@dataclass(frozen=True, slots=True)
class RepoSummary:
    """What a repo page says about people's opinion."""

    likes: int
    is_liked: bool


def repo_summary(viewer: Viewer, repo: Repo) -> RepoSummary:
    is_liked = viewer.user is not None and Like.objects.filter(repo=repo, user=viewer.user).exists()
    return RepoSummary(likes=repo.likes, is_liked=is_liked)


def liked_repo_pks(viewer: Viewer, repo_pks: list[int]) -> set[int]:
    """Which of the repos of a list the viewer likes, in one query."""
    if viewer.user is None or not repo_pks:
        return set()
    return set(Like.objects.filter(user=viewer.user, repo_id__in=repo_pks).values_list("repo_id", flat=True))


def likes_of(viewer: Viewer, user: User, *, cursor: str = "", limit: int = 100) -> Page[Like]:
    """What a person likes and the viewer may see, newest first."""
    rows = (
        Like.objects.select_related("repo", "repo__namespace")
        .filter(visible_to(viewer, "repo__"), user=user, repo__disabled_at__isnull=True)
        .order_by("-pk")
    )
    if cursor:
        rows = rows.filter(pk__lt=decode_cursor(cursor, int)[0])
    return cut_page(list(rows[: limit + 1]), limit, lambda like: (like.pk,))


def likers_of(repo: Repo, *, cursor: str = "", limit: int = 100) -> Page[Like]:
    """Who likes a repo, newest first; the caller has checked that it may be seen."""
    rows = Like.objects.select_related("user").filter(repo=repo, user__is_active=True).order_by("-pk")
    if cursor:
        rows = rows.filter(pk__lt=decode_cursor(cursor, int)[0])
    return cut_page(list(rows[: limit + 1]), limit, lambda like: (like.pk,))
