"""Index of stored content. Owners and repos are opaque keys: storage knows neither users nor repos."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q
from django.utils import timezone


class LfsObject(models.Model):
    """A file whose bytes were hashed by this hub and lie in the blob store."""

    sha256 = models.CharField(max_length=64, unique=True)
    size_bytes = models.BigIntegerField()
    created_at = models.DateTimeField(default=timezone.now, db_index=True)
    verified_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(size_bytes__gte=0), name="lfsobject_size_not_negative")]

    def __str__(self) -> str:
        return self.sha256


class UploadState(models.TextChoices):
    OPEN = "open"
    COMPLETE = "complete"
    ABORTED = "aborted"


class UploadSession(models.Model):
    """One file on its way into one repo; while open, its size is a reservation against the owner's quota.

    Once complete it is the proof that this repo received these bytes, kept until ``gc`` takes it.
    Which parts are stored is known by the blob store alone (parts may go straight to a bucket).
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner_key = models.CharField(max_length=64)
    repo_key = models.CharField(max_length=64)
    sha256 = models.CharField(max_length=64)
    size_bytes = models.BigIntegerField()
    part_size_bytes = models.BigIntegerField(help_text="0 for an upload in a single request")
    store_upload_id = models.CharField(max_length=1024, blank=True)
    state = models.CharField(max_length=16, choices=UploadState.choices, default=UploadState.OPEN)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["repo_key", "owner_key", "sha256", "size_bytes", "part_size_bytes"],
                condition=Q(state="open"),
                name="uploadsession_one_open",
            ),
            models.CheckConstraint(condition=Q(size_bytes__gte=0), name="uploadsession_size_not_negative"),
        ]
        indexes = [
            models.Index(fields=["repo_key", "sha256", "state"], name="uploadsession_repo_sha"),
            models.Index(fields=["state", "expires_at"], name="uploadsession_expiry"),
            models.Index(fields=["owner_key", "state"], name="uploadsession_owner"),
        ]

    def __str__(self) -> str:
        return str(self.id)

    @property
    def is_multipart(self) -> bool:
        return self.part_size_bytes > 0

    @property
    def part_count(self) -> int:
        return -(-self.size_bytes // self.part_size_bytes) if self.is_multipart else 0

    def part_size(self, number: int) -> int:
        """Return the exact bytes that part ``number`` (from 1) must have."""
        offset = (number - 1) * self.part_size_bytes
        return min(self.part_size_bytes, self.size_bytes - offset)
