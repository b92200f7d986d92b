"""Uploads of large files: in one request (basic) or in parts (multipart), resumable for 24 hours.

    begin_upload > part_urls > PUT each … > complete_upload        (a session is found again by repo, owner, sha256)
    begin_basic_upload > basic_url > PUT > finish_basic_upload     (the data plane calls the last)

Nobody is told whether the hub already holds the bytes for somebody else (T69): each repo uploads its own, and
``was_uploaded_to`` is the proof that it did.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Sum
from django.utils import timezone

from hub.core.errors import BadRequest, Conflict, EntryNotFound, Unprocessable
from hub.storage import blobs
from hub.storage.blobs.base import Progress
from hub.storage.lfs.objects import get_object, record_object
from hub.storage.locks import lock_owner
from hub.storage.models import LfsObject, UploadSession, UploadState
from hub.storage.signing import UPLOAD_TTL_S, Action, Grant, expiry, sign_url

PART_SIZE_BYTES = 64 * 1024**2
MIN_PART_SIZE_BYTES = 5 * 1024**2
MAX_PART_SIZE_BYTES = 512 * 1024**2
MAX_PARTS = 10_000
MAX_FILE_BYTES = 500 * 10**9
SESSION_TTL = timedelta(hours=24)

# Called with the bytes about to be reserved, inside the reserving transaction; raises to refuse.
Reserve = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class ListedPart:
    """A part as the client lists it on completion."""

    number: int
    etag: str


def begin_upload(
    *,
    sha256: str,
    size_bytes: int,
    repo_key: str,
    owner_key: str,
    part_size_bytes: int = PART_SIZE_BYTES,
    reserve: Reserve | None = None,
) -> UploadSession:
    """Start or resume an upload in parts; ``stored_parts`` tells what is there already.

    The part size is at least doubled until the file fits in ``MAX_PARTS``: read it from the session.

    Raises: Unprocessable, StorageFull, and whatever ``reserve`` raises.
    """
    _check_declared(sha256, size_bytes)
    if size_bytes == 0:
        raise Unprocessable("An empty file cannot be sent in parts.")
    part_size = _fit_part_size(part_size_bytes, size_bytes)
    session = _reserve_session(sha256, size_bytes, repo_key, owner_key, part_size, reserve)
    return session if session.store_upload_id else _open_in_store(session)


def begin_basic_upload(
    *, sha256: str, size_bytes: int, repo_key: str, owner_key: str, reserve: Reserve | None = None
) -> UploadSession:
    """Start an upload in a single PUT. Raises: as ``begin_upload``."""
    _check_declared(sha256, size_bytes)
    return _reserve_session(sha256, size_bytes, repo_key, owner_key, 0, reserve)


def get_session(session_id: UUID | str) -> UploadSession:
    """Return an open or complete session. Raises: EntryNotFound."""
    found = UploadSession.objects.filter(pk=session_id).exclude(state=UploadState.ABORTED).first()
    if found is None or (found.state == UploadState.OPEN and found.expires_at < timezone.now()):
        raise EntryNotFound("This upload no longer exists.")
    return found


def stored_parts(session: UploadSession) -> list[blobs.StoredPart]:
    """Return the parts that need not be sent again."""
    if session.state == UploadState.COMPLETE or not session.is_multipart:
        return []
    return [part for part in blobs.get_blob_store().list_parts(session.store_upload_id) if _has_its_size(session, part)]


def part_urls(
    session: UploadSession,
    *,
    numbers: Sequence[int] | None = None,
    ttl_s: int = UPLOAD_TTL_S,
    base_url: str | None = None,
) -> dict[int, str]:
    """Return where to PUT each part (all, or ``numbers``): a signed URL of this hub, or of the bucket.

    ``base_url`` is the site as the caller knows it: ``HUB_URL`` if None, relative URLs if empty.
    """
    wanted = range(1, session.part_count + 1) if numbers is None else numbers
    return {number: _part_url(session, number, ttl_s, base_url) for number in wanted}


def complete_url(
    session: UploadSession, *, ttl_s: int = int(SESSION_TTL.total_seconds()), base_url: str | None = None
) -> str:
    """Return where to POST ``{"oid", "parts": [{"partNumber", "etag"}]}`` without further authorization."""
    return sign_url(_grant(session, Action.COMPLETE, ttl_s), base_url)


def basic_url(session: UploadSession, *, ttl_s: int = UPLOAD_TTL_S, base_url: str | None = None) -> str:
    """Return where to PUT the whole file without further authorization."""
    return sign_url(_grant(session, Action.PUT, ttl_s), base_url)


def complete_upload(
    session_id: UUID | str,
    *,
    sha256: str,
    parts: Sequence[ListedPart] | None = None,
    on_progress: Progress | None = None,
) -> LfsObject:
    """Check list, sizes and the hash of the whole, then make the object visible. Safe to repeat.

    Reads the file once (about a second per gigabyte): never call it on an event loop.

    Raises: Unprocessable (list, size or hash), Conflict (parts still arriving), EntryNotFound.
    """
    session = get_session(session_id)
    if session.sha256 != sha256:
        raise Unprocessable("This upload is for another file.")
    if session.state == UploadState.COMPLETE:
        return get_object(sha256)
    if not session.is_multipart:
        raise BadRequest("This upload has no parts.")
    return _complete_open(session, parts, on_progress)


def finish_basic_upload(session_id: UUID | str, stat: blobs.BlobStat) -> LfsObject:
    """Record what the data plane has hashed and stored. Raises: EntryNotFound when aborted meanwhile."""
    session = get_session(session_id)
    if (session.sha256, session.size_bytes) != (stat.sha256, stat.size_bytes):
        raise Unprocessable("This upload is for another file.")
    return _record(session, stat)


def abort_upload(session: UploadSession) -> None:
    """Give up an open upload and free its parts and its reservation."""
    changed = UploadSession.objects.filter(pk=session.pk, state=UploadState.OPEN).update(state=UploadState.ABORTED)
    if changed and session.store_upload_id:
        blobs.get_blob_store().abort_multipart(session.store_upload_id)


def was_uploaded_to(repo_key: str, sha256: str) -> bool:
    """Tell whether this repo received these bytes (T70): only then may a commit name them, beside linked ones."""
    return UploadSession.objects.filter(repo_key=repo_key, sha256=sha256, state=UploadState.COMPLETE).exists()


def uploaded_to(repo_key: str, sha256s: Sequence[str], *, owner_key: str = "") -> set[str]:
    """Return which of many this repo received (with ``owner_key``, of this owner), in one query."""
    sessions = UploadSession.objects.filter(repo_key=repo_key, sha256__in=sha256s, state=UploadState.COMPLETE)
    if owner_key:
        sessions = sessions.filter(owner_key=owner_key)
    return set(sessions.values_list("sha256", flat=True))


def reserved_bytes(owner_key: str) -> int:
    """Return the bytes that an owner's open uploads hold reserved; for the ``reserve`` callback."""
    sessions = UploadSession.objects.filter(owner_key=owner_key, state=UploadState.OPEN, expires_at__gt=timezone.now())
    return sessions.aggregate(total=Sum("size_bytes"))["total"] or 0


