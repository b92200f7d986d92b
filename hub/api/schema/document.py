"""From the tables and the URLconf to one OpenAPI 3.1 document."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from django.conf import settings
from django.urls import URLPattern, URLResolver
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from rest_framework.views import APIView

from hub.api.schema.operations import BYTES, DOORS, JSON, OPERATIONS, Body, Operation, Query
from hub.api.schema.tables import GROUPS, load
from hub.core.ids import RepoType

_NOTE: Final = (
    "The API of this hub. It speaks the protocol of the Hugging Face Hub, so that its clients work unchanged when "
    "HF_ENDPOINT names this hub. Send an access token as `Authorization: Bearer hf_…`. Lists come in pages: follow "
    'the `Link: <…>; rel="next"` header. Errors are JSON, `{"error": "…"}`, with the same words in `X-Error-Message` '
    "and, where clients act on it, a name in `X-Error-Code`. A repository that you may not see answers as one that "
    "does not exist. Parts of a path that are revisions or paths of files may hold slashes, plain or as %2F."
)
_ERROR: Final = {
    "description": "Refused: the sentence says why.",
    "headers": {
        "X-Error-Code": {"schema": {"type": "string"}, "description": "A name that clients act on."},
        "X-Error-Message": {"schema": {"type": "string"}},
    },
    "content": {JSON: {"schema": {"$ref": "#/components/schemas/Error"}}},
}
_ERROR_SCHEMA: Final = {
    "type": "object",
    "properties": {"error": {"type": "string"}},
    "required": ["error"],
}
_PLURALS: Final = tuple(repo_type.plural for repo_type in RepoType)
_CONVERTERS: Final[dict[str, dict[str, Any]]] = {
    "int": {"type": "integer", "minimum": 0},
    "uuid": {"type": "string", "format": "uuid"},
}
_WORDS: Final = {
    "namespace": "A user or organization.",
    "name": "The second half of the id.",
    "types": "Kind of repository.",
    "revision": "A branch, tag, pull request (refs/pr/1) or commit.",
    "rest": "A revision, a slash, and a path in the repository.",
    "branch": "Name of the branch.",
    "compare": "Two revisions: a..b; one alone is compared with its parent.",
    "num": "Number of the discussion or pull request.",
    "draft_id": "Id of the upload.",
    "lock_id": "Id of the lock.",
    "client_id": "Id of the application.",
}
_EXAMPLES: Final = {"namespace": "alice", "name": "my-model", "revision": "main", "branch": "dev", "num": 1}
_PARAMETER: Final = re.compile(r"<(?:(\w+):)?(\w+)>")
_GROUP: Final = re.compile(r"\(\?P<(\w+)>([^)]*)\)")
_SECURITY: Final[dict[str, list[dict[str, list[str]]]]] = {
    "anybody": [],
    "person": [{"token": []}],
    "optional": [{"token": []}, {}],
}


@dataclass(slots=True)
class Route:
    """One address of the URLconf; those that differ by the kind of repository alone are one."""

    path: str
    views: dict[str, Any]
    parameters: dict[str, dict[str, Any]] = field(default_factory=dict)


def api_routes() -> list[Route]:
    """All addresses that ``hub.api.urls`` answers, in its order."""
    from hub.api import urls  # noqa: PLC0415 -- the routes of this document are among them

    found: dict[str, Route] = {}
    for pattern in _patterns(urls.urlpatterns):
        route = _route_of(pattern)
        known = found.setdefault(route.path, route)
        if known is not route:
            _merge_types(known, route)
    return list(found.values())


def _patterns(patterns: Any) -> Iterator[URLPattern]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from _patterns(pattern.url_patterns)
        else:
            yield pattern


def _route_of(pattern: URLPattern) -> Route:
    text = str(pattern.pattern)
    parameters: dict[str, dict[str, Any]] = {}
    repo_type = pattern.default_args.get("repo_type")
    if repo_type is not None and text.startswith(f"api/{repo_type.plural}"):
        text = text.replace(f"api/{repo_type.plural}", "api/{types}", 1)
        parameters["types"] = {"type": "string", "enum": [repo_type.plural]}

    def plain(match: re.Match[str]) -> str:
        parameters[match[2]] = dict(_CONVERTERS.get(match[1], {"type": "string"}))
        return f"{{{match[2]}}}"

    def of_expression(match: re.Match[str]) -> str:
        choices = match[2].split("|")
        is_choice = all(re.fullmatch(r"\w+", option) for option in choices)
        parameters[match[1]] = {"type": "string", **({"enum": choices} if is_choice else {})}
        return f"{{{match[1]}}}"

    text = _PARAMETER.sub(plain, _GROUP.sub(of_expression, text)).strip("^$")
    return Route(f"/{text}", _views_of(pattern), parameters)


def _views_of(pattern: URLPattern) -> dict[str, Any]:
    callback: Any = pattern.callback
    views = getattr(callback, "views", None)
    if views is None:  # a plain view of Django's, which names no methods
        return {"POST": callback}
    return {method: view for method, view in views.items() if method != "HEAD"}


def _merge_types(known: Route, other: Route) -> None:
    if "types" in known.parameters and "types" in other.parameters:
        both = {*known.parameters["types"]["enum"], *other.parameters["types"]["enum"]}
        known.parameters["types"]["enum"] = [plural for plural in _PLURALS if plural in both]


def undescribed() -> list[str]:
    """Method and address of each route that no table describes."""
    load()
    return [
        f"{method} {route.path}"
        for route in api_routes()
        for method, view in route.views.items()
        if view not in OPERATIONS
    ]


# --- the document ----------------------------------------------------------------------------------------------------


class _Generator(SchemaGenerator):
    """drf-spectacular's, with paths from the tables: our views are functions, which it cannot inspect."""

    def parse(self, input_request: Any, public: bool) -> dict[str, Any]:
        paths: dict[str, Any] = {}
        for route in api_routes():
            for method, view in route.views.items():
                if view in OPERATIONS:
                    self._add(paths, method, route.path, OPERATIONS[view], route.parameters)
        for operation in DOORS:
            parameters = {name: {"type": "string"} for name in re.findall(r"\{(\w+)\}", operation.path)}
            self._add(paths, operation.method, operation.path, operation, parameters)
        return paths

    def _add(
        self, paths: dict[str, Any], method: str, path: str, operation: Operation, parameters: dict[str, dict[str, Any]]
    ) -> None:
        shown: dict[str, Any] = {
            "operationId": _operation_id(method, path),
            "summary": operation.summary,
            "tags": [operation.group],
            "parameters": [
                *(_path_parameter(name, schema) for name, schema in parameters.items()),
                *map(_query_parameter, operation.query),
            ],
            "responses": {str(status): self._answer(body) for status, body in operation.answers.items()},
            "security": _SECURITY[operation.access],
        }
        shown["responses"]["default"] = _ERROR
        if operation.description:
            shown["description"] = operation.description
        if operation.request:
            content = {body.media_type: {"schema": self._schema(body, "request")} for body in operation.request}
            shown["requestBody"] = {"content": content, "required": True}
        paths.setdefault(path, {})[method.lower()] = shown

    def _answer(self, body: Body | None) -> dict[str, Any]:
        if body is None:
            return {"description": "Done."}
        return {
            "description": body.description or "Done.",
            "content": {body.media_type: {"schema": self._schema(body, "response")}},
        }

    def _schema(self, body: Body, direction: Any) -> dict[str, Any]:
        if body.shape is None:
            kind = {"type": "string", "format": "binary"} if body.media_type == BYTES else {"type": "string"}
            return {**(kind if body.media_type != JSON else {"type": "object"}), "description": body.description}
        inspector = AutoSchema()
        inspector.registry = self.registry
        inspector.view, inspector.method, inspector.path = APIView(request=None), "POST", ""
        schema = inspector.resolve_serializer(body.shape, direction).ref
        return {"type": "array", "items": schema} if body.is_many else schema


