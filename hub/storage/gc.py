"""Free what nothing names any more.

Nothing younger than ``GRACE`` goes: a commit that will name it may be on its way, and backups read rows first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from hub.storage import blobs
from hub.storage.models import LfsObject, UploadSession, UploadState, XetRegistration
from hub.storage.xet.collect import XetReport, preview
from hub.storage.xet.store import get_xorb_store

GRACE = timedelta(hours=48)
UNFINISHED_AGE = timedelta(hours=24)

# Given sha256s, return those that some repo names.
FindReferenced = Callable[[list[str]], set[str]]
_BATCH = 500


@dataclass(frozen=True, slots=True)
class GcReport:
    """Counts of what was removed, or on a dry run would be."""

    sessions: int = 0
    unfinished_files: int = 0
    objects: int = 0
    size_bytes: int = 0


def sweep_expired_uploads(now: datetime | None = None, *, dry_run: bool = False) -> GcReport:
    """End sessions past their expiry, remove their parts and whatever killed processes left behind (T74, T159)."""
    now = now or timezone.now()
    expired = UploadSession.objects.filter(state=UploadState.OPEN, expires_at__lt=now)
    old_proofs = UploadSession.objects.exclude(state=UploadState.OPEN).filter(expires_at__lt=now - GRACE)
    old_registrations = XetRegistration.objects.filter(created_at__lt=now - GRACE)
    count = expired.count() + old_proofs.count() + old_registrations.count()
    if not dry_run:
        expired.update(state=UploadState.ABORTED)
        old_proofs.delete()
        old_registrations.delete()
    keep = UploadSession.objects.filter(state=UploadState.OPEN, expires_at__gte=now).exclude(store_upload_id="")
    before = now - UNFINISHED_AGE
    swept = blobs.get_blob_store().sweep(
        older_than=before,
        keep_uploads=frozenset(keep.values_list("store_upload_id", flat=True)),
        dry_run=dry_run,
    )
    xorbs = get_xorb_store().blobs.sweep(older_than=before, keep_uploads=frozenset(), dry_run=dry_run)
    return GcReport(
        sessions=count, unfinished_files=swept.files + xorbs.files, size_bytes=swept.size_bytes + xorbs.size_bytes
    )


def unreferenced_objects(find_referenced: FindReferenced, *, now: datetime | None = None) -> Iterator[LfsObject]:
    """Yield objects older than ``GRACE`` that no repo names and no recent upload proves."""
    before = (now or timezone.now()) - GRACE
    last_pk = 0
    while batch := list(LfsObject.objects.filter(pk__gt=last_pk, verified_at__lt=before).order_by("pk")[:_BATCH]):
        last_pk = batch[-1].pk
        names = [stored.sha256 for stored in batch]
        used = find_referenced(names) | _claimed_by_uploads(names)
        yield from (stored for stored in batch if stored.sha256 not in used)


def delete_unreferenced_objects(
    find_referenced: FindReferenced, *, now: datetime | None = None, dry_run: bool = False
) -> GcReport:
    """Remove objects that nothing names; on a dry run only count them."""
    # Of a file that lies in xorbs the row alone goes here; its bytes may be shared and are counted by ``collect``.
    removed = [
        stored.size_bytes if stored.is_whole else 0
        for stored in unreferenced_objects(find_referenced, now=now)
        if dry_run or _delete(stored, find_referenced)
    ]
    return GcReport(objects=len(removed), size_bytes=sum(removed))


def preview_xet(find_referenced: FindReferenced, *, now: datetime | None = None) -> XetReport:
    """Tell what ``collect`` would free after ``delete_unreferenced_objects``."""
    return preview(without={stored.sha256 for stored in unreferenced_objects(find_referenced, now=now)}, now=now)


def _claimed_by_uploads(names: list[str]) -> set[str]:
    sessions = UploadSession.objects.filter(sha256__in=names).exclude(state=UploadState.ABORTED)
    sent = XetRegistration.objects.filter(sha256__in=names)
    return {*sessions.values_list("sha256", flat=True), *sent.values_list("sha256", flat=True)}


def _delete(stored: LfsObject, find_referenced: FindReferenced) -> bool:
    """Remove row, then bytes, unless somebody took it meanwhile. A crash in between leaves bytes for fsck to find."""
    with transaction.atomic():
        locked = LfsObject.objects.select_for_update().filter(pk=stored.pk, verified_at=stored.verified_at).first()
        name = stored.sha256
        if locked is None or name in find_referenced([name]) | _claimed_by_uploads([name]):
            return False
        locked.delete()
        # Inside the transaction: if the bytes cannot be removed, the row stays.
        blobs.get_blob_store().delete(name)
    return True
