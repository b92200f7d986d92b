"""Repos, their mirrored refs, the large files that each may serve, and upload drafts.

Git is the truth for content: ``Ref`` and ``LastCommit`` are mirrors that a reconciler can rebuild.
"""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from hub.accounts.models import Namespace, User
from hub.core.ids import RepoType, fold, new_object_id
from hub.repos.enums import AccessState, Gating, ImportState, RepoTypeChoice, UploadState, Visibility
from hub.repos.urls import RepoUrls


class Repo(models.Model):
    """A repository.  Keyed by id everywhere; ``ns/name`` is only its address."""

    object_id = models.CharField(max_length=24, unique=True, default=new_object_id, editable=False)
    repo_type = models.CharField(max_length=8, choices=RepoTypeChoice.choices)
    namespace = models.ForeignKey(Namespace, on_delete=models.PROTECT, related_name="repos")
    name = models.CharField(max_length=96)
    name_folded = models.CharField(max_length=96, editable=False)
    visibility = models.CharField(max_length=8, choices=Visibility.choices, default=Visibility.PUBLIC)
    gated = models.CharField(max_length=8, choices=Gating.choices, default=Gating.OFF, blank=True)
    # Terms of the gate in days; 0: no promise, for good, never again.
    gate_answer_days = models.PositiveSmallIntegerField(default=0)  # within which the owner means to answer
    gate_grant_days = models.PositiveSmallIntegerField(default=0)  # how long a grant lasts
    gate_retry_days = models.PositiveSmallIntegerField(default=0)  # when a rejected person may ask again
    default_branch = models.CharField(max_length=100, default="main")
    head_oid = models.CharField(max_length=40, blank=True)  # of default_branch
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)  # last commit on any branch
    disabled_at = models.DateTimeField(null=True, blank=True)
    disabled_reason = models.CharField(max_length=300, blank=True)
    # Patterns of branches and tags whose history nobody may rewrite (hub.repos.protection).
    protected_refs = models.JSONField(default=list, blank=True)
    are_discussions_disabled = models.BooleanField(default=False)
    # Discussions and pull requests share one numbering, from 1; numbers are never given twice.
    last_discussion_num = models.PositiveIntegerField(default=0)
    # Deleted repos keep their bytes for seven days (T163); their address is free for the owner at once.
    deleted_at = models.DateTimeField(null=True, blank=True)
    # Numbers on cards; changed only through services/counters.py.
    likes = models.PositiveIntegerField(default=0)
    downloads = models.PositiveIntegerField(default=0)  # last 30 days
    downloads_all_time = models.PositiveBigIntegerField(default=0)
    discussions_open = models.PositiveIntegerField(default=0)
    # Stars from 1 to 5, of each reviewer the last word: their mean, its lower bound (it orders), and how many people.
    rating = models.FloatField(default=0)
    rating_bound = models.FloatField(default=0)
    rating_count = models.PositiveIntegerField(default=0)
    storage_bytes = models.PositiveBigIntegerField(default=0)  # large files linked + git objects

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["namespace", "repo_type", "name_folded"],
                condition=Q(deleted_at__isnull=True),
                name="repo_address",
            )
        ]
        indexes = [models.Index(fields=["namespace", "repo_type"], name="repo_of_namespace")]

    def __str__(self) -> str:
        return self.repo_id

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.name_folded = fold(self.name)
        super().save(*args, **kwargs)

    @property
    def repo_id(self) -> str:
        """``ns/name``; select_related("namespace") first in lists."""
        return f"{self.namespace.name}/{self.name}"

    @property
    def type(self) -> RepoType:
        return RepoType(self.repo_type)

    @property
    def is_private(self) -> bool:
        return self.visibility == Visibility.PRIVATE

    @property
    def is_disabled(self) -> bool:
        return self.disabled_at is not None

    @property
    def git_path(self) -> Path:
        """Directory of the bare repository, sharded by id so that moves and renames touch no files."""
        return Path(settings.HUB_DATA_DIR) / "git" / f"{self.pk % 256:02x}" / f"{self.pk}.git"

    @property
    def urls(self) -> RepoUrls:
        return RepoUrls(self.type, self.namespace.name, self.name)