def _check_declared(sha256: str, size_bytes: int) -> None:
    blobs.require_sha256(sha256)
    if isinstance(size_bytes, bool) or not isinstance(size_bytes, int) or size_bytes < 0:
        raise Unprocessable("The size must be a number of bytes, zero or more.")
    if size_bytes > MAX_FILE_BYTES:
        raise Unprocessable(f"Files over {MAX_FILE_BYTES // 10**9} GB are not accepted.")


def _fit_part_size(part_size_bytes: int, size_bytes: int) -> int:
    if not MIN_PART_SIZE_BYTES <= part_size_bytes <= MAX_PART_SIZE_BYTES:
        raise Unprocessable(f"Parts must have {MIN_PART_SIZE_BYTES} to {MAX_PART_SIZE_BYTES} bytes.")
    while -(-size_bytes // part_size_bytes) > MAX_PARTS:
        part_size_bytes *= 2
    return part_size_bytes


def _reserve_session(
    sha256: str, size_bytes: int, repo_key: str, owner_key: str, part_size_bytes: int, reserve: Reserve | None
) -> UploadSession:
    key = {
        "repo_key": repo_key,
        "owner_key": owner_key,
        "sha256": sha256,
        "size_bytes": size_bytes,
        "part_size_bytes": part_size_bytes,
    }
    with transaction.atomic():
        lock_owner(owner_key)
        _expire_stale(key)
        session = UploadSession.objects.filter(**key, state=UploadState.OPEN).first()
        if session is not None:
            session.expires_at = timezone.now() + SESSION_TTL
            session.save(update_fields=["expires_at"])
            return session
        if reserve is not None:
            reserve(size_bytes)
        blobs.get_blob_store().check_capacity(size_bytes)
        return UploadSession.objects.create(**key, expires_at=timezone.now() + SESSION_TTL)


def _expire_stale(key: dict[str, Any]) -> None:
    """A session past its time is not resumed; the sweep frees its parts."""
    UploadSession.objects.filter(**key, state=UploadState.OPEN, expires_at__lt=timezone.now()).update(
        state=UploadState.ABORTED
    )


def _open_in_store(session: UploadSession) -> UploadSession:
    """Start the store's side. Of two racing callers one wins; the loser's upload is dropped."""
    store = blobs.get_blob_store()
    upload_id = store.begin_multipart(session.pk.hex)
    won = UploadSession.objects.filter(pk=session.pk, store_upload_id="").update(store_upload_id=upload_id)
    session.refresh_from_db()
    if not won and session.store_upload_id != upload_id:
        store.abort_multipart(upload_id)
    return session


def _part_url(session: UploadSession, number: int, ttl_s: int, base_url: str | None) -> str:
    if not 1 <= number <= session.part_count:
        raise Unprocessable(f"This upload has parts 1 to {session.part_count}.")
    size_bytes = session.part_size(number)
    presigned = blobs.get_blob_store().presign_put_part(
        session.store_upload_id, number=number, size_bytes=size_bytes, ttl_s=ttl_s
    )
    return presigned or sign_url(_grant(session, Action.PART, ttl_s, part_number=number), base_url)


def _grant(session: UploadSession, action: Action, ttl_s: int, *, part_number: int = 0) -> Grant:
    return Grant(
        action=action,
        sha256=session.sha256,
        size_bytes=session.part_size(part_number) if part_number else session.size_bytes,
        audience=f"{session.owner_key}:{session.repo_key}",
        expires_at=expiry(ttl_s),
        session_id=str(session.pk),
        store_upload_id=session.store_upload_id,
        part_number=part_number,
        offset_bytes=(part_number - 1) * session.part_size_bytes if part_number else 0,
    )


def _complete_open(
    session: UploadSession, listed: Sequence[ListedPart] | None, on_progress: Progress | None
) -> LfsObject:
    store = blobs.get_blob_store()
    stored = _joined_or_stored(session)
    if stored is not None:
        _check_parts(session, stored, listed)
    stat = store.complete_multipart(
        session.store_upload_id,
        sha256=session.sha256,
        size_bytes=session.size_bytes,
        parts=stored or [],
        on_progress=on_progress,
    )
    return _record(session, stat)


def _joined_or_stored(session: UploadSession) -> list[blobs.StoredPart] | None:
    """Return the parts, or None when a bucket has joined them already and the reply was lost."""
    try:
        return blobs.get_blob_store().list_parts(session.store_upload_id)
    except EntryNotFound:
        return None


def _check_parts(session: UploadSession, stored: list[blobs.StoredPart], listed: Sequence[ListedPart] | None) -> None:
    """Raises: Unprocessable unless every part is there once, with its size and the listed etag (T73)."""
    by_number = {part.number: part for part in stored}
    missing = [number for number in range(1, session.part_count + 1) if number not in by_number]
    if missing or len(by_number) != session.part_count:
        raise Unprocessable(f"Parts are missing, the first is number {missing[0] if missing else 0}.", missing=missing)
    if not all(_has_its_size(session, part) for part in stored):
        raise Unprocessable("A part does not have its expected size.")
    if listed is None:
        return
    if [part.number for part in listed] != list(range(1, session.part_count + 1)):
        raise Unprocessable("List each part once, in order.")
    if any(part.etag.strip('"') != by_number[part.number].etag for part in listed):
        raise Unprocessable("A listed etag differs from the stored part's.")


def _has_its_size(session: UploadSession, part: blobs.StoredPart) -> bool:
    return 1 <= part.number <= session.part_count and part.size_bytes == session.part_size(part.number)


def _record(session: UploadSession, stat: blobs.BlobStat) -> LfsObject:
    """Make the object known and the session complete together; only then drop the parts."""
    with transaction.atomic():
        stored = record_object(stat)
        changed = UploadSession.objects.filter(pk=session.pk, state=UploadState.OPEN).update(
            state=UploadState.COMPLETE, expires_at=timezone.now()
        )
        if not changed and not _is_complete(session):
            raise Conflict("This upload was aborted meanwhile.")
    if session.store_upload_id:
        blobs.get_blob_store().abort_multipart(session.store_upload_id)
    return stored


def _is_complete(session: UploadSession) -> bool:
    return UploadSession.objects.filter(pk=session.pk, state=UploadState.COMPLETE).exists()
