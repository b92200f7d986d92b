"""The content-addressed store on the wire: a small ASGI app below ``casUrl``.

    POST v1/xorb-grants/{prefix}/{xorb}               {length, checksum} → 201 where to PUT it, or 200 "stored already"
    POST v1/xorb-commits/{prefix}/{xorb}/grant/{id}   → 200 once it is stored
    POST v1/xorbs/{prefix}/{xorb}                     the bytes themselves → {was_inserted}
    POST v2/shards, v1/shards                         → NDJSON with progress, or {result}
    GET  v2/reconstructions/{file}, v1/…              Range: bytes=a-b → terms and signed ranges
    GET  v1/chunks/{prefix}/{chunk}                   → a shard with what lies near it, or 404
    POST v1/telemetry                                 → 200 at once (also at the root of the site)

What a caller may do is in the token; which files a repo holds and what its owner has room for is asked of ``CasRules``.

Source: Xet Protocol Specification 1.1.0, and hf_xet 1.8.0 where it differs (upload grants, NDJSON, refusal of 401).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
import secrets
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

from django.conf import settings
from django.db import DatabaseError

from hub.core.errors import (
    AuthenticationRequired,
    BadRequest,
    EntryNotFound,
    HubError,
    NotFound,
    PayloadTooLarge,
    PermissionDenied,
    RangeNotSatisfiable,
    Unprocessable,
)
from hub.core.ranges import ByteRange
from hub.storage.dataplane.responses import (
    Receive,
    Scope,
    Send,
    TrackedSend,
    header,
    send_error,
    send_json,
    send_preflight,
    send_whole,
    start,
)
from hub.storage.dataplane.uploads import ClientGone, declared_length, receive_into, receive_small
from hub.storage.models import XetFile
from hub.storage.tallies import tell
from hub.storage.threads import in_bytes_thread, in_records_thread
from hub.storage.xet import registry
from hub.storage.xet.hashing import parse_hash
from hub.storage.xet.recipe import Fetch, Recipe, answer_v1, answer_v2, plan_range
from hub.storage.xet.shard import MAX_SHARD_BYTES, InvalidShard, parse_shard, write_dedup_shard
from hub.storage.xet.tokens import Claims, read
from hub.storage.xet.tokens import Scope as TokenScope
from hub.storage.xet.transfers import adopt_upload, is_served_here, range_url, receive_xorb, upload_url
from hub.storage.xet.xorb import MAX_XORB_BYTES

log = logging.getLogger(__name__)
T = TypeVar("T")
Spool = tempfile.SpooledTemporaryFile[bytes]

#: Clients give up after 300 s of silence; a line now and then also keeps proxies from cutting the stream.
PROGRESS_EVERY_S: Final = 10.0
#: How long clients may keep an answer of the dedup index; the lease of the xorbs is far longer.
_KEY_TTL_S: Final = 7 * 24 * 3600
#: Shards that are being judged, all together: what they turn into is a few times as large.
_SHARD_BYTES_AT_ONCE: Final = MAX_SHARD_BYTES
#: Files that are read for their SHA-256 at once: more would only take turns on the processor.
_HASHED_AT_ONCE: Final = 2
_MAX_TELEMETRY_BYTES: Final = 64 * 1024
_MAX_GRANT_BYTES: Final = 4096
#: Verified in one go: a thread call for each of ten thousand small files would cost more than their hashes.
_VERIFY_BATCH_BYTES: Final = 32 * 1024**2

_PATH: Final = re.compile(r"/cas/d/(?P<domain>[a-z0-9.]{1,64})/(?P<epoch>\d{1,9})/(?P<rest>v[12]/.*)", re.DOTALL)
_HASH: Final = r"(?P<hash>[0-9a-f]{64})"
_PREFIXED: Final = rf"(?:default|default-merkledb)/{_HASH}"
_GRANT: Final = r"(?P<grant>[0-9a-f]{24})"


class CasRules(Protocol):
    """What the store asks about repos and owners; called in threads that may use the database."""

    def may_read(self, claims: Claims, file_hash: str) -> bool:
        """Tell whether the file belongs to the token's repo (T83)."""
        ...

    def reserve(self, claims: Claims, size_bytes: int) -> None:
        """Raises: PayloadTooLarge when the owner has no room for so much more."""
        ...

    def tally(self, claims: Claims, file_hash: str, size_bytes: int, *, address: str, client: str) -> str:
        """Return what ``content_sent`` shall say of a file for this reader; "" where nothing needs to be said."""
        ...


