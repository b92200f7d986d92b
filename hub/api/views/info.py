"""Repo info (hub-api §7) and one's own repos with their storage (§6.6)."""

from __future__ import annotations

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from hub.accounts.enums import Role
from hub.accounts.permissions import get_organization, require_user
from hub.api import upstream
from hub.api.requests import query_flag, query_list
from hub.api.serializers.repos import check_expand, info_json
from hub.api.serializers.values import date_text
from hub.api.upstream import or_upstream
from hub.api.views.common import json_response, viewer_of
from hub.catalog.models import RepoIndex
from hub.core.errors import RepoNotFound
from hub.core.ids import RepoType
from hub.core.pagination import add_next_link, decode_cursor, encode_cursor, read_limit
from hub.repos import content
from hub.repos.models import Repo
from hub.repos.permissions import get_repo_for_read
from hub.repos.provenance import pull_request_of
from hub.repos.queries import own_repos


@or_upstream(upstream.info)
def info(request: HttpRequest, repo_type: RepoType, namespace: str, name: str, revision: str = "") -> HttpResponseBase:
    viewer = viewer_of(request)
    repo = get_repo_for_read(viewer, repo_type, namespace, name)
    expand = check_expand(repo_type, query_list(request, "expand"))
    snapshot = content.at_revision(repo, revision, viewer=viewer)
    index = RepoIndex.objects.filter(repo=repo).first()
    shown = info_json(snapshot, index, with_blobs=query_flag(request, "blobs"), expand=expand)
    number = pull_request_of(snapshot)
    if number is not None:
        shown["pullRequest"] = number  # strangers' files under the owner's name: said wherever they are shown (T196)
    if query_flag(request, "securityStatus"):
        # Nothing is scanned yet, and that is what is said.
        shown["securityRepoStatus"] = {"scansDone": False, "filesWithIssues": []}
    return json_response(shown)


def unnamed(request: HttpRequest, repo_type: RepoType, name: str, **_: str) -> HttpResponseBase:
    """Ids of one part (``gpt2``) exist on the first Hub only."""
    raise RepoNotFound


def own_repositories(request: HttpRequest) -> HttpResponseBase:
    viewer = viewer_of(request)
    require_user(viewer)
    assert viewer.user is not None  # require_user
    return _storage_list(request, own_repos(viewer, namespace=viewer.user.namespace))


def organization_repositories(request: HttpRequest, organization: str) -> HttpResponseBase:
    viewer = viewer_of(request)
    require_user(viewer)
    found = get_organization(viewer, organization, at_least=Role.READ)
    return _storage_list(request, own_repos(viewer, namespace=found.namespace))


def _storage_list(request: HttpRequest, rows: object) -> HttpResponseBase:
    limit = read_limit(request, default=100, maximum=1000)
    cursor = request.GET.get("cursor")
    offset = int(decode_cursor(cursor, int)[0]) if cursor else 0
    found: list[Repo] = list(rows[offset : offset + limit + 1])  # type: ignore[index]  # a queryset
    response = json_response([_storage_item(repo) for repo in found[:limit]])
    add_next_link(response, request, encode_cursor(offset + limit) if len(found) > limit else None)
    return response


def _storage_item(repo: Repo) -> dict[str, object]:
    return {
        "id": repo.repo_id,
        "type": repo.repo_type,
        "updatedAt": date_text(repo.updated_at),
        "visibility": repo.visibility,
        "storage": repo.storage_bytes,
    }
