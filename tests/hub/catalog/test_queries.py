"""Lists, counts, facets and suggestions: from the search index and from SQL, with the same answers."""

from __future__ import annotations

import pytest
from django.http import QueryDict

from hub.accounts.auth import ANONYMOUS
from hub.catalog import search_index
from hub.catalog.filters import RepoFilters
from hub.catalog.models import RepoIndex
from hub.catalog.queries import count_repos, facet_counts, list_repos, recent_of, suggest
from hub.catalog.sort_keys import Sort
from hub.core.errors import BadRequest
from hub.core.ids import RepoType
from hub.repos.enums import Visibility
from hub.repos.models import Repo
from tests.factories.accounts import make_user, make_viewer
from tests.factories.catalog import make_row

pytestmark = pytest.mark.django_db


@pytest.fixture(params=["index", "sql"])
def backend(request):
    """Run a test twice: with a search index and without one."""
    return request.param


def settle(backend: str) -> None:
    if backend == "index":
        search_index.apply_changes()


def names(page) -> list[str]:
    return [item.name for item in page.items]


@pytest.fixture
def owner():
    return make_user("ada", password=None)


@pytest.fixture
def models(owner):
    make_row(
        owner.namespace,
        "bert-tiny",
        pipeline_tag="fill-mask",
        library_name="transformers",
        license="mit",
        languages=["en", "no"],
        tags=["transformers", "fill-mask", "en", "license:mit", "base_model:a/b"],
        parameters=4_000_000,
        downloads=50,
        trending_score=3,
        is_servable=True,
        summary="A small encoder for English.",
    )
    make_row(
        owner.namespace,
        "gpt-mini",
        pipeline_tag="text-generation",
        library_name="transformers",
        license="cc-by-nc-4.0",
        languages=["en"],
        tags=["transformers", "text-generation", "en"],
        parameters=7_000_000_000,
        downloads=10,
        trending_score=9,
    )
    make_row(
        owner.namespace,
        "asr",
        pipeline_tag="automatic-speech-recognition",
        library_name="nemo",
        license="homemade",
        languages=["zh"],
        tags=["nemo", "zh"],
        likes=4,
        trending_score=6,
        summary="中文语音识别模型",
    )


def ask(query: str, repo_type=RepoType.MODEL, for_api=False) -> RepoFilters:
    return RepoFilters.from_query(QueryDict(query), repo_type, for_api=for_api)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["gpt-mini", "asr", "bert-tiny"]),
        ("sort=downloads", ["bert-tiny", "gpt-mini", "asr"]),
        ("sort=likes", ["asr", "gpt-mini", "bert-tiny"]),
        ("sort=num_parameters", ["gpt-mini", "bert-tiny", "asr"]),
        ("pipeline_tag=fill-mask", ["bert-tiny"]),
        ("library=transformers", ["gpt-mini", "bert-tiny"]),
        ("license=mit", ["bert-tiny"]),
        ("license_class=non-commercial", ["gpt-mini"]),
        ("license_class=unknown", ["asr"]),
        ("language=no", ["bert-tiny"]),
        ("filter=en", ["gpt-mini", "bert-tiny"]),
        ("filter=en,base_model:a/b", ["bert-tiny"]),
        ("filter=en&filter=nothing", []),
        ("num_parameters=min:6B", ["gpt-mini"]),
        ("num_parameters=min:1M,max:10M", ["bert-tiny"]),
        ("params_max=5M", ["bert-tiny"]),
        ("callable=1", ["bert-tiny"]),
        ("author=ADA&filter=zh", ["asr"]),
        ("author=nobody", []),
        ("search=TINY", ["bert-tiny"]),
        ("search=ada/gp", ["gpt-mini"]),
        ("search=bert tiny", ["bert-tiny"]),
        ("search=be", ["bert-tiny"]),
        ("q=encoder", ["bert-tiny"]),
        ("q=语音", ["asr"]),
        ("q=识别模型", ["asr"]),
        ("q=gpt&filter=zh", []),
    ],
)
def test_list_filters_and_sorts(models, backend, query, expected):
    settle(backend)
    assert names(list_repos(ANONYMOUS, ask(query))) == expected
    assert count_repos(ANONYMOUS, ask(query)) == len(expected)


