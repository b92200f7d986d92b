"""Reviews of a repo: the list with its rating, one review with its history, and what people do with them."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from community.enums import ReviewSort
from community.models import Review
from community.permissions import require_review
from community.ratings import Rating
from community.reviews import ReviewFilter, get_review, list_reviews, own_review, rating_summary, version_tally
from community.services import ratings
from hub.core.error_words import in_words_of_reader
from hub.core.errors import BadRequest, GatedRepo, HubError, PermissionDenied, RevisionNotFound
from hub.core.ids import RepoType
from hub.repos.content import Snapshot
from hub.repos.models import Repo
from hub.repos.permissions import get_repo_for_read
from hub.web.account_pages import session_required
from hub.web.contexts.repos import index_of, repo_head, repo_url
from hub.web.contexts.reviews import (
    Links,
    former_texts,
    rating_view,
    review_rows,
    sort_choices,
    version_choices,
)
from hub.web.forms.accounts import add_refusal
from hub.web.forms.reviews import ReplyForm, ReviewForm

_PAGE: Final = 20


@require_safe
def review_list(request: HttpRequest, repo_type: RepoType, namespace: str, name: str) -> HttpResponse:
    repo = get_repo_for_read(request.viewer, repo_type, namespace, name)
    wanted, cursor = _filter(request), request.GET.get("cursor", "")
    page = list_reviews(repo, wanted, cursor=cursor, limit=_PAGE)
    summary = rating_summary(repo)
    links = Links(repo, wanted)
    context = {
        "repo": repo,
        "repo_head": repo_head(request, repo, "reviews", index=index_of(repo)),
        "rating": rating_view(_rating(repo, wanted, summary.rating), links),
        "is_of_version": bool(wanted.commit_oid),
        "versions": version_choices(summary, links),
        "sorts": sort_choices(links),
        "proven_href": links.to(proven=int(not wanted.is_proven)),
        "is_proven": wanted.is_proven,
        "is_filtered": bool(wanted.commit_oid or wanted.stars or wanted.is_proven),
        "clear_href": repo_url(repo, "reviews"),
        "rows": review_rows(request.viewer, repo, page.items),
        "write_href": _write_address(repo, wanted.commit_oid),
        "refusal": _refusal(request, repo),
        "next_href": links.to(cursor=page.next_cursor) if page.next_cursor else "",
        "first_href": links.to() if cursor else "",
    }
    return render(request, "repos/reviews.html", context)


def _filter(request: HttpRequest) -> ReviewFilter:
    """Unknown words in a query string fall back to the defaults."""
    stars, sort = request.GET.get("stars", ""), request.GET.get("sort", "")
    version = request.GET.get("version", "")[:40]
    return ReviewFilter(
        commit_oid=version.replace("\0", ""),
        stars=int(stars) if stars in {"1", "2", "3", "4", "5"} else 0,
        is_proven=request.GET.get("proven") == "1",
        sort=ReviewSort(sort) if sort in ReviewSort.values else ReviewSort.HELPFUL,
    )


def _rating(repo: Repo, wanted: ReviewFilter, whole: Rating) -> Rating:
    if not wanted.commit_oid:
        return whole
    tally = version_tally(repo, wanted.commit_oid)
    return Rating(tally.counts) if tally else Rating()


def _write_address(repo: Repo, commit_oid: str) -> str:
    address = repo_url(repo, "review_write")
    return f"{address}?{urlencode({'revision': commit_oid})}" if commit_oid else address


def _refusal(request: HttpRequest, repo: Repo) -> str:
    """Why this reader cannot write one; "" where they can, or could once signed in."""
    if request.viewer.user is None:
        return ""
    try:
        require_review(request.viewer, repo)
    except GatedRepo:
        return _("Whoever has access to the files can review them.")
    except HubError as error:
        return in_words_of_reader(error.message)
    return ""


# --- one's own -------------------------------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@session_required
def write(request: HttpRequest, repo_type: RepoType, namespace: str, name: str) -> HttpResponse:
    """The form for one's review of a version; once there is one, to edit it."""
    repo = get_repo_for_read(request.viewer, repo_type, namespace, name)
    try:
        require_review(request.viewer, repo)
    except GatedRepo:
        raise
    except PermissionDenied as error:
        return _refused(request, repo, error)
    revision = request.POST.get("revision", request.GET.get("revision", ""))
    try:
        snapshot = ratings.find_version(repo, revision)
    except BadRequest as error:
        raise RevisionNotFound(error.message) from error
    if request.method == "POST":
        return _save(request, repo, snapshot)
    form = ReviewForm.of(own_review(request.viewer, repo, snapshot.oid))
    return _form_page(request, repo, snapshot, form)


