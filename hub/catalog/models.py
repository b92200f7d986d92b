"""What lists and model pages show about a repo: one flat, rebuildable row per repo (design D5)."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from hub.accounts.models import Namespace, User
from hub.repos.enums import Gating, RepoTypeChoice, Visibility
from hub.repos.models import Repo


class LookAlikeVerdict(models.TextChoices):
    """What an operator found."""

    OPEN = "open", _("To be reviewed")
    CLEARED = "cleared", _("A name of its own")
    CONFIRMED = "confirmed", _("A look-alike")


class RepoIndex(models.Model):
    """Read from the head of the default branch; ``services.index_repo`` writes it whole.

    ``s_*`` are sort keys: ``value << 24 | repo id``, unique, so that one range clause is a keyset page
    on both databases (platform §3.3).  A repo id beyond 2**24 needs a wider shift.
    """

    repo = models.OneToOneField(Repo, primary_key=True, on_delete=models.CASCADE, related_name="index")
    repo_type = models.CharField(max_length=8, choices=RepoTypeChoice.choices)
    namespace = models.ForeignKey(Namespace, on_delete=models.CASCADE, related_name="+")
    full_id = models.CharField(max_length=140)  # ns/name as shown
    full_id_folded = models.CharField(max_length=140)
    visibility = models.CharField(max_length=8, choices=Visibility.choices)
    gated = models.CharField(max_length=8, choices=Gating.choices, blank=True)
    is_listed = models.BooleanField(default=True)  # false while disabled or held for review
    head_oid = models.CharField(max_length=40, blank=True)
    pipeline_tag = models.CharField(max_length=60, blank=True)
    library_name = models.CharField(max_length=60, blank=True)
    license = models.CharField(max_length=60, blank=True)
    languages = models.JSONField(default=list)
    base_models = models.JSONField(default=list)  # [{"id": "ns/name", "relation": "finetune"}]
    datasets = models.JSONField(default=list)
    tags = models.JSONField(default=list)  # all tags, as the Hub lists them (hub-api §26.3)
    card_data = models.JSONField(default=dict)  # front matter
    card_error = models.CharField(max_length=300, blank=True)  # why the front matter could not be read
    title = models.CharField(max_length=120, blank=True)  # the card's pretty name
    summary = models.CharField(max_length=300, blank=True)
    card_text = models.TextField(blank=True)  # beginning of the card as plain text, for search
    config = models.JSONField(default=dict)  # chosen keys of config.json (hub-api §7.2)
    parameters = models.PositiveBigIntegerField(null=True)
    parameters_by_dtype = models.JSONField(default=dict)  # {"F32": 22713216}
    size_bytes = models.PositiveBigIntegerField(default=0)  # files at the head
    file_count = models.PositiveIntegerField(default=0)
    # inference.inspection.Inspection as a dict: servable, reason_code, reason, format, architecture, …
    inspection = models.JSONField(default=dict)
    is_servable = models.BooleanField(default=False)  # this hub can run it
    updated_at = models.DateTimeField(default=timezone.now)
    created_at = models.DateTimeField(default=timezone.now)
    likes = models.PositiveIntegerField(default=0)
    downloads = models.PositiveIntegerField(default=0)
    rating = models.FloatField(default=0)
    rating_count = models.PositiveIntegerField(default=0)
    trending_score = models.FloatField(default=0)
    # Trending's memory: likes counted so far, and their sum fading by age.
    likes_seen = models.PositiveIntegerField(default=0)
    likes_heat = models.FloatField(default=0)
    heat_at = models.DateTimeField(default=timezone.now)
    s_trending = models.BigIntegerField(default=0)
    s_likes = models.BigIntegerField(default=0)
    s_downloads = models.BigIntegerField(default=0)
    s_updated = models.BigIntegerField(default=0)
    s_created = models.BigIntegerField(default=0)
    s_parameters = models.BigIntegerField(default=0)
    s_rating = models.BigIntegerField(default=0)

    class Meta:
        indexes = [
            models.Index(fields=["repo_type", "s_trending"], name="index_trending"),
            models.Index(fields=["repo_type", "s_likes"], name="index_likes"),
            models.Index(fields=["repo_type", "s_downloads"], name="index_downloads"),
            models.Index(fields=["repo_type", "s_updated"], name="index_updated"),
            models.Index(fields=["repo_type", "s_created"], name="index_created"),
            models.Index(fields=["repo_type", "s_parameters"], name="index_parameters"),
            models.Index(fields=["repo_type", "s_rating"], name="index_rating"),
            models.Index(fields=["namespace", "repo_type"], name="index_namespace"),
        ]

    def __str__(self) -> str:
        return self.full_id


class LookAlike(models.Model):
    """A repo whose address is easily taken for that of a well-known one (T49): not in trending until reviewed."""

    repo = models.OneToOneField(Repo, on_delete=models.CASCADE, related_name="look_alike")
    name = models.CharField(max_length=140)  # the repo's address when it was found: another is judged anew
    resembles = models.CharField(max_length=140)  # the address of the well-known one
    found_at = models.DateTimeField(default=timezone.now)
    verdict = models.CharField(max_length=10, choices=LookAlikeVerdict.choices, default=LookAlikeVerdict.OPEN)
    reviewed_at = models.DateTimeField(null=True, blank=True)
    reviewed_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        indexes = [models.Index(fields=["verdict", "-found_at"], name="look_alikes_to_review")]

    def __str__(self) -> str:
        return f"{self.name} ~ {self.resembles}"


class IndexChange(models.Model):
    """Append-only feed for the search index: written in the transaction that changed the row."""

    repo_pk = models.PositiveBigIntegerField()
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.pk}: repo {self.repo_pk}"
