"""Downloads (hub-api §16): small files from git, large ones by a signed URL of the data plane.

HEAD carries the final headers itself, so that clients need no second request to know a file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TypeVar

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from hub.api import upstream
from hub.api.redirects import HttpResponseTemporaryRedirect
from hub.api.requests import query_flag
from hub.api.upstream import or_upstream
from hub.api.views.common import add_provenance, base_url, tally, viewer_of
from hub.core.errors import EntryNotFound
from hub.core.ids import RepoType, is_oid
from hub.core.ranges import ByteRange, single_range
from hub.repos import content
from hub.repos.content import Snapshot
from hub.repos.permissions import get_repo_for_files
from hub.repos.provenance import pull_request_of
from hub.repos.services import downloads, lfs, xet
from hub.storage.dataplane.responses import content_disposition, content_type_for
from hub.storage.git.objects import TreeEntry
from hub.storage.lfs.objects import download_url
from hub.storage.tallies import tell_now

XET_FILE_INFO = "application/vnd.xet-fileinfo+json"

Response = TypeVar("Response", bound=HttpResponseBase)

# What people upload is theirs: shown as data, never as a page of this site (T88).
_UNTRUSTED = {
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "cross-origin",
}


@or_upstream(upstream.resolve)
def resolve(request: HttpRequest, repo_type: RepoType, namespace: str, name: str, rest: str) -> HttpResponseBase:
    """A file's content."""
    snapshot, entry = _find(request, repo_type, namespace, name, rest)
    if entry.lfs is None:
        return _serve(request, snapshot, entry, said=_tally(request, snapshot, entry))
    if not content.has_content(snapshot.repo, entry):
        raise EntryNotFound(commit_oid=snapshot.oid)
    if _is_cached(request, _etag(entry)):
        return _add_file_headers(HttpResponse(status=304), request, snapshot, entry)
    if request.method == "HEAD":
        return _head(request, snapshot, entry)
    if XET_FILE_INFO in request.headers.get("accept", ""):
        info = _xet_info(request, snapshot, entry)
        if info is not None:
            return info
    return _redirect_to_bytes(request, snapshot, entry)


def raw(request: HttpRequest, repo_type: RepoType, namespace: str, name: str, rest: str) -> HttpResponseBase:
    """What git holds: of a large file its pointer."""
    snapshot, entry = _find(request, repo_type, namespace, name, rest)
    if entry.lfs is not None:
        entry = TreeEntry(entry.type, entry.path, entry.lfs.pointer_size, entry.oid, entry.mode)
    return _serve(request, snapshot, entry)


def _find(
    request: HttpRequest, repo_type: RepoType, namespace: str, name: str, rest: str
) -> tuple[Snapshot, TreeEntry]:
    viewer = viewer_of(request)
    repo = get_repo_for_files(viewer, repo_type, namespace, name)
    snapshot, path = content.at_revision_and_path(repo, rest, viewer=viewer)
    return snapshot, content.get_file(snapshot, path)


def _tally(request: HttpRequest, snapshot: Snapshot, entry: TreeEntry) -> str:
    """What shall be said when the file has arrived; "" for what is no weight, and for pull requests (T50)."""
    repo, is_large = snapshot.repo, entry.lfs is not None
    if request.method != "GET" or not downloads.is_weight(repo, entry.path, is_large=is_large):
        return ""
    if pull_request_of(snapshot) is not None:
        return ""
    return tally(request, repo, _etag(entry), entry.lfs.size if entry.lfs else entry.size)


def _serve(request: HttpRequest, snapshot: Snapshot, entry: TreeEntry, *, said: str = "") -> HttpResponseBase:
    """Answer from git, by the rules of RFC 9110 for conditions and one range."""
    if _is_cached(request, _etag(entry)):
        return _add_file_headers(HttpResponse(status=304), request, snapshot, entry)
    if request.method == "HEAD":
        return _head(request, snapshot, entry)
    span = _span(request, entry)
    sent = span or ByteRange(0, entry.size)
    body = _with_tally(content.iterate_file(snapshot, entry, *sent), said, _etag(entry), sent)
    response = StreamingHttpResponse(body, status=206 if span else 200)
    response["Content-Length"] = str(span.length if span else entry.size)
    if span:
        response["Content-Range"] = f"bytes {span.start}-{span.stop - 1}/{entry.size}"
    elif entry.size == 0 and "range" in request.headers:
        response["Content-Range"] = "bytes */0"
    return _add_file_headers(response, request, snapshot, entry)


def _span(request: HttpRequest, entry: TreeEntry) -> ByteRange | None:
    condition = request.headers.get("if-range")
    if condition is not None and condition.strip() != f'"{_etag(entry)}"':
        return None
    if entry.size == 0:
        # Clients in JavaScript and Rust ask for the first byte to learn a size, and take 416 for a failure.
        return None
    return single_range(request.headers.get("range"), entry.size)


