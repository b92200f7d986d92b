"""Pull-through on the wire: views of repos that this hub lacks, and the door through which their bytes pass.

    @or_upstream(answer) > the view raises RepoNotFound > the upstream's answer, with its commit ids, marked as mirrored
    GET /_u/<signed file>  > hub.repos.services.upstream.PullSource > caller, and the blob store

Source: hub-api §7, §11, §16.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Final
from urllib.parse import quote

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from hub.api.redirects import HttpResponseTemporaryRedirect
from hub.api.requests import query_flag, read_paths
from hub.api.views.common import base_url, json_response, viewer_of
from hub.core.errors import EntryNotFound, PermissionDenied, RepoNotFound
from hub.core.ids import RepoType
from hub.repos.models import UpstreamFile, UpstreamRepo
from hub.repos.services import upstream
from hub.storage.dataplane.downloads import FileMeta, serve_blob
from hub.storage.dataplane.responses import (
    Receive,
    Scope,
    Send,
    content_disposition,
    content_type_for,
    send_error,
)
from hub.storage.lfs.objects import ContentSource, download_url, find_objects, find_source
from hub.storage.threads import in_records_thread

View = Callable[..., HttpResponseBase]
Answer = Callable[..., HttpResponseBase]

PREFIX: Final = "/_u/"
_SALT: Final = "agora.upstream"
_LINK_LIFE_S: Final = 900
_MAX_PATHS: Final = 100
#: What of a query reaches the other hub: each different one is kept.
_QUERY: Final = frozenset({"expand", "expand[]", "blobs", "recursive", "limit", "cursor", "securityStatus"})


def or_upstream(answer: Answer) -> Callable[[View], View]:
    """Let ``answer`` speak where a view finds no repo and the upstream may be asked."""

    def around(view: View) -> View:
        @wraps(view)
        def looked_up(request: HttpRequest, **arguments: Any) -> HttpResponseBase:
            try:
                return view(request, **arguments)
            except RepoNotFound:
                if not settings.HUB_UPSTREAM_URL:
                    raise
                repo = upstream.get_upstream_repo(
                    viewer_of(request), arguments["repo_type"], arguments["namespace"], arguments["name"]
                )
            response = answer(request, repo, **arguments)
            response["X-Agora-Mirrored-From"] = repo.endpoint
            return response

        return looked_up

    return around


def info(request: HttpRequest, repo: UpstreamRepo, revision: str = "", **_: Any) -> HttpResponseBase:
    rest = f"/revision/{quote(revision, safe='')}" if revision else ""
    return json_response(upstream.read_api(repo, _address(request, rest), revision=revision).body)


def tree(request: HttpRequest, repo: UpstreamRepo, rest: str, **_: Any) -> HttpResponseBase:
    revision, path = upstream.split_revision(rest)
    oid = upstream.commit_of(repo, revision)
    below = f"/tree/{oid}" + (f"/{quote(path, safe='')}" if path else "")
    said = upstream.read_api(repo, _address(request, below), revision=oid)
    response = json_response(upstream.without_xet(said.body))
    if said.following:
        kind = RepoType(repo.repo_type).plural
        here = f"{base_url(request)}/api/{kind}/{repo.namespace}/{repo.name}{said.following}"
        response["Link"] = f'<{here}>; rel="next"'
    return response


def paths_info(request: HttpRequest, repo: UpstreamRepo, revision: str, **_: Any) -> HttpResponseBase:
    """Files only: folders of the upstream are seen by listing them."""
    paths, _is_expanded = read_paths(request, max_paths=_MAX_PATHS)
    oid = upstream.commit_of(repo, revision)
    return json_response([_entry(file) for file in _files(repo, oid, paths)])


def _files(repo: UpstreamRepo, oid: str, paths: list[str]) -> list[UpstreamFile]:
    found = []
    for path in paths:
        try:
            found.append(upstream.find_file(repo, oid, path))
        except EntryNotFound:
            continue
    return found


def _entry(file: UpstreamFile) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": "file", "path": file.path, "size": file.size_bytes, "oid": file.oid}
    if file.sha256:
        entry["lfs"] = {"oid": file.sha256, "size": file.size_bytes, "pointerSize": 134}
    return entry


def resolve(request: HttpRequest, repo: UpstreamRepo, rest: str, **_: Any) -> HttpResponseBase:
    revision, path = upstream.split_revision(rest)
    file = upstream.find_file(repo, upstream.commit_of(repo, revision), path)
    given = request.headers.get("if-none-match", "")
    if f'"{file.etag}"' in [tag.strip().removeprefix("W/") for tag in given.split(",")]:
        return _with_headers(HttpResponse(status=304), request, file)
    if request.method == "HEAD":
        response = HttpResponse()
        response["Content-Length"] = str(file.size_bytes)
        return _with_headers(response, request, file)
    moved = HttpResponseTemporaryRedirect()
    moved["Location"] = _location(request, file)
    _with_headers(moved, request, file)
    moved["Cache-Control"] = "private, no-store"
    return moved


def _location(request: HttpRequest, file: UpstreamFile) -> str:
    stored = find_objects([file.stored_sha256]).get(file.stored_sha256) if file.stored_sha256 else None
    is_attachment = query_flag(request, "download")
    if stored is not None:
        return download_url(
            stored,
            audience=f"upstream:{viewer_of(request).user_pk}",
            filename=file.path.rpartition("/")[2],
            is_attachment=is_attachment,
            content_type=content_type_for(file.path),
            base_url=base_url(request),
        )
    token = signing.TimestampSigner(salt=_SALT).sign_object([file.pk, int(is_attachment)])
    return f"{base_url(request)}{PREFIX}{token}"


def _with_headers(response: HttpResponse, request: HttpRequest, file: UpstreamFile) -> HttpResponse:
    response["X-Repo-Commit"] = file.commit_oid
    response["ETag"] = f'"{file.etag}"'
    response["Accept-Ranges"] = "bytes"
    response["Content-Type"] = content_type_for(file.path)
    kind = "attachment" if query_flag(request, "download") else "inline"
    response["Content-Disposition"] = content_disposition(kind, file.path)
    response["X-Linked-Etag"] = f'"{file.etag}"'
    response["X-Linked-Size"] = str(file.size_bytes)
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["X-Content-Type-Options"] = "nosniff"
    return response


def _address(request: HttpRequest, rest: str) -> str:
    asked = {key: request.GET.getlist(key) for key in request.GET if key in _QUERY}
    return upstream.address(rest, asked)


# --- the door --------------------------------------------------------------------------------------------------------


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve ``/_u/``: bytes of a file that is not here yet, from the upstream."""
    try:
        file, is_attachment = await in_records_thread(_granted, scope["path"])
        source: ContentSource = upstream.PullSource(file)
        sha256 = file.stored_sha256 or file.sha256
        if file.stored_sha256:  # somebody else's read has brought it since
            source = await in_records_thread(find_source, file.stored_sha256)
        meta = FileMeta(
            size_bytes=file.size_bytes,
            etag=file.etag,
            filename=file.path.rpartition("/")[2],
            disposition="attachment" if is_attachment else "inline",
            content_type=content_type_for(file.path),
            cache_control="private, max-age=0",
        )
    except Exception as error:
        await send_error(scope, send, error)
        return
    await serve_blob(scope, receive, send, store=source, sha256=sha256, meta=meta)


def _granted(path: str) -> tuple[UpstreamFile, bool]:
    """Raises: PermissionDenied, EntryNotFound."""
    try:
        token = path.removeprefix(PREFIX)
        pk, is_attachment = signing.TimestampSigner(salt=_SALT).unsign_object(token, max_age=_LINK_LIFE_S)
    except signing.BadSignature as error:
        raise PermissionDenied("This link is not valid any more. Please ask for a new one.") from error
    return upstream.get_file_row(int(pk)), bool(is_attachment)