class MethodNotAllowed(HubError):
    status = 405
    default_message = "This method is not allowed here."


class _Call:
    """One request with what its path and its token say."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, claims: Claims, named: dict[str, str]) -> None:
        self.scope, self.receive, self.send, self.claims, self.named = scope, receive, send, claims, named

    @property
    def hash(self) -> bytes:
        return parse_hash(self.named["hash"])

    @property
    def base_url(self) -> str:
        """The site as this client calls it."""
        host = header(self.scope, b"host")
        return f"{self.scope.get('scheme', 'http')}://{host}" if host else settings.HUB_URL

    async def json(self, content: object, status: int = 200) -> None:
        await send_json(self.scope, self.send, status, content)


Handler = Callable[[_Call], Awaitable[None]]


class _Turns:
    """Lets work through up to a total weight; what is heavier than all goes alone."""

    def __init__(self, total: int) -> None:
        self._total = self._free = total
        self._changed = asyncio.Condition()

    @contextlib.asynccontextmanager
    async def take(self, weight: int) -> AsyncIterator[None]:
        weight = min(weight, self._total)
        async with self._changed:
            await self._changed.wait_for(lambda: self._free >= weight)
            self._free -= weight
        try:
            yield
        finally:
            # Without waiting: a cancelled call gives its turn back too.
            self._free += weight
            self._wake = asyncio.ensure_future(self._notify())

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()


class CasApp:
    """Serve ``/cas/…`` and ``/v1/telemetry``."""

    def __init__(self, rules: CasRules) -> None:
        self._rules = rules
        self._shards = _Turns(_SHARD_BYTES_AT_ONCE)
        self._hashing = asyncio.Semaphore(_HASHED_AT_ONCE)
        self._routes: tuple[tuple[str, re.Pattern[str], TokenScope, Handler], ...] = (
            ("GET", re.compile(rf"v1/chunks/{_PREFIXED}"), TokenScope.READ, self._chunk),
            ("POST", re.compile(rf"v1/xorb-grants/{_PREFIXED}"), TokenScope.WRITE, self._grant),
            ("POST", re.compile(rf"v1/xorb-commits/{_PREFIXED}/grant/{_GRANT}"), TokenScope.WRITE, self._commit),
            ("POST", re.compile(rf"v1/xorbs/{_PREFIXED}"), TokenScope.WRITE, self._xorb),
            ("HEAD", re.compile(rf"v1/xorbs/{_PREFIXED}"), TokenScope.WRITE, self._has_xorb),
            ("POST", re.compile(r"v2/shards"), TokenScope.WRITE, self._shard_stream),
            ("POST", re.compile(r"v1/shards"), TokenScope.WRITE, self._shard),
            ("GET", re.compile(rf"(?P<version>v[12])/reconstructions/{_HASH}"), TokenScope.READ, self._reconstruction),
            ("HEAD", re.compile(rf"v1/files/{_HASH}"), TokenScope.READ, self._has_file),
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "OPTIONS":
            await send_preflight(scope, send)
            return
        tracked = TrackedSend(send)
        try:
            if scope["path"].endswith("/v1/telemetry"):
                await _telemetry(scope, receive, tracked)
            else:
                await self._dispatch(scope, receive, tracked)
        except ClientGone:
            log.info("upload_cut_by_client")
        except Exception as error:
            if tracked.has_started:
                raise
            await send_error(scope, send, error, must_close=scope["method"] in ("PUT", "POST"))

    async def _dispatch(self, scope: Scope, receive: Receive, send: Send) -> None:
        place = _PATH.fullmatch(scope["path"])
        if place is None:
            raise NotFound
        claims = _authenticate(scope)
        # Domain and epoch are in the path for the client's sake; what counts is the token's, and they must agree.
        if (place["domain"], int(place["epoch"])) != (claims.domain, claims.epoch):
            raise PermissionDenied("This token is for another address.")
        found = [
            (method, match, needed, handler)
            for method, pattern, needed, handler in self._routes
            if (match := pattern.fullmatch(place["rest"]))
        ]
        if not found:
            raise NotFound
        for method, match, needed, handler in found:
            if method == scope["method"]:
                claims.require(needed)
                await handler(_Call(scope, receive, send, claims, match.groupdict()))
                return
        raise MethodNotAllowed

    # -- xorbs

    async def _grant(self, call: _Call) -> None:
        declared_length(call.scope, max_bytes=_MAX_GRANT_BYTES)
        size = _granted_length(await receive_small(call.receive, max_bytes=_MAX_GRANT_BYTES))
        if await in_records_thread(registry.is_held, call.claims.domain, call.hash):
            await call.json({"status": "stored"})
            return
        await in_records_thread(_check_room, call.claims, size)
        grant_id = secrets.token_hex(12)
        url = await in_bytes_thread(
            upload_url, call.claims.domain, call.hash, grant_id, size_bytes=size, base_url=call.base_url
        )
        await call.json({"id": grant_id, "method": "PUT", "url": url, "headers": {}}, 201)

    async def _commit(self, call: _Call) -> None:
        """Answer that the xorb is stored, whatever the grant. One that was PUT here is: its upload has verified it."""
        if not await in_records_thread(registry.is_held, call.claims.domain, call.hash):
            await _as_bad_request(adopt_upload(call.claims.domain, call.hash, call.named["grant"]))
        await call.json({"status": "stored"})

    async def _xorb(self, call: _Call) -> None:
        size = declared_length(call.scope, max_bytes=MAX_XORB_BYTES)
        await in_records_thread(_check_room, call.claims, size)
        is_new = await _as_bad_request(
            receive_xorb(call.receive, domain=call.claims.domain, xorb_hash=call.hash, size_bytes=size)
        )
        await call.json({"was_inserted": is_new})

    async def _has_xorb(self, call: _Call) -> None:
        is_held = await in_records_thread(registry.is_held, call.claims.domain, call.hash)
        await send_whole(call.scope, call.send, 200 if is_held else 404)

    # -- shards

    async def _shard(self, call: _Call) -> None:
        async with _received_shard(call) as (body, size):
            async for _ in self._register(call.claims, body, size):
                pass
        await call.json({"result": 1})

    async def _shard_stream(self, call: _Call) -> None:
        """Judge a shard while telling how far that is. Only here do words reach the person who uploads."""
        async with _received_shard(call) as (body, size):
            headers = [("content-type", "application/x-ndjson"), ("cache-control", "no-store")]
            await start(call.scope, call.send, 200, headers)
            try:
                async for line in _with_pulse(self._register(call.claims, body, size)):
                    await _send_line(call.send, line)
                last: dict[str, Any] = {"type": "result", "result": 1}
            except Exception as error:
                last = _error_line(error)
        await _send_line(call.send, last, is_last=True)

    async def _register(self, claims: Claims, body: Spool, size_bytes: int) -> AsyncIterator[dict[str, Any]]:
        """Check, hash and record everything in a shard; yield progress. Raises: BadRequest, PayloadTooLarge, …"""
        async with self._shards.take(size_bytes):
            try:
                prepared = await in_records_thread(_prepare, claims, body)
                # Before any file is read: its size is what the sender says, and a small shard can say a lot.
                await in_records_thread(self._check_owner, claims, prepared)
                pending = prepared.unverified
                done, total = len(prepared.files) - len(pending), len(prepared.files)
                for batch in _batches(pending):
                    yield {"type": "validating", "verified": done, "total": total}
                    async with self._hashing:
                        await in_bytes_thread(_verify, batch)
                    done += len(batch)
                yield {"type": "committing", "stage": "syncing"}
                await in_records_thread(self._record, claims, prepared)
            except InvalidShard as error:
                raise BadRequest(str(error)) from error

    def _check_owner(self, claims: Claims, prepared: registry.PreparedShard) -> None:
        self._rules.reserve(claims, registry.new_bytes(claims, prepared))

    def _record(self, claims: Claims, prepared: registry.PreparedShard) -> None:
        def reserve(size_bytes: int) -> None:
            self._rules.reserve(claims, size_bytes)

        registry.commit_shard(claims, prepared, upload=uuid.uuid4().hex, reserve=reserve)

    # -- reading

    async def _chunk(self, call: _Call) -> None:
        found = await in_records_thread(registry.find_neighbourhood, call.claims.domain, call.hash)
        if not found:
            raise EntryNotFound
        now = int(time.time())
        # A key of its own for each answer: two answers cannot be laid side by side (T82).
        key = secrets.token_bytes(32)
        body = await in_bytes_thread(write_dedup_shard, found, key=key, created_at=now, key_expires_at=now + _KEY_TTL_S)
        await send_whole(call.scope, call.send, 200, body, [("content-type", "application/octet-stream")])

    async def _reconstruction(self, call: _Call) -> None:
        file = await self._find_file(call.claims, call.named["hash"])
        first, stop = _asked_range(header(call.scope, b"range"), file.size_bytes)
        audience = f"{call.claims.repo_key}:{call.claims.user_key}"
        words = answer_v1 if call.named["version"] == "v1" else answer_v2
        tally = await in_records_thread(
            self._rules.tally,
            call.claims,
            file.file_hash,
            file.size_bytes,
            address=(call.scope.get("client") or ("",))[0],
            client=header(call.scope, b"user-agent") or "",
        )
        # A bucket sends by itself and tells nobody: then this answer is all that will be known of the download.
        is_ours = True

        def answer() -> bytes:
            nonlocal is_ours
            plan = plan_range(Recipe.from_bytes(bytes(file.recipe)), registry.get_index, first, stop)
            said = f"{tally}:{first}-{stop}:{plan.stored_bytes}" if tally else ""

            def url_of(xorb_hash: bytes, fetch: Fetch) -> str:
                nonlocal is_ours
                span = (fetch.first_byte, fetch.last_byte)
                url = range_url(xorb_hash, *span, audience=audience, base_url=call.base_url, tally=said)
                is_ours = is_ours and is_served_here(url)
                return url

            return json.dumps(words(plan, url_of)).encode()

        body = await in_bytes_thread(answer)
        if tally and not is_ours:
            await tell(tally, file.file_hash, [ByteRange(first, stop)])
        headers = [("content-type", "application/json"), ("cache-control", "no-store")]
        await send_whole(call.scope, call.send, 200, body, headers)

    async def _has_file(self, call: _Call) -> None:
        file = await self._find_file(call.claims, call.named["hash"])
        await send_whole(call.scope, call.send, 200, headers=[("x-linked-size", str(file.size_bytes))])

    async def _find_file(self, claims: Claims, file_hash: str) -> XetFile:
        """Raises: EntryNotFound for what does not exist and for what is another repo's, without a difference."""

        def find() -> XetFile | None:
            return registry.find_file(file_hash) if self._rules.may_read(claims, file_hash) else None

        file = await in_records_thread(find)
        if file is None:
            raise EntryNotFound
        return file


