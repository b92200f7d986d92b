"""Free Xet files that nothing names and xorbs that no file uses.

A xorb lives while any file uses any of its chunks, and while clients may refer to it without asking: for the lease
after it was last sent or named in an answer. A new epoch (``registry.start_epoch``) makes clients forget, and with it
older leases end; nothing younger than the grace goes in any case.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeVar

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from hub.storage.models import CasEpoch, LfsObject, XetFile, XetFileXorb, XetRegistration, Xorb
from hub.storage.xet.hashing import parse_hash
from hub.storage.xet.registry import LEASE, indexes
from hub.storage.xet.store import get_xorb_store

T = TypeVar("T")

GRACE: Final = timedelta(hours=48)
_BATCH: Final = 500


@dataclass(frozen=True, slots=True)
class XetReport:
    """What was freed, or on a dry run would be; bytes as stored."""

    files: int = 0
    xorbs: int = 0
    size_bytes: int = 0


def collect(*, now: datetime | None = None) -> XetReport:
    """Remove files, then xorbs. Safe beside uploads: each is judged again while its row is locked (T84)."""
    now = now or timezone.now()
    files = sum(_remove_file(pk, now) for pk in _pks(_unnamed_files(now)))
    sizes = [size for pk in _pks(_unused_xorbs(now)) if (size := _remove_xorb(pk, now)) is not None]
    return XetReport(files=files, xorbs=len(sizes), size_bytes=sum(sizes))


def preview(*, without: set[str] | None = None, now: datetime | None = None) -> XetReport:
    """Tell what ``collect`` would free once the objects named by ``without`` (SHA-256) are gone."""
    now = now or timezone.now()
    leaving = _files_leaving(without or set(), now)
    sizes: list[int] = []
    for batch in _batches(list(_pks(_unleased(now)))):
        pairs = XetFileXorb.objects.filter(xorb_id__in=batch).values_list("xorb_id", "file_id")
        kept = {xorb for xorb, file in pairs.iterator() if file not in leaving}
        sizes += Xorb.objects.filter(pk__in=set(batch) - kept).values_list("size_bytes", flat=True)
    return XetReport(files=len(leaving), xorbs=len(sizes), size_bytes=sum(sizes))


def _files_leaving(without: set[str], now: datetime) -> set[int]:
    leaving = set(_unnamed_files(now).values_list("pk", flat=True))
    for batch in _batches(sorted(without)):
        files = XetFile.objects.filter(lfs_objects__sha256__in=batch, created_at__lt=now - GRACE)
        for file in files.filter(registrations__isnull=True).distinct():
            if set(file.lfs_objects.values_list("sha256", flat=True)) <= without:
                leaving.add(file.pk)
    return leaving


def _unnamed_files(now: datetime) -> QuerySet[XetFile]:
    named = LfsObject.objects.filter(xet_file_id=OuterRef("pk"))
    sent = XetRegistration.objects.filter(file_id=OuterRef("pk"))
    return XetFile.objects.filter(~Exists(named), ~Exists(sent), created_at__lt=now - GRACE)


def _unleased(now: datetime) -> QuerySet[Xorb]:
    ended = Q(used_at__lt=now - LEASE)
    epoch = CasEpoch.objects.order_by("-pk").first()
    if epoch is not None:
        ended |= Q(used_at__lt=min(epoch.started_at, now - GRACE))
    return Xorb.objects.filter(ended)


def _unused_xorbs(now: datetime) -> QuerySet[Xorb]:
    return _unleased(now).filter(~Exists(XetFileXorb.objects.filter(xorb_id=OuterRef("pk"))))


def _pks(rows: QuerySet[XetFile] | QuerySet[Xorb]) -> Iterator[int]:
    """Yield primary keys in order, in batches of their own: what is yielded may be deleted meanwhile."""
    last = 0
    while batch := list(rows.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:_BATCH]):
        last = batch[-1]
        yield from batch


def _remove_file(pk: int, now: datetime) -> bool:
    with transaction.atomic():
        # Locked first and judged then: a shard that names it meanwhile waits, or has come before.
        locked = XetFile.objects.select_for_update().filter(pk=pk).first()
        if locked is None or not _unnamed_files(now).filter(pk=pk).exists():
            return False
        locked.delete()
    return True


def _remove_xorb(pk: int, now: datetime) -> int | None:
    """Remove row and bytes unless somebody took the xorb meanwhile; return the bytes that are free now."""
    with transaction.atomic():
        locked = Xorb.objects.select_for_update().filter(pk=pk).defer("index").first()
        if locked is None or not _unused_xorbs(now).filter(pk=pk).exists():
            return None
        locked.delete()
        # Inside the transaction: if the bytes cannot be removed, the row stays.
        raw = parse_hash(locked.xorb_hash)
        get_xorb_store().blobs.delete(locked.xorb_hash)
        indexes.drop(raw)
    return int(locked.size_bytes)


def _batches(items: list[T]) -> Iterator[list[T]]:
    for start in range(0, len(items), _BATCH):
        yield items[start : start + _BATCH]
