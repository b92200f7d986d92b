"""Who follows whom, and the numbers on people's pages; a viewer counts only what they may see (T36)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Q, QuerySet

from community.collections import visible_collections
from community.models import CollectionUpvote, Discussion, Follow, Like
from hub.accounts.auth import Viewer
from hub.accounts.models import Namespace, Organization, User
from hub.core.pagination import Page, cut_page, decode_cursor
from hub.repos.models import Repo
from hub.repos.permissions import visible_to

Followed = User | Organization


@dataclass(frozen=True, slots=True)
class Numbers:
    followers: int
    following: int = 0
    likes: int = 0
    discussions: int = 0
    upvotes: int = 0


def pinned_of(viewer: Viewer, namespace: Namespace) -> list[Repo]:
    """What an owner shows first, of what the viewer may see and still belongs to them."""
    rows = Repo.objects.select_related("namespace").filter(
        visible_to(viewer), disabled_at__isnull=True, pin__namespace=namespace, namespace=namespace
    )
    return list(rows.order_by("pin__position"))


def followed_organizations_of(user: User, *, limit: int) -> list[Organization]:
    """The organizations that a person follows, the last first."""
    rows = Organization.objects.select_related("namespace").filter(
        follower_rows__follower=user, namespace__retired_at__isnull=True
    )
    return list(rows.order_by("-follower_rows__pk")[:limit])


def _followers(subject: Followed) -> QuerySet[Follow]:
    of_subject = Q(user=subject) if isinstance(subject, User) else Q(organization=subject)
    return Follow.objects.filter(of_subject, follower__is_active=True)


def _followed_people(user: User) -> QuerySet[Follow]:
    return Follow.objects.filter(follower=user, user__is_active=True)


def numbers_of(viewer: Viewer, subject: Followed) -> Numbers:
    followers = _followers(subject).count()
    if isinstance(subject, Organization):
        return Numbers(followers)
    upvotes = CollectionUpvote.objects.filter(visible_collections(viewer, "collection__"), user=subject)
    return Numbers(
        followers=followers,
        following=_followed_people(subject).count(),
        likes=Like.objects.filter(visible_to(viewer, "repo__"), user=subject, repo__disabled_at__isnull=True).count(),
        discussions=Discussion.objects.filter(
            visible_to(viewer, "repo__"), author=subject, hidden_at__isnull=True
        ).count(),
        upvotes=upvotes.count(),
    )


def is_following(viewer: Viewer, subject: Followed) -> bool:
    if viewer.user is None:
        return False
    of_subject = Q(user=subject) if isinstance(subject, User) else Q(organization=subject)
    return Follow.objects.filter(of_subject, follower=viewer.user).exists()


def followed_pks(viewer: Viewer, user_pks: Iterable[int]) -> set[int]:
    """Which of the people of a list the viewer follows, in one query."""
    pks = list(user_pks)
    if viewer.user is None or not pks:
        return set()
    rows = Follow.objects.filter(follower=viewer.user, user_id__in=pks).values_list("user_id", flat=True)
    return {pk for pk in rows if pk is not None}


def followers_of(subject: Followed, *, cursor: str = "", limit: int) -> Page[Follow]:
    """Who follows them, newest first."""
    return _page(_followers(subject).select_related("follower"), cursor, limit)


def following_of(user: User, *, cursor: str = "", limit: int) -> Page[Follow]:
    """Whom a person follows, newest first; organizations are not people and stand elsewhere."""
    return _page(_followed_people(user).select_related("user"), cursor, limit)


def _page(rows: QuerySet[Follow], cursor: str, limit: int) -> Page[Follow]:
    if cursor:
        rows = rows.filter(pk__lt=decode_cursor(cursor, int)[0])
    return cut_page(list(rows.order_by("-pk")[: limit + 1]), limit, lambda follow: (follow.pk,))
