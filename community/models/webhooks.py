"""Addresses that hear what happens, and what was sent to them."""

from django.db import models
from django.utils import timezone

from community.enums import DeliveryState, WatchedKind
from hub.accounts.models import User
from hub.core.ids import new_object_id
from hub.repos.models import Repo


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