@contextlib.asynccontextmanager
async def _received_shard(call: _Call) -> AsyncIterator[tuple[Spool, int]]:
    """Spool the body: many may arrive at once, and few are judged at once."""
    size = declared_length(call.scope, max_bytes=MAX_SHARD_BYTES)
    body = await in_bytes_thread(_open_spool)
    try:
        await receive_into(call.receive, _SpoolSink(body), size_bytes=size)
        yield body, size
    finally:
        body.close()


def _open_spool() -> Spool:
    folder = Path(settings.HUB_DATA_DIR) / "tmp"
    folder.mkdir(parents=True, exist_ok=True)
    # Small ones stay in memory; larger ones have no name: a killed process leaves nothing behind.
    return tempfile.SpooledTemporaryFile(max_size=256 * 1024, dir=str(folder))


class _SpoolSink:
    def __init__(self, file: Spool) -> None:
        self._file = file

    def write(self, data: bytes) -> None:
        self._file.write(data)

    def abort(self) -> None:
        """The one who opened the file closes it."""


def _prepare(claims: Claims, body: Spool) -> registry.PreparedShard:
    body.seek(0)
    shard = parse_shard(body.read())
    return registry.prepare_shard(claims, shard, max_file_bytes=settings.HUB_MAX_FILE_BYTES)


