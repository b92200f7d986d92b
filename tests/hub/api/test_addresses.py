"""What clients ask of ids that no repo has, of tasks without a model, and of limits that honest work stays below."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from hub.accounts.models import Organization
from hub.accounts.services.namespaces import check_name
from hub.api.routing import WINDOW_S
from hub.catalog.models import RepoIndex
from hub.core.errors import BadRequest
from hub.repos.enums import Visibility
from tests.factories.accounts import bearer, make_token, make_user
from tests.factories.catalog import make_row
from tests.factories.repos import make_repo

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/models/gpt2"),
        ("GET", "/api/models/gpt2/revision/main"),
        ("GET", "/api/datasets/squad/tree/main/data"),
        ("POST", "/api/models/gpt2/commit/main"),
        ("DELETE", "/api/models/gpt2/like"),
        ("POST", "/api/spaces/demo/like"),
        ("HEAD", "/gpt2/resolve/main/config.json"),
        ("GET", "/datasets/squad/raw/main/README.md"),
    ],
)
def test_ids_of_one_part_are_repos_that_are_missing(client: Client, method: str, path: str) -> None:
    headers = bearer(make_token(make_user("ann", password=None))[1])
    stranger, person = client.generic(method, path), client.generic(method, path, **headers)
    assert (stranger.status_code, stranger["X-Error-Code"]) == (401, "RepoNotFound")
    assert (person.status_code, person["X-Error-Code"]) == (404, "RepoNotFound")


def test_pages_of_a_repo_called_raw_are_still_its_own(client: Client) -> None:
    make_repo(make_user("ann", password=None), "raw", files={"a.txt": b"x"})
    assert client.get("/ann/raw/tree/main").status_code == 200
    assert client.get("/api/models/ann/raw").json()["id"] == "ann/raw"


def test_tasks_recommend_the_most_downloaded_open_model_that_runs_here(client: Client) -> None:
    ann = make_user("ann", password=None)
    facts = {"pipeline_tag": "text-generation", "is_servable": True}
    make_row(ann.namespace, "small", downloads=3, **facts)
    make_row(ann.namespace, "best", downloads=9, **facts)
    make_row(ann.namespace, "cannot-run", downloads=50, pipeline_tag="text-generation")
    make_row(ann.namespace, "gated", downloads=50, gated="auto", **facts)
    make_row(ann.namespace, "hidden", downloads=50, visibility=Visibility.PRIVATE, **facts)
    tasks = client.get("/api/tasks").json()
    assert tasks["text-generation"]["widgetModels"] == ["ann/best"]
    assert tasks["text-generation"]["models"] == [{"id": "ann/best", "description": ""}]
    assert tasks["fill-mask"]["widgetModels"] == []


def test_tasks_cost_the_same_for_few_and_many_models(client: Client, django_assert_num_queries: Any) -> None:
    ann = make_user("ann", password=None)
    make_row(ann.namespace, pipeline_tag="fill-mask", is_servable=True)
    with django_assert_num_queries(2):
        client.get("/api/tasks")
    for tag in ("fill-mask", "text-generation"):
        make_row(ann.namespace, pipeline_tag=tag, is_servable=True)
    with django_assert_num_queries(2):
        assert client.get("/api/tasks").json()["text-generation"]["widgetModels"]


def test_a_new_repo_is_found_at_once_by_its_owner_only(client: Client) -> None:
    ann = make_user("ann", password=None)
    headers = bearer(make_token(ann)[1])
    made = client.post(
        "/api/repos/create", {"name": "just-made", "private": True}, content_type="application/json", **headers
    )
    assert made.status_code == 200
    # What the worker will read later is not there yet: the list must not wait for it.
    RepoIndex.objects.update(head_oid="")
    url = "/api/models?author=ann&search=just-made"
    assert [item["id"] for item in client.get(url, **headers).json()] == ["ann/just-made"]
    assert client.get(url).json() == []


def test_one_address_of_strangers_has_a_twentieth_of_a_users_limit(client: Client, settings: Any) -> None:
    """T138: the window's numbers are told, and strangers run out first."""
    settings.HUB_RATE_API = 40
    headers = bearer(make_token(make_user("ann", password=None))[1])
    told = client.get("/api/models", **headers)["RateLimit-Policy"]
    assert told == f'"fixed window";"api";q=40;w={WINDOW_S}'
    assert [client.get("/api/models").status_code for _ in range(3)] == [200, 200, 429]
    assert client.get("/api/models", **headers).status_code == 200


def test_only_operators_give_names_with_underscores_t45() -> None:
    make_user("ann", password=None)
    with pytest.raises(BadRequest):
        check_name("valid_org_hub")
    call_command("createorg", "valid_org_hub", "--admin", "ann")
    assert Organization.objects.get().name == "valid_org_hub"
    assert Client().get("/valid_org_hub").status_code == 200
    assert Client().get("/api/organizations/valid_org_hub/overview").json()["name"] == "valid_org_hub"
