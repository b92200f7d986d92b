"""Reviews: write, edit, delete; the owner's reply; helpful votes. Tallies are counted anew with each change (T175)."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from django.db import transaction
from django.db.models import Count
from django.utils import timezone

from community.enums import NoticeKind, Outcome
from community.models import HelpfulVote, Review, ReviewReply, ReviewRevision, Tally
from community.notice_words import REPLY
from community.permissions import is_author, require_moderate, require_review, require_vote
from community.ratings import Rating
from community.services.notices import admins_of, notify
from hub.accounts.auth import Viewer
from hub.accounts.enums import Action
from hub.accounts.models import User
from hub.accounts.permissions import require_user
from hub.accounts.services import audit
from hub.core.errors import BadRequest, Conflict, NotFound, PayloadTooLarge, PermissionDenied
from hub.core.ratelimit import Bucket, hit
from hub.core.taxonomy import LANGUAGES, PIPELINE_TAGS
from hub.repos.content import Snapshot, at_revision
from hub.repos.models import Ref, Repo
from hub.repos.provenance import pull_request_of
from hub.repos.services.counters import set_rating
from hub.repos.services.evidence import use_of

MAX_TEXT: Final = 10_000
MAX_HARDWARE: Final = 80
MAX_REVISION: Final = 255
STARS: Final = (1, 2, 3, 4, 5)
_WRITING: Final = Bucket("reviews", 60, 3600)
_VOTING: Final = Bucket("review-votes", 300, 3600)
_BATCH: Final = 500
_FIELDS: Final = ("stars", "text", "task", "language", "hardware", "outcome")


@dataclass(frozen=True, slots=True)
class Opinion:
    """What a reviewer says of a version; empty facts are not stated."""

    stars: int
    text: str = ""
    task: str = ""
    language: str = ""
    hardware: str = ""
    outcome: str = ""


def find_version(repo: Repo, revision: str = "") -> Snapshot:
    """What a review can speak of: a branch, a tag, or one of their commits; empty is the default branch.

    Raises: RevisionNotFound, BadRequest (a pull request)
    """
    if len(revision) > MAX_REVISION:
        raise BadRequest(f"A revision has at most {MAX_REVISION} characters.", param="revision")
    snapshot = at_revision(repo, revision)
    if revision.startswith("refs/pr/") or pull_request_of(snapshot) is not None:
        raise BadRequest("Reviews are of branches, tags and their commits, not of pull requests.", param="revision")
    return snapshot


def save_review(viewer: Viewer, repo: Repo, opinion: Opinion, *, revision: str = "") -> Review:
    """Write one's review of a version, or rewrite it; what it said before is kept in its history.

    Raises: AuthenticationRequired, InsufficientScope, PermissionDenied, GatedRepo, RevisionNotFound, BadRequest,
        PayloadTooLarge, RateLimited
        Conflict: moderators have hidden it.
    """
    require_review(viewer, repo)
    opinion = _clean(opinion)
    snapshot = find_version(repo, revision)
    author = _person(viewer)
    hit(_WRITING, f"user:{author.pk}")
    with transaction.atomic():
        _lock(repo)
        found = Review.objects.filter(repo=repo, commit_oid=snapshot.oid, author=author).first()
        if found is not None and found.hidden_at is not None:
            raise Conflict("The moderators have hidden your review of this version.")
        review = _rewrite(found, opinion) if found else _write(repo, author, snapshot, opinion)
        if found is None:
            notify(
                admins_of(repo),
                NoticeKind.REVIEW,
                actor=author,
                repo=repo,
                href=f"{repo.urls.page}/reviews/{review.object_id}",
            )
        _keep_numbers(repo.pk, review.commit_oid, author)
        audit.record("review.write", actor=viewer, target=repo.repo_id, review=review.object_id, stars=review.stars)
    review.repo = repo
    return review


def _write(repo: Repo, author: User, snapshot: Snapshot, opinion: Opinion) -> Review:
    review = Review(
        repo=repo,
        author=author,
        commit_oid=snapshot.oid,
        revision=_name_of(snapshot),
        is_proven=author.pk in use_of(repo.pk, [author.pk]),
    )
    _assign(review, opinion)
    review.save()
    return review


def _rewrite(review: Review, opinion: Opinion) -> Review:
    if all(getattr(review, name) == getattr(opinion, name) for name in _FIELDS):
        return review
    ReviewRevision.objects.create(
        review=review,
        stars=review.stars,
        text=review.text,
        facts=review.facts,
        created_at=review.edited_at or review.created_at,
    )
    _assign(review, opinion)
    review.edited_at = timezone.now()
    review.save(update_fields=[*_FIELDS, "edited_at"])
    return review


def _assign(review: Review, opinion: Opinion) -> None:
    for name in _FIELDS:
        setattr(review, name, getattr(opinion, name))


def _name_of(snapshot: Snapshot) -> str:
    """The branch or tag that was typed; of a commit id, one that is there now, tags first."""
    if not snapshot.oid.startswith(snapshot.revision.lower()):
        return snapshot.revision.removeprefix("refs/heads/").removeprefix("refs/tags/")
    heads = Ref.objects.filter(repo=snapshot.repo, oid=snapshot.oid).exclude(name__startswith="refs/pr/")
    names = sorted(heads.values_list("name", flat=True), key=lambda name: (not name.startswith("refs/tags/"), name))
    return names[0].removeprefix("refs/heads/").removeprefix("refs/tags/") if names else ""


def delete_review(viewer: Viewer, review: Review) -> None:
    """Take one's own review back, with its history, reply and votes; also where the files are closed by now.

    Raises: AuthenticationRequired, InsufficientScope, PermissionDenied
    """
    require_user(viewer, Action.DISCUSSION_WRITE)
    if not is_author(viewer, review):
        raise PermissionDenied("Only its author can delete a review.")
    with transaction.atomic():
        _lock(review.repo)
        Review.objects.filter(pk=review.pk).delete()
        _keep_numbers(review.repo_id, review.commit_oid, _person(viewer))
        audit.record("review.delete", actor=viewer, target=review.repo.repo_id, review=review.object_id)


# --- replies and votes -----------------------------------------------------------------------------------------------


def reply_to_review(viewer: Viewer, review: Review, *, text: str) -> ReviewReply:
    """Answer in the owner's name; there is one reply, and writing again replaces it.

    Raises: AuthenticationRequired, InsufficientScope, PermissionDenied, BadRequest, PayloadTooLarge, RateLimited
    """
    require_moderate(viewer, review.repo)
    text = _clean_text(text)
    if not text:
        raise BadRequest("Write something first.", param="text")
    hit(_WRITING, f"user:{viewer.user_pk}")
    with transaction.atomic():
        _require_there(review)
        reply = ReviewReply.objects.filter(review=review).first()
        if reply is None:
            reply = ReviewReply(review=review)
        elif reply.text != text:
            reply.edited_at = timezone.now()
        reply.text, reply.author = text, viewer.user
        reply.save()
        if review.author is not None:
            notify(
                [review.author],
                NoticeKind.REVIEW,
                actor=viewer.user,
                repo=review.repo,
                text=REPLY,
                href=review.page,
                group=f"reply:{review.pk}",
            )
        audit.record("review.reply", actor=viewer, target=review.repo.repo_id, review=review.object_id)
    return reply


def delete_reply(viewer: Viewer, review: Review) -> None:
    """A missing one is no error. Raises: AuthenticationRequired, InsufficientScope, PermissionDenied"""
    require_moderate(viewer, review.repo)
    with transaction.atomic():
        ReviewReply.objects.filter(review=review).delete()
        audit.record("review.delete_reply", actor=viewer, target=review.repo.repo_id, review=review.object_id)


def vote_helpful(viewer: Viewer, review: Review, *, is_helpful: bool) -> int:
    """Call a review helpful, or take that back; doing so twice changes nothing. Return the number of votes.

    Raises: AuthenticationRequired, InsufficientScope, PermissionDenied, RateLimited
    """
    require_vote(viewer, review)
    user = _person(viewer)
    hit(_VOTING, f"user:{user.pk}")
    with transaction.atomic():
        _require_there(review)
        if is_helpful:
            HelpfulVote.objects.get_or_create(review=review, user=user)
        else:
            HelpfulVote.objects.filter(review=review, user=user).delete()
        count = HelpfulVote.objects.filter(review=review).count()
        Review.objects.filter(pk=review.pk).update(helpful=count)
    return count


def _require_there(review: Review) -> None:
    """Lock the row. Raises: NotFound when it was deleted meanwhile."""
    if not Review.objects.select_for_update().filter(pk=review.pk).exists():
        raise NotFound("This review does not exist.")


# --- numbers ---------------------------------------------------------------------------------------------------------


def _lock(repo: Repo) -> None:
    """Changes of one repo's reviews go one after another, so that tallies are always those of the rows."""
    Repo.objects.select_for_update().get(pk=repo.pk)


