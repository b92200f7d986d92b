"""Large files that are stored: look up, verify, read, link to, store from the server's side."""

from __future__ import annotations

from collections.abc import Iterable

from django.utils import timezone

from hub.core.errors import EntryNotFound, Unprocessable
from hub.storage import blobs
from hub.storage.models import LfsObject
from hub.storage.signing import DOWNLOAD_TTL_S, Action, Grant, expiry, sign_url


def get_object(sha256: str) -> LfsObject:
    """Raises: Unprocessable (not a sha256), EntryNotFound. Says nothing on who may read it (T71)."""
    blobs.require_sha256(sha256)
    found = LfsObject.objects.filter(sha256=sha256).first()
    if found is None:
        raise EntryNotFound
    return found


def find_objects(sha256s: Iterable[str]) -> dict[str, LfsObject]:
    """Return the stored ones of many, by sha256, in one query."""
    return {found.sha256: found for found in LfsObject.objects.filter(sha256__in=list(sha256s))}


def verify_object(sha256: str, *, size_bytes: int) -> LfsObject:
    """Confirm that the object is stored with that size. Raises: EntryNotFound, Unprocessable."""
    found = get_object(sha256)
    if found.size_bytes != size_bytes:
        raise Unprocessable(f"The stored object has {found.size_bytes} bytes, not {size_bytes}.")
    return found


def put_object(chunks: Iterable[bytes], *, sha256: str | None = None, size_bytes: int | None = None) -> LfsObject:
    """Store bytes that the server itself has. Raises: Unprocessable, StorageFull."""
    return record_object(blobs.put(blobs.get_blob_store(), chunks, sha256=sha256, size_bytes=size_bytes))


def record_object(stat: blobs.BlobStat) -> LfsObject:
    """Make verified, durable bytes known. Call only after the blob store has committed them."""
    found, _ = LfsObject.objects.update_or_create(
        sha256=stat.sha256,
        defaults={"verified_at": timezone.now()},
        create_defaults={"size_bytes": stat.size_bytes},
    )
    return found


def read_object(sha256: str, *, start: int = 0, stop: int | None = None) -> bytes:
    """Return a range in memory, for file headers and previews; the caller bounds it."""
    return blobs.read_all(blobs.get_blob_store(), sha256, start, stop)


def download_url(
    stored: LfsObject,
    *,
    audience: str,
    filename: str = "",
    is_attachment: bool = False,
    content_type: str = "",
    ttl_s: int = DOWNLOAD_TTL_S,
    base_url: str | None = None,
) -> str:
    """Return a signed URL of this hub; the data plane sends on to the bucket where there is one."""
    grant = Grant(
        action=Action.BLOB,
        sha256=stored.sha256,
        size_bytes=stored.size_bytes,
        audience=audience,
        expires_at=expiry(ttl_s),
        filename=filename,
        disposition="attachment" if is_attachment else "inline",
        content_type=content_type,
    )
    return sign_url(grant, base_url)