class RepoRedirect(models.Model):
    """A former address of a repo (T46, T47): always one hop, straight to the repo's id."""

    repo_type = models.CharField(max_length=8, choices=RepoTypeChoice.choices)
    namespace = models.ForeignKey(Namespace, on_delete=models.CASCADE, related_name="+")
    name_folded = models.CharField(max_length=96)
    repo = models.ForeignKey(Repo, on_delete=models.CASCADE, related_name="former_addresses")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["namespace", "repo_type", "name_folded"], name="redirect_address")
        ]

    def __str__(self) -> str:
        return f"{self.repo_type} {self.name_folded} → {self.repo_id}"


class AccessRequest(models.Model):
    """A person before the gate of a repo: who asked or was let in, what they said, who decided what and when."""

    object_id = models.CharField(max_length=24, unique=True, default=new_object_id, editable=False)
    repo = models.ForeignKey(Repo, on_delete=models.CASCADE, related_name="access_requests")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="access_requests")
    state = models.CharField(max_length=8, choices=AccessState.choices, default=AccessState.PENDING)
    # What the card asked for (extra_gated_fields): label → text or true.
    answers = models.JSONField(default=dict, blank=True)
    # Who asks agrees to show their address to the repo's admins; who is let in unasked has agreed to nothing.
    is_email_shared = models.BooleanField(default=False)
    rejection_reason = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(default=timezone.now)  # of the last asking
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    expires_at = models.DateTimeField(null=True, blank=True)  # of a grant: from then on all doors are closed
    reminded_at = models.DateTimeField(null=True, blank=True)  # when the owner was told that somebody still waits

    class Meta:
        constraints = [models.UniqueConstraint(fields=["repo", "user"], name="access_request_once")]
        indexes = [
            models.Index(fields=["repo", "state", "-id"], name="access_requests_of_repo"),
            models.Index(fields=["state", "reminded_at", "created_at"], name="access_requests_waiting"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} at {self.repo_id}: {self.state}"

    @property
    def is_expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= timezone.now()


class Ref(models.Model):
    """Mirror of a git ref."""

    repo = models.ForeignKey(Repo, on_delete=models.CASCADE, related_name="refs")
    name = models.CharField(max_length=255)  # full: refs/heads/main
    oid = models.CharField(max_length=40)  # the commit, tags peeled
    updated_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["repo", "name"], name="ref_once")]

    def __str__(self) -> str:
        return f"{self.name} {self.oid[:8]}"


class RepoObject(models.Model):
    """Leave for a repo to serve a large file (T70, T71): a pointer alone is not enough."""

    repo = models.ForeignKey(Repo, on_delete=models.CASCADE, related_name="objects_linked")
    sha256 = models.CharField(max_length=64)
    size_bytes = models.PositiveBigIntegerField()
    added_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    # Whose quota pays while only a stranger's pull request holds the file (T196); null: the repo's own namespace.
    payer = models.ForeignKey(Namespace, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["repo", "sha256"], name="repo_object_once")]
        indexes = [models.Index(fields=["sha256"], name="repo_object_sha256")]

    def __str__(self) -> str:
        return f"{self.repo_id} {self.sha256[:8]}"


class GuestBytes(models.Model):
    """Plain files that a stranger committed to a pull request: they count on the stranger's quota (T196)."""

    repo = models.ForeignKey(Repo, on_delete=models.CASCADE, related_name="guest_bytes")
    ref = models.CharField(max_length=255)  # refs/pr/N
    payer = models.ForeignKey(Namespace, on_delete=models.CASCADE, related_name="+")
    size_bytes = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["repo", "ref", "payer"], name="guest_bytes_once")]

    def __str__(self) -> str:
        return f"{self.repo_id} {self.ref}: {self.size_bytes}"


class FileLock(models.Model):
    """A path that one person works on (T76): until it is unlocked nobody else changes it on any branch."""

    repo = models.ForeignKey(Repo, on_delete=models.CASCADE, related_name="file_locks")
    path = models.CharField(max_length=1024)
    owner = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    locked_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["repo", "path"], name="file_lock_once")]

    def __str__(self) -> str:
        return self.path


