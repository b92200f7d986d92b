"""Files that came whole become Xet files: cut into chunks, shared with what their domain has, and read back.

    whole copy > pack_file > xorbs (stored, recorded, findable as they come) > recipe > read back, SHA-256 > rows

Killed at any point it leaves xorbs that the next attempt finds by their chunks, so that it gets through that part
quickly. The whole copy goes later (``drop_whole_copy``), when nobody can hold a link to it any more.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from hub.core.errors import EntryNotFound
from hub.storage import blobs
from hub.storage.lfs.objects import whole_copy_grace
from hub.storage.models import LfsObject
from hub.storage.xet import registry
from hub.storage.xet.hashing import HASH_BYTES, hash_text, is_dedup_eligible
from hub.storage.xet.packing import BuiltXorb, PackedFile, pack_file
from hub.storage.xet.shard import InvalidShard
from hub.storage.xet.store import get_xorb_store
from hub.storage.xet.xorb import XorbIndex

log = logging.getLogger(__name__)

#: A file that fails this often is left whole: it can be read as before.
MAX_ATTEMPTS: Final = 5
#: Chunks of the domain that are kept at hand (about 150 bytes each); the ones found longest ago are forgotten.
_REMEMBERED_CHUNKS: Final = 200_000


def pending(limit: int) -> list[str]:
    """Return the SHA-256 of files to convert, oldest first."""
    rows = LfsObject.objects.filter(xet_file__isnull=True, conversion_attempts__lt=MAX_ATTEMPTS)
    return list(rows.order_by("created_at").values_list("sha256", flat=True)[:limit])


def convert(sha256: str, *, domains: Sequence[str]) -> bool:
    """Make a whole file a Xet file of these domains; return False when there is nothing to do.

    Chunks are shared with what the first domain has. The caller sees to it that one file is converted at a time.

    Raises: ObjectCorrupt when it cannot be read or does not come back as it was; StorageFull.
    """
    started = LfsObject.objects.filter(sha256=sha256, is_whole=True, xet_file__isnull=True)
    # Counted first: a file that kills its worker must not do so for ever (T170).
    if not domains or not started.update(conversion_attempts=F("conversion_attempts") + 1):
        return False
    upload = uuid.uuid4().hex
    packed, own = _pack(sha256, domains, upload)
    file = registry.PreparedFile(hash_text(packed.file_hash), packed.recipe, claimed_sha256=sha256, sha256="")
    try:
        registry.compute_sha256(file)
    except InvalidShard as error:
        raise blobs.ObjectCorrupt(sha256=sha256) from error
    registry.commit_file(file, domains=domains, own=own, upload=upload)
    log.info("file_converted", extra={"sha256": sha256, "size_bytes": packed.recipe.size_bytes})
    return True


def _pack(sha256: str, domains: Sequence[str], upload: str) -> tuple[PackedFile, list[str]]:
    """Store the xorbs of a file; return what it is made of, and the names of the xorbs that are its own."""
    own: list[str] = []
    packing = pack_file(_blocks(sha256), _KnownChunks(domains[0]))
    while True:
        try:
            xorb = next(packing)
        except StopIteration as done:
            packed: PackedFile = done.value
            return packed, own
        _store(xorb, domains, upload)
        own.append(hash_text(xorb.xorb_hash))


def _blocks(sha256: str) -> Iterator[bytes]:
    try:
        yield from blobs.iter_range(blobs.get_blob_store(), sha256)
    except EntryNotFound as error:
        raise blobs.ObjectCorrupt(sha256=sha256) from error


def _store(xorb: BuiltXorb, domains: Sequence[str], upload: str) -> None:
    index, is_new = get_xorb_store().put(xorb.xorb_hash, xorb.data)
    for domain in domains:
        registry.record_xorb(domain, xorb.xorb_hash, index, is_new=is_new, upload=upload)
        is_new = False
        first = xorb.index.chunk(0)
        registry.make_findable(domain, [first, *registry.eligible_chunks(index)], xorb.xorb_hash)


class _KnownChunks:
    """Finds chunks that a domain has, as clients do: asks for some, and remembers what lies near those it finds."""

    def __init__(self, domain: str) -> None:
        self._domain = domain
        self._places: dict[bytes, tuple[bytes, int]] = {}
        self._is_first = True
        self._was_known = False

    def __call__(self, chunk: bytes) -> tuple[bytes, int] | None:
        found = self._places.get(chunk)
        # Where a known stretch ends the next one may begin in a xorb that is findable by its first chunk.
        if found is None and (self._is_first or self._was_known or is_dedup_eligible(chunk)):
            for xorb_hash, index in registry.find_neighbourhood(self._domain, chunk):
                self._remember(xorb_hash, index)
            found = self._places.get(chunk)
        self._is_first, self._was_known = False, found is not None
        return found

    def _remember(self, xorb_hash: bytes, index: XorbIndex) -> None:
        for position in range(index.chunk_count):
            self._places.setdefault(bytes(index.hashes[HASH_BYTES * position :][:HASH_BYTES]), (xorb_hash, position))
        while len(self._places) > _REMEMBERED_CHUNKS:
            del self._places[next(iter(self._places))]


def whole_copies_to_drop(*, now: datetime | None = None, limit: int = 500) -> list[str]:
    """Return converted files whose whole copy has outlived its grace."""
    before = (now or timezone.now()) - whole_copy_grace()
    rows = LfsObject.objects.filter(is_whole=True, xet_file__isnull=False, converted_at__lte=before)
    return list(rows.order_by("converted_at").values_list("sha256", flat=True)[:limit])


def drop_whole_copy(sha256: str) -> bool:
    """Remove the whole copy of a converted file, if each of its xorbs is there. Open readers keep what they read."""
    recipe = registry.find_recipe(sha256)
    if recipe is None:
        return False
    store = get_xorb_store()
    if not all(store.exists(xorb_hash) for xorb_hash in recipe.xorb_hashes):
        log.critical("xorb_missing", extra={"sha256": sha256})
        return False
    with transaction.atomic():
        row = LfsObject.objects.select_for_update().filter(sha256=sha256, is_whole=True, xet_file__isnull=False).first()
        if row is None or row.converted_at is None or row.converted_at > timezone.now() - whole_copy_grace():
            return False
        row.is_whole = False
        row.save(update_fields=["is_whole"])
        # Inside the transaction: if the bytes cannot be removed, the row says that they are there.
        blobs.get_blob_store().delete(sha256)
    return True
