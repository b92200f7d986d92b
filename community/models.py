"""What people say and do about repos."""

from typing import Any

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.text import slugify

from community.enums import CollectionTheme, DeliveryState, EventKind, ItemKind, Status, WatchedKind
from hub.accounts.models import Namespace, Organization, User
from hub.core.ids import new_object_id
from hub.repos.models import Repo


class Like(models.Model):
    repo = models.ForeignKey(Repo, on_delete=models.CASCADE, related_name="like_rows")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="likes")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["repo", "user"], name="like_once")]
        indexes = [models.Index(fields=["user", "-created_at"], name="likes_of_user")]

    def __str__(self) -> str:
        return f"{self.user_id} likes {self.repo_id}"


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


# --- people -----------------------------------------------------------------------------------------------------------


class Follow(models.Model):
    """A person follows a person or an organization."""

    follower = models.ForeignKey(User, on_delete=models.CASCADE, related_name="follows")
    user = models.ForeignKey(User, null=True, blank=True, on_delete=models.CASCADE, related_name="follower_rows")
    organization = models.ForeignKey(
        Organization, null=True, blank=True, on_delete=models.CASCADE, related_name="follower_rows"
    )
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["follower", "user"], name="follow_user_once"),
            models.UniqueConstraint(fields=["follower", "organization"], name="follow_organization_once"),
            models.CheckConstraint(
                condition=Q(user__isnull=False, organization__isnull=True)
                | Q(user__isnull=True, organization__isnull=False),
                name="follow_one",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.follower_id} follows {self.user_id or self.organization_id}"


# --- collections ------------------------------------------------------------------------------------------------------


class Collection(models.Model):
    """A list of repos, papers and other collections, in an order that its owners choose."""

    object_id = models.CharField(max_length=24, unique=True, default=new_object_id, editable=False)
    namespace = models.ForeignKey(Namespace, on_delete=models.CASCADE, related_name="collections")
    title = models.CharField(max_length=60)
    title_folded = models.CharField(max_length=60, editable=False)
    description = models.CharField(max_length=150, blank=True)
    theme = models.CharField(max_length=8, choices=CollectionTheme.choices, default=CollectionTheme.ORANGE)
    is_private = models.BooleanField(default=False)
    position = models.PositiveIntegerField(default=0)  # among those of its namespace
    upvotes = models.PositiveIntegerField(default=0)  # counted anew with each vote
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["namespace", "title_folded"], name="collection_title_once")]
        indexes = [
            models.Index(fields=["-updated_at", "-id"], name="collections_by_date"),
            models.Index(fields=["-upvotes", "-id"], name="collections_by_upvotes"),
        ]

    def __str__(self) -> str:
        return self.slug

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.title_folded = self.title.casefold()[:60]
        super().save(*args, **kwargs)

    @property
    def slug(self) -> str:
        """``ns/title-id``: the words follow the title, the id stays; select_related("namespace") first in lists."""
        words = slugify(self.title)[:80].strip("-")
        return f"{self.namespace.name}/{words}-{self.object_id}" if words else f"{self.namespace.name}/{self.object_id}"


class CollectionItem(models.Model):
    """One entry: a repo, another collection, or something this hub only knows by name."""

    object_id = models.CharField(max_length=24, unique=True, default=new_object_id, editable=False)
    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="items")
    kind = models.CharField(max_length=10, choices=ItemKind.choices)
    repo = models.ForeignKey(Repo, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    nested = models.ForeignKey(Collection, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    reference = models.CharField(max_length=40, blank=True)  # of a paper
    position = models.PositiveIntegerField(default=0)  # 0, 1, 2 … without gaps
    note = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["collection", "repo"], name="collection_repo_once"),
            models.UniqueConstraint(fields=["collection", "nested"], name="collection_nested_once"),
            models.UniqueConstraint(
                fields=["collection", "reference"], condition=~Q(reference=""), name="collection_reference_once"
            ),
        ]
        indexes = [models.Index(fields=["collection", "position"], name="collection_order")]

    def __str__(self) -> str:
        return f"{self.kind} in {self.collection_id}"


class CollectionUpvote(models.Model):
    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="upvote_rows")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="collection_upvotes")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["collection", "user"], name="collection_upvote_once")]

    def __str__(self) -> str:
        return f"{self.user_id} likes collection {self.collection_id}"


# --- webhooks ---------------------------------------------------------------------------------------------------------


class Webhook(models.Model):
    """An address that hears what happens to the repos that its owner watches and may see."""

    object_id = models.CharField(max_length=24, unique=True, default=new_object_id, editable=False)
    owner = models.ForeignKey(User, on_delete=models.CASCADE, related_name="webhooks")
    url = models.CharField(max_length=2000)
    domains = models.JSONField(default=list)  # repo, discussion
    # Sealed by a key outside the database (T19) and never shown again (T102). The former one signs too for a day.
    sealed_secret = models.TextField(blank=True)
    former_sealed_secret = models.TextField(blank=True)
    secret_changed_at = models.DateTimeField(null=True, blank=True)
    disabled_at = models.DateTimeField(null=True, blank=True)
    disabled_reason = models.CharField(max_length=200, blank=True)
    failing_since = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.object_id

    @property
    def is_disabled(self) -> bool:
        return self.disabled_at is not None


class WatchedItem(models.Model):
    """What a webhook watches, by name: the name may belong to nobody yet. ``repo_name`` is empty for a namespace."""

    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="watched")
    kind = models.CharField(max_length=8, choices=WatchedKind.choices)
    name = models.CharField(max_length=140)  # as it was given
    namespace_folded = models.CharField(max_length=42)
    repo_name_folded = models.CharField(max_length=96, blank=True)

    class Meta:
        indexes = [models.Index(fields=["namespace_folded", "repo_name_folded"], name="watched_by_name")]

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


class Delivery(models.Model):
    """One event for one webhook.  This row is the work; the queue only wakes who does it (design §4)."""

    object_id = models.CharField(max_length=24, unique=True, default=new_object_id, editable=False)
    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="deliveries")
    # Whether the owner may still see it is asked again before each try (T38).
    repo = models.ForeignKey(Repo, null=True, on_delete=models.SET_NULL, related_name="+")
    event = models.CharField(max_length=40)  # scope and action, for people
    body = models.TextField()  # JSON, as it is sent
    state = models.CharField(max_length=10, choices=DeliveryState.choices, default=DeliveryState.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    try_at = models.DateTimeField(default=timezone.now)
    lease = models.CharField(max_length=32, blank=True)
    leased_until = models.DateTimeField(null=True, blank=True)
    last_status = models.PositiveSmallIntegerField(default=0)  # 0: no answer
    last_error = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["state", "try_at"], name="deliveries_waiting"),
            models.Index(fields=["webhook", "-id"], name="deliveries_of_webhook"),
        ]

    def __str__(self) -> str:
        return f"{self.object_id} ({self.state})"
