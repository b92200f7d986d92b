"""Small facts: the size of a folder, the state of scanning, what is trending (hub-api §6.7, §8.4)."""

from __future__ import annotations

from typing import Final

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from hub.api.serializers.repos import item_json
from hub.api.views.common import json_response, repo_type_of, viewer_of
from hub.catalog.filters import RepoFilters, Sort
from hub.catalog.models import RepoIndex
from hub.catalog.queries import list_repos
from hub.core.ids import RepoType
from hub.core.pagination import read_limit
from hub.repos import content
from hub.repos.permissions import get_repo_for_read

_TRENDING_TYPES: Final = (RepoType.MODEL, RepoType.DATASET, RepoType.SPACE)


def tree_size(request: HttpRequest, repo_type: RepoType, namespace: str, name: str, rest: str) -> HttpResponseBase:
    """``treesize/{rev}/{path}``: bytes of all files below, large ones at their full size."""
    viewer = viewer_of(request)
    repo = get_repo_for_read(viewer, repo_type, namespace, name)
    snapshot, path = content.at_revision_and_path(repo, rest, viewer=viewer)
    return json_response({"path": path, "size": content.tree_size(snapshot, path)})


def scan(request: HttpRequest, repo_type: RepoType, namespace: str, name: str) -> HttpResponseBase:
    """Nothing is scanned yet, and that is what is said, as in the repo's info."""
    get_repo_for_read(viewer_of(request), repo_type, namespace, name)
    return json_response({"scansDone": False, "filesWithIssues": []})


def trending(request: HttpRequest) -> HttpResponseBase:
    """``type`` (model, dataset, space, all) and ``limit``; the highest score first."""
    wanted = request.GET.get("type", "all")
    types = _TRENDING_TYPES if wanted == "all" else (repo_type_of(wanted),)
    limit = read_limit(request, default=10, maximum=20)
    rows = [row for repo_type in types for row in _trending_of(request, repo_type, limit)]
    rows.sort(key=lambda row: row.trending_score, reverse=True)
    return json_response(
        {"recentlyTrending": [{"repoType": row.repo_type, "repoData": item_json(row)} for row in rows[:limit]]}
    )


def _trending_of(request: HttpRequest, repo_type: RepoType, limit: int) -> list[RepoIndex]:
    page = list_repos(viewer_of(request), RepoFilters(repo_type=repo_type, sort=Sort.TRENDING), limit=limit)
    rows = RepoIndex.objects.select_related("repo", "repo__namespace").in_bulk([item.pk for item in page.items])
    return [rows[item.pk] for item in page.items if item.pk in rows]