class LastCommit(models.Model):
    """The commit that last touched each path of a branch, written at commit and push (design D2)."""

    repo = models.ForeignKey(Repo, on_delete=models.CASCADE, related_name="+")
    ref = models.CharField(max_length=255)
    parent_path = models.TextField(blank=True)  # "" for the root
    name = models.CharField(max_length=255)
    oid = models.CharField(max_length=40)
    title = models.CharField(max_length=255)
    committed_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["repo", "ref", "parent_path", "name"], name="last_commit_once")]

    def __str__(self) -> str:
        return f"{self.ref} {self.parent_path}/{self.name}"


class UploadDraft(models.Model):
    """A web-form upload that can be left and resumed; large parts live in ``storage.UploadSession``."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    repo = models.ForeignKey(Repo, on_delete=models.CASCADE, related_name="upload_drafts")
    author = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    revision = models.CharField(max_length=255, default="main")
    state = models.CharField(max_length=12, choices=UploadState.choices, default=UploadState.OPEN)
    message = models.CharField(max_length=500, blank=True)
    commit_oid = models.CharField(max_length=40, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"{self.pk} ({self.state})"


class UploadDraftFile(models.Model):
    """One file of a draft.  Both small and large files are content in the blob store until the commit."""

    draft = models.ForeignKey(UploadDraft, on_delete=models.CASCADE, related_name="files")
    path = models.CharField(max_length=1024)
    size_bytes = models.PositiveBigIntegerField()
    sha256 = models.CharField(max_length=64, blank=True)
    is_large = models.BooleanField(default=False)  # upload_mode: lfs
    is_stored = models.BooleanField(default=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["draft", "path"], name="draft_file_once")]

    def __str__(self) -> str:
        return self.path


class RepoImport(models.Model):
    """A repo that is copied from another hub.  This row is the work: the queue only wakes who does it (design §4).

    ``repo`` is empty until the source has answered: an address that does not work leaves no empty repo behind.
    """

    object_id = models.CharField(max_length=24, unique=True, default=new_object_id, editable=False)
    author = models.ForeignKey(User, on_delete=models.CASCADE, related_name="repo_imports")
    repo = models.ForeignKey(Repo, null=True, on_delete=models.CASCADE, related_name="imports")
    namespace = models.ForeignKey(Namespace, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=96)
    repo_type = models.CharField(max_length=8, choices=RepoTypeChoice.choices)
    visibility = models.CharField(max_length=8, choices=Visibility.choices, blank=True)  # "": as the namespace has it
    endpoint = models.CharField(max_length=300)  # without a slash at the end
    source = models.CharField(max_length=200)  # ns/name there
    revision = models.CharField(max_length=255, default="main")
    commit_oid = models.CharField(max_length=40, blank=True)  # what ``revision`` was when the copying began
    sealed_token = models.TextField(blank=True)  # gone as soon as the job ends
    state = models.CharField(max_length=12, choices=ImportState.choices, default=ImportState.QUEUED)
    error = models.CharField(max_length=500, blank=True)
    target_oid = models.CharField(max_length=40, blank=True)  # our commit
    files_total = models.PositiveIntegerField(default=0)
    files_done = models.PositiveIntegerField(default=0)
    bytes_total = models.PositiveBigIntegerField(default=0)
    bytes_done = models.PositiveBigIntegerField(default=0)
    bytes_per_s = models.PositiveBigIntegerField(default=0)
    current_path = models.CharField(max_length=1024, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)  # since a file was stored
    lease = models.CharField(max_length=32, blank=True)
    leased_until = models.DateTimeField(null=True, blank=True)
    wake_at = models.DateTimeField(default=timezone.now)
    created_at = models.DateTimeField(default=timezone.now)
    queued_at = models.DateTimeField(default=timezone.now)  # by the person: at first, or by the last retry
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["state", "wake_at"], name="repo_import_waiting"),
            models.Index(fields=["author", "-id"], name="repo_import_of_author"),
        ]

    def __str__(self) -> str:
        return f"{self.source} {self.object_id} ({self.state})"

    @property
    def target(self) -> str:
        """``ns/name`` here; select_related("namespace") first in lists."""
        return f"{self.namespace.name}/{self.name}"


class RepoImportFile(models.Model):
    """A file of an import: what the source says of it, and whether it is here."""

    repo_import = models.ForeignKey(RepoImport, on_delete=models.CASCADE, related_name="files")
    path = models.CharField(max_length=1024)
    size_bytes = models.PositiveBigIntegerField()
    oid = models.CharField(max_length=40)  # git blob, as the source names it
    sha256 = models.CharField(max_length=64, blank=True)  # of large files from the start, of small ones once stored
    is_large = models.BooleanField(default=False)
    is_stored = models.BooleanField(default=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["repo_import", "path"], name="repo_import_file_once")]

    def __str__(self) -> str:
        return self.path


class UpstreamRepo(models.Model):
    """A repo of the upstream hub that somebody asked for; its address here is the one it has there."""

    repo_type = models.CharField(max_length=8, choices=RepoTypeChoice.choices)
    namespace = models.CharField(max_length=96)
    name = models.CharField(max_length=96)
    endpoint = models.CharField(max_length=300)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["endpoint", "repo_type", "namespace", "name"], name="upstream_repo_once")
        ]

    def __str__(self) -> str:
        return f"{self.endpoint} {self.namespace}/{self.name}"


class UpstreamAnswer(models.Model):
    """What the upstream hub's API said of a repo; kept for good where the address names a commit."""

    repo = models.ForeignKey(UpstreamRepo, on_delete=models.CASCADE, related_name="answers")
    digest = models.CharField(max_length=64)  # of the address below the repo's
    body = models.JSONField()
    following = models.CharField(max_length=2000, blank=True)  # address of the next page there
    checked_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["repo", "digest"], name="upstream_answer_once")]

    def __str__(self) -> str:
        return f"{self.repo_id} {self.digest[:8]}"


