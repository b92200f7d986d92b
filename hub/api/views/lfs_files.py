"""Large files of a repo: list, delete for good, copy to another repo (hub-api §11.6)."""

from __future__ import annotations

from typing import Any, Final

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from hub.accounts.auth import Viewer
from hub.api.requests import Fields, query_flag
from hub.api.serializers.values import date_text
from hub.api.views.common import json_response, repo_type_of, viewer_of
from hub.core.errors import BadRequest
from hub.core.ids import RepoType, split_repo_id
from hub.core.pagination import add_next_link, decode_cursor, encode_cursor, read_limit
from hub.repos.models import Repo
from hub.repos.permissions import get_repo_for_admin, get_repo_for_files, get_repo_for_write
from hub.repos.queries import list_large_files
from hub.repos.services import lfs, xet
from hub.repos.services.permanent_delete import MAX_FILES, permanently_delete_lfs_files

MAX_COPIES: Final = 1_000


def list_files(request: HttpRequest, repo_type: RepoType, namespace: str, name: str) -> HttpResponseBase:
    repo = get_repo_for_write(viewer_of(request), repo_type, namespace, name)
    cursor = request.GET.get("cursor")
    after = int(decode_cursor(cursor, int)[0]) if cursor else None
    page = list_large_files(repo, before_pk=after, limit=read_limit(request, default=100, maximum=1000))
    response = json_response(
        [
            {
                "fileOid": item.sha256,
                "oid": item.sha256,
                "filename": item.path or item.sha256,
                "pushedAt": date_text(item.created_at),
                "size": item.size_bytes,
                **({"ref": item.ref} if item.ref else {}),
            }
            for item in page.items
        ]
    )
    add_next_link(response, request, encode_cursor(page.next_pk) if page.next_pk else None)
    return response


def delete_many(request: HttpRequest, repo_type: RepoType, namespace: str, name: str) -> HttpResponseBase:
    """``{deletions: {sha: [fileOid], rewriteHistory}}``."""
    viewer = viewer_of(request)
    repo = get_repo_for_admin(viewer, repo_type, namespace, name)
    deletions = Fields.from_value(Fields.of(request).raw("deletions"))
    sha256s = deletions.items("sha", max_items=MAX_FILES)
    if not all(isinstance(sha256, str) for sha256 in sha256s):
        raise BadRequest("sha must be a list of hashes.", param="sha")
    return _delete(viewer, repo, sha256s, rewrite=deletions.flag("rewriteHistory", True))


def delete_one(request: HttpRequest, repo_type: RepoType, namespace: str, name: str, sha256: str) -> HttpResponseBase:
    viewer = viewer_of(request)
    repo = get_repo_for_admin(viewer, repo_type, namespace, name)
    return _delete(viewer, repo, [sha256], rewrite=query_flag(request, "rewriteHistory", True))


def _delete(viewer: Viewer, repo: Repo, sha256s: list[str], *, rewrite: bool) -> HttpResponseBase:
    done = permanently_delete_lfs_files(repo, actor=viewer, sha256s=sha256s, rewrite_history=rewrite)
    return json_response({"deleted": len(done)})


def duplicate(request: HttpRequest, repo_type: RepoType, namespace: str, name: str) -> HttpResponseBase:
    """Say which files of this repo a commit to ``target`` may name. The commit itself takes them over, or nothing does.

    Linking here would make the target's quota pay for files that a client may never commit.
    """
    viewer = viewer_of(request)
    source = get_repo_for_files(viewer, repo_type, namespace, name)
    fields = Fields.of(request)
    target = Fields.from_value(fields.raw("target"))
    to_namespace, to_name = split_repo_id(target.text("name", max_length=200))
    repo = get_repo_for_write(viewer, repo_type_of(target.text("type", "")), to_namespace, to_name)
    files = [_wanted(item) for item in fields.objects("files", max_items=MAX_COPIES)]
    linked = lfs.linked_sizes(source, [sha256 for sha256, _ in files])
    hashes = xet.file_hashes(source, linked)
    failed = [
        {"sha256": sha256, "error": "This repository has no such file."}
        for sha256, file_hash in files
        if sha256 not in linked or hashes.get(sha256, file_hash) != file_hash
    ]
    if not failed:
        present = lfs.linked_sizes(repo, linked)
        lfs.check_quota(repo, sum(size for sha256, size in linked.items() if sha256 not in present))
    return json_response({"failed": failed})


def _wanted(fields: Fields) -> tuple[str, Any]:
    return fields.text("sha256", max_length=64), fields.text("xetHash", "", max_length=64)