def set_hidden(review: Review, *, is_hidden: bool) -> None:
    """Take a review out of sight and out of all numbers, or bring it back; the caller has checked the right."""
    with transaction.atomic():
        _lock(review.repo)
        # The newest that is shown counts for its author, whichever that is then.
        Review.objects.filter(pk=review.pk).update(hidden_at=timezone.now() if is_hidden else None, is_latest=False)
        if review.author is None:
            Review.objects.filter(pk=review.pk).update(is_latest=not is_hidden)
            recount(review.repo_id, review.commit_oid)
        else:
            _keep_numbers(review.repo_id, review.commit_oid, review.author)


def _keep_numbers(repo_pk: int, commit_oid: str, author: User) -> None:
    own = Review.objects.filter(repo_id=repo_pk, author=author, hidden_at__isnull=True)
    newest = own.order_by("-pk").first()
    if newest is not None:
        own.filter(is_latest=True).exclude(pk=newest.pk).update(is_latest=False)
        own.filter(pk=newest.pk, is_latest=False).update(is_latest=True)
    recount(repo_pk, commit_oid)


def recount(repo_pk: int, commit_oid: str) -> None:
    """Count the stars of one version and of the repo anew; inside the transaction that changed them."""
    version = Review.objects.filter(repo_id=repo_pk, commit_oid=commit_oid, hidden_at__isnull=True)
    last = version.order_by("-pk").values_list("revision", flat=True).first()
    _tally(repo_pk, commit_oid, _stars_of(version.values_list("stars").annotate(n=Count("*")).order_by()), last or "")
    of_repo = Review.objects.filter(repo_id=repo_pk, is_latest=True, hidden_at__isnull=True)
    rating = _stars_of(of_repo.values_list("stars").annotate(n=Count("*")).order_by())
    _tally(repo_pk, "", rating, "")
    set_rating(repo_pk, mean=rating.mean, bound=rating.bound, count=rating.n)


