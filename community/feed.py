"""What people and organizations did: the feed of whom one follows, and the activity on a profile (T36).

Nothing is copied for readers: each page asks each source for its newest few, of what the viewer may see now, and puts
them in order. So a feed costs the same number of queries for any number of stories, and a repo that turns private is
in no feed from that moment on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from django.db.models import Count, F, Q, QuerySet
from django.db.models.functions import TruncDate
from django.utils import timezone

from community.collections import visible_collections
from community.enums import StoryKind
from community.models import Collection, Discussion, Event, Follow, Like, Review
from hub.accounts.auth import Viewer
from hub.accounts.models import Namespace, Organization, User
from hub.core.errors import BadRequest
from hub.core.pagination import Page, decode_cursor, encode_cursor
from hub.repos.models import Ref, Repo
from hub.repos.permissions import visible_to

#: People and organizations whose stories are read, the last followed first: beyond this a feed is not read anyway.
MAX_FOLLOWED: Final = 1_000
_TAGS: Final = "refs/tags/"
#: The first commit belongs to the creation.
_SETTLING: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Story:
    """One thing that somebody did. ``actor`` is their name, ``subject`` what it was done to."""

    kind: StoryKind
    at: datetime
    actor: str
    avatar_url: str
    is_organization: bool
    subject: str
    href: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class Cast:
    """Whose stories are told."""

    users: tuple[int, ...] = ()
    namespaces: tuple[int, ...] = ()

    @property
    def is_empty(self) -> bool:
        return not self.users and not self.namespaces


def followed_cast(viewer: Viewer) -> Cast:
    """Everybody whom the viewer follows."""
    rows = Follow.objects.filter(follower_id=viewer.user_pk or 0).filter(Q(user__isnull=True) | Q(user__is_active=True))
    found = list(
        rows.order_by("-pk").values_list("user_id", "user__namespace_id", "organization__namespace_id")[:MAX_FOLLOWED]
    )
    users = tuple(user_pk for user_pk, _own, _of in found if user_pk is not None)
    return Cast(users, tuple(pk for _user, own, of in found for pk in (own, of) if pk is not None))


def cast_of(subject: User | Organization) -> Cast:
    """A person with what is theirs, or an organization with what belongs to it."""
    users = (subject.pk,) if isinstance(subject, User) else ()
    return Cast(users, (subject.namespace_id,) if subject.namespace_id else ())


def stories(viewer: Viewer, cast: Cast, *, cursor: str = "", limit: int) -> Page[Story]:
    """What the viewer may see of what these did, the last first. Raises: BadRequest (cursor)."""
    if cast.is_empty:
        return Page([])
    before = _moment(decode_cursor(cursor, str)[0]) if cursor else None
    found = [story for source in _SOURCES for story in source(viewer, cast, before, limit + 1)]
    found.sort(key=lambda story: story.at, reverse=True)
    has_more = len(found) > limit
    shown = found[:limit]
    return Page(shown, encode_cursor(shown[-1].at.astimezone(UTC).isoformat()) if has_more and shown else None)


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise BadRequest("Invalid cursor", param="cursor") from error


# --- sources ---------------------------------------------------------------------------------------------------------

_OWNERS: Final = ("namespace", "namespace__user", "namespace__organization")


def _newest(rows: QuerySet[Any], column: str, before: datetime | None, limit: int) -> list[Any]:
    if before is not None:
        rows = rows.filter(**{f"{column}__lt": before})
    return list(rows.order_by(f"-{column}")[:limit])


def _open_repos(viewer: Viewer, prefix: str = "") -> Q:
    return visible_to(viewer, prefix) & Q(**{f"{prefix}disabled_at__isnull": True})


def _new_repos(viewer: Viewer, cast: Cast, before: datetime | None, limit: int) -> list[Story]:
    rows = Repo.objects.select_related(*_OWNERS).filter(_open_repos(viewer), namespace_id__in=cast.namespaces)
    return [_of_repo(StoryKind.REPO, repo, repo.created_at) for repo in _newest(rows, "created_at", before, limit)]


def _changed_repos(viewer: Viewer, cast: Cast, before: datetime | None, limit: int) -> list[Story]:
    rows = Repo.objects.select_related(*_OWNERS).filter(
        _open_repos(viewer), namespace_id__in=cast.namespaces, updated_at__gt=F("created_at") + _SETTLING
    )
    return [_of_repo(StoryKind.UPDATE, repo, repo.updated_at) for repo in _newest(rows, "updated_at", before, limit)]


def _versions(viewer: Viewer, cast: Cast, before: datetime | None, limit: int) -> list[Story]:
    rows = Ref.objects.select_related("repo", *(f"repo__{name}" for name in _OWNERS)).filter(
        _open_repos(viewer, "repo__"), repo__namespace_id__in=cast.namespaces, name__startswith=_TAGS
    )
    return [
        _of_repo(StoryKind.VERSION, ref.repo, ref.updated_at, title=ref.name.removeprefix(_TAGS))
        for ref in _newest(rows, "updated_at", before, limit)
    ]


def _discussions(viewer: Viewer, cast: Cast, before: datetime | None, limit: int) -> list[Story]:
    rows = Discussion.objects.select_related("author", "repo", "repo__namespace").filter(
        _open_repos(viewer, "repo__"), author_id__in=cast.users, hidden_at__isnull=True
    )
    return [
        _of_person(
            StoryKind.PULL_REQUEST if row.is_pull_request else StoryKind.DISCUSSION,
            row.author,
            row.created_at,
            row.repo.repo_id,
            row.page,
            title=row.title,
        )
        for row in _newest(rows, "created_at", before, limit)
    ]


def _likes(viewer: Viewer, cast: Cast, before: datetime | None, limit: int) -> list[Story]:
    rows = Like.objects.select_related("user", "repo", "repo__namespace").filter(
        _open_repos(viewer, "repo__"), user_id__in=cast.users
    )
    return [
        _of_person(StoryKind.LIKE, row.user, row.created_at, row.repo.repo_id, row.repo.urls.page)
        for row in _newest(rows, "created_at", before, limit)
    ]


def _reviews(viewer: Viewer, cast: Cast, before: datetime | None, limit: int) -> list[Story]:
    rows = Review.objects.select_related("author", "repo", "repo__namespace").filter(
        _open_repos(viewer, "repo__"), author_id__in=cast.users, hidden_at__isnull=True
    )
    return [
        _of_person(StoryKind.REVIEW, row.author, row.created_at, row.repo.repo_id, row.page, title="★" * row.stars)
        for row in _newest(rows, "created_at", before, limit)
    ]


def _collections(viewer: Viewer, cast: Cast, before: datetime | None, limit: int) -> list[Story]:
    rows = Collection.objects.select_related(*_OWNERS).filter(
        visible_collections(viewer), namespace_id__in=cast.namespaces
    )
    return [
        _of_owner(StoryKind.COLLECTION, row.namespace, row.created_at, row.title, f"/collections/{row.slug}")
        for row in _newest(rows, "created_at", before, limit)
    ]


_Source = Callable[[Viewer, Cast, datetime | None, int], list[Story]]
_SOURCES: Final[tuple[_Source, ...]] = (
    _new_repos,
    _changed_repos,
    _versions,
    _discussions,
    _likes,
    _reviews,
    _collections,
)


def _of_repo(kind: StoryKind, repo: Repo, at: datetime, *, title: str = "") -> Story:
    return _of_owner(kind, repo.namespace, at, repo.repo_id, repo.urls.page, title=title)


def _of_owner(
    kind: StoryKind, namespace: Namespace, at: datetime, subject: str, href: str, *, title: str = ""
) -> Story:
    owner = namespace.organization if namespace.is_organization else namespace.user
    return Story(kind, at, namespace.name, owner.avatar_url, namespace.is_organization, subject, href, title)


def _of_person(kind: StoryKind, user: User, at: datetime, subject: str, href: str, *, title: str = "") -> Story:
    return Story(
        kind, at, user.username, user.avatar_url, is_organization=False, subject=subject, href=href, title=title
    )


# --- contributions ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Contributions:
    """What a person did on each day (UTC) that the viewer may see: ``days`` from ``first`` on."""

    first: date
    days: list[int]

    @property
    def total(self) -> int:
        return sum(self.days)


def contributions_of(viewer: Viewer, user: User, *, today: date | None = None) -> Contributions:
    """New repos, and all that was said, proposed and decided in discussions, by day over the last 53 weeks."""
    today = today or timezone.now().date()
    # Weeks begin on Monday; the last one is this one.
    first = today - timedelta(days=today.weekday() + 52 * 7)
    since = datetime(first.year, first.month, first.day, tzinfo=UTC)
    counts: Counter[date] = Counter()
    events = Event.objects.filter(
        _open_repos(viewer, "discussion__repo__"), author=user, created_at__gte=since, hidden_at__isnull=True
    )
    repos = Repo.objects.filter(_open_repos(viewer), created_by=user, created_at__gte=since)
    for rows in (events, repos):
        counts.update(dict(_by_day(rows)))
    return Contributions(first, [counts[first + timedelta(days=number)] for number in range((today - first).days + 1)])


def _by_day(rows: QuerySet[Any]) -> Iterable[tuple[date, int]]:
    days = rows.order_by().annotate(day=TruncDate("created_at", tzinfo=UTC)).values_list("day")
    return days.annotate(count=Count("pk"))
