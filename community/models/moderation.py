"""Reports, what moderators did about them, appeals, posts held for review, and who blocks whom."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from community.enums import CaseState, HeldState, MeasureKind, ReportCategory, TargetKind
from community.models.threads import Discussion
from hub.accounts.models import Namespace, User
from hub.core.ids import new_object_id
from hub.repos.models import Repo


class Target(models.Model):
    """What a report or a measure is about: a kind and an id, for the thing may be gone when somebody looks."""

    target_kind = models.CharField(max_length=10, choices=TargetKind.choices)
    target_id = models.CharField(max_length=24)
    target_name = models.CharField(max_length=200)  # as it was called then
    # Whom it concerns: who wrote it, and whose it is. Either may be empty.
    subject = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    namespace = models.ForeignKey(Namespace, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        abstract = True


class Report(Target):
    """Somebody says that something breaks the rules."""

    object_id = models.CharField(max_length=24, unique=True, default=new_object_id, editable=False)
    reporter = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="reports")
    category = models.CharField(max_length=16, choices=ReportCategory.choices)
    text = models.TextField(blank=True)
    state = models.CharField(max_length=8, choices=CaseState.choices, default=CaseState.OPEN)
    created_at = models.DateTimeField(default=timezone.now)
    handled_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    handled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["reporter", "target_kind", "target_id"], condition=Q(state="open"), name="report_once"
            )
        ]
        indexes = [
            models.Index(fields=["state", "-id"], name="reports_by_state"),
            models.Index(fields=["target_kind", "target_id"], name="reports_of_target"),
            models.Index(fields=["subject", "-id"], name="reports_of_subject"),
            models.Index(fields=["reporter", "-id"], name="reports_of_reporter"),
        ]

    def __str__(self) -> str:
        return f"{self.category}: {self.target_name}"


class ModerationAction(Target):
    """One measure of the hub's moderators, with the reason that the person concerned reads."""

    object_id = models.CharField(max_length=24, unique=True, default=new_object_id, editable=False)
    kind = models.CharField(max_length=10, choices=MeasureKind.choices)
    reason = models.CharField(max_length=1000)  # shown to those whom it concerns
    note = models.CharField(max_length=1000, blank=True)  # for moderators alone
    # What was written, so that an appeal can be judged after its author erased it.
    excerpt = models.TextField(blank=True)
    actor = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    reverted_at = models.DateTimeField(null=True, blank=True)
    reverted_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "target_kind", "target_id"],
                condition=Q(reverted_at__isnull=True) & ~Q(kind="warn"),
                name="measure_once",
            )
        ]
        indexes = [
            models.Index(fields=["subject", "-id"], name="measures_of_subject"),
            models.Index(fields=["namespace", "-id"], name="measures_of_namespace"),
            models.Index(fields=["target_kind", "target_id"], name="measures_of_target"),
        ]

    def __str__(self) -> str:
        return f"{self.kind}: {self.target_name}"

    @property
    def is_active(self) -> bool:
        return self.reverted_at is None


class Appeal(models.Model):
    """The person concerned asks to look again; once for each measure."""

    object_id = models.CharField(max_length=24, unique=True, default=new_object_id, editable=False)
    action = models.OneToOneField(ModerationAction, on_delete=models.CASCADE, related_name="appeal")
    author = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="appeals")
    text = models.TextField()
    state = models.CharField(max_length=8, choices=CaseState.choices, default=CaseState.OPEN)
    answer = models.CharField(max_length=1000, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    decided_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    decided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [models.Index(fields=["state", "-id"], name="appeals_by_state")]

    def __str__(self) -> str:
        return f"against {self.action_id} ({self.state})"


class HeldPost(models.Model):
    """A post of a new account that looks like spam.  It is nowhere else: a moderator's leave publishes it."""

    object_id = models.CharField(max_length=24, unique=True, default=new_object_id, editable=False)
    author = models.ForeignKey(User, on_delete=models.CASCADE, related_name="held_posts")
    repo = models.ForeignKey(Repo, on_delete=models.CASCADE, related_name="+")
    # A comment for this thread; without one, a discussion of ``title``.
    discussion = models.ForeignKey(Discussion, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    title = models.CharField(max_length=200, blank=True)
    body = models.TextField()
    digest = models.CharField(max_length=64, db_index=True)  # of its words, to know them again
    signs = models.JSONField(default=list)  # why: words of community.spam.Sign
    state = models.CharField(max_length=8, choices=HeldState.choices, default=HeldState.WAITING)
    reason = models.CharField(max_length=300, blank=True)  # of a rejection, shown to the author
    created_at = models.DateTimeField(default=timezone.now)
    decided_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    decided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["state", "-id"], name="held_by_state"),
            models.Index(fields=["author", "-id"], name="held_of_author"),
        ]

    def __str__(self) -> str:
        return f"held post of {self.author_id}"


class Block(models.Model):
    """A person wants to hear nothing from another."""

    blocker = models.ForeignKey(User, on_delete=models.CASCADE, related_name="blocks")
    blocked = models.ForeignKey(User, on_delete=models.CASCADE, related_name="blocked_by")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["blocker", "blocked"], name="block_once"),
            models.CheckConstraint(condition=~Q(blocker=F("blocked")), name="block_another"),
        ]

    def __str__(self) -> str:
        return f"{self.blocker_id} blocks {self.blocked_id}"
