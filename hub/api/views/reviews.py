"""Ratings and reviews of versions."""

from __future__ import annotations

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from community.enums import ReviewSort
from community.models import Review
from community.reviews import ReviewFilter, get_review, items_of, list_reviews, own_review, rating_summary
from community.services import ratings
from hub.accounts.auth import Viewer
from hub.api.requests import Fields, query_flag
from hub.api.serializers.reviews import details_json, reply_json, review_json, summary_json
from hub.api.views.common import json_response, viewer_of
from hub.core.errors import AuthenticationRequired, BadRequest, NotFound
from hub.core.ids import RepoType
from hub.core.pagination import add_next_link, read_limit
from hub.repos.models import Repo
from hub.repos.permissions import get_repo_for_read


def list_of_repo(request: HttpRequest, repo_type: RepoType, namespace: str, name: str) -> HttpResponseBase:
    viewer = viewer_of(request)
    repo = get_repo_for_read(viewer, repo_type, namespace, name)
    limit = read_limit(request, default=20, maximum=100)
    page = list_reviews(repo, _filter(request, repo), cursor=request.GET.get("cursor", ""), limit=limit)
    response = json_response(
        {
            "summary": summary_json(rating_summary(repo)),
            "reviews": [review_json(item, repo) for item in items_of(viewer, repo, page.items)],
        }
    )
    add_next_link(response, request, page.next_cursor)
    return response


def _filter(request: HttpRequest, repo: Repo) -> ReviewFilter:
    revision, sort = request.GET.get("revision", ""), request.GET.get("sort", "") or ReviewSort.HELPFUL.value
    if sort not in ReviewSort.values:
        raise BadRequest(f"sort must be one of {', '.join(ReviewSort.values)}.", param="sort")
    return ReviewFilter(
        commit_oid=ratings.find_version(repo, revision).oid if revision else "",
        stars=_stars(request.GET.get("stars", "")),
        is_proven=query_flag(request, "proven"),
        sort=ReviewSort(sort),
    )


def _stars(text: str) -> int:
    if text and text not in {"1", "2", "3", "4", "5"}:
        raise BadRequest("stars must be 1 to 5.", param="stars")
    return int(text or 0)


def save(request: HttpRequest, repo_type: RepoType, namespace: str, name: str) -> HttpResponseBase:
    """Write or rewrite one's own review of a version."""
    viewer = viewer_of(request)
    repo = get_repo_for_read(viewer, repo_type, namespace, name)
    fields = Fields.of(request)
    opinion = ratings.Opinion(
        stars=fields.integer("stars"),
        text=fields.text("text", "", max_length=100_000),
        task=fields.text("task", "", max_length=100),
        language=fields.text("language", "", max_length=100),
        hardware=fields.text("hardware", "", max_length=1000),
        outcome=fields.text("outcome", "", max_length=100),
    )
    revision = fields.text("revision", "", max_length=ratings.MAX_REVISION)
    review = ratings.save_review(viewer, repo, opinion, revision=revision)
    return _shown(viewer, repo, review.object_id)


def delete(request: HttpRequest, repo_type: RepoType, namespace: str, name: str) -> HttpResponseBase:
    """Take one's own review of a version back."""
    viewer = viewer_of(request)
    repo = get_repo_for_read(viewer, repo_type, namespace, name)
    if viewer.user is None:
        raise AuthenticationRequired
    revision = request.GET.get("revision", "")
    review = own_review(viewer, repo, ratings.find_version(repo, revision).oid)
    if review is None:
        raise NotFound("You have not reviewed this version.")
    ratings.delete_review(viewer, review)
    return json_response({})


def details(request: HttpRequest, repo_type: RepoType, namespace: str, name: str, review_id: str) -> HttpResponseBase:
    viewer, repo, review = _find(request, repo_type, namespace, name, review_id)
    return json_response(details_json(items_of(viewer, repo, [review])[0], repo))


def reply(request: HttpRequest, repo_type: RepoType, namespace: str, name: str, review_id: str) -> HttpResponseBase:
    viewer, _repo, review = _find(request, repo_type, namespace, name, review_id)
    text = Fields.of(request).text("text", max_length=100_000)
    return json_response(reply_json(ratings.reply_to_review(viewer, review, text=text)))


def delete_reply(
    request: HttpRequest, repo_type: RepoType, namespace: str, name: str, review_id: str
) -> HttpResponseBase:
    viewer, _repo, review = _find(request, repo_type, namespace, name, review_id)
    ratings.delete_reply(viewer, review)
    return json_response({})


def vote(request: HttpRequest, repo_type: RepoType, namespace: str, name: str, review_id: str) -> HttpResponseBase:
    viewer, _repo, review = _find(request, repo_type, namespace, name, review_id)
    return json_response({"helpful": ratings.vote_helpful(viewer, review, is_helpful=True)})


def unvote(request: HttpRequest, repo_type: RepoType, namespace: str, name: str, review_id: str) -> HttpResponseBase:
    viewer, _repo, review = _find(request, repo_type, namespace, name, review_id)
    return json_response({"helpful": ratings.vote_helpful(viewer, review, is_helpful=False)})


def _find(
    request: HttpRequest, repo_type: RepoType, namespace: str, name: str, review_id: str
) -> tuple[Viewer, Repo, Review]:
    viewer = viewer_of(request)
    repo = get_repo_for_read(viewer, repo_type, namespace, name)
    return viewer, repo, get_review(repo, review_id[:24])


def _shown(viewer: Viewer, repo: Repo, review_id: str) -> HttpResponseBase:
    return json_response(details_json(items_of(viewer, repo, [get_review(repo, review_id)])[0], repo))
