"""Collections (hub-api §20). Slugs have two parts: ``ns/title-id``."""

from __future__ import annotations

from typing import Any, Final

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.html import escape

from community import collections as queries
from community.collections import CollectionFilter, CollectionSort, get_collection, get_collection_for_write, kind_of
from community.models import Collection, CollectionItem
from community.services import collections
from hub.accounts.auth import Viewer
from hub.accounts.models import Namespace
from hub.accounts.permissions import require_user
from hub.api.requests import Fields, query_list
from hub.api.serializers.people import avatar_url
from hub.api.serializers.values import date_text
from hub.api.views.common import base_url, json_response, viewer_of
from hub.core.errors import BadRequest
from hub.core.pagination import add_next_link, read_limit

MAX_FILTERS: Final = 20


def list_all(request: HttpRequest) -> HttpResponseBase:
    viewer = viewer_of(request)
    page, items = queries.list_collections(
        viewer,
        _filter(request),
        cursor=request.GET.get("cursor", ""),
        limit=read_limit(request, default=20, maximum=100),
    )
    # Without ``position``: the client adds its own to entries of lists.
    response = json_response([_shown(request, item, items[item.pk]) for item in page.items])
    add_next_link(response, request, page.next_cursor)
    return response


def _filter(request: HttpRequest) -> CollectionFilter:
    owners, items = query_list(request, "owner"), query_list(request, "item")
    if len(owners) > MAX_FILTERS or len(items) > MAX_FILTERS:
        raise BadRequest(f"At most {MAX_FILTERS} owners and items can be asked for.")
    sort = request.GET.get("sort") or CollectionSort.LAST_MODIFIED.value
    if sort not in set(CollectionSort):
        raise BadRequest("sort must be lastModified, trending or upvotes.", param="sort")
    return CollectionFilter(tuple(owners), tuple(items), request.GET.get("q", "")[:100], CollectionSort(sort))


def create(request: HttpRequest) -> HttpResponseBase:
    viewer = viewer_of(request)
    require_user(viewer)
    assert viewer.user is not None  # require_user
    fields = Fields.of(request)
    item = Fields.from_value(fields.raw("item")) if "item" in fields else None
    collection = collections.create_collection(
        viewer,
        namespace=fields.text("namespace", viewer.user.username),
        title=fields.text("title"),
        description=fields.text("description", ""),
        is_private=fields.flag("private"),
    )
    if item is not None:
        collections.add_collection_item(viewer, collection, kind_of(item.text("type")), item.text("id"))
    return _answer(request, collection)


def show(request: HttpRequest, owner: str, slug: str) -> HttpResponseBase:
    return _answer(request, get_collection(viewer_of(request), slug))


def update(request: HttpRequest, owner: str, slug: str) -> HttpResponseBase:
    viewer = viewer_of(request)
    collection = get_collection_for_write(viewer, slug)
    fields = Fields.of(request)
    if "gating" in fields:
        raise BadRequest("Collections cannot be gated on this hub; repositories can.", param="gating")
    changed = collections.update_collection(
        collection,
        title=_text(fields, "title"),
        description=_text(fields, "description"),
        position=fields.integer("position") if "position" in fields else None,
        is_private=fields.flag("private") if "private" in fields else None,
        theme=_text(fields, "theme"),
    )
    return json_response({"success": True, "data": _whole(request, viewer, changed)})


def _text(fields: Fields, name: str) -> str | None:
    return fields.text(name) if name in fields else None


def delete(request: HttpRequest, owner: str, slug: str) -> HttpResponseBase:
    collections.delete_collection(get_collection_for_write(viewer_of(request), slug))
    return json_response({"success": True})


def add_item(request: HttpRequest, owner: str, slug: str) -> HttpResponseBase:
    viewer = viewer_of(request)
    collection = get_collection_for_write(viewer, slug)
    fields = Fields.of(request)
    item = Fields.from_value(fields.raw("item"))
    collections.add_collection_item(
        viewer, collection, kind_of(item.text("type")), item.text("id", max_length=200), note=fields.text("note", "")
    )
    return _answer(request, collection)


