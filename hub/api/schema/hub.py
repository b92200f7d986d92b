"""This document itself."""

from __future__ import annotations

from hub.api.schema.operations import JSON, Body, Query, describe
from hub.api.views import docs

_GROUP = "This hub"
_HTML = "text/html"

describe(
    docs.openapi_json,
    "Get this document as JSON",
    _GROUP,
    access="anybody",
    answer=Body(None, JSON, description="OpenAPI 3.1."),
)
describe(
    docs.openapi_yaml,
    "Get this document as YAML",
    _GROUP,
    access="anybody",
    answer=Body(None, "application/yaml", description="OpenAPI 3.1."),
)
describe(
    docs.page,
    "Browse this document",
    _GROUP,
    access="anybody",
    query=(Query("q", "Words that a route must hold."),),
    answer=Body(None, _HTML, description="A page."),
)
describe(
    docs.group_page,
    "Browse a group of routes",
    _GROUP,
    access="anybody",
    answer=Body(None, _HTML, description="A page."),
)
