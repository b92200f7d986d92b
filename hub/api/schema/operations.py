"""What is said about a view: one sentence, its query, its bodies and its answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from drf_spectacular.utils import inline_serializer
from rest_framework import serializers

from hub.api.routing import View

AnyField: TypeAlias = "serializers.Field[Any, Any, Any, Any]"

JSON: Final = "application/json"
FORM: Final = "application/x-www-form-urlencoded"
TEXT: Final = "text/plain"
BYTES: Final = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Query:
    """One parameter of a query string."""

    name: str
    description: str
    type: str = "string"  # string | integer | boolean
    choices: tuple[str, ...] = ()
    is_list: bool = False
    is_required: bool = False


@dataclass(frozen=True, slots=True)
class Body:
    """A body of one media type: a serializer, many of them, or (without) bytes or text of a form told in words."""

    shape: Any = None
    media_type: str = JSON
    is_many: bool = False
    description: str = ""


@dataclass(frozen=True, slots=True)
class Operation:
    summary: str
    group: str
    description: str = ""
    query: tuple[Query, ...] = ()
    #: One body, or several that the route understands, by media type.
    request: tuple[Body, ...] = ()
    #: By status; None for one without a body.
    answers: dict[int, Body | None] = field(default_factory=dict)
    #: anybody | person | optional: whether a token is needed, or widens what is seen.
    access: str = "optional"
    #: For routes beside Django: method and path template; views of the URLconf have none.
    method: str = ""
    path: str = ""


OPERATIONS: Final[dict[View, Operation]] = {}
#: The doors that the URLconf does not know (hub.asgi).
DOORS: Final[list[Operation]] = []

CURSOR: Final = Query("cursor", "Where the next page begins: taken from the Link header, never made up.")
LIMIT: Final = Query("limit", "Items in a page.", "integer")
PAGED: Final = (CURSOR, LIMIT)


def shape(name: str, /, **fields: AnyField) -> serializers.Serializer[Any]:
    """A serializer of this name; used for its form only, values are made by the views."""
    return inline_serializer(name, fields)


def text(words: str = "", *, optional: bool = False, **more: Any) -> AnyField:
    return serializers.CharField(help_text=words, required=not optional, **more)


def number(words: str = "", *, optional: bool = False) -> AnyField:
    return serializers.IntegerField(help_text=words, required=not optional)


def flag(words: str = "", *, optional: bool = False) -> AnyField:
    return serializers.BooleanField(help_text=words, required=not optional)


def choice(options: Any, words: str = "", *, optional: bool = False) -> AnyField:
    return serializers.ChoiceField(choices=list(options), help_text=words, required=not optional)


def moment(words: str = "", *, optional: bool = False) -> AnyField:
    return serializers.DateTimeField(help_text=words, required=not optional)


def texts(words: str = "", *, optional: bool = False) -> AnyField:
    return serializers.ListField(child=serializers.CharField(), help_text=words, required=not optional)


def many(item: serializers.BaseSerializer[Any], *, optional: bool = False) -> AnyField:
    return serializers.ListField(child=type(item)(), required=not optional)


def anything(words: str = "", *, optional: bool = False) -> AnyField:
    return serializers.JSONField(help_text=words, required=not optional)


def describe(
    view: View,
    summary: str,
    group: str,
    *,
    request: Any = (),
    answer: Any = None,
    many: bool = False,
    status: int = 200,
    **more: Any,
) -> None:
    """Add one view to the tables.

    Args:
        request: a serializer, a ``Body`` or several of them.
        answer: what success looks like: a serializer or a ``Body``; None for an empty object or nothing.
        many: whether ``answer`` is one item of a list.
        status: of success.
        more: other fields of ``Operation``.
    """
    answers = {status: answer if isinstance(answer, Body) or answer is None else Body(answer, is_many=many)}
    operation = Operation(summary, group, request=_bodies(request), answers=answers, **more)
    if view in OPERATIONS:
        raise ValueError(f"{view.__module__}.{view.__name__} is described twice.")
    OPERATIONS[view] = operation


def _bodies(request: Any) -> tuple[Body, ...]:
    given = request if isinstance(request, tuple) else (request,)
    return tuple(item if isinstance(item, Body) else Body(item) for item in given)


def door(
    method: str, path: str, summary: str, group: str, *, request: Any = (), answer: Any = None, **more: Any
) -> None:
    """Add a route that the ASGI doors answer."""
    status = more.pop("status", 200)
    answers = {status: answer if isinstance(answer, Body) or answer is None else Body(answer)}
    DOORS.append(Operation(summary, group, request=_bodies(request), answers=answers, method=method, path=path, **more))
