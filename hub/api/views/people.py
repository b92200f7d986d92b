"""Who follows whom, and where else people are found (hub-api §21). ``whoami`` has the rest of a person."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from community.people import followed_pks, followers_of, following_of, is_following
from community.services import follows
from hub.accounts.models import Organization, User
from hub.accounts.permissions import get_organization
from hub.accounts.queries import get_user
from hub.api.serializers.people import user_json
from hub.api.views.common import json_response, viewer_of
from hub.core.pagination import Page, add_next_link, read_limit


def _subject(request: HttpRequest, kind: str, name: str) -> User | Organization:
    return get_user(name) if kind == "users" else get_organization(viewer_of(request), name)


def _limit(request: HttpRequest) -> int:
    return read_limit(request, default=100, maximum=1000)


def followers(request: HttpRequest, kind: str, name: str) -> HttpResponseBase:
    """``GET /api/{users|organizations}/{name}/followers``."""
    page = followers_of(_subject(request, kind, name), cursor=request.GET.get("cursor", ""), limit=_limit(request))
    return _answer(request, [row.follower for row in page.items], page)


def following(request: HttpRequest, kind: str, name: str) -> HttpResponseBase:
    """``GET /api/users/{name}/following``."""
    page = following_of(get_user(name), cursor=request.GET.get("cursor", ""), limit=_limit(request))
    return _answer(request, [row.user for row in page.items if row.user is not None], page)


def _answer(request: HttpRequest, people: list[User], page: Page[Any]) -> HttpResponseBase:
    followed = followed_pks(viewer_of(request), [user.pk for user in people])
    response = json_response([user_json(user, is_following=user.pk in followed) for user in people])
    add_next_link(response, request, page.next_cursor)
    return response


def follow(request: HttpRequest, kind: str, name: str) -> HttpResponseBase:
    """``POST``, ``DELETE /api/{users|organizations}/{name}/follow``."""
    subject = _subject(request, kind, name)
    change = follows.follow if request.method == "POST" else follows.unfollow
    change(viewer_of(request), subject)
    return json_response({"isFollowing": is_following(viewer_of(request), subject)})


def socials(request: HttpRequest, kind: str, name: str) -> HttpResponseBase:
    """``GET /api/{users|organizations}/{name}/socials``: people give a website here, and no handles."""
    return json_response({"socialHandles": {}, "website": _subject(request, kind, name).website})