async def _with_pulse(lines: AsyncIterator[dict[str, Any]]) -> AsyncIterator[dict[str, Any]]:
    """Repeat the last line whenever nothing was said for a while."""
    last: dict[str, Any] = {"type": "validating", "verified": 0, "total": 0}
    waiting: asyncio.Task[dict[str, Any]] | None = None
    try:
        while True:
            waiting = waiting or asyncio.ensure_future(anext(lines))
            await asyncio.wait({waiting}, timeout=PROGRESS_EVERY_S)
            if waiting.done():
                try:
                    last = waiting.result()
                except StopAsyncIteration:
                    return
                waiting = None
            yield last
    finally:
        if waiting is not None and not waiting.done():
            waiting.cancel()
            with contextlib.suppress(asyncio.CancelledError, StopAsyncIteration):
                await waiting


def _authenticate(scope: Scope) -> Claims:
    """Raises: AuthenticationRequired, InvalidCredentials. Judged when a request arrives, never after a slow body."""
    scheme, _, value = (header(scope, b"authorization") or "").partition(" ")
    if scheme.lower() != "bearer" or not value:
        raise AuthenticationRequired
    return read(value.strip())


async def _telemetry(scope: Scope, receive: Receive, send: Send) -> None:
    """Clients wait up to two seconds for this at the end of each transfer; nothing is kept."""
    if scope["method"] != "POST":
        raise MethodNotAllowed
    await receive_small(receive, max_bytes=_MAX_TELEMETRY_BYTES)
    await send_json(scope, send, 200, {})


