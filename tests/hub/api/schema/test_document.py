"""The OpenAPI document: every route, in a valid form, and its pages."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml
from django.test import Client
from openapi_spec_validator import OpenAPIV31SpecValidator

from hub.api.schema import document as documents
from hub.api.schema.operations import DOORS, OPERATIONS
from hub.api.schema.page import groups
from hub.api.schema.tables import GROUPS
from hub.asgi import DOORS as ASGI_DOORS
from hub.core.ids import RepoType


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return json.loads(json.dumps(documents.document()))


def _operations(document: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (method.upper(), path): operation
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }


def test_every_route_is_described() -> None:
    assert documents.undescribed() == [], "describe these in hub/api/schema"


def test_no_description_is_left_over() -> None:
    documents.load()
    views = {view for route in documents.api_routes() for view in route.views.values()}
    assert [f"{view.__module__}.{view.__name__}" for view in OPERATIONS if view not in views] == []


def test_every_door_beside_django_is_described() -> None:
    documents.load()
    for door in ASGI_DOORS:
        if door.name != "django":
            scopes = [{"path": operation.path, "method": operation.method, "type": "http"} for operation in DOORS]
            assert any(door.matches(scope) for scope in scopes), door.name


def test_the_document_is_valid_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    OpenAPIV31SpecValidator(document).validate()


def test_operations_have_ids_groups_and_answers(document: dict[str, Any]) -> None:
    operations = _operations(document)
    ids = [operation["operationId"] for operation in operations.values()]
    assert len(ids) == len(set(ids))
    assert len(operations) > 200
    for (method, path), operation in operations.items():
        assert operation["tags"][0] in GROUPS, path
        assert operation["summary"], path
        assert len(operation["responses"]) >= 2, path
        named = {item["name"] for item in operation["parameters"] if item["in"] == "path"}
        assert named == set(re.findall(r"\{(\w+)\}", path)), (method, path)


def test_kinds_of_repositories_share_one_address(document: dict[str, Any]) -> None:
    operation = document["paths"]["/api/{types}/{namespace}/{name}/tree/{rest}"]["get"]
    types = next(item for item in operation["parameters"] if item["name"] == "types")
    assert sorted(types["schema"]["enum"]) == sorted(repo_type.plural for repo_type in RepoType)
    for repo_type in RepoType:
        assert f"/{repo_type.web_prefix}{{namespace}}/{{name}}/resolve/{{rest}}" in document["paths"]


def test_bodies_come_from_serializers(document: dict[str, Any]) -> None:
    body = document["paths"]["/api/repos/create"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body == {"$ref": "#/components/schemas/CreateRepo"}
    schema = document["components"]["schemas"]["CreateRepo"]
    assert schema["required"] == ["name"]
    assert schema["properties"]["type"]["enum"] == ["model", "dataset", "space", "kernel"]


@pytest.mark.django_db
def test_programs_get_the_document_as_json_and_yaml(client: Client, document: dict[str, Any]) -> None:
    as_json = client.get("/api/openapi.json")
    assert as_json.json() == document
    assert as_json.headers["Access-Control-Allow-Origin"] == "*"
    assert client.get("/api/openapi.json", HTTP_IF_NONE_MATCH=as_json.headers["ETag"]).status_code == 304
    as_yaml = client.get("/api/openapi.yaml")
    assert as_yaml.headers["Content-Type"] == "application/yaml"
    assert yaml.safe_load(as_yaml.content) == document


@pytest.mark.django_db
def test_people_browse_all_operations(client: Client, document: dict[str, Any]) -> None:
    page = client.get("/api/docs").content.decode()
    shown = 0
    for group in groups():
        assert f'href="/api/docs/{group.anchor}"' in page
        group_page = client.get(f"/api/docs/{group.anchor}")
        assert group_page.status_code == 200
        for entry in group.entries:
            assert f'href="/api/docs/{group.anchor}#{entry.anchor}"' in page
            assert f'id="{entry.anchor}"' in group_page.content.decode()
            shown += 1
    # Some addresses exist only to be refused in the clients' words; people need not read of them.
    never = [operation for operation in _operations(document).values() if "404" in operation["responses"]]
    assert {operation["summary"] for operation in never} == {"Ids of one part: there are none on this hub"}
    assert shown == len(_operations(document)) - len(never)
    assert "<style" not in page
    assert " style=" not in page
    assert "script-src 'self'" in client.get("/api/docs").headers["Content-Security-Policy"]


@pytest.mark.django_db
def test_search_narrows_and_is_shown_as_text(client: Client) -> None:
    page = client.get("/api/docs", {"q": "post merge"}).content.decode()
    assert page.count("data-api-entry") == 1
    none = client.get("/api/docs", {"q": "<script>alert(1)</script>\0"}).content.decode()
    assert none.count("data-api-entry") == 0
    assert "<script>alert" not in none
    assert "No route holds these words." in none
    assert client.get("/api/docs/nothing").status_code == 404


def test_a_command_to_try_holds_what_is_required() -> None:
    entry = next(entry for group in groups("post /api/repos/create") for entry in group.entries)
    assert entry.command.splitlines() == [
        f"curl -X POST {documents.settings.HUB_URL}/api/repos/create \\",
        '  -H "Authorization: Bearer $HF_TOKEN" \\',
        "  -H 'Content-Type: application/json' \\",
        '  -d \'{"name": "\\u2026"}\'',
    ]