def _with_tally(body: Iterator[bytes], said: str, etag: str, sent: ByteRange) -> Iterator[bytes]:
    """Pass a body on; who leaves before the last block has downloaded nothing."""
    yield from body
    if said:
        tell_now(said, etag, [sent])


def _head(request: HttpRequest, snapshot: Snapshot, entry: TreeEntry) -> HttpResponse:
    response = HttpResponse()
    response["Content-Length"] = str(entry.size)
    _add_file_headers(response, request, snapshot, entry)
    return response


def _redirect_to_bytes(request: HttpRequest, snapshot: Snapshot, entry: TreeEntry) -> HttpResponse:
    assert entry.lfs is not None  # the caller looked
    stored = lfs.get_linked(snapshot.repo, entry.lfs.sha256)
    url = download_url(
        stored,
        audience=lfs.audience(snapshot.repo, viewer_of(request)),
        filename=entry.path.rpartition("/")[2],
        is_attachment=query_flag(request, "download"),
        content_type=content_type_for(entry.path),
        base_url=base_url(request),
        tally=_tally(request, snapshot, entry),
    )
    response = HttpResponseTemporaryRedirect()
    response["Location"] = url
    _add_file_headers(response, request, snapshot, entry)
    response["Cache-Control"] = "private, no-store"
    return response


def _xet_info(request: HttpRequest, snapshot: Snapshot, entry: TreeEntry) -> HttpResponse | None:
    """Where to get a file by Xet, for clients that ask for this instead of the bytes; None for whole files."""
    file_hash = _xet_hash(snapshot, entry)
    if file_hash is None:
        return None
    name = entry.path.rpartition("/")[2]
    info = {
        "hash": file_hash,
        "refreshUrl": _refresh_url(request, snapshot),
        "reconstructionUrl": _reconstruction_url(request, snapshot, file_hash),
        "etag": f'"{_etag(entry)}"',
        "size": entry.size,
        "fileName": name,
        "contentType": content_type_for(entry.path),
        "contentDisposition": content_disposition("inline", entry.path),
    }
    response = _add_file_headers(HttpResponse(json.dumps(info)), request, snapshot, entry)
    response["Content-Type"] = XET_FILE_INFO
    response["Vary"] = "Accept"
    return response


def _xet_hash(snapshot: Snapshot, entry: TreeEntry) -> str | None:
    return xet.file_hash(snapshot.repo, entry.lfs.sha256) if entry.lfs is not None else None


def _refresh_url(request: HttpRequest, snapshot: Snapshot) -> str:
    # Absolute: the client asks for it as it stands.
    repo = snapshot.repo
    return f"{base_url(request)}/api/{repo.type.plural}/{repo.repo_id}/xet-read-token/{snapshot.oid}"


def _reconstruction_url(request: HttpRequest, snapshot: Snapshot, file_hash: str) -> str:
    cas = xet.cas_url(snapshot.repo, viewer_of(request), base_url(request))
    return f"{cas}/v2/reconstructions/{file_hash}"


def _add_xet_headers(response: HttpResponseBase, request: HttpRequest, snapshot: Snapshot, file_hash: str) -> None:
    refresh = _refresh_url(request, snapshot)
    response["X-Xet-Hash"] = file_hash
    response["X-Xet-Refresh-Route"] = refresh
    response["Link"] = (
        f'<{refresh}>; rel="xet-auth", '
        f'<{_reconstruction_url(request, snapshot, file_hash)}>; rel="xet-reconstruction-info"'
    )


def _etag(entry: TreeEntry) -> str:
    return entry.lfs.sha256 if entry.lfs else entry.oid


def _is_cached(request: HttpRequest, etag: str) -> bool:
    given = request.headers.get("if-none-match")
    if given is None:
        return False
    tags = [tag.strip().removeprefix("W/") for tag in given.split(",")]
    return "*" in tags or f'"{etag}"' in tags


def _add_file_headers(response: Response, request: HttpRequest, snapshot: Snapshot, entry: TreeEntry) -> Response:
    response["X-Repo-Commit"] = snapshot.oid
    add_provenance(response, snapshot)
    response["ETag"] = f'"{_etag(entry)}"'
    response["Accept-Ranges"] = "bytes"
    response["Content-Type"] = content_type_for(entry.path)
    if entry.lfs is not None:
        response["X-Linked-Etag"] = f'"{entry.lfs.sha256}"'
        response["X-Linked-Size"] = str(entry.lfs.size)
        file_hash = _xet_hash(snapshot, entry)
        if file_hash is not None:
            _add_xet_headers(response, request, snapshot, file_hash)
    if not query_flag(request, "noContentDisposition"):
        kind = "attachment" if query_flag(request, "download") else "inline"
        response["Content-Disposition"] = content_disposition(kind, entry.path)
    for header, value in _UNTRUSTED.items():
        response[header] = value
    # A commit never changes, but the right to see it does: keep it, ask again (T37, T41).
    response["Cache-Control"] = "private, no-cache" if not is_oid(snapshot.revision) else "private, max-age=0"
    return response
