"""Home, lists, search: what strangers and members are shown, in how many queries, and that nothing needs script."""

from __future__ import annotations

from dataclasses import fields

import pytest
from django.urls import reverse

from hub.catalog import search_index
from hub.web.contexts.catalog import HomeContext, RepoListContext, SearchContext
from tests.factories.accounts import make_user
from tests.factories.catalog import make_row

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada():
    return make_user("ada", password=None)


def fill(namespace, *names: str, **values) -> None:
    for name in names:
        make_row(namespace, name, **{"pipeline_tag": "fill-mask", "library_name": "transformers", **values})
    search_index.apply_changes()


@pytest.mark.parametrize("address", ["/models", "/models?library=transformers", "/models?q=m", "/"])
def test_number_of_queries_does_not_grow(client, ada, django_assert_max_num_queries, address):
    fill(ada.namespace, "m1")
    client.get(address)  # fills the caches that every visitor shares

    def queries() -> int:
        with django_assert_max_num_queries(100) as captured:
            assert client.get(address).status_code == 200
        return len(captured)

    one = queries()
    fill(ada.namespace, "m2", "m3")
    client.get(address)
    assert queries() == one <= 4


def test_list_shows_rows_facets_and_state_in_links(client, ada):
    fill(ada.namespace, "tiny", license="mit", parameters=135_000_000, is_servable=True, summary="<b>small</b>")
    page = client.get("/models?library=transformers&sort=likes").content.decode()
    assert 'href="/ada/tiny"' in page
    assert "&lt;b&gt;small&lt;/b&gt;" in page
    assert "135M" in page
    assert 'href="/models?pipeline_tag=fill-mask&amp;library=transformers&amp;sort=likes"' in page
    assert 'href="/models?sort=likes"' in page  # takes the library filter off again
    assert "<strong>1</strong> model" in page


def test_pages_lead_on_and_back(client, ada):
    fill(ada.namespace, *(f"m{number:02d}" for number in range(35)))
    first = client.get("/models?library=transformers")
    assert len(first.context["rows"]) == 30
    second = client.get(first.context["next_href"])
    assert [row.name for row in second.context["rows"]] == ["m04", "m03", "m02", "m01", "m00"]
    assert second.context["next_href"] == ""
    back = client.get(second.context["previous_href"])
    assert [row.name for row in back.context["rows"]] == [row.name for row in first.context["rows"]]


def test_empty_list_says_which_filter_to_drop(client, ada):
    fill(ada.namespace, "tiny", license="mit")
    response = client.get("/models?license=mit&q=nothing-like-it")
    assert [(hint.href, hint.count) for hint in response.context["hints"]] == [("/models?license=mit", 1)]
    assert "/models?license=mit" in response.content.decode()


def test_strangers_see_nothing_private(client, ada):
    """T35, T36: names, counts and facets of private repos."""
    fill(ada.namespace, "hidden-thing", visibility="private", license="mit")
    for address in ("/", "/models", "/models?q=hidden", "/search?q=hidden-thing", "/search/suggest?q=hidden"):
        page = client.get(address).content.decode()
        assert "ada/</span>" not in page, address
        assert "MIT License" not in page, address
        assert 'href="/ada/hidden-thing"' not in page, address
    client.force_login(ada)
    for address in ("/", "/models", "/models?q=hidden", "/search?q=hidden-thing", "/search/suggest?q=hidden"):
        assert 'href="/ada/hidden-thing"' in client.get(address).content.decode(), address


def test_search_finds_people_models_and_datasets(client, ada):
    fill(ada.namespace, "ada-model")
    fill(ada.namespace, "ada-data", repo_type="dataset", pipeline_tag="")
    page = client.get("/search?q=ada").content.decode()
    assert 'href="/ada"' in page
    assert 'href="/ada/ada-model"' in page
    assert 'href="/datasets/ada/ada-data"' in page
    assert client.get("/search").status_code == 200


def test_suggestions_are_a_fragment(client, ada):
    fill(ada.namespace, "tiny-bert", summary="a small one")
    page = client.get("/search/suggest?q=tin").content.decode()
    assert "<html" not in page
    assert 'href="/ada/tiny-bert"' in page


@pytest.mark.parametrize(
    "address", ["/models?sort=colour", "/models?params_min=x", "/models?cursor=!", "/datasets?cursor=b"]
)
def test_unusable_addresses_are_400(client, address):
    assert client.get(address).status_code == 400


def test_lists_refuse_other_methods(client):
    assert client.post("/models").status_code == 405


@pytest.mark.parametrize(
    ("address", "context"), [("/models", RepoListContext), ("/search?q=x", SearchContext), ("/", HomeContext)]
)
def test_pages_get_what_their_contexts_name(client, address, context):
    given = client.get(address).context.keys()
    assert {item.name for item in fields(context)} <= set(given)


def test_names_of_the_routes():
    assert [reverse(f"web:{name}") for name in ("home", "model_list", "dataset_list", "search", "search_suggest")] == [
        "/",
        "/models",
        "/datasets",
        "/search",
        "/search/suggest",
    ]
