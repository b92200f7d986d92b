"""The parts of a person's or an organization's page: what is shown first, collections, likes, who follows whom."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from django.http import HttpRequest
from django.utils.http import urlencode

from community.collections import CollectionFilter, count_collections, list_collections
from community.feed import cast_of, contributions_of, stories
from community.people import (
    Followed,
    followed_organizations_of,
    followers_of,
    following_of,
    numbers_of,
    pinned_of,
)
from community.queries import likes_of
from hub.accounts.models import Namespace, User
from hub.core.pagination import Page
from hub.web.contexts.notices import owner_watch_control
from hub.web.contexts.social import calendar_of, collection_cards, follow_control, profile_tabs, story_rows
from hub.web.profile_repos import repos_of

_STORIES: Final = 15
_PEOPLE: Final = 50
_COLLECTIONS: Final = 12
_ORGANIZATIONS: Final = 100


def profile_context(request: HttpRequest, namespace: Namespace, subject: Followed) -> dict[str, Any]:
    """What both kinds of profile are given; ``?tab=`` chooses the part, and what is unknown is the first."""
    viewer = request.viewer
    numbers = numbers_of(viewer, subject)
    counts: dict[str, int | None] = {"": None, "collections": count_collections(viewer, namespace)}
    if isinstance(subject, User):
        counts |= {"likes": numbers.likes, "followers": numbers.followers, "following": numbers.following}
    else:
        counts["followers"] = numbers.followers
    tab = request.GET.get("tab", "")
    tab = tab if tab in counts else ""
    here = f"{namespace.get_absolute_url()}{f'?tab={tab}' if tab else ''}"
    return {
        "tab": tab,
        "tabs": profile_tabs(namespace, tab, counts),
        "follow": follow_control(viewer, subject, here),
        "watch": owner_watch_control(viewer, namespace),
        **_PARTS[tab](request, namespace, subject),
    }


def _paged(request: HttpRequest, page: Page[Any]) -> dict[str, str]:
    tab = request.GET.get("tab", "")
    plain = {"tab": tab} if tab else {}
    return {
        "first_href": f"?{urlencode(plain)}" if request.GET.get("cursor") else "",
        "next_href": f"?{urlencode(plain | {'cursor': page.next_cursor})}" if page.next_cursor else "",
    }


def _overview(request: HttpRequest, namespace: Namespace, subject: Followed) -> dict[str, Any]:
    viewer = request.viewer
    page = stories(viewer, cast_of(subject), cursor=request.GET.get("cursor", ""), limit=_STORIES)
    return {
        "pinned": pinned_of(viewer, namespace),
        "sections": repos_of(viewer, namespace),
        "calendar": calendar_of(contributions_of(viewer, subject)) if isinstance(subject, User) else None,
        "rows": story_rows(page.items),
        **_paged(request, page),
    }


def _collections(request: HttpRequest, namespace: Namespace, subject: Followed) -> dict[str, Any]:
    wanted = CollectionFilter(owners=(namespace.name,))
    cursor = request.GET.get("cursor", "")
    page, items = list_collections(request.viewer, wanted, cursor=cursor, limit=_COLLECTIONS)
    return {"cards": collection_cards(page.items, items), **_paged(request, page)}


def _likes(request: HttpRequest, namespace: Namespace, subject: Followed) -> dict[str, Any]:
    assert isinstance(subject, User)  # the tab is theirs alone
    page = likes_of(request.viewer, subject, cursor=request.GET.get("cursor", ""), limit=_PEOPLE)
    return {"liked": page.items, **_paged(request, page)}


def _followers(request: HttpRequest, namespace: Namespace, subject: Followed) -> dict[str, Any]:
    page = followers_of(subject, cursor=request.GET.get("cursor", ""), limit=_PEOPLE)
    return {"people": [row.follower for row in page.items], **_paged(request, page)}


def _following(request: HttpRequest, namespace: Namespace, subject: Followed) -> dict[str, Any]:
    assert isinstance(subject, User)  # the tab is theirs alone
    cursor = request.GET.get("cursor", "")
    page = following_of(subject, cursor=cursor, limit=_PEOPLE)
    organizations = [] if cursor else followed_organizations_of(subject, limit=_ORGANIZATIONS)
    return {"people": [row.user for row in page.items], "organizations": organizations, **_paged(request, page)}


_Part = Callable[[HttpRequest, Namespace, Followed], dict[str, Any]]
_PARTS: Final[dict[str, _Part]] = {
    "": _overview,
    "collections": _collections,
    "likes": _likes,
    "followers": _followers,
    "following": _following,
}
