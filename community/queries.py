"""Lookups of what people said and did; visibility of the repos is part of each query."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.db.models import Count, Prefetch, Q, QuerySet

from community.enums import DiscussionType, Sort, Status, StatusFilter
from community.models import CommentRevision, Discussion, Event, Like, Reaction
from hub.accounts.auth import Viewer
from hub.accounts.models import User
from hub.core.errors import NotFound
from hub.core.ids import fold
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


# --- discussions -----------------------------------------------------------------------------------------------------

DISCUSSIONS_PER_PAGE: Final = 50
MAX_PINNED_SHOWN: Final = 5
_ACTIVE: Final = tuple(status for status in Status if status.is_active)
_SORT_KEYS: Final = {
    Sort.RECENT: ("-num",),
    Sort.TRENDING: ("-num_comments", "-num"),
    Sort.REACTIONS: ("-num_reaction_users", "-num"),
}


@dataclass(frozen=True, slots=True)
class DiscussionFilter:
    """What a list of discussions shows."""

    kind: DiscussionType = DiscussionType.ALL
    status: StatusFilter = StatusFilter.ALL
    author: str = ""
    search: str = ""
    sort: Sort = Sort.RECENT


@dataclass(frozen=True, slots=True)
class DiscussionPage:
    """One page of discussions; ``count`` is that of all pages, ``num_closed`` that of the same list when closed."""

    items: list[Discussion]
    start: int
    count: int
    num_closed: int
    num_open: int


def get_discussion(repo: Repo, num: int) -> Discussion:
    """A discussion of a repo that the caller has found. Raises: NotFound."""
    found = (
        Discussion.objects.select_related("author", "repo", "repo__namespace", "merged_by")
        .filter(repo=repo, num=num, hidden_at__isnull=True)
        .first()
    )
    if found is None:
        raise NotFound("This discussion does not exist.")
    return found


def has_open_pull_request(viewer: Viewer, repo: Repo) -> bool:
    """Whether the viewer has a pull request in this repo to which commits can be added."""
    rows = Discussion.objects.filter(repo=repo, author_id=viewer.user_pk, is_pull_request=True, status__in=_ACTIVE)
    return viewer.user is not None and rows.exists()


def get_comment(discussion: Discussion, object_id: str) -> Event:
    """A comment of a discussion by its id. Raises: NotFound."""
    found = (
        Event.objects.select_related("author", "edited_by", "hidden_by", "discussion")
        .filter(discussion=discussion, object_id=object_id, kind="comment")
        .first()
    )
    if found is None:
        raise NotFound("This comment does not exist.")
    return found


def events_of(discussion: Discussion) -> QuerySet[Event]:
    """The whole thread, oldest first, with earlier versions of comments; its length is bounded when it is written."""
    revisions = CommentRevision.objects.select_related("author").order_by("-pk")
    reactions = Reaction.objects.select_related("user").filter(user__is_active=True).order_by("pk")
    return (
        Event.objects.filter(discussion=discussion)
        .select_related("author", "edited_by", "hidden_by", "anchor")
        .prefetch_related(Prefetch("revisions", queryset=revisions), Prefetch("reactions", queryset=reactions))
        .order_by("pk")
    )


def list_discussions(repo: Repo, wanted: DiscussionFilter, *, page: int = 0) -> DiscussionPage:
    """Discussions of a repo that the caller has found, newest first unless asked otherwise; ``page`` counts from 0."""
    rows = _matching(repo, wanted)
    counts = rows.aggregate(active=Count("pk", filter=Q(status__in=_ACTIVE)), total=Count("pk"))
    if wanted.status is StatusFilter.OPEN:
        rows, count = rows.filter(status__in=_ACTIVE), counts["active"]
    elif wanted.status is StatusFilter.CLOSED:
        rows, count = rows.exclude(status__in=_ACTIVE), counts["total"] - counts["active"]
    else:
        count = counts["total"]
    start = page * DISCUSSIONS_PER_PAGE
    ordered = rows.select_related("author").order_by(*_SORT_KEYS[wanted.sort])
    items = list(ordered[start : start + DISCUSSIONS_PER_PAGE])
    return DiscussionPage(items, start, count, counts["total"] - counts["active"], counts["active"])


def pinned_discussions(repo: Repo) -> list[Discussion]:
    """What those who keep order put at the top of the list, last pinned first; few, however many there are."""
    rows = Discussion.objects.select_related("author").filter(
        repo=repo, pinned_at__isnull=False, hidden_at__isnull=True
    )
    return list(rows.order_by("-pinned_at")[:MAX_PINNED_SHOWN])


def _matching(repo: Repo, wanted: DiscussionFilter) -> QuerySet[Discussion]:
    rows = Discussion.objects.filter(repo=repo, hidden_at__isnull=True)
    if wanted.kind is not DiscussionType.ALL:
        rows = rows.filter(is_pull_request=wanted.kind is DiscussionType.PULL_REQUEST)
    if wanted.author:
        rows = rows.filter(author__namespace__name_folded=fold(wanted.author))
    if wanted.search:
        rows = rows.filter(title__icontains=wanted.search)
    return rows