def update_item(request: HttpRequest, owner: str, slug: str, item_id: str) -> HttpResponseBase:
    collection = get_collection_for_write(viewer_of(request), slug)
    _change(collection, item_id, Fields.of(request))
    return json_response({"success": True})


def update_items(request: HttpRequest, owner: str, slug: str) -> HttpResponseBase:
    """``[{action: "update", _id, data: {note?, position?}}]``, in this order."""
    collection = get_collection_for_write(viewer_of(request), slug)
    for change in Fields.list_of(request, max_items=collections.MAX_ITEMS):
        if change.text("action") != "update":
            raise BadRequest("action must be update.", param="action")
        _change(collection, change.text("_id", max_length=24), Fields.from_value(change.raw("data")))
    return json_response({"success": True})


def _change(collection: Collection, item_id: str, fields: Fields) -> None:
    position = fields.integer("position") if "position" in fields else None
    collections.update_collection_item(collection, item_id, note=_text(fields, "note"), position=position)


def delete_item(request: HttpRequest, owner: str, slug: str, item_id: str) -> HttpResponseBase:
    collections.delete_collection_item(get_collection_for_write(viewer_of(request), slug), item_id)
    return json_response({"success": True})


def upvote(request: HttpRequest, owner: str, slug: str) -> HttpResponseBase:
    viewer = viewer_of(request)
    is_upvoted = request.method == "POST"
    count = collections.set_upvote(viewer, get_collection(viewer, slug), is_upvoted=is_upvoted)
    return json_response({"upvotes": count})


# --- as they travel --------------------------------------------------------------------------------------------------


def _answer(request: HttpRequest, collection: Collection) -> HttpResponseBase:
    return json_response(_whole(request, viewer_of(request), collection))


def _whole(request: HttpRequest, viewer: Viewer, collection: Collection) -> dict[str, Any]:
    shown = _shown(request, collection, queries.items_of(viewer, collection))
    return {
        **shown,
        "position": collection.position,
        "isUpvotedByUser": queries.has_upvoted(viewer, collection),
    }


def _shown(request: HttpRequest, collection: Collection, items: list[CollectionItem]) -> dict[str, Any]:
    shown = {
        "_id": collection.object_id,
        "slug": collection.slug,
        "title": collection.title,
        "owner": _owner(collection.namespace),
        "items": [_item(item) for item in items],
        "lastUpdated": date_text(collection.updated_at),
        "private": collection.is_private,
        "theme": collection.theme,
        "upvotes": collection.upvotes,
        "gating": False,
        "shareUrl": f"{base_url(request)}/collections/{collection.slug}",
    }
    return {**shown, "description": collection.description} if collection.description else shown


def _owner(namespace: Namespace) -> dict[str, Any]:
    subject = namespace.organization if namespace.is_organization else namespace.user
    return {
        "_id": subject.object_id,
        "type": "org" if namespace.is_organization else "user",
        "name": namespace.name,
        "fullname": subject.full_name or namespace.name,
        "avatarUrl": avatar_url(subject),
        "isPro": False,
    }


def _item(item: CollectionItem) -> dict[str, Any]:
    shown: dict[str, Any] = {"_id": item.object_id, "type": item.kind, "position": item.position}
    if item.note:
        # Notes are plain text; ``html`` is the same, safe to put into a page.
        shown["note"] = {"text": item.note, "html": str(escape(item.note))}
    if item.repo is not None:
        repo = item.repo
        return {
            **shown,
            "id": repo.repo_id,
            "author": repo.namespace.name,
            "private": repo.is_private,
            "gated": repo.gated or False,
            "likes": repo.likes,
            "downloads": repo.downloads,
            "lastModified": date_text(repo.updated_at),
        }
    if item.nested is not None:
        nested = item.nested
        return {**shown, "id": nested.object_id, "slug": nested.slug, "title": nested.title, "theme": nested.theme}
    return {**shown, "id": item.reference}