def _granted_length(body: bytes) -> int:
    try:
        length = json.loads(body)["length"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise BadRequest("Send {length, checksum}.") from None
    if not isinstance(length, int) or isinstance(length, bool) or length < 1:
        raise BadRequest("length must be a number of bytes.")
    if length > MAX_XORB_BYTES:
        raise PayloadTooLarge(f"A xorb has at most {MAX_XORB_BYTES} bytes.")
    return length


def _check_room(claims: Claims, size_bytes: int) -> None:
    """Raises: PayloadTooLarge when a domain sends far more than its files could use (T75)."""
    if (
        claims.room_bytes >= 0
        and registry.unnamed_bytes(claims.domain) + size_bytes > claims.room_bytes + MAX_XORB_BYTES
    ):
        raise PayloadTooLarge("There is no room for so much: the storage quota is used up.")


async def _as_bad_request(work: Awaitable[T]) -> T:
    """Xet clients know 400 for a bad xorb."""
    try:
        return await work
    except Unprocessable as error:
        raise BadRequest(error.message) from error


def _batches(files: list[registry.PreparedFile]) -> list[list[registry.PreparedFile]]:
    batches: list[list[registry.PreparedFile]] = []
    room = 0
    for file in files:
        if room <= 0:
            batches.append([])
            room = _VERIFY_BATCH_BYTES
        batches[-1].append(file)
        room -= file.recipe.size_bytes
    return batches


def _verify(files: list[registry.PreparedFile]) -> None:
    for file in files:
        registry.compute_sha256(file)


def _error_line(error: Exception) -> dict[str, Any]:
    if isinstance(error, HubError):
        return {"type": "error", "message": error.message, "retryable": error.status >= 500}
    log.error("shard_failed", exc_info=error)
    message = "The hub could not record the files. Please try again."
    return {"type": "error", "message": message, "retryable": isinstance(error, DatabaseError | OSError)}


async def _send_line(send: Send, line: dict[str, Any], *, is_last: bool = False) -> None:
    body = json.dumps(line).encode() + b"\n"
    await send({"type": "http.response.body", "body": body, "more_body": not is_last})


def _asked_range(value: str | None, size_bytes: int) -> tuple[int, int]:
    """Return (start, stop) of ``bytes=a-b`` within the file. Raises: RangeNotSatisfiable, BadRequest."""
    if value is None:
        return 0, size_bytes
    match = re.fullmatch(r"bytes=(\d{1,18})-(\d{0,18})", value.strip())
    if match is None:
        raise BadRequest("Ask for one range: bytes=a-b.")
    first = int(match[1])
    last = int(match[2]) if match[2] else size_bytes - 1
    if first >= size_bytes or last < first:
        raise RangeNotSatisfiable(size_bytes=size_bytes)
    return first, min(last + 1, size_bytes)