def _save(request: HttpRequest, repo: Repo, snapshot: Snapshot) -> HttpResponse:
    form = ReviewForm(request.POST)
    if form.is_valid():
        try:
            review = ratings.save_review(request.viewer, repo, form.opinion, revision=snapshot.revision)
        except HubError as error:
            add_refusal(form, error)
        else:
            messages.success(request, _("Your review is saved."))
            return redirect(_address(repo, review))
    return _form_page(request, repo, snapshot, form, status=422)


def _form_page(
    request: HttpRequest, repo: Repo, snapshot: Snapshot, form: ReviewForm, status: int = 200
) -> HttpResponse:
    context = {
        **_shared(request, repo),
        "form": form,
        "snapshot": snapshot,
        "own": own_review(request.viewer, repo, snapshot.oid),
        "is_head": snapshot.oid == repo.head_oid,
        "refs_href": repo_url(repo, "refs"),
    }
    return render(request, "repos/review_write.html", context, status=status)


def _refused(request: HttpRequest, repo: Repo, error: HubError) -> HttpResponse:
    context = {**_shared(request, repo), "refusal": in_words_of_reader(error.message)}
    return render(request, "repos/review_write.html", context, status=403)


def _shared(request: HttpRequest, repo: Repo) -> dict[str, Any]:
    return {
        "repo": repo,
        "repo_head": repo_head(request, repo, "reviews", index=index_of(repo)),
        "list_href": repo_url(repo, "reviews"),
    }


@require_POST
@session_required
def delete(request: HttpRequest, repo_type: RepoType, namespace: str, name: str, review_id: str) -> HttpResponse:
    repo, review = _find(request, repo_type, namespace, name, review_id)
    ratings.delete_review(request.viewer, review)
    messages.success(request, _("Your review is deleted."))
    return redirect(repo_url(repo, "reviews"))


# --- others' ---------------------------------------------------------------------------------------------------------


@require_safe
def review_page(request: HttpRequest, repo_type: RepoType, namespace: str, name: str, review_id: str) -> HttpResponse:
    repo, review = _find(request, repo_type, namespace, name, review_id)
    given = getattr(review, "reply", None)
    return _page(request, repo, review, ReplyForm(initial={"text": given.text} if given else None))


def _page(request: HttpRequest, repo: Repo, review: Review, reply_form: ReplyForm, status: int = 200) -> HttpResponse:
    context = {
        **_shared(request, repo),
        "row": review_rows(request.viewer, repo, [review])[0],
        "history": former_texts(review),
        "reply_form": reply_form,
    }
    return render(request, "repos/review.html", context, status=status)


@require_POST
@session_required
def reply(request: HttpRequest, repo_type: RepoType, namespace: str, name: str, review_id: str) -> HttpResponse:
    """Save the owner's reply, or delete it."""
    repo, review = _find(request, repo_type, namespace, name, review_id)
    if request.POST.get("action") == "delete":
        ratings.delete_reply(request.viewer, review)
        messages.success(request, _("The reply is deleted."))
        return redirect(_address(repo, review))
    form = ReplyForm(request.POST)
    if form.is_valid():
        try:
            ratings.reply_to_review(request.viewer, review, text=form.cleaned_data["text"])
        except BadRequest as error:
            add_refusal(form, error)
        else:
            messages.success(request, _("The reply is saved."))
            return redirect(_address(repo, review))
    return _page(request, repo, review, form, status=422)


@require_POST
@session_required
def helpful(request: HttpRequest, repo_type: RepoType, namespace: str, name: str, review_id: str) -> HttpResponse:
    """Vote, or take the vote back; htmx gets the button, a plain form the review's page."""
    repo, review = _find(request, repo_type, namespace, name, review_id)
    is_helpful = request.POST.get("helpful") == "1"
    count = ratings.vote_helpful(request.viewer, review, is_helpful=is_helpful)
    if "hx-request" not in request.headers:
        return redirect(_address(repo, review))
    context = {"action": request.path, "count": count, "is_voted": is_helpful}
    return render(request, "components/helpful_button.html", context)


def _address(repo: Repo, review: Review) -> str:
    return repo_url(repo, "review", review_id=review.object_id)


def _find(request: HttpRequest, repo_type: RepoType, namespace: str, name: str, review_id: str) -> tuple[Repo, Review]:
    repo = get_repo_for_read(request.viewer, repo_type, namespace, name)
    return repo, get_review(repo, review_id.replace("\0", "")[:24])