def _stars_of(rows: Iterable[tuple[int, int]]) -> Rating:
    found = dict(rows)
    return Rating(tuple(found.get(stars, 0) for stars in STARS))


def _tally(repo_pk: int, commit_oid: str, rating: Rating, revision: str) -> None:
    if not rating.n:
        Tally.objects.filter(repo_id=repo_pk, commit_oid=commit_oid).delete()
        return
    counts = dict(zip(("ones", "twos", "threes", "fours", "fives"), rating.counts, strict=True))
    Tally.objects.update_or_create(
        repo_id=repo_pk,
        commit_oid=commit_oid,
        defaults={**counts, "revision": revision, "reviewed_at": timezone.now()},
    )


def prove_reviews() -> int:
    """Mark the reviews whose authors have used the repo since; return how many. Use is never undone."""
    count, last_repo, last_pk = 0, 0, 0
    while True:
        unproven = Review.objects.filter(is_proven=False, author__isnull=False).order_by("repo_id", "pk")
        behind = unproven.filter(repo_id__gt=last_repo) | unproven.filter(repo_id=last_repo, pk__gt=last_pk)
        rows = list(behind.values_list("repo_id", "pk", "author_id")[:_BATCH])
        if not rows:
            return count
        for repo_pk, group in groupby(rows, key=lambda row: row[0]):
            reviews = list(group)
            used = use_of(repo_pk, {author_pk for _repo, _pk, author_pk in reviews if author_pk})
            proven = [pk for _repo, pk, author_pk in reviews if author_pk in used]
            count += Review.objects.filter(pk__in=proven).update(is_proven=True) if proven else 0
        last_repo, last_pk, _author = rows[-1]


# --- words -----------------------------------------------------------------------------------------------------------


def _person(viewer: Viewer) -> User:
    assert viewer.user is not None  # a permission was asked before
    return viewer.user


def _clean(opinion: Opinion) -> Opinion:
    """Raises: BadRequest, PayloadTooLarge."""
    if opinion.stars not in STARS:
        raise BadRequest("Give one to five stars.", param="stars")
    if opinion.task and opinion.task not in PIPELINE_TAGS:
        raise BadRequest("This task is not known.", param="task")
    if opinion.language and opinion.language not in LANGUAGES:
        raise BadRequest("A language is named by its code, such as en or zh.", param="language")
    if opinion.outcome and opinion.outcome not in Outcome.values:
        raise BadRequest("The outcome is worked or failed.", param="outcome")
    return Opinion(
        stars=opinion.stars,
        text=_clean_text(opinion.text),
        task=opinion.task,
        language=opinion.language,
        hardware=_clean_hardware(opinion.hardware),
        outcome=opinion.outcome,
    )


def _clean_text(text: str) -> str:
    text = text.replace("\r\n", "\n").strip()
    if "\0" in text:
        raise BadRequest("The text holds characters that are not text.", param="text")
    if len(text) > MAX_TEXT:
        raise PayloadTooLarge(f"A review has at most {MAX_TEXT} characters.", param="text")
    return text


def _clean_hardware(text: str) -> str:
    text = " ".join(text.split())
    if len(text) > MAX_HARDWARE or any(unicodedata.category(character) in ("Cc", "Cs") for character in text):
        raise BadRequest(f"The hardware is one line of at most {MAX_HARDWARE} characters.", param="hardware")
    return text
