"""What is said about a repo: discussions and pull requests."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from community.enums import EventKind, Status
from hub.accounts.models import User
from hub.core.ids import new_object_id
from hub.repos.models import Repo


class Discussion(models.Model):
    """A conversation about a repo; a pull request is one with files, at ``refs/pr/{num}`` of the repo's own git."""

    object_id = models.CharField(max_length=24, unique=True, default=new_object_id, editable=False)
    repo = models.ForeignKey(Repo, on_delete=models.CASCADE, related_name="discussions")
    num = models.PositiveIntegerField()  # from 1, shared by both kinds, given by community.services.discussions
    title = models.CharField(max_length=200)
    author = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="discussions")
    status = models.CharField(max_length=8, choices=Status.choices, default=Status.OPEN)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)  # last event
    closed_at = models.DateTimeField(null=True, blank=True)
    pinned_at = models.DateTimeField(null=True, blank=True)
    locked_at = models.DateTimeField(null=True, blank=True)
    num_comments = models.PositiveIntegerField(default=0)
    # Kept by community.services.reactions: lists show them without counting.
    num_reaction_users = models.PositiveIntegerField(default=0)
    top_reactions = models.JSONField(default=list, blank=True)  # [[emoji, count], …], most first
    # Taken out of sight by the hub's moderators, whole; it answers as a missing one (community.services.moderation).
    hidden_at = models.DateTimeField(null=True, blank=True)
    # Pull requests only.
    is_pull_request = models.BooleanField(default=False)
    base_ref = models.CharField(max_length=255, blank=True)  # full: refs/heads/main
    merge_oid = models.CharField(max_length=40, blank=True)
    merged_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    # The merge commit about to become the base's head: tells, after a crash, whether the merge was done (T162).
    merging_oid = models.CharField(max_length=40, blank=True)
    merging_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    is_ref_deleted = models.BooleanField(default=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["repo", "num"], name="discussion_num_once")]
        indexes = [
            models.Index(fields=["repo", "status", "-num"], name="discussion_of_status"),
            models.Index(fields=["author", "-created_at"], name="discussion_of_author"),
            models.Index(fields=["repo", "-pinned_at"], condition=Q(pinned_at__isnull=False), name="discussion_pinned"),
            models.Index(fields=["repo", "base_ref"], condition=~Q(merging_oid=""), name="discussion_being_merged"),
        ]

    def __str__(self) -> str:
        return f"#{self.num} {self.title}"

    @property
    def is_locked(self) -> bool:
        return self.locked_at is not None

    @property
    def is_pinned(self) -> bool:
        return self.pinned_at is not None

    @property
    def is_active(self) -> bool:
        return Status(self.status).is_active

    @property
    def head_ref(self) -> str:
        """Where a pull request's commits are."""
        return f"refs/pr/{self.num}"

    @property
    def page(self) -> str:
        return f"{self.repo.urls.page}/discussions/{self.num}"


class Event(models.Model):
    """One entry of a thread, in the order of ids. Comments have a body; the others say in ``data`` what happened."""

    object_id = models.CharField(max_length=24, unique=True, default=new_object_id, editable=False)
    discussion = models.ForeignKey(Discussion, on_delete=models.CASCADE, related_name="events")
    kind = models.CharField(max_length=16, choices=EventKind.choices)
    author = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    data = models.JSONField(default=dict, blank=True)
    oid = models.CharField(max_length=40, blank=True)  # of a commit
    # Comments only.
    body = models.TextField(blank=True)
    edited_at = models.DateTimeField(null=True, blank=True)
    edited_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    # What its author hides is erased; what a moderator hides is kept out of sight, for an appeal.
    hidden_at = models.DateTimeField(null=True, blank=True)
    hidden_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["discussion", "oid"], condition=~Q(oid=""), name="event_commit_once")
        ]
        indexes = [models.Index(fields=["author", "-created_at"], name="event_of_author")]

    def __str__(self) -> str:
        return f"{self.kind} of {self.discussion_id}"

    @property
    def is_hidden(self) -> bool:
        return self.hidden_at is not None


class CommentRevision(models.Model):
    """What a comment said before an edit."""

    event = models.ForeignKey(Event, on_delete=models.CASCADE, related_name="revisions")
    body = models.TextField()
    author = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField()  # when it was written

    def __str__(self) -> str:
        return f"of {self.event_id}"


class Attachment(models.Model):
    """A picture, film or sound for comments; the file is named by its hash, under ``media/uploads``."""

    sha256 = models.CharField(max_length=64)
    extension = models.CharField(max_length=5)
    size_bytes = models.PositiveBigIntegerField()
    owner = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["owner", "sha256", "extension"], name="attachment_once")]
        indexes = [models.Index(fields=["sha256"], name="attachment_sha256")]

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        return f"{self.sha256}.{self.extension}"
