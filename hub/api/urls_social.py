"""Routes of gates, collections, webhooks, large files and small facts; included by ``hub.api.urls``."""

from __future__ import annotations

from django.urls import URLPattern, path

from hub.api.routing import View, api
from hub.api.views import access_requests, collections, lfs_files, moderation, notices, summaries, webhooks
from hub.core.ids import RepoType

_REPO = "<str:namespace>/<str:name>"

#: Under /api/{types}/{namespace}/{name}.
_OF_REPO: dict[str, View] = {
    "/scan": api(GET=summaries.scan),
    "/treesize/<path:rest>": api(GET=summaries.tree_size),
    "/lfs-files": api(GET=lfs_files.list_files),
    "/lfs-files/batch": api(POST=lfs_files.delete_many),
    "/lfs-files/duplicate": api(POST=lfs_files.duplicate),
    "/lfs-files/<str:sha256>": api(DELETE=lfs_files.delete_one),
    "/user-access-request/handle": api(POST=access_requests.handle),
    "/user-access-request/grant": api(POST=access_requests.grant),
    "/user-access-request/batch": api(POST=access_requests.batch),
    "/user-access-request/cancel": api(POST=access_requests.cancel),
    "/user-access-request/<str:state>": api(GET=access_requests.list_requests),
}
#: Under /{prefix}{namespace}/{name}, where pages live too.
_OF_PAGE: dict[str, View] = {
    "/ask-access": api(POST=access_requests.ask),
    "/user-access-report": api(GET=access_requests.report),
}


def _routes_of(repo_type: RepoType) -> list[URLPattern]:
    fixed = {"repo_type": repo_type}
    found = [path(f"api/{repo_type.plural}/{_REPO}{rest}", view, fixed) for rest, view in _OF_REPO.items()]
    return found + [path(f"{repo_type.web_prefix}{_REPO}{rest}", view, fixed) for rest, view in _OF_PAGE.items()]


_COLLECTION = "api/collections/<str:owner>/<str:slug>"
_COLLECTIONS: dict[str, View] = {
    "api/collections": api(GET=collections.list_all, POST=collections.create),
    _COLLECTION: api(GET=collections.show, PATCH=collections.update, DELETE=collections.delete),
    f"{_COLLECTION}/items": api(POST=collections.add_item),
    f"{_COLLECTION}/items/batch": api(POST=collections.update_items),
    f"{_COLLECTION}/items/<str:item_id>": api(PATCH=collections.update_item, DELETE=collections.delete_item),
    f"{_COLLECTION}/upvote": api(POST=collections.upvote, DELETE=collections.upvote),
}

_WEBHOOK = "api/settings/webhooks/<str:webhook_id>"
_WEBHOOKS: dict[str, View] = {
    "api/settings/webhooks": api(GET=webhooks.list_own, POST=webhooks.create),
    _WEBHOOK: api(GET=webhooks.show, POST=webhooks.update, DELETE=webhooks.delete),
    f"{_WEBHOOK}/enable": api(POST=webhooks.enable),
    f"{_WEBHOOK}/disable": api(POST=webhooks.disable),
    f"{_WEBHOOK}/deliveries": api(GET=webhooks.deliveries),
    f"{_WEBHOOK}/replay/<str:delivery_id>": api(POST=webhooks.replay),
}

_NOTICES: dict[str, View] = {
    "api/notifications": api(GET=notices.list_own, DELETE=notices.delete),
    "api/notifications/mark-as-read": api(POST=notices.mark),
    "api/settings/notifications": api(GET=notices.show_settings, PATCH=notices.change_settings),
    "api/settings/watch": api(GET=notices.list_watched, PATCH=notices.change_watched),
}

urlpatterns: list[URLPattern] = [
    path("api/trending", api(GET=summaries.trending)),
    path("api/reports", api(GET=moderation.list_reports, POST=moderation.create_report)),
    path("api/settings/blocks", api(GET=moderation.list_blocks)),
    path("api/settings/blocks/<str:user>", api(PUT=moderation.block, DELETE=moderation.unblock)),
    *(path(route, view) for routes in (_COLLECTIONS, _WEBHOOKS, _NOTICES) for route, view in routes.items()),
    *(route for repo_type in RepoType for route in _routes_of(repo_type)),
]
