"""Make, change and delete collections and what they hold (hub-api §20). Callers hand in what they may write to.

Positions of items are 0, 1, 2 …: every change of order locks the collection's row and writes them anew.
"""

from __future__ import annotations

from typing import Final

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from community.collections import PAPER_ID, CollectionNotFound, get_collection, items_of
from community.enums import CollectionTheme, ItemKind
from community.models import Collection, CollectionItem, CollectionUpvote
from hub.accounts.auth import Viewer
from hub.accounts.enums import Action
from hub.accounts.models import Namespace
from hub.accounts.permissions import get_namespace_for_create, require_user
from hub.core.errors import BadRequest, Conflict, NotFound, PayloadTooLarge
from hub.core.ids import RepoType, split_repo_id
from hub.repos.models import Repo
from hub.repos.permissions import RepoMoved, get_repo_for_read

MAX_COLLECTIONS: Final = 1_000  # of one namespace
MAX_ITEMS: Final = 500
MAX_TITLE_LENGTH: Final = 60
MAX_DESCRIPTION_LENGTH: Final = 150
MAX_NOTE_LENGTH: Final = 500
MAX_POSITION: Final = 1_000_000


def create_collection(
    viewer: Viewer, *, namespace: str, title: str, description: str = "", is_private: bool = False
) -> Collection:
    """Make an empty collection.

    Raises: AuthenticationRequired, PermissionDenied, InsufficientScope, BadRequest, PayloadTooLarge
        Conflict: the namespace has one of this title; ``data["slug"]`` names it.
    """
    owner = get_namespace_for_create(viewer, namespace)
    title, description = _checked_title(title), _checked_description(description)
    with transaction.atomic():
        Namespace.objects.select_for_update().get(pk=owner.pk)
        _require_new_title(owner, title)
        count = Collection.objects.filter(namespace=owner).count()
        if count >= MAX_COLLECTIONS:
            raise PayloadTooLarge(f"{owner.name} has {MAX_COLLECTIONS} collections; there is no room for more.")
        return Collection.objects.create(
            namespace=owner,
            title=title,
            description=description,
            is_private=is_private,
            position=count,
            created_by=viewer.user,
        )


def _checked_title(title: str) -> str:
    title = " ".join(title.split())
    if not 1 <= len(title) <= MAX_TITLE_LENGTH:
        raise BadRequest(f"A collection's title has 1 to {MAX_TITLE_LENGTH} characters.", param="title")
    return title


def _checked_description(description: str) -> str:
    if len(description.strip()) > MAX_DESCRIPTION_LENGTH:
        raise BadRequest(f"A description has at most {MAX_DESCRIPTION_LENGTH} characters.", param="description")
    return description.strip()


def _require_new_title(owner: Namespace, title: str, *, except_pk: int | None = None) -> None:
    rows = Collection.objects.select_related("namespace").filter(namespace=owner, title_folded=title.casefold()[:60])
    found = (rows if except_pk is None else rows.exclude(pk=except_pk)).first()
    if found is not None:
        raise Conflict(f"{owner.name} has a collection of this title already.", slug=found.slug)


def update_collection(
    collection: Collection,
    *,
    title: str | None = None,
    description: str | None = None,
    position: int | None = None,
    is_private: bool | None = None,
    theme: str | None = None,
) -> Collection:
    """Change what is given. Raises: BadRequest, Conflict (title)."""
    with transaction.atomic():
        Namespace.objects.select_for_update().get(pk=collection.namespace_id)
        changed = Collection.objects.select_related("namespace").filter(pk=collection.pk).first()
        if changed is None:
            raise CollectionNotFound
        if title is not None:
            changed.title = _checked_title(title)
            _require_new_title(changed.namespace, changed.title, except_pk=changed.pk)
        if description is not None:
            changed.description = _checked_description(description)
        if position is not None:
            changed.position = _checked_position(position)
        if is_private is not None:
            changed.is_private = is_private
        if theme is not None:
            changed.theme = _checked_theme(theme)
        changed.updated_at = timezone.now()
        changed.save()
    return changed


def _checked_position(position: int) -> int:
    if not 0 <= position <= MAX_POSITION:
        raise BadRequest(f"position must be from 0 to {MAX_POSITION}.", param="position")
    return position


def _checked_theme(theme: str) -> CollectionTheme:
    if theme not in CollectionTheme.values:
        raise BadRequest(f"theme must be one of {', '.join(CollectionTheme.values)}.", param="theme")
    return CollectionTheme(theme)


def delete_collection(collection: Collection) -> None:
    collection.delete()


# --- items -----------------------------------------------------------------------------------------------------------


