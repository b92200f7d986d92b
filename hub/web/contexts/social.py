"""What feeds, collections and the parts of a profile are given."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from django.urls import reverse
from django.utils import formats
from django.utils.translation import gettext as _

from community.collections import PAPER_ID
from community.enums import ItemKind, StoryKind
from community.feed import Contributions, Story
from community.models import Collection, CollectionItem
from community.people import Followed, is_following
from hub.accounts.auth import Viewer
from hub.accounts.models import Namespace, User
from hub.core.errors import BadRequest
from hub.core.ids import RepoType

_ICONS: Final = {
    StoryKind.REPO: "box",
    StoryKind.VERSION: "tag",
    StoryKind.UPDATE: "git-commit-horizontal",
    StoryKind.DISCUSSION: "message-square",
    StoryKind.PULL_REQUEST: "git-branch",
    StoryKind.LIKE: "heart",
    StoryKind.REVIEW: "star",
    StoryKind.COLLECTION: "bookmark",
}


@dataclass(frozen=True, slots=True)
class StoryRow:
    story: Story
    icon: str
    verb: str
    actor_href: str


def story_rows(found: Iterable[Story]) -> list[StoryRow]:
    return [
        StoryRow(item, _ICONS[item.kind], str(item.kind.label), reverse("web:profile", args=[item.actor]))
        for item in found
    ]


# --- collections -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ItemRow:
    """One entry of a collection: where it leads, and what it is in a word."""

    item: CollectionItem
    href: str
    label: str
    kind: str
    icon: str
    is_first: bool = False
    is_last: bool = False


def item_rows(items: Iterable[CollectionItem]) -> list[ItemRow]:
    found = list(items)
    return [_item_row(item, place == 0, place == len(found) - 1) for place, item in enumerate(found)]


def _item_row(item: CollectionItem, is_first: bool, is_last: bool) -> ItemRow:
    kind = str(ItemKind(item.kind).label)
    if item.repo is not None:
        icon = "database" if item.repo.type is RepoType.DATASET else "box"
        return ItemRow(item, item.repo.urls.page, item.repo.repo_id, kind, icon, is_first, is_last)
    if item.nested is not None:
        return ItemRow(item, collection_href(item.nested), item.nested.title, kind, "bookmark", is_first, is_last)
    address = f"https://arxiv.org/abs/{item.reference}"
    return ItemRow(item, address, f"arXiv:{item.reference}", kind, "book-open", is_first, is_last)


@dataclass(frozen=True, slots=True)
class CollectionCard:
    """One collection in a list, with its first few items."""

    collection: Collection
    href: str
    items: list[ItemRow]


def collection_href(collection: Collection) -> str:
    return f"/collections/{collection.slug}"


def collection_cards(found: Iterable[Collection], items: dict[int, list[CollectionItem]]) -> list[CollectionCard]:
    return [CollectionCard(item, collection_href(item), item_rows(items[item.pk])) for item in found]


def read_address(text: str) -> tuple[ItemKind, str]:
    """What somebody typed or a link names: ``ns/x``, ``models/ns/x``, ``datasets/…``, an arXiv number, an address.

    Raises: BadRequest
    """
    text = text.strip().removeprefix("arXiv:").strip("/")
    if PAPER_ID.fullmatch(text):
        return ItemKind.PAPER, text
    head, _slash, rest = text.partition("/")
    if head == "collections" and "/" in rest:
        return ItemKind.COLLECTION, rest
    kinds = {kind.plural: kind for kind in (RepoType.MODEL, RepoType.DATASET, RepoType.SPACE)}
    if head in kinds and "/" in rest:
        return ItemKind(kinds[head].value), rest
    if text.count("/") != 1:
        raise BadRequest("Name a model as ada/model, a dataset as datasets/ada/rows, or a paper by its arXiv number.")
    return ItemKind.MODEL, text


# --- profiles --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FollowControl:
    """``is_following`` decides what the button does; ``href`` is for strangers, who sign in first."""

    action: str
    is_following: bool
    next: str


def follow_control(viewer: Viewer, subject: Followed, here: str) -> FollowControl | None:
    """None on one's own page."""
    if isinstance(subject, User):
        if viewer.user_pk == subject.pk:
            return None
        name = subject.username
    else:
        name = subject.name
    return FollowControl(reverse("web:follow", args=[name]), is_following(viewer, subject), here)


def profile_tabs(namespace: Namespace, current: str, counts: dict[str, int | None]) -> list[dict[str, Any]]:
    """Links to the parts of a profile; ``counts`` names those that there are, in order."""
    labels = {
        "": (_("Overview"), "user"),
        "collections": (_("Collections"), "bookmark"),
        "likes": (_("Likes"), "heart"),
        "followers": (_("Followers"), "users"),
        "following": (_("Following"), "users"),
    }
    href = namespace.get_absolute_url()
    return [
        {
            "label": labels[key][0],
            "href": f"{href}?{urlencode({'tab': key})}" if key else href,
            "icon": labels[key][1],
            "current": key == current,
            "count": count,
        }
        for key, count in counts.items()
    ]


@dataclass(frozen=True, slots=True)
class Day:
    day: date
    count: int
    level: int  # 0 to 4
    title: str


@dataclass(frozen=True, slots=True)
class Calendar:
    """A year as a picture of days, and as a table of months for who cannot see it."""

    total: int
    days: list[Day]
    months: list[tuple[str, int]]


def calendar_of(found: Contributions) -> Calendar:
    most = max(found.days, default=0)
    days = []
    months: dict[str, int] = {}
    for number, count in enumerate(found.days):
        day = found.first + timedelta(days=number)
        level = -(-4 * count // most) if count else 0
        days.append(Day(day, count, level, f"{formats.date_format(day, 'DATE_FORMAT')}: {count}"))
        name = formats.date_format(day, "YEAR_MONTH_FORMAT")
        months[name] = months.get(name, 0) + count
    return Calendar(found.total, days, list(months.items()))