def test_search_by_pinyin_needs_the_index(models):
    search_index.apply_changes()
    assert names(list_repos(ANONYMOUS, ask("q=yuyinshibie"))) == ["asr"]


def test_api_search_looks_into_ids_only(models, backend):
    settle(backend)
    assert names(list_repos(ANONYMOUS, ask("search=encoder", for_api=True))) == []
    assert names(list_repos(ANONYMOUS, ask("search=ert-ti", for_api=True))) == ["bert-tiny"]


def test_pages_walk_both_ways_without_gap_or_repeat(owner, backend):
    """Ties everywhere: all scores are zero, so only the packed id parts them (platform §3.6)."""
    for number in range(7):
        make_row(owner.namespace, f"m{number}", tags=["x"])
    settle(backend)
    filters = ask("filter=x")
    first = list_repos(ANONYMOUS, filters, limit=3)
    second = list_repos(ANONYMOUS, filters, limit=3, after=first.next_cursor)
    third = list_repos(ANONYMOUS, filters, limit=3, after=second.next_cursor)
    assert [names(page) for page in (first, second, third)] == [["m6", "m5", "m4"], ["m3", "m2", "m1"], ["m0"]]
    assert first.prev_cursor is None
    assert third.next_cursor is None
    back = list_repos(ANONYMOUS, filters, limit=3, after=third.prev_cursor)
    assert names(back) == ["m3", "m2", "m1"]
    start = list_repos(ANONYMOUS, filters, limit=3, after=back.prev_cursor)
    assert (names(start), start.prev_cursor) == (["m6", "m5", "m4"], None)


@pytest.mark.parametrize("cursor", ["zzz", "a-1", "x12", "a" + "f" * 40, "a"])
def test_foreign_cursor_is_refused(cursor):
    with pytest.raises(BadRequest):
        list_repos(ANONYMOUS, RepoFilters(), after=cursor)


@pytest.mark.parametrize("query", ["sort=colour", "num_parameters=6B", "params_min=many", "license_class=free"])
def test_unusable_filters_are_refused(query):
    with pytest.raises(BadRequest):
        ask(query)


def test_private_repos_appear_to_members_alone(owner, backend):
    """T35, T36: lists, counts, facets and suggestions."""
    make_row(owner.namespace, "secret-model", visibility="private", tags=["x"], pipeline_tag="fill-mask")
    settle(backend)
    member, stranger = make_viewer(owner), make_viewer(make_user("eve", password=None))
    for query in ("", "filter=x", "q=secret", "author=ada"):
        assert names(list_repos(member, ask(query))) == ["secret-model"]
        for outsider in (ANONYMOUS, stranger):
            assert names(list_repos(outsider, ask(query))) == []
            assert count_repos(outsider, ask(query)) == 0
    assert facet_counts(member, ask("filter=x")).task == {"fill-mask": 1}
    assert facet_counts(stranger, ask("filter=x")).task == {}
    assert [item.label for item in suggest(member, "secret")] == ["ada/secret-model"]
    assert suggest(stranger, "secret") == []


def test_stale_index_does_not_show_what_became_private(owner):
    """T37: the index still says public; the row decides."""
    row = make_row(owner.namespace, "was-public", tags=["x"])
    search_index.apply_changes()
    Repo.objects.filter(pk=row.pk).update(visibility=Visibility.PRIVATE)
    assert names(list_repos(ANONYMOUS, ask("filter=x"))) == []
    assert suggest(ANONYMOUS, "was-public") == []


def test_disabled_repos_are_not_listed(owner, backend):
    make_row(owner.namespace, "held", tags=["x"], is_listed=False)
    settle(backend)
    assert names(list_repos(ANONYMOUS, ask("filter=x"))) == []
    assert names(list_repos(ANONYMOUS, ask(""))) == []


def test_facets_count_each_group_without_its_own_choice(models, backend):
    settle(backend)
    facets = facet_counts(ANONYMOUS, ask("library=transformers&pipeline_tag=fill-mask"))
    assert facets.task == {"fill-mask": 1, "text-generation": 1}
    assert facets.library == {"transformers": 1}
    assert facets.license == {"mit": 1}
    assert facets.license_class == {"commercial": 1}
    assert facets.language == {"en": 1, "no": 1}
    assert facets.servable == 1


