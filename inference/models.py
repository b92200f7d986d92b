"""Hosted models as the database knows them: what was used, what rests after crashes.

Live state (loading, ready, queue depth) is in the workers' heartbeats on the Redis side; rows here are durable.
"""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from hub.accounts.models import AccessToken, User
from hub.repos.models import Repo


class UsageOutcome(models.TextChoices):
    RESERVED = "reserved"
    OK = "ok"
    REFUSED = "refused"
    FAILED = "failed"
    CANCELLED = "cancelled"


class UsageRecord(models.Model):
    """One hosted call: reserved when accepted, settled once at its end.  No prompt or answer is kept."""

    request_id = models.CharField(max_length=40, unique=True)
    user = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    token = models.ForeignKey(AccessToken, null=True, on_delete=models.SET_NULL, related_name="usage")
    repo = models.ForeignKey(Repo, null=True, on_delete=models.SET_NULL, related_name="usage")
    repo_name = models.CharField(max_length=140)
    commit_oid = models.CharField(max_length=40)
    pipeline_tag = models.CharField(max_length=60)
    route = models.CharField(max_length=60)  # e.g. chat.completions, hf.feature-extraction
    is_streamed = models.BooleanField(default=False)
    outcome = models.CharField(max_length=10, choices=UsageOutcome.choices, default=UsageOutcome.RESERVED)
    error_code = models.CharField(max_length=40, blank=True)
    prompt_tokens = models.PositiveIntegerField(default=0)
    completion_tokens = models.PositiveIntegerField(default=0)
    input_bytes = models.PositiveIntegerField(default=0)
    output_bytes = models.PositiveIntegerField(default=0)
    queue_ms = models.FloatField(default=0)
    load_ms = models.FloatField(default=0)
    first_token_ms = models.FloatField(default=0)
    run_ms = models.FloatField(default=0)
    created_at = models.DateTimeField(default=timezone.now)
    settled_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["user", "-created_at"], name="usage_of_user"),
            models.Index(fields=["repo", "-created_at"], name="usage_of_repo"),
            models.Index(fields=["outcome", "created_at"], name="usage_open"),
            models.Index(
                fields=["repo", "user", "commit_oid"], condition=models.Q(outcome="ok"), name="usage_answered"
            ),
        ]

    def __str__(self) -> str:
        return self.request_id


class ModelHealth(models.Model):
    """Crash count of one commit of a model (T170): three in a row and it rests."""

    repo = models.ForeignKey(Repo, on_delete=models.CASCADE, related_name="+")
    commit_oid = models.CharField(max_length=40)
    crashes = models.PositiveSmallIntegerField(default=0)
    last_error = models.CharField(max_length=300, blank=True)
    rests_until = models.DateTimeField(null=True, blank=True)
    # Measured cold starts, newest last, at most 20, milliseconds: the page states their median.
    load_times_ms = models.JSONField(default=list)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["repo", "commit_oid"], name="model_health_once")]

    def __str__(self) -> str:
        return f"{self.repo_id}@{self.commit_oid[:8]}"
