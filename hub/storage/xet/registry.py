"""Rows of the content-addressed store: which xorbs a domain holds, which files are made of them, who was sent what.

    record_xorb (verified bytes are stored) > prepare_shard (every claim judged) > compute_sha256 > commit_shard

Storage knows no person and no repo: domains, repos and owners are opaque keys that a signed token carries.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, TypeVar

from django.db import transaction
from django.db.models import Sum
from django.utils import timezone

from hub.core.errors import EntryNotFound, ServiceUnavailable
from hub.storage.locks import lock_owner
from hub.storage.models import (
    CasEpoch,
    DedupChunk,
    LfsObject,
    XetFile,
    XetFileXorb,
    XetRegistration,
    Xorb,
    XorbHolding,
)
from hub.storage.threads import records_result
from hub.storage.xet.hashing import hash_text, is_dedup_eligible, parse_hash
from hub.storage.xet.reading import RecipeReader
from hub.storage.xet.recipe import InvalidRecipe, Recipe, check_recipe
from hub.storage.xet.shard import InvalidShard, Shard, ShardFile, ShardXorb
from hub.storage.xet.store import get_xorb_store
from hub.storage.xet.tokens import Claims
from hub.storage.xet.xorb import XorbIndex

T = TypeVar("T")

#: How long clients refer to what they have sent, or were told of, without asking again; and a margin.
LEASE: Final = timedelta(days=28)
#: A lease is renewed when it is older than this: not with every question.
_LEASE_STEP: Final = timedelta(hours=12)
#: Two gigabytes and eight: the answer stays below half a megabyte for each gigabyte.
_NEIGHBOURS_BEFORE: Final = 32
_NEIGHBOURS_AFTER: Final = 128
_BATCH: Final = 500
_CACHED_INDEXES: Final = 256
_CACHED_FOR_S: Final = 600.0
_READ_BYTES: Final = 1024 * 1024
#: Below this a second thread would cost more than it saves.
_HASHED_BESIDE_BYTES: Final = 8 * 1024 * 1024


# --- indexes ---------------------------------------------------------------------------------------------------------


class _IndexCache:
    """Indexes that were used lately. A stored xorb never changes, unless damage is repaired: none is kept for long."""

    def __init__(self) -> None:
        self._found: OrderedDict[bytes, tuple[float, XorbIndex]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, xorb_hash: bytes) -> XorbIndex | None:
        with self._lock:
            since, index = self._found.get(xorb_hash, (0.0, None))
            if index is None or time.monotonic() - since > _CACHED_FOR_S:
                return None
            self._found.move_to_end(xorb_hash)
            return index

    def put(self, xorb_hash: bytes, index: XorbIndex) -> None:
        with self._lock:
            self._found[xorb_hash] = (time.monotonic(), index)
            while len(self._found) > _CACHED_INDEXES:
                self._found.popitem(last=False)

    def drop(self, xorb_hash: bytes) -> None:
        with self._lock:
            self._found.pop(xorb_hash, None)

    def clear(self) -> None:
        with self._lock:
            self._found.clear()


indexes = _IndexCache()


def get_index(xorb_hash: bytes) -> XorbIndex:
    """Return what is inside a stored xorb. Raises: EntryNotFound."""
    found = indexes.get(xorb_hash)
    if found is None:
        found = records_result(_load_index, xorb_hash)
        indexes.put(xorb_hash, found)
    return found


def _load_index(xorb_hash: bytes) -> XorbIndex:
    data = Xorb.objects.filter(xorb_hash=hash_text(xorb_hash)).values_list("index", flat=True).first()
    if data is None:
        raise EntryNotFound("This xorb is not stored here.")
    return XorbIndex.from_bytes(bytes(data))


# --- epochs ----------------------------------------------------------------------------------------------------------


def current_epoch() -> int:
    """Return the number that stands in ``casUrl``."""
    newest = CasEpoch.objects.order_by("-pk").values_list("pk", flat=True).first()
    return newest or 0


def start_epoch() -> int:
    """Make clients forget what they know of stored xorbs once their tokens have expired; return the new number."""
    return CasEpoch.objects.create().pk


# --- xorbs -----------------------------------------------------------------------------------------------------------


def record_xorb(domain: str, xorb_hash: bytes, index: XorbIndex, *, is_new: bool, upload: str = "") -> bool:
    """Make verified, durable bytes known to a domain; return whether they are new to it.

    ``index`` describes the bytes that were sent, ``is_new`` says whether these are the stored ones. ``upload`` names
    what they came with, where that is known already.

    Raises: ServiceUnavailable when a collector took the bytes in between: they must be sent again (T84).
    """
    if not is_new and not Xorb.objects.filter(xorb_hash=hash_text(xorb_hash)).exists():
        # Stored by somebody who has not recorded it (yet): offsets must be those of the stored copy.
        index = get_xorb_store().read_index(xorb_hash)
    with transaction.atomic():
        xorb = _row_of(xorb_hash, index, is_new=is_new)
        _, is_new_here = XorbHolding.objects.get_or_create(domain=domain, xorb=xorb, defaults={"upload": upload})
        # Asked last: from here on the row is ours, and a collector that removed the bytes has removed it before.
        if not get_xorb_store().exists(xorb_hash):
            raise ServiceUnavailable("The xorb was collected while it arrived. Please send it again.")
    return is_new_here


def _row_of(xorb_hash: bytes, index: XorbIndex, *, is_new: bool) -> Xorb:
    """Return the row, locked and with its lease renewed."""
    facts = {
        "size_bytes": index.size_bytes,
        "unpacked_bytes": index.unpacked_bytes,
        "chunk_count": index.chunk_count,
        "index": index.to_bytes(),
        "used_at": timezone.now(),
    }
    xorb, is_created = Xorb.objects.get_or_create(xorb_hash=hash_text(xorb_hash), defaults=facts)
    if not is_created:
        # Bytes that are new under an old row replace damaged ones: their offsets may be others.
        changes = facts if is_new else {"used_at": facts["used_at"]}
        Xorb.objects.filter(pk=xorb.pk).update(**changes)
        indexes.drop(xorb_hash)
    return xorb


def is_held(domain: str, xorb_hash: bytes) -> bool:
    """Tell whether a domain has this xorb stored, and renew its lease. What others hold plays no part (T69)."""
    row = Xorb.objects.filter(xorb_hash=hash_text(xorb_hash), holdings__domain=domain).only("pk", "used_at").first()
    if row is None:
        return False
    _renew([row])
    # Re-checked after the renewal: a collector that had looked before it may have been quicker.
    return Xorb.objects.filter(pk=row.pk).exists() and get_xorb_store().exists(xorb_hash)


def _renew(rows: Iterable[Xorb]) -> None:
    now = timezone.now()
    stale = [row.pk for row in rows if row.used_at < now - _LEASE_STEP]
    if stale:
        Xorb.objects.filter(pk__in=stale).update(used_at=now)


def unnamed_bytes(domain: str) -> int:
    """Bytes that a domain has sent and that no file uses yet: they lie on the disk all the same (T75)."""
    held = Xorb.objects.filter(holdings__domain=domain, files__isnull=True)
    return held.aggregate(total=Sum("size_bytes"))["total"] or 0


def _held(domain: str, hashes: Iterable[bytes]) -> dict[bytes, XorbIndex]:
    """Indexes of those of many xorbs that the domain may refer to."""
    found: dict[bytes, XorbIndex] = {}
    for batch in _batches([hash_text(raw) for raw in set(hashes)]):
        rows = Xorb.objects.filter(xorb_hash__in=batch, holdings__domain=domain)
        for row in rows.only("pk", "xorb_hash", "used_at"):
            raw = parse_hash(row.xorb_hash)
            found[raw] = get_index(raw)
    return found


def _batches(items: Sequence[T], size: int = _BATCH) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


# --- shards ----------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class PreparedFile:
    """A file whose terms are proved; ``sha256`` is the computed one, empty until it is known."""

    file_hash: str
    recipe: Recipe
    claimed_sha256: str
    sha256: str


@dataclass(frozen=True, slots=True)
class PreparedShard:
    files: tuple[PreparedFile, ...]
    xorb_hashes: tuple[str, ...]
    #: First chunk of each file, and chunks that clients ask for by themselves: (chunk, xorb).
    findable: frozenset[tuple[bytes, bytes]]

    @property
    def unverified(self) -> list[PreparedFile]:
        return [file for file in self.files if not file.sha256]


def prepare_shard(claims: Claims, shard: Shard, *, max_file_bytes: int) -> PreparedShard:
    """Hold a shard against our own indexes. Raises: InvalidShard with a sentence for its sender (T80, T81)."""
    named = {term.xorb_hash for file in shard.files for term in file.terms}
    held = _held(claims.domain, named | {xorb.xorb_hash for xorb in shard.xorbs})
    for xorb in shard.xorbs:
        _check_xorb(xorb, held.get(xorb.xorb_hash))
    files: dict[str, PreparedFile] = {}
    for file in shard.files:
        prepared = _prepare_file(file, held.get, max_file_bytes)
        files.setdefault(prepared.file_hash, prepared)
    _take_known_sha256(files)
    names = tuple(hash_text(xorb.xorb_hash) for xorb in shard.xorbs)
    return PreparedShard(tuple(files.values()), names, _findable(shard, held))


def _check_xorb(xorb: ShardXorb, index: XorbIndex | None) -> None:
    if index is None:
        raise InvalidShard(f"The xorb {hash_text(xorb.xorb_hash)} is missing. Please upload it first.")
    if xorb.hashes != index.hashes or xorb.unpacked_ends != tuple(index.unpacked_ends.tolist()):
        raise InvalidShard(f"The xorb {hash_text(xorb.xorb_hash)} holds other chunks than described.")


def _prepare_file(file: ShardFile, index_of: Callable[[bytes], XorbIndex | None], max_file_bytes: int) -> PreparedFile:
    # Before any work on the content: terms may repeat, so a small shard can describe a huge file.
    size = sum(term.unpacked_bytes for term in file.terms)
    if size > max_file_bytes:
        raise InvalidShard(f"Files over {max_file_bytes} bytes are not accepted by this hub.")
    try:
        recipe = check_recipe(file.file_hash, file.terms, file.range_hashes, index_of)
    except InvalidRecipe as error:
        raise InvalidShard(str(error)) from error
    return PreparedFile(hash_text(file.file_hash), recipe, file.sha256 or "", "")


def _take_known_sha256(files: dict[str, PreparedFile]) -> None:
    """A file has one SHA-256, computed once. Raises: InvalidShard for a claim that differs from it."""
    for batch in _batches(list(files)):
        rows = XetFile.objects.filter(file_hash__in=batch).exclude(sha256="").values_list("file_hash", "sha256")
        for name, sha256 in rows:
            files[name].sha256 = sha256
    for file in files.values():
        if file.sha256:
            _check_claim(file)


def _check_claim(file: PreparedFile) -> None:
    if file.claimed_sha256 and file.claimed_sha256 != file.sha256:
        raise InvalidShard(f"The file {file.file_hash} has the sha256 {file.sha256}, not {file.claimed_sha256}.")


def _findable(shard: Shard, held: dict[bytes, XorbIndex]) -> frozenset[tuple[bytes, bytes]]:
    found = {(raw, xorb.xorb_hash) for xorb in shard.xorbs for raw in eligible_chunks(held[xorb.xorb_hash])}
    for file in shard.files:
        if file.terms:
            first = file.terms[0]
            found.add((held[first.xorb_hash].chunk(first.first), first.xorb_hash))
    return frozenset(found)


def eligible_chunks(index: XorbIndex) -> list[bytes]:
    """Return the chunks of a xorb that clients ask for even when no file begins with them."""
    return [raw for raw, _ in index.leaves() if is_dedup_eligible(raw)]


def compute_sha256(file: PreparedFile) -> None:
    """Read the file through its recipe and keep its SHA-256 (half a second per gigabyte).

    Raises: InvalidShard when its sender claimed another (T80), ObjectCorrupt.
    """
    reader = open_recipe(file.recipe)
    try:
        hash_all = _sha256_beside if file.recipe.size_bytes >= _HASHED_BESIDE_BYTES else _sha256
        file.sha256 = hash_all(iter(lambda: reader.read(_READ_BYTES), b""))
    finally:
        reader.close()
    _check_claim(file)


def _sha256(blocks: Iterator[bytes]) -> str:
    digest = hashlib.sha256()
    for block in blocks:
        digest.update(block)
    return digest.hexdigest()


def _sha256_beside(blocks: Iterator[bytes]) -> str:
    """Hash in a second thread while the next block is read: whoever sent the file waits for this."""
    digest = hashlib.sha256()
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="sha256") as beside:
        hashing = beside.submit(digest.update, b"")
        for block in blocks:
            hashing.result()
            hashing = beside.submit(digest.update, block)
        hashing.result()
    return digest.hexdigest()


def commit_shard(
    claims: Claims, prepared: PreparedShard, *, upload: str, reserve: Callable[[int], None] | None = None
) -> None:
    """Record files, what they need, and that this repo received them; one transaction, safe to repeat.

    ``reserve`` is called with the bytes that are new to the repo, and raises to refuse.

    Raises: InvalidShard when a xorb was collected meanwhile, and whatever ``reserve`` raises.
    """
    with transaction.atomic():
        lock_owner(claims.owner_key)
        if reserve is not None:
            reserve(new_bytes(claims, prepared))
        xorbs = _xorb_pks(prepared)
        files = _record_files(prepared, xorbs)
        _record_objects(prepared, files)
        _register(claims, prepared, files)
        _record_neighbourhood(claims.domain, prepared, xorbs, upload)


def commit_file(file: PreparedFile, *, domains: Sequence[str], own: Sequence[str], upload: str) -> None:
    """Record a file that this hub has cut up itself; ``own`` names the xorbs that were made for it.

    Raises: InvalidShard when a xorb was collected meanwhile.
    """
    prepared = PreparedShard((file,), tuple(own), frozenset())
    with transaction.atomic():
        xorbs = _xorb_pks(prepared)
        _record_objects(prepared, _record_files(prepared, xorbs))
        if file.recipe.terms:
            first = file.recipe.terms[0]
            for domain in domains:
                make_findable(domain, [get_index(first.xorb_hash).chunk(first.first)], first.xorb_hash)


def new_bytes(claims: Claims, prepared: PreparedShard) -> int:
    """Return the bytes of the files that this owner has not sent to this repo before, by what is known of them."""
    sizes = {file.sha256 or file.claimed_sha256 or file.file_hash: file.recipe.size_bytes for file in prepared.files}
    for batch in _batches(list(sizes)):
        for sha256 in sent_to(claims.repo_key, batch, owner_key=claims.owner_key):
            del sizes[sha256]
    return sum(sizes.values())


def _xorb_pks(prepared: PreparedShard) -> dict[str, int]:
    names = {hash_text(raw) for file in prepared.files for raw in file.recipe.xorb_hashes} | set(prepared.xorb_hashes)
    pks: list[int] = []
    for batch in _batches(sorted(names)):
        pks += Xorb.objects.filter(xorb_hash__in=batch).values_list("pk", flat=True)
    found: dict[str, int] = {}
    for numbers in _batches(sorted(pks)):
        # Locked until the files stand, so that no collector takes one in between (T84); in one order, so that two
        # shards never wait for each other.
        locked = Xorb.objects.select_for_update().filter(pk__in=numbers).order_by("pk")
        found |= dict(locked.values_list("xorb_hash", "pk"))
    missing = names - set(found)
    if missing:
        raise InvalidShard(f"The xorb {min(missing)} is missing. Please upload it first.")
    return found


def _record_files(prepared: PreparedShard, xorbs: dict[str, int]) -> dict[str, int]:
    rows = [
        XetFile(
            file_hash=file.file_hash,
            size_bytes=file.recipe.size_bytes,
            recipe=file.recipe.to_bytes(),
            sha256=file.sha256,
        )
        for file in prepared.files
    ]
    # Of a file that is known already the first recipe stays: its xorbs are kept for it.
    before = _file_pks(prepared)
    XetFile.objects.bulk_create(
        [row for row in rows if row.file_hash not in before], batch_size=_BATCH, ignore_conflicts=True
    )
    pks = _file_pks(prepared)
    needs = [
        XetFileXorb(file_id=pks[file.file_hash], xorb_id=xorbs[hash_text(raw)])
        for file in prepared.files
        if file.file_hash not in before
        for raw in file.recipe.xorb_hashes
    ]
    XetFileXorb.objects.bulk_create(needs, batch_size=_BATCH, ignore_conflicts=True)
    for file in prepared.files:
        if file.file_hash in before and file.sha256:
            XetFile.objects.filter(pk=before[file.file_hash], sha256="").update(sha256=file.sha256)
    return pks


def _file_pks(prepared: PreparedShard) -> dict[str, int]:
    found: dict[str, int] = {}
    for batch in _batches([file.file_hash for file in prepared.files]):
        found |= dict(XetFile.objects.filter(file_hash__in=batch).values_list("file_hash", "pk"))
    return found


def _record_objects(prepared: PreparedShard, files: dict[str, int]) -> None:
    """The files are content by SHA-256 for every other door."""
    known: dict[str, int | None] = {}
    for batch in _batches(sorted({file.sha256 for file in prepared.files})):
        # Locked: a collector that looks at one of them now must find it in use when it comes back to it.
        rows = LfsObject.objects.select_for_update().filter(sha256__in=batch).order_by("pk")
        known |= dict(rows.values_list("sha256", "xet_file_id"))
    new = {
        file.sha256: LfsObject(
            sha256=file.sha256,
            size_bytes=file.recipe.size_bytes,
            is_whole=False,
            xet_file_id=files[file.file_hash],
        )
        for file in prepared.files
        if file.sha256 not in known
    }
    LfsObject.objects.bulk_create(new.values(), batch_size=_BATCH, ignore_conflicts=True)
    now = timezone.now()
    for batch in _batches(sorted(known)):
        LfsObject.objects.filter(sha256__in=batch).update(verified_at=now)
    for file in prepared.files:
        if known.get(file.sha256, 0) is None:
            LfsObject.objects.filter(sha256=file.sha256, xet_file__isnull=True).update(
                xet_file_id=files[file.file_hash], converted_at=now
            )


def _register(claims: Claims, prepared: PreparedShard, files: dict[str, int]) -> None:
    unique = {file.sha256: file for file in prepared.files if file.claimed_sha256}
    rows = [
        XetRegistration(
            repo_key=claims.repo_key,
            owner_key=claims.owner_key,
            file_id=files[file.file_hash],
            sha256=file.sha256,
            size_bytes=file.recipe.size_bytes,
        )
        for file in unique.values()
    ]
    # Sent again: the proof is good for as long again.
    XetRegistration.objects.bulk_create(
        rows,
        batch_size=_BATCH,
        update_conflicts=True,
        unique_fields=["repo_key", "owner_key", "sha256"],
        update_fields=["file", "size_bytes", "created_at"],
    )


def _record_neighbourhood(domain: str, prepared: PreparedShard, xorbs: dict[str, int], upload: str) -> None:
    pks = [xorbs[name] for name in prepared.xorb_hashes]
    for batch in _batches(pks):
        XorbHolding.objects.filter(domain=domain, xorb_id__in=batch, upload="").update(upload=upload)
    _add_findable(domain, [(xorbs[hash_text(xorb_hash)], chunk) for chunk, xorb_hash in prepared.findable])


def make_findable(domain: str, chunks: Iterable[bytes], xorb_hash: bytes) -> None:
    """Answer questions for these chunks of a xorb with what lies around them."""
    pk = Xorb.objects.values_list("pk", flat=True).get(xorb_hash=hash_text(xorb_hash))
    _add_findable(domain, [(pk, chunk) for chunk in chunks])


def _add_findable(domain: str, found: Iterable[tuple[int, bytes]]) -> None:
    rows = [DedupChunk(domain=domain, chunk_hash=hash_text(chunk), xorb_id=pk) for pk, chunk in found]
    DedupChunk.objects.bulk_create(rows, batch_size=_BATCH, ignore_conflicts=True)


# --- dedup -----------------------------------------------------------------------------------------------------------


def find_neighbourhood(domain: str, chunk_hash: bytes) -> list[tuple[bytes, XorbIndex]]:
    """Return the xorbs around a chunk in the upload that brought it, its own first; nothing when the domain lacks it.

    Chunks that clients ask for lie about 64 MiB apart, so an answer with a single xorb would find little. Xorbs of
    one chunk are left out beside the one that was found: their names would be raw chunk hashes (T81).
    """
    hit = DedupChunk.objects.select_related("xorb").filter(domain=domain, chunk_hash=hash_text(chunk_hash)).first()
    if hit is None:
        return []
    holding = XorbHolding.objects.filter(domain=domain, xorb_id=hit.xorb_id).first()
    if holding is None:
        return []
    rows = [hit.xorb, *_around(holding)]
    _renew(rows)
    hashes = [parse_hash(row.xorb_hash) for row in rows]
    return [(raw, get_index(raw)) for raw in hashes]


def _around(holding: XorbHolding) -> list[Xorb]:
    """Xorbs of the same upload in the order they came: some before, more after, for files are read forwards."""
    if not holding.upload:
        return []
    near = Xorb.objects.filter(holdings__domain=holding.domain, holdings__upload=holding.upload, chunk_count__gt=1)
    near = near.defer("index")
    before = near.filter(pk__lt=holding.xorb_id).order_by("-pk")[:_NEIGHBOURS_BEFORE]
    after = near.filter(pk__gt=holding.xorb_id).order_by("pk")[:_NEIGHBOURS_AFTER]
    return [*before, *after]


# --- files -----------------------------------------------------------------------------------------------------------


def find_file(file_hash: str) -> XetFile | None:
    return XetFile.objects.filter(file_hash=file_hash).first()


def find_recipe(sha256: str) -> Recipe | None:
    """Return how the content with this SHA-256 is made, where it is a Xet file."""
    data = LfsObject.objects.filter(sha256=sha256).values_list("xet_file__recipe", flat=True).first()
    return None if data is None else Recipe.from_bytes(bytes(data))


def open_recipe(recipe: Recipe, start: int = 0, stop: int | None = None) -> RecipeReader:
    """Return a reader of bytes ``start`` up to ``stop`` of a file. It raises ObjectCorrupt when a xorb is gone."""
    store = get_xorb_store()
    return RecipeReader(recipe, get_index, store.open_range, start, recipe.size_bytes if stop is None else stop)


def was_sent(repo_key: str, owner_key: str, file_hash: str) -> bool:
    """Tell whether this owner sent a file to a repo by Xet."""
    rows = XetRegistration.objects.filter(repo_key=repo_key, owner_key=owner_key, file__file_hash=file_hash)
    return rows.exists()


def sent_to(repo_key: str, sha256s: Sequence[str], *, owner_key: str = "") -> set[str]:
    """Return which of many files a repo was sent by Xet (with ``owner_key``, by this owner)."""
    rows = XetRegistration.objects.filter(repo_key=repo_key, sha256__in=sha256s)
    if owner_key:
        rows = rows.filter(owner_key=owner_key)
    return set(rows.values_list("sha256", flat=True))
