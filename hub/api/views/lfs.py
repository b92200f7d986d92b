"""Git LFS: batch and verify (hub-api §14).

The same routes stand with and without ``.git``; uploads go to signed URLs of the data plane.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from hub.accounts.auth import Viewer
from hub.api.requests import Fields
from hub.api.views.common import base_url, json_response, tally, viewer_of
from hub.api.views.targets import repo_for_objects
from hub.api.views.xet_tokens import token_headers
from hub.core.errors import Conflict, EntryNotFound, HubError, Unprocessable
from hub.core.ids import RepoType, is_sha256
from hub.repos.models import Repo
from hub.repos.permissions import get_repo_for_files
from hub.repos.services import downloads, lfs, xet
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
        is_proposal = downloads.is_pull_request(_ref(fields))
        counted = frozenset() if is_proposal else downloads.own_objects(repo, (sha256 for sha256, _ in wanted))
        items = [_download(request, viewer, repo, *item, is_counted=item[0] in counted) for item in wanted]
        return _reply("basic", items)
    ref = _ref(fields)
    repo = repo_for_objects(viewer, repo_type, namespace, name, ref)
    transfers = fields.items("transfers", max_items=20) or ["basic"]
    if "xet" in transfers:
        return _xet_batch(request, repo, wanted, ref)
    return _upload_batch(request, repo, wanted, in_parts="multipart" in transfers)


def _ref(fields: Fields) -> str:
    """What the files are for, where the client says so."""
    return Fields.from_value(fields.raw("ref")).text("name", "") if "ref" in fields else ""


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


def _download(
    request: HttpRequest, viewer: Viewer, repo: Repo, sha256: str, size: int, *, is_counted: bool
) -> dict[str, Any]:
    try:
        stored = lfs.get_linked(repo, sha256)
    except EntryNotFound:
        return {"oid": sha256, "size": size, "error": {"code": 404, "message": "Object does not exist"}}
    url = objects.download_url(
        stored,
        audience=lfs.audience(repo, viewer),
        base_url=base_url(request),
        tally=tally(request, repo, sha256, stored.size_bytes) if is_counted else "",
    )
    actions = {"download": {"href": url, "expires_in": 900}}
    return {"oid": sha256, "size": stored.size_bytes, "authenticated": True, "actions": actions}


def _upload_batch(request: HttpRequest, repo: Repo, wanted: list[tuple[str, int]], *, in_parts: bool) -> HttpResponse:
    here = lfs.present(repo, [sha256 for sha256, _ in wanted], actor=viewer_of(request))
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


def _xet_batch(request: HttpRequest, repo: Repo, wanted: list[tuple[str, int]], ref: str) -> HttpResponse:
    """Send clients that speak Xet to the content-addressed store, with a token for it (hub-api §15.6)."""
    viewer = viewer_of(request)
    here = lfs.present(repo, [sha256 for sha256, _ in wanted], actor=viewer)
    token = xet.write_token(repo, actor=viewer, revision=ref or repo.default_branch, base_url=base_url(request))
    href = _write_token_url(request, repo, ref, is_guest=lfs.is_guest(repo, viewer))
    items = []
    for sha256, size in wanted:
        item: dict[str, Any] = {"oid": sha256, "size": size, "authenticated": True}
        if size > settings.HUB_MAX_FILE_BYTES:
            item["error"] = {
                "code": 422,
                "message": f"Files over {settings.HUB_MAX_FILE_BYTES} bytes are not accepted.",
            }
        elif sha256 not in here:
            item["actions"] = {"upload": {"href": href, "header": token_headers(token)}}
        items.append(item)
    return _reply("xet", items)


def _write_token_url(request: HttpRequest, repo: Repo, ref: str, *, is_guest: bool) -> str:
    root = f"{base_url(request)}/api/{repo.type.plural}/{repo.repo_id}/xet-write-token"
    if is_guest and not ref:
        return f"{root}/None?create_pr=1"
    return f"{root}/{quote(ref or repo.default_branch, safe='')}"


def _upload_actions(request: HttpRequest, repo: Repo, sha256: str, size: int, in_parts: bool) -> dict[str, Any]:
    is_multipart = in_parts and size > lfs.BASIC_LIMIT_BYTES
    session = lfs.begin_upload(repo, sha256=sha256, size_bytes=size, in_parts=is_multipart, actor=viewer_of(request))
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
    viewer = viewer_of(request)
    repo = repo_for_objects(viewer, repo_type, namespace, name)
    sha256, size = _wanted(Fields.of(request))
    lfs.verify(repo, sha256=sha256, size_bytes=size, actor=viewer)
    return json_response({})