def add_collection_item(viewer: Viewer, collection: Collection, kind: ItemKind, name: str, *, note: str = "") -> None:
    """Put something at the end: a repo by ``ns/name``, a collection by its slug, a paper by its arXiv number.

    Raises: NotFound (missing, or hidden from the viewer), BadRequest, PayloadTooLarge, Conflict (it is there already)
    """
    item = CollectionItem(collection=collection, kind=kind, note=_checked_note(note))
    if kind == ItemKind.PAPER:
        item.reference = _paper(name)
    elif kind == ItemKind.COLLECTION:
        item.nested = get_collection(viewer, name)
        if item.nested.pk == collection.pk:
            raise BadRequest("A collection cannot hold itself.", param="id")
    else:
        item.repo = _repo(viewer, kind, name)
    with transaction.atomic():
        _locked(collection)
        count = CollectionItem.objects.filter(collection=collection).count()
        if count >= MAX_ITEMS:
            raise PayloadTooLarge(f"A collection holds at most {MAX_ITEMS} items.")
        if _same(item).exists():
            raise Conflict("This is in the collection already.")
        item.position = count
        item.save()
        _touch(collection)


def _paper(name: str) -> str:
    if not PAPER_ID.fullmatch(name):
        raise NotFound("A paper is named by its arXiv number, such as 2307.09288.")
    return name


def _repo(viewer: Viewer, kind: ItemKind, name: str) -> Repo:
    namespace, repo_name = split_repo_id(name)
    try:
        return get_repo_for_read(viewer, RepoType(kind.value), namespace, repo_name)
    except RepoMoved as moved:
        return moved.repo


def _same(item: CollectionItem) -> QuerySet[CollectionItem]:
    rows = CollectionItem.objects.filter(collection=item.collection)
    if item.repo is not None:
        return rows.filter(repo=item.repo)
    return rows.filter(nested=item.nested) if item.nested is not None else rows.filter(reference=item.reference)


def _checked_note(note: str) -> str:
    if len(note.strip()) > MAX_NOTE_LENGTH:
        raise BadRequest(f"A note has at most {MAX_NOTE_LENGTH} characters.", param="note")
    return note.strip()


def update_collection_item(
    collection: Collection, object_id: str, *, note: str | None = None, position: int | None = None
) -> None:
    """Change an item's note or place; the others move up or down. Raises: NotFound, BadRequest."""
    with transaction.atomic():
        items = _items(collection)
        item = _find(items, object_id)
        if note is not None:
            item.note = _checked_note(note)
            item.save(update_fields=["note"])
        if position is not None:
            items.remove(item)
            items.insert(min(_checked_position(position), len(items)), item)
            _renumber(items)
        _touch(collection)


def move_collection_item(viewer: Viewer, collection: Collection, object_id: str, *, is_up: bool) -> None:
    """Move an item by one place among those that the viewer sees; hidden ones stay where they are between them.

    Raises: NotFound
    """
    with transaction.atomic():
        items = _items(collection)
        item = _find(items, object_id)
        seen = {row.pk for row in items_of(viewer, collection)}
        place = items.index(item)
        rest = reversed(items[:place]) if is_up else iter(items[place + 1 :])
        other = next((row for row in rest if row.pk in seen), None)
        if other is not None:
            target = items.index(other)
            items.remove(item)
            items.insert(target, item)
            _renumber(items)
            _touch(collection)


def delete_collection_item(collection: Collection, object_id: str) -> None:
    """Raises: NotFound."""
    with transaction.atomic():
        items = _items(collection)
        item = _find(items, object_id)
        items.remove(item)
        item.delete()
        _renumber(items)
        _touch(collection)


def _items(collection: Collection) -> list[CollectionItem]:
    _locked(collection)
    return list(CollectionItem.objects.filter(collection=collection).order_by("position", "pk"))


def _find(items: list[CollectionItem], object_id: str) -> CollectionItem:
    """Looked up in its own collection only (T33)."""
    for item in items:
        if item.object_id == object_id:
            return item
    raise NotFound("There is no such item in this collection.")


def _renumber(items: list[CollectionItem]) -> None:
    moved = [item for place, item in enumerate(items) if item.position != place]
    for place, item in enumerate(items):
        item.position = place
    CollectionItem.objects.bulk_update(moved, ["position"])


def _locked(collection: Collection) -> None:
    if Collection.objects.select_for_update().filter(pk=collection.pk).first() is None:
        raise CollectionNotFound


def _touch(collection: Collection) -> None:
    collection.updated_at = timezone.now()
    Collection.objects.filter(pk=collection.pk).update(updated_at=collection.updated_at)


# --- upvotes ---------------------------------------------------------------------------------------------------------


def set_upvote(viewer: Viewer, collection: Collection, *, is_upvoted: bool) -> int:
    """Vote for a collection that the viewer may see, or take it back; return the number of votes.

    Raises: AuthenticationRequired, InsufficientScope
    """
    require_user(viewer, Action.DISCUSSION_WRITE)
    with transaction.atomic():
        _locked(collection)
        if is_upvoted:
            CollectionUpvote.objects.get_or_create(collection=collection, user=viewer.user)
        else:
            CollectionUpvote.objects.filter(collection=collection, user=viewer.user).delete()
        count = CollectionUpvote.objects.filter(collection=collection).count()
        Collection.objects.filter(pk=collection.pk).update(upvotes=count)
    return count
