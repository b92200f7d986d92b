"""Collections: who may see and change one, look-up by slug, lists (hub-api §20).

A private collection answers as a missing one, and so does whatever it holds that the viewer may not see (T28, T36).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from django.db.models import F, Q, QuerySet, Window
from django.db.models.functions import RowNumber

from community.enums import ItemKind
from community.models import Collection, CollectionItem, CollectionUpvote
from hub.accounts.auth import Viewer
from hub.accounts.enums import Action, Role
from hub.accounts.models import Namespace
from hub.accounts.permissions import role_in, roles_of
from hub.core.errors import AuthenticationRequired, BadRequest, InsufficientScope, NotFound, PermissionDenied
from hub.core.ids import RepoType, fold, split_repo_id
from hub.core.pagination import Page, cut_page, decode_cursor
from hub.repos.permissions import visible_to

MAX_SHOWN_ITEMS: Final = 4  # in lists
_ID: Final = re.compile(r"(?:.*-)?([0-9a-f]{24})")
PAPER_ID: Final = re.compile(r"\d{4}\.\d{4,5}")


class CollectionNotFound(NotFound):
    """The one answer for a missing and for a hidden collection."""

    default_message = "Collection not found"


class CollectionSort(StrEnum):
    LAST_MODIFIED = "lastModified"
    TRENDING = "trending"
    UPVOTES = "upvotes"


# --- rights ----------------------------------------------------------------------------------------------------------


def visible_collections(viewer: Viewer, prefix: str = "") -> Q:
    """Filter for ``Collection`` querysets, or related ones by ``prefix``."""
    alive = Q(**{f"{prefix}namespace__retired_at__isnull": True, f"{prefix}hidden_at__isnull": True})
    public = Q(**{f"{prefix}is_private": False})
    may_see_own = viewer.token is None or viewer.allows(Action.REPO_READ)
    own = list(roles_of(viewer)) if may_see_own else []
    return alive & (public | Q(**{f"{prefix}namespace_id__in": own})) if own else alive & public


def _can_read(viewer: Viewer, collection: Collection) -> bool:
    if not collection.is_private:
        return True
    is_member = role_in(viewer, collection.namespace_id) is not None
    return is_member and viewer.allows(Action.REPO_READ, namespace=collection.namespace.name)


def get_collection(viewer: Viewer, slug: str) -> Collection:
    """A collection by any of its slugs, for the words in it change with the title. Raises: CollectionNotFound."""
    match = _ID.fullmatch(slug)
    found = None
    if match:
        rows = Collection.objects.select_related("namespace", "namespace__user", "namespace__organization")
        found = rows.filter(object_id=match[1], namespace__retired_at__isnull=True, hidden_at__isnull=True).first()
    if found is None or not _can_read(viewer, found):
        raise CollectionNotFound
    return found


def get_collection_for_write(viewer: Viewer, slug: str) -> Collection:
    """Raises: AuthenticationRequired, CollectionNotFound, PermissionDenied, InsufficientScope."""
    if viewer.user is None:
        raise AuthenticationRequired
    collection = get_collection(viewer, slug)
    if not _has_write_role(viewer, collection):
        raise PermissionDenied("You do not have the rights to change this collection.")
    if not viewer.allows(Action.REPO_WRITE, namespace=collection.namespace.name):
        raise InsufficientScope
    return collection


def _has_write_role(viewer: Viewer, collection: Collection) -> bool:
    role = role_in(viewer, collection.namespace_id)
    is_own = role is Role.CONTRIBUTOR and collection.created_by_id == viewer.user_pk
    return role is not None and (role.includes(Role.WRITE) or is_own)


def can_change(viewer: Viewer, collection: Collection) -> bool:
    """Whether ``get_collection_for_write`` would give it to the viewer, who sees it already."""
    return _has_write_role(viewer, collection) and viewer.allows(Action.REPO_WRITE, namespace=collection.namespace.name)


def writable_collections(viewer: Viewer, *, limit: int = 200) -> list[Collection]:
    """What the viewer may add to, the last changed first."""
    wide = [pk for pk, role in roles_of(viewer).items() if role.includes(Role.WRITE)]
    narrow = [pk for pk, role in roles_of(viewer).items() if role is Role.CONTRIBUTOR]
    own = Q(namespace_id__in=wide) | Q(namespace_id__in=narrow, created_by_id=viewer.user_pk or 0)
    rows = Collection.objects.select_related("namespace").filter(own, namespace__retired_at__isnull=True)
    return [row for row in rows.order_by("-updated_at", "-pk")[:limit] if can_change(viewer, row)]


# --- one -------------------------------------------------------------------------------------------------------------


def _visible_items(viewer: Viewer) -> QuerySet[CollectionItem]:
    repos = Q(repo__isnull=False, repo__disabled_at__isnull=True) & visible_to(viewer, "repo__")
    nested = Q(nested__isnull=False) & visible_collections(viewer, "nested__")
    rows = CollectionItem.objects.select_related("repo", "repo__namespace", "nested", "nested__namespace")
    return rows.filter(repos | nested | ~Q(reference=""))


def items_of(viewer: Viewer, collection: Collection) -> list[CollectionItem]:
    """What the viewer may see of it, in order."""
    return list(_visible_items(viewer).filter(collection=collection).order_by("position", "pk"))


def has_upvoted(viewer: Viewer, collection: Collection) -> bool:
    if viewer.user is None:
        return False
    return CollectionUpvote.objects.filter(collection=collection, user=viewer.user).exists()


# --- lists -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CollectionFilter:
    """Names of owners, and addresses of things that must be in it: ``models/ns/x``, ``papers/…``, ``collections/…``."""

    owners: tuple[str, ...] = ()
    items: tuple[str, ...] = ()
    text: str = ""
    sort: CollectionSort = CollectionSort.LAST_MODIFIED


def list_collections(
    viewer: Viewer, wanted: CollectionFilter, *, cursor: str = "", limit: int
) -> tuple[Page[Collection], dict[int, list[CollectionItem]]]:
    """A page of collections, and by their keys the first few items of each. Raises: BadRequest (filter, cursor)."""
    rows = Collection.objects.select_related("namespace", "namespace__user", "namespace__organization")
    rows = rows.filter(visible_collections(viewer))
    if wanted.owners:
        rows = rows.filter(namespace__name_folded__in=[fold(name) for name in wanted.owners])
    for address in wanted.items:
        rows = rows.filter(pk__in=_holding(viewer, address))
    if wanted.text:
        rows = rows.filter(Q(title__icontains=wanted.text) | Q(description__icontains=wanted.text))
    page = _sorted_page(rows, wanted.sort, cursor, limit)
    return page, _first_items(viewer, [collection.pk for collection in page.items])


def count_collections(viewer: Viewer, namespace: Namespace) -> int:
    """How many of an owner's collections the viewer may see."""
    return Collection.objects.filter(visible_collections(viewer), namespace=namespace).count()


