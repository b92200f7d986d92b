"""Routes of the home page, the lists and search; included by ``hub.web.urls``."""

from __future__ import annotations

from django.urls import path

from hub.web.views import catalog, home, stats

urlpatterns = [
    path("", home.home, name="home"),
    path("models", catalog.model_list, name="model_list"),
    path("datasets", catalog.dataset_list, name="dataset_list"),
    path("docs/counts", stats.counts, name="counts"),
    path("search", catalog.search, name="search"),
    path("search/suggest", catalog.search_suggest, name="search_suggest"),
]
