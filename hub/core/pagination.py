"""Pages of lists: opaque cursors and the ``Link`` header (hub-api §1.6)."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponseBase

from hub.core.errors import BadRequest

Item = TypeVar("Item")

MAX_CURSOR_LENGTH: Final = 2_000


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """Some items and the cursor behind the last of them; ``None`` when there are no more."""

    items: list[Item]
    next_cursor: str | None = None


def encode_cursor(*values: Any) -> str:
    """Pack the sort key of the last item shown."""
    return base64.urlsafe_b64encode(json.dumps(values, separators=(",", ":")).encode()).decode().rstrip("=")


def decode_cursor(cursor: str, *kinds: type) -> tuple[Any, ...]:
    """Unpack a cursor of values of these ``kinds``. Raises: BadRequest."""
    if len(cursor) > MAX_CURSOR_LENGTH:
        raise BadRequest("Invalid cursor", param="cursor")
    try:
        values = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error, RecursionError) as error:
        raise BadRequest("Invalid cursor", param="cursor") from error
    if (
        not isinstance(values, list)
        or len(values) != len(kinds)
        or any(type(value) is not kind for value, kind in zip(values, kinds, strict=True))
    ):
        raise BadRequest("Invalid cursor", param="cursor")
    return tuple(values)


def cut_page(rows: Sequence[Item], limit: int, key: Callable[[Item], tuple[Any, ...]]) -> Page[Item]:
    """Make a page of at most ``limit`` from ``limit + 1`` fetched rows; ``key`` gives the cursor's values."""
    items = list(rows[:limit])
    return Page(items, encode_cursor(*key(items[-1])) if len(rows) > limit and items else None)


def read_limit(request: HttpRequest, *, default: int, maximum: int) -> int:
    """Return the page size asked for, within bounds. Raises: BadRequest unless it is a positive number."""
    text = request.GET.get("limit", "")
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 9 or int(text) < 1:
        raise BadRequest("limit must be a positive number", param="limit")
    return min(int(text), maximum)


def next_url(request: HttpRequest, cursor: str) -> str:
    """Return the absolute address of the next page: this one, with another cursor."""
    query = [(key, value) for key, values in request.GET.lists() if key != "cursor" for value in values]
    return f"{request.build_absolute_uri(request.path)}?{urlencode([*query, ('cursor', cursor)])}"


def add_next_link(response: HttpResponseBase, request: HttpRequest, cursor: str | None) -> None:
    """Tell the client where the list goes on, if it does."""
    if cursor is not None:
        response["Link"] = f'<{next_url(request, cursor)}>; rel="next"'