def _operation_id(method: str, path: str) -> str:
    words = re.sub(r"[^A-Za-z0-9]+", "_", path.replace("{", "").replace("}", "")).strip("_")
    return f"{method.lower()}_{words}"


def _path_parameter(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {"name": name, "in": "path", "required": True, "schema": schema}
    if name in _WORDS:
        shown["description"] = _WORDS[name]
    if name in _EXAMPLES:
        shown["example"] = _EXAMPLES[name]
    return shown


def _query_parameter(query: Query) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": query.type}
    if query.choices:
        schema["enum"] = list(query.choices)
    if query.is_list:
        schema = {"type": "array", "items": schema}
    shown = {"name": query.name, "in": "query", "description": query.description, "schema": schema}
    return {**shown, "required": True} if query.is_required else shown


@lru_cache(maxsize=1)
def document() -> dict[str, Any]:
    """The whole document, made once for each process."""
    load()
    made: dict[str, Any] = _Generator().get_schema(public=True)
    made["info"]["description"] = _NOTE
    made["servers"] = [{"url": settings.HUB_URL}]
    made["tags"] = [{"name": name, "description": words} for name, words in GROUPS.items()]
    components = made.setdefault("components", {})
    components.setdefault("schemas", {})["Error"] = _ERROR_SCHEMA
    components["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer", "description": "An access token of a user, or of an application."}
    }
    return made
