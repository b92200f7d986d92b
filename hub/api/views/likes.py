"""Likes (hub-api §17)."""

from __future__ import annotations

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from community.people import followed_pks
from community.queries import likers_of, likes_of
from community.services import likes
from hub.accounts.queries import get_user
from hub.api.serializers.people import user_json
from hub.api.serializers.values import date_text
from hub.api.views.common import json_response, viewer_of
from hub.core.ids import RepoType
from hub.core.pagination import add_next_link, read_limit
from hub.repos.permissions import get_repo_for_read


def like(request: HttpRequest, repo_type: RepoType, namespace: str, name: str) -> HttpResponseBase:
    viewer = viewer_of(request)
    return json_response({"likes": likes.like(viewer, get_repo_for_read(viewer, repo_type, namespace, name))})


def unlike(request: HttpRequest, repo_type: RepoType, namespace: str, name: str) -> HttpResponseBase:
    viewer = viewer_of(request)
    return json_response({"likes": likes.unlike(viewer, get_repo_for_read(viewer, repo_type, namespace, name))})


def likers(request: HttpRequest, repo_type: RepoType, namespace: str, name: str) -> HttpResponseBase:
    repo = get_repo_for_read(viewer_of(request), repo_type, namespace, name)
    limit = read_limit(request, default=100, maximum=1000)
    page = likers_of(repo, cursor=request.GET.get("cursor", ""), limit=limit)
    followed = followed_pks(viewer_of(request), [item.user_id for item in page.items])
    response = json_response([user_json(item.user, is_following=item.user_id in followed) for item in page.items])
    add_next_link(response, request, page.next_cursor)
    return response


def liked(request: HttpRequest, user: str) -> HttpResponseBase:
    limit = read_limit(request, default=100, maximum=1000)
    page = likes_of(viewer_of(request), get_user(user), cursor=request.GET.get("cursor", ""), limit=limit)
    response = json_response(
        [
            {
                "createdAt": date_text(item.created_at),
                "repo": {"name": item.repo.repo_id, "type": item.repo.repo_type},
            }
            for item in page.items
        ]
    )
    add_next_link(response, request, page.next_cursor)
    return response
