"""Large files that are stored: look up, verify, read, link to, store from the server's side."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Final, Protocol

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from hub.core.errors import EntryNotFound, ServiceUnavailable, Unprocessable
from hub.storage import blobs
from hub.storage.models import LfsObject
from hub.storage.signing import DOWNLOAD_TTL_S, Action, Grant, expiry, sign_url
from hub.storage.xet import registry
from hub.storage.xet.recipe import Recipe

# A link is good for DOWNLOAD_TTL_S, and the one to the bucket that it leads to as long again.
_LINK_LIFE: Final = timedelta(seconds=3 * DOWNLOAD_TTL_S)


class ContentSource(Protocol):
    """What serving a file takes of a blob store."""

    def stat(self, sha256: str) -> blobs.BlobStat: ...

    def open_range(self, sha256: str, start: int = 0, stop: int | None = None) -> blobs.BlobReader: ...

    def local_path(self, sha256: str) -> Path | None: ...

    def presign_get(
        self, sha256: str, *, ttl_s: int, content_type: str = "", content_disposition: str = ""
    ) -> str | None: ...


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
    """Make verified, durable bytes known. Call only after the blob store has committed them.

    Raises: ServiceUnavailable when a collector took the bytes in between: they must be sent again (T84).
    """
    now = timezone.now()
    with transaction.atomic():
        found, is_created = LfsObject.objects.select_for_update().get_or_create(
            sha256=stat.sha256, defaults={"size_bytes": stat.size_bytes}
        )
        if not is_created:
            found.verified_at, found.is_whole = now, True
            # A whole copy beside a recipe goes again after the grace, counted from now.
            found.converted_at = now if found.xet_file_id else None
            found.save(update_fields=["verified_at", "is_whole", "converted_at"])
        if not blobs.get_blob_store().exists(stat.sha256):
            raise ServiceUnavailable("The file was collected while it arrived. Please send it again.")
    return found


def read_object(sha256: str, *, start: int = 0, stop: int | None = None) -> bytes:
    """Return a range in memory, for file headers and previews; the caller bounds it."""
    return b"".join(iter_object(sha256, start=start, stop=stop))


def iter_object(sha256: str, *, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
    """Yield a range in blocks. Raises: EntryNotFound, ObjectCorrupt."""
    reader = open_object(sha256, start=start, stop=stop)
    try:
        while block := reader.read(blobs.IO_BLOCK_BYTES):
            yield block
    finally:
        reader.close()


def open_object(sha256: str, *, start: int = 0, stop: int | None = None) -> blobs.BlobReader:
    """Open content by its SHA-256, whether it lies in one piece or as a recipe: no other place needs to know.

    Raises: EntryNotFound, ObjectCorrupt.
    """
    found = get_object(sha256)
    if found.is_whole:
        try:
            return blobs.get_blob_store().open_range(sha256, start, stop)
        except (EntryNotFound, blobs.ObjectCorrupt):
            # Gone since we looked, or damaged: the recipe, where there is one, is as good.
            recipe = registry.find_recipe(sha256)
            if recipe is None:
                raise
            return registry.open_recipe(recipe, start, stop)
    recipe = registry.find_recipe(sha256)
    if recipe is None:
        raise EntryNotFound
    return registry.open_recipe(recipe, start, stop)


class RecipeSource:
    """Content that is served from its recipe, in the words of a blob store."""

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe

    def stat(self, sha256: str) -> blobs.BlobStat:
        return blobs.BlobStat(sha256, self._recipe.size_bytes)

    def open_range(self, sha256: str, start: int = 0, stop: int | None = None) -> blobs.BlobReader:
        return registry.open_recipe(self._recipe, start, stop)

    def local_path(self, sha256: str) -> Path | None:
        return None

    def presign_get(
        self, sha256: str, *, ttl_s: int, content_type: str = "", content_disposition: str = ""
    ) -> str | None:
        return None


def find_source(sha256: str, *, prefers_recipe: bool = False) -> ContentSource:
    """Return where to serve content from. A whole copy costs least; without one the recipe does."""
    store = blobs.get_blob_store()
    if not prefers_recipe and store.exists(sha256):
        return store
    recipe = registry.find_recipe(sha256)
    return store if recipe is None else RecipeSource(recipe)


def download_url(
    stored: LfsObject,
    *,
    audience: str,
    filename: str = "",
    is_attachment: bool = False,
    content_type: str = "",
    ttl_s: int = DOWNLOAD_TTL_S,
    base_url: str | None = None,
    tally: str = "",
) -> str:
    """Return a signed URL of this hub; the data plane sends on to the bucket where there is one.

    ``tally`` comes back with ``content_sent`` when bytes have left.
    """
    grant = Grant(
        action=Action.BLOB,
        sha256=stored.sha256,
        size_bytes=stored.size_bytes,
        audience=audience,
        expires_at=expiry(ttl_s),
        filename=filename,
        disposition="attachment" if is_attachment else "inline",
        content_type=content_type,
        is_recipe=int(not stored.is_whole or _leaves_soon(stored)),
        tally=tally,
    )
    return sign_url(grant, base_url)


def _leaves_soon(stored: LfsObject) -> bool:
    """Whether the whole copy may go while a link to it is still good: the bucket serves such links by itself."""
    if stored.xet_file_id is None or stored.converted_at is None:
        return False
    return stored.converted_at + whole_copy_grace() < timezone.now() + _LINK_LIFE


def whole_copy_grace() -> timedelta:
    """How long the whole copy of a file stays that has become a Xet file."""
    return timedelta(hours=settings.HUB_XET_WHOLE_COPY_HOURS)
