"""Index of stored content. Owners and repos are opaque keys: storage knows neither users nor repos."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q
from django.utils import timezone


class Xorb(models.Model):
    """A pack of chunks in the xorb store, with what is inside it (``hub.storage.xet.xorb.XorbIndex``)."""

    xorb_hash = models.CharField(max_length=64, unique=True)  # text form
    size_bytes = models.PositiveIntegerField(help_text="as stored")
    unpacked_bytes = models.PositiveIntegerField()
    chunk_count = models.PositiveIntegerField()
    index = models.BinaryField()
    created_at = models.DateTimeField(default=timezone.now)
    # Clients refer to what they uploaded for three weeks without asking: nothing younger is collected.
    used_at = models.DateTimeField(default=timezone.now, db_index=True)

    def __str__(self) -> str:
        return self.xorb_hash


class CasEpoch(models.Model):
    """The newest row's id stands in ``casUrl``: a new one makes clients forget what they know of stored xorbs."""

    started_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return str(self.pk)


class XorbHolding(models.Model):
    """A dedup domain sent these bytes, so its files may refer to them (T81)."""

    domain = models.CharField(max_length=64)
    xorb = models.ForeignKey(Xorb, on_delete=models.CASCADE, related_name="holdings")
    # All xorbs of one shard: what lies near a chunk that somebody asks for.
    upload = models.CharField(max_length=32, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["domain", "xorb"], name="xorbholding_once")]
        indexes = [models.Index(fields=["domain", "upload"], name="xorbholding_upload")]

    def __str__(self) -> str:
        return f"{self.domain} {self.xorb_id}"


class XetFile(models.Model):
    """A file as an ordered list of runs of chunks (``hub.storage.xet.recipe.Recipe``)."""

    file_hash = models.CharField(max_length=64, unique=True)  # text form
    size_bytes = models.BigIntegerField()
    recipe = models.BinaryField()
    # Computed by this hub from the recipe; empty until it was. Never what a client says (T80).
    sha256 = models.CharField(max_length=64, blank=True, db_index=True)
    created_at = models.DateTimeField(default=timezone.now)
    xorbs = models.ManyToManyField(Xorb, through="XetFileXorb", related_name="files")

    def __str__(self) -> str:
        return self.file_hash


class XetFileXorb(models.Model):
    """The file needs the xorb: what garbage collection counts."""

    file = models.ForeignKey(XetFile, on_delete=models.CASCADE, related_name="+")
    xorb = models.ForeignKey(Xorb, on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["file", "xorb"], name="xetfilexorb_once")]

    def __str__(self) -> str:
        return f"{self.file_id} {self.xorb_id}"


class XetRegistration(models.Model):
    """A repo was sent this file by Xet: the proof, beside complete uploads, that it received the bytes (T70)."""

    repo_key = models.CharField(max_length=64)
    owner_key = models.CharField(max_length=64)
    file = models.ForeignKey(XetFile, on_delete=models.CASCADE, related_name="registrations")
    sha256 = models.CharField(max_length=64)
    size_bytes = models.BigIntegerField()
    created_at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["repo_key", "owner_key", "sha256"], name="xetregistration_once")]
        indexes = [models.Index(fields=["owner_key"], name="xetregistration_owner")]

    def __str__(self) -> str:
        return f"{self.repo_key} {self.sha256[:8]}"


class DedupChunk(models.Model):
    """A chunk that clients may ask for: the first of a file, and about one in 64 MiB."""

    domain = models.CharField(max_length=64)
    chunk_hash = models.CharField(max_length=64)  # text form; never leaves the server (T82)
    xorb = models.ForeignKey(Xorb, on_delete=models.CASCADE, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["domain", "chunk_hash"], name="dedupchunk_once")]

    def __str__(self) -> str:
        return f"{self.domain} {self.chunk_hash[:8]}"


class LfsObject(models.Model):
    """A file whose bytes were hashed by this hub: whole in the blob store, as a recipe over xorbs, or both."""

    sha256 = models.CharField(max_length=64, unique=True)
    size_bytes = models.BigIntegerField()
    is_whole = models.BooleanField(default=True, help_text="the blob store has it in one piece")
    xet_file = models.ForeignKey(XetFile, null=True, blank=True, on_delete=models.PROTECT, related_name="lfs_objects")
    converted_at = models.DateTimeField(null=True, blank=True)
    conversion_attempts = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now, db_index=True)
    verified_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(size_bytes__gte=0), name="lfsobject_size_not_negative"),
            models.CheckConstraint(condition=Q(is_whole=True) | Q(xet_file__isnull=False), name="lfsobject_somewhere"),
        ]
        indexes = [
            models.Index(fields=["created_at"], condition=Q(xet_file__isnull=True), name="lfsobject_to_convert"),
            models.Index(
                fields=["converted_at"], condition=Q(is_whole=True, xet_file__isnull=False), name="lfsobject_in_both"
            ),
        ]

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