def test_facets_follow_the_index(models, owner):
    search_index.apply_changes()
    assert facet_counts(ANONYMOUS, ask("")).library == {"transformers": 2, "nemo": 1}
    make_row(owner.namespace, "late", library_name="nemo")
    search_index.apply_changes()
    assert facet_counts(ANONYMOUS, ask("")).library == {"transformers": 2, "nemo": 2}


def test_datasets_are_found_by_the_tasks_in_their_tags(owner, backend):
    make_row(owner.namespace, "corpus", repo_type="dataset", tags=["task_categories:fill-mask"])
    make_row(owner.namespace, "model", pipeline_tag="fill-mask")
    settle(backend)
    filters = ask("pipeline_tag=fill-mask", RepoType.DATASET)
    assert names(list_repos(ANONYMOUS, filters)) == ["corpus"]
    assert facet_counts(ANONYMOUS, filters).task == {"fill-mask": 1}


def test_suggestions_hold_repos_and_people(models, backend):
    settle(backend)
    assert [(item.kind, item.href) for item in suggest(ANONYMOUS, "bert")] == [("model", "/ada/bert-tiny")]
    assert ("user", "/ada") in [(item.kind, item.href) for item in suggest(ANONYMOUS, "ad")]
    assert suggest(ANONYMOUS, " ") == []


def test_recent_repos_are_the_viewers_own(models, owner):
    make_row(make_user("bob", password=None).namespace, "foreign")
    assert {row.name for row in recent_of(make_viewer(owner))} == {"bert-tiny", "gpt-mini", "asr"}
    assert recent_of(ANONYMOUS) == []


def test_index_is_rebuilt_when_lost(models):
    search_index.apply_changes()
    state = search_index.index_path() / "applied.json"
    state.unlink()
    assert search_index.open_reader() is None
    assert names(list_repos(ANONYMOUS, ask("filter=zh"))) == ["asr"]
    assert search_index.apply_changes() == 3
    assert search_index.open_reader() is not None
    assert names(list_repos(ANONYMOUS, ask("filter=zh"))) == ["asr"]


def test_index_drops_rows_that_are_gone(models):
    search_index.apply_changes()
    row = RepoIndex.objects.get(full_id="ada/asr")
    from hub.catalog.services import forget_repo

    forget_repo(row.pk)
    search_index.apply_changes()
    assert list_repos(ANONYMOUS, ask("filter=zh")).total == 0


def test_query_string_is_canonical_and_reads_back():
    filters = ask("sort=likes&filter=b&filter=a&q=Two Words&params_min=6B&callable=true&language=zh&gated=0")
    assert ask(filters.query_string()[1:]) == filters
    assert RepoFilters().query_string() == ""


@pytest.mark.parametrize("sort", list(Sort))
def test_number_of_queries_does_not_grow(owner, django_assert_num_queries, sort):
    make_row(owner.namespace, "one", tags=["x"])
    search_index.apply_changes()
    with django_assert_num_queries(1):
        assert len(list_repos(ANONYMOUS, ask(f"filter=x&sort={sort}")).items) == 1
    make_row(owner.namespace, "two", tags=["x"])
    make_row(owner.namespace, "three", tags=["x"])
    search_index.apply_changes()
    with django_assert_num_queries(1):
        assert len(list_repos(ANONYMOUS, ask(f"filter=x&sort={sort}")).items) == 3


@pytest.mark.parametrize(
    "word", ["\U0001f600", "\ufffd", "<", ">", "\\", "(", "[", "a*", ".*", "%", "\u200b", "-", "\x00"]
)
def test_any_sign_may_be_searched_for_t112(models, backend, word):
    settle(backend)
    query = QueryDict(mutable=True)
    query["search"] = word
    for for_api in (True, False):
        assert list_repos(ANONYMOUS, RepoFilters.from_query(query, RepoType.MODEL, for_api=for_api)).items is not None
    assert suggest(ANONYMOUS, word) is not None
