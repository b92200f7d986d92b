"""The data plane: an ASGI application on ``/_d/``.

No session, no middleware, no ORM while bytes move: the signed URL says everything (``hub.storage.signing``).

    GET, HEAD /_d/blob/…      a file, with Range
    PUT       /_d/put/…       a whole file: hashed while written, then recorded
    PUT       /_d/part/…      one part; answers its ETag
    POST      /_d/complete/…  {"oid", "parts": [{"partNumber", "etag"}]}
"""

from __future__ import annotations

import json
import logging
from typing import Any

from hub.core.errors import BadRequest, HubError, Unprocessable
from hub.storage.blobs import get_blob_store
from hub.storage.dataplane.downloads import FileMeta, serve_blob
from hub.storage.dataplane.responses import (
    Receive,
    Scope,
    Send,
    TrackedSend,
    send_error,
    send_json,
    send_preflight,
    send_whole,
)
from hub.storage.dataplane.uploads import ClientGone, declared_length, receive_into, receive_small
from hub.storage.lfs import objects, transfer
from hub.storage.signing import Action, Grant, read_path
from hub.storage.tallies import tell
from hub.storage.threads import in_bytes_thread, in_records_thread
from hub.storage.xet.hashing import parse_hash
from hub.storage.xet.transfers import receive_xorb, serve_xorb_range

log = logging.getLogger(__name__)

# 10,000 parts with 64-digit etags fit.
_MAX_COMPLETION_BYTES = 2 * 1024**2


class MethodNotAllowed(HubError):
    status = 405
    default_message = "This link is for another method."


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve one request; mount it at ``/_d/`` with the path left whole."""
    if scope["type"] != "http":
        raise RuntimeError("the data plane serves HTTP alone")
    if scope["method"] == "OPTIONS":
        await send_preflight(scope, send)
        return
    tracked = TrackedSend(send)
    try:
        await _dispatch(scope, receive, tracked)
    except ClientGone:
        log.info("upload_cut_by_client")
    except Exception as error:
        # Too late for words: raising makes the server cut the connection, which no client takes for a whole file.
        if tracked.has_started:
            raise
        await send_error(scope, send, error, must_close=scope["method"] in ("PUT", "POST"))


async def _dispatch(scope: Scope, receive: Receive, send: Send) -> None:
    grant = read_path(scope["path"])
    if scope["method"] != grant.method and (scope["method"], grant.method) != ("HEAD", "GET"):
        raise MethodNotAllowed
    await _HANDLERS[grant.action](grant, scope, receive, send)


async def _download(grant: Grant, scope: Scope, receive: Receive, send: Send) -> None:
    meta = FileMeta(
        size_bytes=grant.size_bytes,
        etag=grant.sha256,
        filename=grant.filename,
        disposition=grant.disposition,
        content_type=grant.content_type,
        # The URL is a bearer secret for a private file: no shared cache may keep what it returns.
        cache_control="private, max-age=0",
    )
    source = await in_records_thread(objects.find_source, grant.sha256, prefers_recipe=bool(grant.is_recipe))
    span = await serve_blob(scope, receive, send, store=source, sha256=grant.sha256, meta=meta)
    if grant.tally and span is not None:
        await tell(grant.tally, grant.sha256, [span])


async def _put_whole(grant: Grant, scope: Scope, receive: Receive, send: Send) -> None:
    declared_length(scope, expected_bytes=grant.size_bytes)
    store = get_blob_store()
    writer = await in_bytes_thread(store.open_writer, sha256=grant.sha256, size_bytes=grant.size_bytes)
    stat = await _fill(receive, writer, grant.size_bytes)
    await in_records_thread(transfer.finish_basic_upload, grant.session_id, stat)
    await send_whole(scope, send, 200, headers=[("etag", f'"{stat.sha256}"')])


async def _put_part(grant: Grant, scope: Scope, receive: Receive, send: Send) -> None:
    declared_length(scope, expected_bytes=grant.size_bytes)
    writer = await in_bytes_thread(
        get_blob_store().open_part_writer,
        grant.store_upload_id,
        number=grant.part_number,
        offset_bytes=grant.offset_bytes,
        size_bytes=grant.size_bytes,
    )
    part = await _fill(receive, writer, grant.size_bytes)
    await send_whole(scope, send, 200, headers=[("etag", f'"{part.etag}"')])


async def _fill(receive: Receive, writer: Any, size_bytes: int) -> Any:
    """Fill and commit a writer; on any failure, cancellation too, nothing of it remains."""
    try:
        await receive_into(receive, writer, size_bytes=size_bytes)
        return await in_bytes_thread(writer.commit)
    except BaseException:
        await in_bytes_thread(writer.abort)
        raise


async def _complete(grant: Grant, scope: Scope, receive: Receive, send: Send) -> None:
    declared_length(scope, max_bytes=_MAX_COMPLETION_BYTES)
    oid, parts = _parse_completion(await receive_small(receive, max_bytes=_MAX_COMPLETION_BYTES))
    if oid != grant.sha256:
        raise Unprocessable("This upload is for another file.")
    stored = await in_records_thread(transfer.complete_upload, grant.session_id, sha256=oid, parts=parts)
    await send_json(scope, send, 200, {"oid": stored.sha256, "size": stored.size_bytes})


def _parse_completion(body: bytes) -> tuple[str, list[transfer.ListedPart]]:
    """Raises: BadRequest unless the body has the documented form."""
    try:
        content = json.loads(body)
        parts = [transfer.ListedPart(_number(part["partNumber"]), str(part["etag"])) for part in content["parts"]]
        return str(content["oid"]), parts
    except (ValueError, KeyError, TypeError, RecursionError):
        raise BadRequest('Send {"oid": …, "parts": [{"partNumber": …, "etag": …}]}.') from None


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError
    return value


async def _xorb_range(grant: Grant, scope: Scope, receive: Receive, send: Send) -> None:
    await serve_xorb_range(grant, scope, receive, send)


async def _put_xorb(grant: Grant, scope: Scope, receive: Receive, send: Send) -> None:
    declared_length(scope, expected_bytes=grant.size_bytes)
    await receive_xorb(receive, domain=grant.audience, xorb_hash=parse_hash(grant.sha256), size_bytes=grant.size_bytes)
    await send_whole(scope, send, 200, headers=[("etag", f'"{grant.sha256}"')])


_HANDLERS = {
    Action.BLOB: _download,
    Action.PUT: _put_whole,
    Action.PART: _put_part,
    Action.COMPLETE: _complete,
    Action.XORB: _xorb_range,
    Action.XORB_PUT: _put_xorb,
}
