"""Lists and search of repos (hub-api §8); the catalog decides what is in them and in which order."""

from __future__ import annotations

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from hub.api.requests import query_flag, query_list
from hub.api.serializers.repos import check_expand, item_json
from hub.api.views.common import json_response, viewer_of
from hub.catalog.filters import RepoFilters
from hub.catalog.models import RepoIndex
from hub.catalog.queries import list_repos
from hub.core.ids import RepoType
from hub.core.pagination import add_next_link, read_limit


def list_of_type(request: HttpRequest, repo_type: RepoType) -> HttpResponseBase:
    expand = check_expand(repo_type, query_list(request, "expand"))
    filters = RepoFilters.from_query(request.GET, repo_type, for_api=True)
    limit = read_limit(request, default=100, maximum=1000)
    page = list_repos(viewer_of(request), filters, after=request.GET.get("cursor") or None, limit=limit)
    rows = RepoIndex.objects.select_related("repo", "repo__namespace").in_bulk([item.pk for item in page.items])
    response = json_response(
        [
            item_json(
                rows[item.pk],
                full=query_flag(request, "full"),
                card_data=query_flag(request, "cardData"),
                config=query_flag(request, "config"),
                expand=expand,
            )
            for item in page.items
            if item.pk in rows
        ]
    )
    add_next_link(response, request, page.next_cursor)
    return response
