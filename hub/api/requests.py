"""What a request says, read strictly: JSON bodies with bounds, flags and lists of a query (T106, T111, T114)."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any, Final, TypeGuard
from urllib.parse import parse_qs

from django.http import HttpRequest

from hub.core.errors import BadRequest, PayloadTooLarge, Unprocessable

MAX_JSON_BYTES: Final = 2 * 1024 * 1024
MAX_DEPTH: Final = 64
MAX_INTEGER: Final = 2**63 - 1
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_TRUE: Final = frozenset({"true", "1", "yes", "on"})
_FALSE: Final = frozenset({"false", "0", "no", "off", ""})


def read_body(request: HttpRequest, max_bytes: int = MAX_JSON_BYTES) -> bytes:
    """Return the body. Raises: PayloadTooLarge."""
    data = request.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise PayloadTooLarge(f"The request is larger than {max_bytes} bytes.")
    return data


def parse_json(data: bytes | str) -> Any:
    """Parse JSON as it is defined: no NaN, no lone surrogate, no NUL, bounded depth. Raises: BadRequest."""
    try:
        value = json.loads(data, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise BadRequest("The body is not valid JSON.") from error
    _check(value, MAX_DEPTH)
    return value


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def _check(value: Any, depth: int) -> None:
    if depth < 0:
        raise BadRequest("The JSON is nested too deeply.")
    if isinstance(value, str):
        if "\0" in value or (not value.isascii() and _SURROGATE.search(value)):
            raise BadRequest("The JSON holds characters that are not text.")
    elif isinstance(value, float):
        if not math.isfinite(value):  # 1e999 is infinity by another name
            raise BadRequest("The body is not valid JSON.")
    elif isinstance(value, dict):
        for key, item in value.items():
            _check(key, depth - 1)
            _check(item, depth - 1)
    elif isinstance(value, list):
        for item in value:
            _check(item, depth - 1)


def is_whole(value: object) -> TypeGuard[int]:
    """Whether this is a number that a column can hold: databases refuse longer ones with an error of their own."""
    return isinstance(value, int) and not isinstance(value, bool) and -MAX_INTEGER <= value <= MAX_INTEGER


class Fields:
    """A JSON object whose fields are taken out by type; anything else is a 400 that names the field."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    @classmethod
    def of(cls, request: HttpRequest) -> Fields:
        """Read the body; an empty one is an empty object. Raises: BadRequest, PayloadTooLarge."""
        data = read_body(request)
        return cls.from_value(parse_json(data) if data.strip() else {})

    @classmethod
    def list_of(cls, request: HttpRequest, *, max_items: int) -> list[Fields]:
        """Read a body that is a list of objects. Raises: BadRequest, PayloadTooLarge."""
        return cls({"body": parse_json(read_body(request))}).objects("body", max_items=max_items)

    @classmethod
    def from_value(cls, value: Any) -> Fields:
        if not isinstance(value, dict):
            raise BadRequest("A JSON object is expected.")
        return cls(value)

    def __contains__(self, name: str) -> bool:
        return self._values.get(name) is not None

    def text(self, name: str, default: str | None = None, *, max_length: int = 10_000) -> str:
        """A string; required when there is no default. ``null`` counts as absent."""
        value = self._values.get(name)
        if value is None:
            if default is None:
                raise BadRequest(f"{name} is required.", param=name)
            return default
        if not isinstance(value, str):
            raise BadRequest(f"{name} must be a string.", param=name)
        if len(value) > max_length:
            raise BadRequest(f"{name} is longer than {max_length} characters.", param=name)
        return value

    def flag(self, name: str, default: bool = False) -> bool:
        value = self._values.get(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise BadRequest(f"{name} must be true or false.", param=name)
        return value

    def integer(self, name: str) -> int:
        value = self._values.get(name)
        if not is_whole(value):
            raise BadRequest(f"{name} must be a whole number.", param=name)
        return value

    def items(self, name: str, *, max_items: int) -> list[Any]:
        """A list; absent is empty. Raises: BadRequest, PayloadTooLarge."""
        value = self._values.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise BadRequest(f"{name} must be a list.", param=name)
        if len(value) > max_items:
            raise PayloadTooLarge(f"{name} has more than {max_items} items.")
        return value

    def objects(self, name: str, *, max_items: int) -> list[Fields]:
        return [Fields.from_value(item) for item in self.items(name, max_items=max_items)]

    def raw(self, name: str) -> Any:
        return self._values.get(name)

    def values(self) -> Mapping[str, Any]:
        """All of them, for names that somebody else has chosen."""
        return self._values


def query_flag(request: HttpRequest, name: str, default: bool = False) -> bool:
    """``true``, ``1``, ``True`` … or their opposites. Raises: BadRequest."""
    text = request.GET.get(name)
    if text is None:
        return default
    return parse_flag(text, name)


def parse_flag(text: str, name: str) -> bool:
    lowered = text.strip().lower()
    if lowered in _TRUE:
        return True
    if lowered in _FALSE:
        return False
    raise BadRequest(f"{name} must be true or false.", param=name)


def query_list(request: HttpRequest, name: str) -> list[str]:
    """All values of ``name`` and ``name[]``, in order."""
    return [value for value in (*request.GET.getlist(name), *request.GET.getlist(f"{name}[]")) if value]


def read_paths(request: HttpRequest, *, max_paths: int) -> tuple[list[str], bool]:
    """``paths`` and ``expand`` of a form (Python) or JSON (JavaScript). Raises: BadRequest, PayloadTooLarge."""
    data = read_body(request)
    if request.content_type == "application/json":
        fields = Fields.from_value(parse_json(data) if data.strip() else {})
        given = fields.raw("paths")
        paths = [given] if isinstance(given, str) else fields.items("paths", max_items=max_paths)
        if not all(isinstance(path, str) for path in paths):
            raise BadRequest("paths must be strings.", param="paths")
        return paths, fields.flag("expand")
    try:
        form = parse_qs(data.decode(), keep_blank_values=True, max_num_fields=max_paths + 10)
    except UnicodeDecodeError as error:
        raise BadRequest("The form is not UTF-8.") from error
    except ValueError as error:
        raise PayloadTooLarge(f"Ask for at most {max_paths} paths at once.") from error
    paths = [*form.get("paths", []), *form.get("paths[]", [])]
    if any("\0" in path for path in paths):
        raise Unprocessable("A path holds a NUL character.")
    return paths, parse_flag(form.get("expand", ["false"])[-1], "expand")
