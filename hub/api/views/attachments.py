"""Attachments of comments (hub-api §18.5): one address to send them to, and theirs to show them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from community.services.attachments import CONTENT_TYPES, attachment_path, store_attachment
from hub.api.views.common import viewer_of
from hub.core.errors import NotFound
from hub.core.ranges import ByteRange, single_range

_CHUNK_BYTES: Final = 256 * 1024
# As strangers' files everywhere: data, never a page of this site (T88). Its name is its hash, so it never changes.
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Cache-Control": "public, max-age=31536000, immutable",
    "Accept-Ranges": "bytes",
    "Content-Disposition": "inline",
}


def upload(request: HttpRequest) -> HttpResponseBase:
    """Store the body; answer its address as plain text."""
    attachment = store_attachment(viewer_of(request), request)
    # In a comment for good: under the name that everybody knows the hub by, not this caller's.
    return HttpResponse(f"{settings.HUB_URL}/uploads/{attachment.name}", content_type="text/plain; charset=utf-8")


def show(request: HttpRequest, name: str) -> HttpResponseBase:
    path = attachment_path(name)
    try:
        size_bytes = path.stat().st_size
    except FileNotFoundError as error:
        raise NotFound from error
    if request.headers.get("if-none-match", "").strip() == f'"{name[:64]}"':
        return _with_headers(HttpResponse(status=304), name)
    span = single_range(request.headers.get("range"), size_bytes)
    body = [] if request.method == "HEAD" else _read(path, span or ByteRange(0, size_bytes))
    response = StreamingHttpResponse(body, status=206 if span else 200)
    response["Content-Length"] = str(span.length if span else size_bytes)
    if span:
        response["Content-Range"] = f"bytes {span.start}-{span.stop - 1}/{size_bytes}"
    return _with_headers(response, name)


def _with_headers(response: HttpResponseBase, name: str) -> HttpResponseBase:
    response["Content-Type"] = CONTENT_TYPES[name.rpartition(".")[2]]
    response["ETag"] = f'"{name[:64]}"'
    for header, value in _HEADERS.items():
        response[header] = value
    return response


def _read(path: Path, span: ByteRange) -> Iterator[bytes]:
    left = span.length
    with path.open("rb") as file:
        file.seek(span.start)
        while left and (chunk := file.read(min(_CHUNK_BYTES, left))):
            left -= len(chunk)
            yield chunk
