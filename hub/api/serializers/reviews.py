"""Reviews and ratings as they travel."""

from __future__ import annotations

from typing import Any

from community.models import ReviewReply, ReviewRevision
from community.ratings import CONFIDENCE, FORMULA, Rating
from community.reviews import RatingSummary, ReviewItem
from hub.accounts.models import User
from hub.api.serializers.people import user_json
from hub.api.serializers.values import date_text
from hub.core.markdown import render_markdown
from hub.repos.models import Repo


def summary_json(summary: RatingSummary) -> dict[str, Any]:
    versions = [
        {"commitId": tally.commit_oid, "revision": tally.revision, **rating_json(Rating(tally.counts))}
        for tally in summary.versions
    ]
    return {**rating_json(summary.rating), "confidence": CONFIDENCE, "formula": FORMULA, "versions": versions}


def rating_json(rating: Rating) -> dict[str, Any]:
    return {
        "count": rating.n,
        "mean": round(rating.mean, 3),
        "lowerBound": round(rating.bound, 3),
        "distribution": {str(stars): count for stars, count in enumerate(rating.counts, start=1)},
    }


def review_json(item: ReviewItem, repo: Repo) -> dict[str, Any]:
    review, evidence = item.review, item.evidence
    shown: dict[str, Any] = {
        "id": review.object_id,
        "stars": review.stars,
        "text": _text(review.text),
        "facts": {name: value for name, value in review.facts.items() if value},
        "version": {
            "commitId": review.commit_oid,
            "revision": review.revision,
            "isHead": review.commit_oid == repo.head_oid,
        },
        "createdAt": date_text(review.created_at),
        "helpful": review.helpful,
        "isHelpfulToYou": item.is_voted,
        "evidence": {
            "runs": evidence.runs,
            "runsOfOtherVersions": evidence.other_runs,
            "downloadedOn": evidence.downloaded_on and evidence.downloaded_on.isoformat(),
        },
        **_by(review.author),
    }
    if review.edited_at is not None:
        shown["editedAt"] = date_text(review.edited_at)
    reply = getattr(review, "reply", None)
    if reply is not None:
        shown["reply"] = reply_json(reply)
    return shown


def reply_json(reply: ReviewReply) -> dict[str, Any]:
    shown = {"text": _text(reply.text), "createdAt": date_text(reply.created_at), **_by(reply.author)}
    if reply.edited_at is not None:
        shown["editedAt"] = date_text(reply.edited_at)
    return shown


def revision_json(revision: ReviewRevision) -> dict[str, Any]:
    return {
        "stars": revision.stars,
        "text": _text(revision.text),
        "facts": {name: value for name, value in revision.facts.items() if value},
        "writtenAt": date_text(revision.created_at),
    }


def details_json(item: ReviewItem, repo: Repo) -> dict[str, Any]:
    history = [revision_json(revision) for revision in item.review.revisions.all()]
    return {**review_json(item, repo), "history": history}


def _text(text: str) -> dict[str, str]:
    return {"raw": text, "html": render_markdown(text).html if text else ""}


def _by(user: User | None) -> dict[str, Any]:
    """Absent once the account is gone."""
    return {} if user is None else {"author": user_json(user)}
