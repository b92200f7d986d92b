"""Trees, paths, commits, differences (hub-api §11)."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from hub.api import upstream
from hub.api.requests import query_flag, query_list, read_paths
from hub.api.serializers.history import commit_json, diff_json, diff_text
from hub.api.serializers.tree import entry_json
from hub.api.upstream import or_upstream
from hub.api.views.common import add_provenance, json_response, viewer_of
from hub.core.errors import BadRequest
from hub.core.ids import RepoType, is_oid
from hub.core.pagination import add_next_link, decode_cursor, encode_cursor, read_limit
from hub.repos import content
from hub.repos.content import Snapshot
from hub.repos.permissions import get_repo_for_files, get_repo_for_read
from hub.repos.provenance import foreign_commits, pull_request_of
from hub.repos.services import xet
from hub.storage.git.objects import TreeEntry

MAX_PATHS = 2_000
_PAGE = 1000
#: Of a commit whose last changes are not recorded: each of them is a walk through history.
_WALKED_PAGE = 100


@or_upstream(upstream.tree)
def tree(request: HttpRequest, repo_type: RepoType, namespace: str, name: str, rest: str) -> HttpResponseBase:
    viewer = viewer_of(request)
    repo = get_repo_for_read(viewer, repo_type, namespace, name)
    snapshot, path = content.at_revision_and_path(repo, rest, viewer=viewer)
    is_expanded = query_flag(request, "expand")
    default = _WALKED_PAGE if is_expanded and not content.has_recorded_changes(snapshot) else _PAGE
    page = content.list_tree(
        snapshot,
        path,
        recursive=query_flag(request, "recursive"),
        cursor=_tree_cursor(request, snapshot),
        limit=read_limit(request, default=default, maximum=default),
    )
    response = json_response(_entries(snapshot, page.entries, is_expanded))
    add_provenance(response, snapshot)
    if page.next_cursor is not None:
        # The commit rides along: a push between two pages must not shift what the pages show.
        add_next_link(response, request, encode_cursor(snapshot.oid, page.next_cursor))
    if is_oid(snapshot.revision) and not repo.is_private:
        response["Cache-Control"] = "private, max-age=300"
    return response


def _tree_cursor(request: HttpRequest, snapshot: Snapshot) -> str | None:
    cursor = request.GET.get("cursor")
    if not cursor:
        return None
    oid, position = decode_cursor(cursor, str, str)
    if oid != snapshot.oid:
        raise BadRequest("The branch moved since this listing began. Please list it again.", param="cursor")
    return str(position)


def _entries(snapshot: Snapshot, entries: list[TreeEntry], is_expanded: bool) -> list[dict[str, object]]:
    last = content.last_changes(snapshot, entries) if is_expanded else {}
    hashes = xet.file_hashes(snapshot.repo, (entry.lfs.sha256 for entry in entries if entry.lfs is not None))
    return [entry_json(entry, last.get(entry.path), hashes) for entry in entries]


@or_upstream(upstream.paths_info)
def paths_info(request: HttpRequest, repo_type: RepoType, namespace: str, name: str, revision: str) -> HttpResponseBase:
    viewer = viewer_of(request)
    repo = get_repo_for_read(viewer, repo_type, namespace, name)
    snapshot = content.at_revision(repo, revision, viewer=viewer)
    paths, is_expanded = read_paths(request, max_paths=MAX_PATHS)
    return json_response(_entries(snapshot, content.get_paths(snapshot, paths), is_expanded))


def commits(request: HttpRequest, repo_type: RepoType, namespace: str, name: str, revision: str) -> HttpResponseBase:
    viewer = viewer_of(request)
    repo = get_repo_for_read(viewer, repo_type, namespace, name)
    snapshot, _ = content.at_revision_and_path(repo, revision, viewer=viewer)
    limit = read_limit(request, default=100, maximum=1000)
    offset = _offset(request, limit)
    found = content.list_commits(snapshot, offset=offset, limit=limit + 1)
    is_formatted = "formatted" in query_list(request, "expand")
    number, foreign = pull_request_of(snapshot), foreign_commits(snapshot)
    response = json_response(
        [
            commit_json(commit, is_formatted=is_formatted, pull_request=number if commit.oid in foreign else None)
            for commit in found[:limit]
        ]
    )
    response["X-Total-Count"] = str(content.count_commits(snapshot))
    if len(found) > limit:
        add_next_link(response, request, encode_cursor(offset + limit))
    return response


def _offset(request: HttpRequest, limit: int) -> int:
    cursor = request.GET.get("cursor")
    if cursor:
        (offset,) = decode_cursor(cursor, int)
        if 0 <= offset < 10**7:
            return int(offset)
        raise BadRequest("Invalid cursor", param="cursor")
    page = request.GET.get("p", "0")
    if not page.isascii() or not page.isdigit() or len(page) > 6:
        raise BadRequest("p must be a number.", param="p")
    return int(page) * limit


def compare(request: HttpRequest, repo_type: RepoType, namespace: str, name: str, compare: str) -> HttpResponseBase:
    viewer = viewer_of(request)
    repo = get_repo_for_files(viewer, repo_type, namespace, name)
    base, separator, head = compare.partition("..")
    if separator:
        found = content.diff(
            content.at_revision(repo, base, viewer=viewer), content.at_revision(repo, head.lstrip("."), viewer=viewer)
        )
    else:
        found = content.diff_to_parent(content.at_revision(repo, base, viewer=viewer))
    if query_flag(request, "raw"):
        return HttpResponse(diff_text(found), content_type="text/plain; charset=utf-8")
    return json_response(diff_json(found))
