"""The front door."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from hub.catalog.filters import RepoFilters
from hub.catalog.queries import count_repos, facet_counts, recent_of, trending
from hub.core.ids import RepoType
from hub.web.contexts.catalog import HomeContext, client_snippet, task_links, values_of

_RECENT = 6
_TRENDING = 8
_DATASETS = 4
_TASKS = 8


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    viewer = request.viewer
    facets = facet_counts(viewer, RepoFilters())
    models = trending(viewer, RepoType.MODEL, limit=_TRENDING)
    context = HomeContext(
        recent=recent_of(viewer, limit=_RECENT),
        models=models,
        datasets=trending(viewer, RepoType.DATASET, limit=_DATASETS),
        model_count=count_repos(viewer, RepoFilters()),
        dataset_count=count_repos(viewer, RepoFilters(repo_type=RepoType.DATASET)),
        callable_count=facets.servable,
        tasks=task_links(facets.task, limit=_TASKS),
        snippet=client_snippet(settings.HUB_URL, models[0].full_id if models else "namespace/model"),
    )
    return render(request, "web/home.html", values_of(context))