def _holding(viewer: Viewer, address: str) -> QuerySet[CollectionItem, int]:
    """Keys of the collections with this item; what the viewer may not see is in none (T35)."""
    kind, _, name = address.partition("/")
    rows = _visible_items(viewer)
    if kind == "papers":
        rows = rows.filter(reference=name)
    elif kind == "collections":
        match = _ID.fullmatch(name)
        rows = rows.filter(nested__object_id=match[1] if match else "")
    else:
        namespace, repo_name = split_repo_id(name)
        rows = rows.filter(
            repo__repo_type=RepoType.from_plural(kind).value,
            repo__namespace__name_folded=fold(namespace),
            repo__name_folded=fold(repo_name),
        )
    return rows.values_list("collection_id", flat=True)


def _sorted_page(rows: QuerySet[Collection], sort: CollectionSort, cursor: str, limit: int) -> Page[Collection]:
    if sort is CollectionSort.LAST_MODIFIED:
        if cursor:
            text, pk = decode_cursor(cursor, str, int)
            at = _date(text)
            rows = rows.filter(Q(updated_at__lt=at) | Q(updated_at=at, pk__lt=pk))
        found = rows.order_by("-updated_at", "-pk")[: limit + 1]
        return cut_page(list(found), limit, lambda item: (item.updated_at.astimezone(UTC).isoformat(), item.pk))
    # What many chose is what is talked about; there is no shorter memory here.
    if cursor:
        upvotes, pk = decode_cursor(cursor, int, int)
        rows = rows.filter(Q(upvotes__lt=upvotes) | Q(upvotes=upvotes, pk__lt=pk))
    found = rows.order_by("-upvotes", "-pk")[: limit + 1]
    return cut_page(list(found), limit, lambda item: (item.upvotes, item.pk))


def _date(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise BadRequest("Invalid cursor", param="cursor") from error


def _first_items(viewer: Viewer, pks: Iterable[int]) -> dict[int, list[CollectionItem]]:
    found: dict[int, list[CollectionItem]] = {pk: [] for pk in pks}
    if not found:
        return found
    place = Window(RowNumber(), partition_by=F("collection_id"), order_by=["position", "pk"])
    rows = _visible_items(viewer).filter(collection_id__in=found).annotate(place=place)
    for item in rows.filter(place__lte=MAX_SHOWN_ITEMS).order_by("collection_id", "position", "pk"):
        found[item.collection_id].append(item)
    return found


def kind_of(text: str) -> ItemKind:
    """Raises: BadRequest."""
    if text not in ItemKind.values:
        raise BadRequest(f"item.type must be one of {', '.join(ItemKind.values)}.", param="type")
    return ItemKind(text)