class UpstreamFile(models.Model):
    """A file at a commit there; ``stored_sha256`` is set once its bytes are here and are what was announced."""

    repo = models.ForeignKey(UpstreamRepo, on_delete=models.CASCADE, related_name="files")
    commit_oid = models.CharField(max_length=40)
    path = models.CharField(max_length=1024)
    size_bytes = models.PositiveBigIntegerField()
    oid = models.CharField(max_length=40)  # git blob
    sha256 = models.CharField(max_length=64, blank=True)  # of large files
    stored_sha256 = models.CharField(max_length=64, blank=True, db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["repo", "commit_oid", "path"], name="upstream_file_once")]

    def __str__(self) -> str:
        return f"{self.repo_id} {self.path}"

    @property
    def etag(self) -> str:
        return self.sha256 or self.oid


class DownloadDay(models.Model):
    """Downloads of a repo on one UTC day; ``count`` is the number on the card, the others stand apart from it."""

    repo = models.ForeignKey(Repo, on_delete=models.CASCADE, related_name="download_days")
    day = models.DateField()
    count = models.PositiveIntegerField(default=0)
    members = models.PositiveIntegerField(default=0)  # the owner and members of the owning organization
    robots = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["repo", "day"], name="download_day_once")]

    def __str__(self) -> str:
        return f"{self.repo_id} {self.day}: {self.count}"


class DownloadSeen(models.Model):
    """Who was counted on a day (T50): a keyed hash of account or network, dropped after two days."""

    repo = models.ForeignKey(Repo, on_delete=models.CASCADE, related_name="+")
    day = models.DateField(db_index=True)
    who = models.CharField(max_length=32)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["repo", "day", "who"], name="download_seen_once")]

    def __str__(self) -> str:
        return f"{self.repo_id} {self.day}"


class LastDownload(models.Model):
    """The last UTC day on which an account downloaded a repo: it backs what the person says of it in a review.

    The account is the keyed hash of ``DownloadSeen``: only who knows whom to ask for finds them here.
    """

    repo = models.ForeignKey(Repo, on_delete=models.CASCADE, related_name="+")
    who = models.CharField(max_length=32)
    day = models.DateField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["repo", "who"], name="last_download_once")]

    def __str__(self) -> str:
        return f"{self.repo_id}: {self.day}"
