"""Lists of models and datasets, search, and suggestions while typing."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from hub.catalog.filters import RepoFilters
from hub.catalog.queries import list_repos, suggest, suggest_people
from hub.core.ids import RepoType
from hub.web.contexts.catalog import SearchContext, repo_list, values_of

_SEARCH_SIZE = 8
_SUGGESTIONS = 8


@require_safe
def model_list(request: HttpRequest) -> HttpResponse:
    return _list_page(request, RepoType.MODEL)


@require_safe
def dataset_list(request: HttpRequest) -> HttpResponse:
    return _list_page(request, RepoType.DATASET)


def _list_page(request: HttpRequest, repo_type: RepoType) -> HttpResponse:
    filters = RepoFilters.from_query(request.GET, repo_type)
    context = repo_list(request.viewer, filters, cursor=request.GET.get("cursor", ""), show=request.GET.get("show", ""))
    return render(request, "catalog/list.html", values_of(context))


@require_safe
def search(request: HttpRequest) -> HttpResponse:
    """Everything that fits some words: people, models, datasets."""
    filters = RepoFilters(search=RepoFilters.from_query(request.GET).search)
    datasets = filters.change(repo_type=RepoType.DATASET)
    query = filters.query_string()
    text = " ".join(filters.search)
    context = SearchContext(
        text=text,
        people=suggest_people(text, limit=_SEARCH_SIZE),
        models=list_repos(request.viewer, filters, limit=_SEARCH_SIZE),
        datasets=list_repos(request.viewer, datasets, limit=_SEARCH_SIZE),
        models_href=reverse("web:model_list") + query,
        datasets_href=reverse("web:dataset_list") + query,
    )
    return render(request, "catalog/search.html", values_of(context))


@require_safe
def search_suggest(request: HttpRequest) -> HttpResponse:
    """The lines under the search box, as a fragment."""
    suggestions = suggest(request.viewer, request.GET.get("q", ""), limit=_SUGGESTIONS)
    return render(request, "catalog/_suggestions.html", {"suggestions": suggestions})
