"""Collections (hub-api §20)."""

from __future__ import annotations

from community.collections import CollectionSort
from community.enums import ItemKind
from hub.api.schema.operations import (
    PAGED,
    Body,
    Query,
    anything,
    choice,
    describe,
    flag,
    many,
    moment,
    number,
    shape,
    text,
)
from hub.api.views import collections

_GROUP = "Collections"
_ITEM = shape(
    "CollectionItem",
    _id=text(),
    type=choice(ItemKind.values),
    id=text("namespace/name of a repository."),
    position=number(),
    note=anything("text and html.", optional=True),
)
_COLLECTION = shape(
    "Collection",
    _id=text(),
    slug=text("namespace/title-id."),
    title=text(),
    description=text(optional=True),
    owner=anything("The person or organization."),
    items=many(_ITEM),
    lastUpdated=moment(),
    private=flag(),
    theme=text(),
    upvotes=number(),
    shareUrl=text(),
    position=number(optional=True),
    isUpvotedByUser=flag(optional=True),
)
_NEW_ITEM = shape("NewCollectionItem", type=choice(ItemKind.values), id=text())
_DONE = shape("CollectionChanged", success=flag())
_FIELDS = {
    "description": text(optional=True),
    "private": flag(optional=True),
}

describe(
    collections.list_all,
    "List collections",
    _GROUP,
    query=(
        Query("owner", "Whose; may be repeated.", is_list=True),
        Query("item", "Holding this, such as models/namespace/name; may be repeated.", is_list=True),
        Query("q", "Words in the title."),
        Query("sort", "Order.", choices=tuple(item.value for item in CollectionSort)),
        *PAGED,
    ),
    answer=_COLLECTION,
    many=True,
)
describe(
    collections.create,
    "Create a collection",
    _GROUP,
    access="person",
    request=shape(
        "CreateCollection", title=text(), namespace=text(optional=True), item=anything(optional=True), **_FIELDS
    ),
    answer=_COLLECTION,
)
describe(collections.show, "Show a collection", _GROUP, answer=_COLLECTION)
describe(
    collections.update,
    "Change a collection",
    _GROUP,
    access="person",
    request=shape(
        "UpdateCollection",
        title=text(optional=True),
        theme=text(optional=True),
        position=number(optional=True),
        **_FIELDS,
    ),
    answer=shape("CollectionUpdated", success=flag(), data=_COLLECTION),
)
describe(collections.delete, "Delete a collection", _GROUP, access="person", answer=_DONE)
describe(
    collections.add_item,
    "Add to a collection",
    _GROUP,
    access="person",
    request=shape("AddCollectionItem", item=_NEW_ITEM, note=text(optional=True)),
    answer=_COLLECTION,
)
_ITEM_FIELDS = {"note": text(optional=True), "position": number(optional=True)}
describe(
    collections.update_item,
    "Change the note or place of an item",
    _GROUP,
    access="person",
    request=shape("UpdateCollectionItem", **_ITEM_FIELDS),
    answer=_DONE,
)
describe(
    collections.update_items,
    "Change many items, in this order",
    _GROUP,
    access="person",
    request=Body(
        shape(
            "CollectionItemChange",
            action=choice(["update"]),
            _id=text(),
            data=shape("CollectionItemFields", **_ITEM_FIELDS),
        ),
        is_many=True,
    ),
    answer=_DONE,
)
describe(collections.delete_item, "Take an item out", _GROUP, access="person", answer=_DONE)
describe(
    collections.upvote,
    "Vote for a collection, or no longer",
    _GROUP,
    access="person",
    answer=shape("Upvotes", upvotes=number()),
)
