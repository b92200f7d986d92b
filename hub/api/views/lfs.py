"""Git LFS: batch, verify (hub-api §14), and the list of a repo's large files (§11.6).

The same routes stand with and without ``.git``; uploads go to signed URLs of the data plane.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from hub.accounts.auth import Viewer
from hub.api.requests import Fields
from hub.api.serializers.values import date_text
from hub.api.views.common import base_url, json_response, viewer_of
from hub.core.errors import Conflict, EntryNotFound, HubError, NotFound, Unprocessable
from hub.core.ids import RepoType, is_sha256
from hub.core.pagination import add_next_link, decode_cursor, encode_cursor, read_limit
from hub.repos.models import Repo
from hub.repos.permissions import get_repo_for_files, get_repo_for_write
from hub.repos.queries import list_large_files
from hub.repos.services import lfs
from hub.storage.lfs import objects, transfer

CONTENT_TYPE = "application/vnd.git-lfs+json"
MAX_OBJECTS = 1_000
_EXPIRES_S = 3600


def batch(request: HttpRequest, repo_type: RepoType, namespace: str, name: str) -> HttpResponseBase:
    viewer = viewer_of(request)
    fields = Fields.of(request)
    operation = fields.text("operation")
    if operation not in ("upload", "download"):
        raise Unprocessable("operation must be upload or download.")
    if fields.text("hash_algo", "sha256") not in ("sha256", "sha_256"):
        raise Conflict("Only sha256 is supported.")
    wanted = [_wanted(item) for item in fields.objects("objects", max_items=MAX_OBJECTS)]
    if operation == "download":
        repo = get_repo_for_files(viewer, repo_type, namespace, name)
        return _reply("basic", [_download(request, viewer, repo, sha256, size) for sha256, size in wanted])
    repo = get_repo_for_write(viewer, repo_type, namespace, name)
    transfers = fields.items("transfers", max_items=20) or ["basic"]
    return _upload_batch(request, repo, wanted, in_parts="multipart" in transfers)


def _wanted(fields: Fields) -> tuple[str, int]:
    sha256, size = fields.text("oid"), fields.integer("size")
    if not is_sha256(sha256):
        raise Unprocessable("oid must be 64 lower-case hexadecimal digits.")
    if size < 0:
        raise Unprocessable("size must not be negative.")
    return sha256, size


def _reply(kind: str, items: list[dict[str, Any]]) -> HttpResponse:
    response = json_response({"transfer": kind, "objects": items, "hash_algo": "sha256"})
    response["Content-Type"] = CONTENT_TYPE
    return response


def _download(request: HttpRequest, viewer: Viewer, repo: Repo, sha256: str, size: int) -> dict[str, Any]:
    try:
        stored = lfs.get_linked(repo, sha256)
    except EntryNotFound:
        return {"oid": sha256, "size": size, "error": {"code": 404, "message": "Object does not exist"}}
    url = objects.download_url(stored, audience=lfs.audience(repo, viewer), base_url=base_url(request))
    actions = {"download": {"href": url, "expires_in": 900}}
    return {"oid": sha256, "size": stored.size_bytes, "authenticated": True, "actions": actions}


def _upload_batch(request: HttpRequest, repo: Repo, wanted: list[tuple[str, int]], *, in_parts: bool) -> HttpResponse:
    here = lfs.present(repo, [sha256 for sha256, _ in wanted])
    # One answer names one transfer for all: parts only where somebody needs them.
    use_parts = in_parts and any(size > lfs.BASIC_LIMIT_BYTES for sha256, size in wanted if sha256 not in here)
    items = []
    for sha256, size in wanted:
        item: dict[str, Any] = {"oid": sha256, "size": size, "authenticated": True}
        if sha256 not in here:
            try:
                item["actions"] = _upload_actions(request, repo, sha256, size, use_parts)
            except HubError as error:
                item["error"] = {"code": error.status, "message": error.message}
        items.append(item)
    return _reply("multipart" if use_parts else "basic", items)


def _upload_actions(request: HttpRequest, repo: Repo, sha256: str, size: int, in_parts: bool) -> dict[str, Any]:
    is_multipart = in_parts and size > lfs.BASIC_LIMIT_BYTES
    session = lfs.begin_upload(repo, sha256=sha256, size_bytes=size, in_parts=is_multipart)
    site = base_url(request)
    verify = {"href": f"{site}/{repo.type.web_prefix}{repo.repo_id}.git/info/lfs/objects/verify"}
    if "authorization" in request.headers:
        # git-lfs does not repeat its credentials on this call.
        verify["header"] = {"Authorization": request.headers["authorization"]}  # type: ignore[assignment]
    if not is_multipart:
        upload = {"href": transfer.basic_url(session, base_url=site), "expires_in": _EXPIRES_S}
        return {"upload": upload, "verify": verify}
    urls = transfer.part_urls(session, base_url=site)
    header = {"chunk_size": str(session.part_size_bytes)}
    header |= {f"{number:05d}": url for number, url in urls.items()}
    return {
        "upload": {"href": transfer.complete_url(session, base_url=site), "header": header, "expires_in": _EXPIRES_S},
        "verify": verify,
    }


def verify(request: HttpRequest, repo_type: RepoType, namespace: str, name: str) -> HttpResponseBase:
    repo = get_repo_for_write(viewer_of(request), repo_type, namespace, name)
    sha256, size = _wanted(Fields.of(request))
    lfs.verify(repo, sha256=sha256, size_bytes=size)
    return json_response({})


def locks(request: HttpRequest, repo_type: RepoType, namespace: str, name: str) -> HttpResponseBase:
    """git-lfs asks before each push; 404 tells it that this server has no locks."""
    get_repo_for_write(viewer_of(request), repo_type, namespace, name)
    raise NotFound("File locks are not available.")


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
