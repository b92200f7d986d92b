"""The document of this API: for programs as JSON and YAML, for people as a page."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache

import yaml
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _

from hub.api.schema.document import document
from hub.api.schema.page import groups
from hub.core.errors import NotFound

_YAML = "application/yaml"
# The one in C is ten times as fast; it is missing where PyYAML was built without libyaml.
_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_MAX_SEARCH = 100


def openapi_json(request: HttpRequest) -> HttpResponse:
    return _document(request, _as_json(), "application/json")


def openapi_yaml(request: HttpRequest) -> HttpResponse:
    return _document(request, _as_yaml(), _YAML)


@lru_cache(maxsize=1)
def _as_json() -> bytes:
    return json.dumps(document(), ensure_ascii=False).encode()


@lru_cache(maxsize=1)
def _as_yaml() -> bytes:
    # Through JSON: lazy texts and shared parts become plain values.
    plain = json.loads(_as_json())
    return yaml.dump(plain, Dumper=_DUMPER, allow_unicode=True, sort_keys=False, width=120).encode()


def _document(request: HttpRequest, body: bytes, content_type: str) -> HttpResponse:
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    is_known = request.headers.get("if-none-match", "") == etag
    response = HttpResponse(b"" if is_known else body, status=304 if is_known else 200, content_type=content_type)
    response["ETag"] = etag
    response["Cache-Control"] = "public, max-age=300"
    return response


def page(request: HttpRequest) -> HttpResponse:
    """``GET /api/docs``: all routes by group; ``q`` narrows."""
    search = request.GET.get("q", "")[:_MAX_SEARCH].replace("\0", "")
    context = {"groups": groups(search), "search": search, "first_steps": _first_steps(), "nav": "docs"}
    return _page(render(request, "api/docs.html", context))


def _first_steps() -> str:
    url = settings.HUB_URL
    return f'export HF_ENDPOINT={url}\nhf auth login\ncurl -H "Authorization: Bearer $HF_TOKEN" {url}/api/whoami-v2'


def group_page(request: HttpRequest, group: str) -> HttpResponse:
    """``GET /api/docs/{group}``: what each of its routes takes and answers."""
    found = next((item for item in groups() if item.anchor == group), None)
    if found is None:
        raise NotFound
    crumbs = [{"label": _("API"), "href": reverse("api:docs")}, {"label": found.name, "href": ""}]
    return _page(render(request, "api/docs_group.html", {"group": found, "crumbs": crumbs, "nav": "docs"}))


def _page(response: HttpResponse) -> HttpResponse:
    patch_vary_headers(response, ["Accept-Language", "Cookie"])
    return response
