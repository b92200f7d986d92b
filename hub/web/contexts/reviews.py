"""What the pages of reviews are given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from community.enums import Outcome, ReviewSort
from community.models import Review, ReviewRevision, Tally
from community.permissions import can_reply, require_opinion
from community.ratings import Rating
from community.reviews import Evidence, RatingSummary, ReviewFilter, ReviewItem, items_of
from hub.accounts.auth import Viewer
from hub.core.errors import HubError
from hub.core.markdown import render_markdown
from hub.core.taxonomy import language_label, pipeline_label
from hub.repos.models import Repo
from hub.web.contexts.repos import repo_url


@dataclass(frozen=True, slots=True)
class Proof:
    """A badge made from the hub's own records."""

    label: str
    icon: str


@dataclass(frozen=True, slots=True)
class ReviewRow:
    """templates/repos/_review.html"""

    review: Review
    html: str
    reply_html: str
    facts: list[tuple[str, str]]
    proofs: list[Proof]
    version_label: str
    version_href: str
    is_head: bool
    page: str
    helpful_href: str
    edit_href: str  # of one's own
    delete_href: str
    reply_href: str  # for the owner
    is_voted: bool
    can_vote: bool


@dataclass(frozen=True, slots=True)
class Bar:
    """One line of the distribution; ``percent`` is what the drawing needs."""

    stars: int
    count: int
    percent: float
    href: str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class Choice:
    label: str
    href: str
    is_chosen: bool
    count: int | None = None


@dataclass(frozen=True, slots=True)
class RatingView:
    """Mean, bound and distribution of a repo or of one of its versions."""

    n: int
    mean: str
    bound: str
    bars: list[Bar] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Links:
    """Addresses of the list with some of its filters changed."""

    repo: Repo
    wanted: ReviewFilter

    def to(self, **changes: Any) -> str:
        values = {
            "version": self.wanted.commit_oid,
            "stars": self.wanted.stars,
            "proven": int(self.wanted.is_proven),
            "sort": "" if self.wanted.sort is ReviewSort.HELPFUL else self.wanted.sort.value,
            **changes,
        }
        query = urlencode({name: value for name, value in values.items() if value})
        address = repo_url(self.repo, "reviews")
        return f"{address}?{query}" if query else address


def version_name(review_or_tally: Review | Tally) -> str:
    """``v1.0 · 1a2b3c4d``, or the commit alone."""
    short = review_or_tally.commit_oid[:8]
    return f"{review_or_tally.revision} · {short}" if review_or_tally.revision else short


def stars_text(value: float) -> str:
    return f"{value:.1f}"


def rating_view(rating: Rating, links: Links) -> RatingView:
    most = max(rating.counts)
    bars = [
        Bar(
            stars=stars,
            count=rating.counts[stars - 1],
            percent=round(100 * rating.counts[stars - 1] / most, 1) if most else 0,
            href=links.to(stars=0 if links.wanted.stars == stars else stars),
            is_chosen=links.wanted.stars == stars,
        )
        for stars in (5, 4, 3, 2, 1)
    ]
    return RatingView(rating.n, stars_text(rating.mean), stars_text(rating.bound), bars)


def version_choices(summary: RatingSummary, links: Links) -> list[Choice]:
    chosen = links.wanted.commit_oid
    return [
        Choice(_("All versions"), links.to(version=""), not chosen),
        *(
            Choice(
                version_name(tally), links.to(version=tally.commit_oid), chosen == tally.commit_oid, sum(tally.counts)
            )
            for tally in summary.versions
        ),
    ]


def sort_choices(links: Links) -> list[Choice]:
    return [
        Choice(
            str(sort.label),
            links.to(sort="" if sort is ReviewSort.HELPFUL else sort.value),
            links.wanted.sort is sort,
        )
        for sort in ReviewSort
    ]


def review_rows(viewer: Viewer, repo: Repo, reviews: Sequence[Review]) -> list[ReviewRow]:
    may_reply, may_judge = can_reply(viewer, repo), _may_judge(viewer, repo)
    return [_row(repo, item, may_reply=may_reply, may_judge=may_judge) for item in items_of(viewer, repo, reviews)]


def _may_judge(viewer: Viewer, repo: Repo) -> bool:
    """Whether a vote would be taken; who is signed out is led to the sign-in."""
    if viewer.user is None:
        return True
    try:
        require_opinion(viewer, repo)
    except HubError:
        return False
    return True


def _row(repo: Repo, item: ReviewItem, *, may_reply: bool, may_judge: bool) -> ReviewRow:
    review = item.review
    given = getattr(review, "reply", None)

    def href(route: str) -> str:
        return repo_url(repo, route, review_id=review.object_id)

    return ReviewRow(
        review=review,
        html=render_markdown(review.text).html if review.text else "",
        reply_html=render_markdown(given.text).html if given else "",
        facts=facts_of(review.facts),
        proofs=_proofs(review, item.evidence),
        version_label=version_name(review),
        version_href=repo.urls.commit(review.commit_oid),
        is_head=review.commit_oid == repo.head_oid,
        page=href("review"),
        helpful_href=href("review_helpful"),
        edit_href=f"{repo_url(repo, 'review_write')}?{urlencode({'revision': review.commit_oid})}"
        if item.is_own
        else "",
        delete_href=href("review_delete") if item.is_own else "",
        reply_href=href("review_reply") if may_reply else "",
        is_voted=item.is_voted,
        can_vote=may_judge and not item.is_own,
    )


def facts_of(facts: dict[str, str]) -> list[tuple[str, str]]:
    """What is stated, in words: (term, value)."""
    outcomes = dict(Outcome.choices)
    known = [
        (_("Outcome"), str(outcomes.get(facts.get("outcome", ""), ""))),
        (_("Task"), str(pipeline_label(facts["task"])) if facts.get("task") else ""),
        (_("Language"), language_label(facts["language"]) if facts.get("language") else ""),
        (_("Hardware"), facts.get("hardware", "")),
    ]
    return [(term, value) for term, value in known if value]


def _proofs(review: Review, evidence: Evidence) -> list[Proof]:
    found = []
    if evidence.runs:
        words = ngettext("ran it here %(count)s time", "ran it here %(count)s times", evidence.runs)
        found.append(Proof(words % {"count": f"{evidence.runs:,}"}, "play"))
    elif evidence.other_runs:
        words = ngettext(
            "ran another version here %(count)s time", "ran another version here %(count)s times", evidence.other_runs
        )
        found.append(Proof(words % {"count": f"{evidence.other_runs:,}"}, "play"))
    if evidence.downloaded_on:
        day = date_format(evidence.downloaded_on, "DATE_FORMAT")
        found.append(Proof(_("downloaded on %(day)s") % {"day": day}, "download"))
    if not found and review.is_proven and review.author_id is None:
        found.append(Proof(_("used it here"), "check"))
    return found


@dataclass(frozen=True, slots=True)
class FormerText:
    """What a review said before an edit."""

    revision: ReviewRevision
    html: str
    facts: list[tuple[str, str]]


def former_texts(review: Review) -> list[FormerText]:
    return [
        FormerText(revision, render_markdown(revision.text).html if revision.text else "", facts_of(revision.facts))
        for revision in review.revisions.all()
    ]
