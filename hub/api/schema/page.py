"""The document as a page shows it: groups of operations, each with rows of fields and a command to try."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from django.conf import settings
from django.utils.text import slugify

from hub.api.schema.document import document
from hub.api.schema.operations import JSON

_METHODS: Final = ("get", "head", "post", "put", "patch", "delete")
_EXAMPLES: Final = {"namespace": "alice", "name": "my-model", "types": "models", "revision": "main", "branch": "dev"}
_MAX_DEPTH: Final = 3


@dataclass(frozen=True, slots=True)
class Field:
    """A row: a parameter, or a field of a body; ``name`` is a path of nested ones."""

    name: str
    type: str
    is_required: bool
    description: str


@dataclass(frozen=True, slots=True)
class Answer:
    status: str
    media_type: str
    description: str
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One operation."""

    anchor: str
    method: str
    path: str
    summary: str
    description: str
    access: str
    parameters: tuple[Field, ...]
    bodies: tuple[Answer, ...]
    answers: tuple[Answer, ...]
    command: str

    @property
    def path_parts(self) -> list[str]:
        """The path may break before each."""
        return [f"/{part}" for part in self.path.split("/")[1:]]

    def matches(self, words: list[str]) -> bool:
        text = f"{self.method} {self.path} {self.summary} {self.description}".lower()
        return all(word in text for word in words)


@dataclass(frozen=True, slots=True)
class Group:
    anchor: str
    name: str
    description: str
    entries: tuple[Entry, ...]


def groups(search: str = "") -> list[Group]:
    """Groups in their order; with ``search`` only operations that hold all its words, and no empty groups."""
    words = search.lower().split()
    found = []
    for group in _all_groups():
        entries = tuple(entry for entry in group.entries if entry.matches(words))
        if entries:
            found.append(Group(group.anchor, group.name, group.description, entries))
    return found


@lru_cache(maxsize=1)
def _all_groups() -> tuple[Group, ...]:
    made = document()
    by_group: dict[str, list[Entry]] = {}
    for path, operations in made["paths"].items():
        for method in _METHODS:
            operation = operations.get(method)
            # Addresses that always answer "not found" are for clients that ask all the same; nobody looks for them.
            if operation is not None and "404" not in operation["responses"]:
                by_group.setdefault(operation["tags"][0], []).append(_entry(method, path, operation))
    return tuple(
        Group(slugify(tag["name"]), tag["name"], tag["description"], tuple(by_group.get(tag["name"], ())))
        for tag in made["tags"]
    )


def _entry(method: str, path: str, operation: dict[str, Any]) -> Entry:
    content = operation.get("requestBody", {}).get("content", {})
    return Entry(
        anchor=operation["operationId"],
        method=method.upper(),
        path=path,
        summary=operation["summary"],
        description=operation.get("description", ""),
        access=_access(operation["security"]),
        parameters=tuple(_parameter(parameter) for parameter in operation["parameters"]),
        bodies=tuple(_body("", kind, part["schema"]) for kind, part in content.items()),
        answers=tuple(_answers(operation["responses"])),
        command=_command(method.upper(), path, operation["security"], content),
    )


def _access(security: list[dict[str, Any]]) -> str:
    if not security:
        return "anybody"
    return "optional" if {} in security else "person"


def _parameter(parameter: dict[str, Any]) -> Field:
    return Field(
        parameter["name"],
        f"{parameter['in']}, {_type(parameter['schema'])}",
        parameter.get("required", False),
        parameter.get("description", ""),
    )


def _answers(responses: dict[str, Any]) -> Iterator[Answer]:
    for status, response in responses.items():
        if status == "default":
            continue  # errors are told once, above all operations
        content = response.get("content", {})
        if not content:
            yield Answer(status, "", response["description"], ())
        for kind, part in content.items():
            yield _body(status, kind, part["schema"], response["description"])


def _body(status: str, media_type: str, schema: dict[str, Any], description: str = "") -> Answer:
    shown = schema.get("description") or description
    return Answer(status, media_type, "" if shown == "Done." else shown, tuple(_fields(schema)))


def _fields(schema: dict[str, Any], prefix: str = "", depth: int = 0) -> Iterator[Field]:
    schema = _resolved(schema)
    if schema.get("type") == "array":
        yield from _fields(schema["items"], prefix or "[].", depth)
        return
    required = schema.get("required", ())
    for name, part in schema.get("properties", {}).items():
        whole = _resolved(part)
        yield Field(f"{prefix}{name}", _type(whole), name in required, _without_choices(part.get("description", "")))
        if depth < _MAX_DEPTH:
            inner = whole.get("items", {}) if whole.get("type") == "array" else whole
            yield from _fields(inner, f"{prefix}{name}{'[]' if inner is not whole else ''}.", depth + 1)


def _without_choices(description: str) -> str:
    """Without the list of choices that the generator adds: the column of types has it."""
    return "\n".join(line for line in description.splitlines() if not line.startswith("* `")).strip()


def _resolved(schema: dict[str, Any]) -> dict[str, Any]:
    while "allOf" in schema or "$ref" in schema:
        if "$ref" in schema:
            schema = document()["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        else:
            schema = schema["allOf"][0]
    return schema


def _type(schema: dict[str, Any]) -> str:
    schema = _resolved(schema)
    if "enum" in schema:
        return " | ".join(str(item) for item in schema["enum"])
    kind = schema.get("type", "any")
    kind = " | ".join(kind) if isinstance(kind, list) else kind
    if kind == "array":
        return f"list of {_type(schema.get('items', {}))}"
    return f"{kind} ({schema['format']})" if "format" in schema else kind


# --- a command to try ------------------------------------------------------------------------------------------------


def _command(method: str, path: str, security: list[dict[str, Any]], content: dict[str, Any]) -> str:
    for name, example in _EXAMPLES.items():
        path = path.replace(f"{{{name}}}", example)
    words = ["curl", *([] if method == "GET" else ["-I"] if method == "HEAD" else ["-X", method])]
    lines = [" ".join([*words, shlex.quote(f"{settings.HUB_URL}{path}")])]
    if security:
        lines.append('-H "Authorization: Bearer $HF_TOKEN"')
    if content:
        lines += _data(*next(iter(content.items())))
    return " \\\n  ".join(lines)


def _data(media_type: str, part: dict[str, Any]) -> list[str]:
    schema = _resolved(part["schema"])
    if media_type == JSON and "properties" in schema:
        return [f"-H 'Content-Type: {JSON}'", f"-d {shlex.quote(json.dumps(_example(schema)))}"]
    if "properties" in schema:
        return [f"-d {shlex.quote(f'{name}=…')}" for name in schema.get("required", ())]
    return [f"-H 'Content-Type: {media_type}'", "--data-binary @file"]


def _example(schema: dict[str, Any], depth: int = 0) -> Any:
    """Required fields with a value of their type."""
    schema = _resolved(schema)
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type")
    if kind == "object" and depth <= _MAX_DEPTH:
        required = schema.get("required", ())
        return {
            name: _example(part, depth + 1) for name, part in schema.get("properties", {}).items() if name in required
        }
    if kind == "array":
        return [_example(schema.get("items", {}), depth + 1)] if depth <= _MAX_DEPTH else []
    return {"integer": 0, "number": 0, "boolean": True, "string": "…"}.get(str(kind), "…")
