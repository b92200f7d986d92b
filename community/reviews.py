"""Look-ups of reviews; the caller has found the repo through ``get_repo_for_read``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from django.db.models import Prefetch, QuerySet

from community.enums import ReviewSort
from community.models import HelpfulVote, Review, ReviewRevision, Tally
from community.ratings import Rating
from hub.accounts.auth import Viewer
from hub.core.errors import NotFound
from hub.core.pagination import Page, cut_page, decode_cursor
from hub.repos.models import Repo
from hub.repos.services.evidence import Use, use_of

MAX_VERSIONS: Final = 30
_CURSORS: Final[dict[ReviewSort, tuple[type, ...]]] = {ReviewSort.HELPFUL: (int, int), ReviewSort.NEWEST: (int,)}


@dataclass(frozen=True, slots=True)
class ReviewFilter:
    """What a list of reviews shows; ``stars`` 0 is all."""

    commit_oid: str = ""
    stars: int = 0
    is_proven: bool = False
    sort: ReviewSort = ReviewSort.HELPFUL


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the records say of a reviewer's use: of the version they speak of, and of other versions."""

    runs: int = 0
    other_runs: int = 0
    downloaded_on: date | None = None  # any version


@dataclass(frozen=True, slots=True)
class ReviewItem:
    """A review as it is shown to a viewer."""

    review: Review
    evidence: Evidence
    is_own: bool
    is_voted: bool


@dataclass(frozen=True, slots=True)
class RatingSummary:
    """The stars of a repo (each person's latest), and its reviewed versions, the latest discussed first."""

    rating: Rating
    versions: list[Tally] = field(default_factory=list)


def rating_summary(repo: Repo) -> RatingSummary:
    """In one query, however many reviews there are."""
    rows = list(Tally.objects.filter(repo=repo).order_by("-reviewed_at", "-pk")[: MAX_VERSIONS + 1])
    whole = next((row for row in rows if not row.commit_oid), None)
    return RatingSummary(Rating(whole.counts) if whole else Rating(), [row for row in rows if row.commit_oid])


def version_tally(repo: Repo, commit_oid: str) -> Tally | None:
    return Tally.objects.filter(repo=repo, commit_oid=commit_oid).first()


def list_reviews(repo: Repo, wanted: ReviewFilter, *, cursor: str = "", limit: int = 20) -> Page[Review]:
    """Raises: BadRequest (cursor)."""
    rows = _rows().filter(repo=repo)
    if wanted.commit_oid:
        rows = rows.filter(commit_oid=wanted.commit_oid)
    if wanted.stars:
        rows = rows.filter(stars=wanted.stars)
    if wanted.is_proven:
        rows = rows.filter(is_proven=True)
    after = decode_cursor(cursor, *_CURSORS[wanted.sort]) if cursor else None
    found = list(_ordered(rows, wanted.sort, after)[: limit + 1])
    for review in found:
        review.repo = repo
    if wanted.sort is ReviewSort.HELPFUL:
        return cut_page(found, limit, lambda review: (review.helpful, review.pk))
    return cut_page(found, limit, lambda review: (review.pk,))


def _ordered(rows: QuerySet[Review], sort: ReviewSort, after: tuple[Any, ...] | None) -> QuerySet[Review]:
    if sort is ReviewSort.NEWEST:
        return (rows.filter(pk__lt=after[0]) if after else rows).order_by("-pk")
    if after:
        helpful, pk = after
        # The first clause is implied by the second, and lets both databases begin in the index.
        rows = rows.filter(helpful__lte=helpful).exclude(helpful=helpful, pk__gte=pk)
    return rows.order_by("-helpful", "-pk")


def _rows() -> QuerySet[Review]:
    return Review.objects.select_related("author", "reply", "reply__author").filter(hidden_at__isnull=True)


def items_of(viewer: Viewer, repo: Repo, reviews: Sequence[Review]) -> list[ReviewItem]:
    """Add evidence and the viewer's votes, in a constant number of queries."""
    used = use_of(repo.pk, {review.author_id for review in reviews if review.author_id is not None})
    voted = _voted(viewer, reviews)
    return [
        ReviewItem(
            review=review,
            evidence=_evidence(review, used.get(review.author_id or 0, Use())),
            is_own=viewer.user is not None and review.author_id == viewer.user_pk,
            is_voted=review.pk in voted,
        )
        for review in reviews
    ]


def _evidence(review: Review, use: Use) -> Evidence:
    return Evidence(
        runs=use.runs.get(review.commit_oid, 0),
        other_runs=sum(count for oid, count in use.runs.items() if oid != review.commit_oid),
        downloaded_on=use.downloaded_on,
    )


def _voted(viewer: Viewer, reviews: Sequence[Review]) -> set[int]:
    if viewer.user is None or not reviews:
        return set()
    votes = HelpfulVote.objects.filter(user=viewer.user, review__in=[review.pk for review in reviews])
    return set(votes.values_list("review_id", flat=True))


def get_review(repo: Repo, object_id: str) -> Review:
    """A review with its history, by its id. Raises: NotFound."""
    history = Prefetch("revisions", queryset=ReviewRevision.objects.order_by("-pk"))
    found = _rows().prefetch_related(history).filter(repo=repo, object_id=object_id).first()
    if found is None:
        raise NotFound("This review does not exist.")
    found.repo = repo
    return found


def own_review(viewer: Viewer, repo: Repo, commit_oid: str) -> Review | None:
    """The viewer's review of a version."""
    if viewer.user is None:
        return None
    found = _rows().filter(repo=repo, commit_oid=commit_oid, author=viewer.user).first()
    if found is not None:
        found.repo = repo
    return found
