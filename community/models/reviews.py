"""What people think of a version: reviews, their history, the owner's replies, helpful votes, and kept tallies."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Q
from django.utils import timezone

from community.enums import Outcome
from hub.accounts.models import User
from hub.core.ids import new_object_id
from hub.repos.models import Repo


class Review(models.Model):
    """One person's word on one commit of a repo; ``revision`` is the branch or tag by which they knew it."""

    object_id = models.CharField(max_length=24, unique=True, default=new_object_id, editable=False)
    repo = models.ForeignKey(Repo, on_delete=models.CASCADE, related_name="reviews")
    author = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="reviews")
    commit_oid = models.CharField(max_length=40)
    revision = models.CharField(max_length=255, blank=True)  # empty: the commit was named by its id alone
    stars = models.PositiveSmallIntegerField()
    text = models.TextField(blank=True)
    task = models.CharField(max_length=60, blank=True)
    language = models.CharField(max_length=20, blank=True)
    hardware = models.CharField(max_length=80, blank=True)
    outcome = models.CharField(max_length=8, choices=Outcome.choices, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    edited_at = models.DateTimeField(null=True, blank=True)
    # The newest of its author in this repo: it alone counts for the repo, or the busiest would decide.
    # Taken out of sight by the hub's moderators: shown to nobody, counted nowhere.
    hidden_at = models.DateTimeField(null=True, blank=True)
    is_latest = models.BooleanField(default=True)
    # For the filter alone; what the badge says is counted from the records when it is shown.
    is_proven = models.BooleanField(default=False)
    helpful = models.PositiveIntegerField(default=0)  # counted anew with each vote

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["repo", "commit_oid", "author"], name="review_once"),
            models.CheckConstraint(condition=Q(stars__gte=1, stars__lte=5), name="review_stars"),
        ]
        indexes = [
            models.Index(fields=["repo", "-id"], name="reviews_by_date"),
            models.Index(fields=["repo", "-helpful", "-id"], name="reviews_by_votes"),
            models.Index(fields=["repo", "stars", "-helpful", "-id"], name="reviews_of_stars"),
            models.Index(fields=["repo", "commit_oid", "-helpful", "-id"], name="reviews_of_version"),
            models.Index(fields=["repo", "-helpful", "-id"], condition=Q(is_proven=True), name="reviews_proven"),
            models.Index(fields=["author", "repo", "-id"], name="reviews_of_author"),
        ]

    def __str__(self) -> str:
        return f"{self.stars} stars for {self.repo_id}"

    @property
    def facts(self) -> dict[str, str]:
        return {name: getattr(self, name) for name in ("task", "language", "hardware", "outcome")}

    @property
    def content(self) -> dict[str, Any]:
        """All that its author may write."""
        return {"stars": self.stars, "text": self.text, **self.facts}

    @property
    def page(self) -> str:
        return f"{self.repo.urls.page}/reviews/{self.object_id}"


class ReviewRevision(models.Model):
    """What a review said before an edit."""

    review = models.ForeignKey(Review, on_delete=models.CASCADE, related_name="revisions")
    stars = models.PositiveSmallIntegerField()
    text = models.TextField(blank=True)
    facts = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField()  # when it was written

    def __str__(self) -> str:
        return f"of {self.review_id}"


class ReviewReply(models.Model):
    """The owner's answer to a review."""

    review = models.OneToOneField(Review, on_delete=models.CASCADE, related_name="reply")
    author = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    text = models.TextField()
    created_at = models.DateTimeField(default=timezone.now)
    edited_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"to {self.review_id}"


class HelpfulVote(models.Model):
    review = models.ForeignKey(Review, on_delete=models.CASCADE, related_name="votes")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["review", "user"], name="helpful_vote_once")]

    def __str__(self) -> str:
        return f"{self.user_id} for {self.review_id}"


class Tally(models.Model):
    """How many gave how many stars: to one version, or (without a commit) to the repo, each person once."""

    repo = models.ForeignKey(Repo, on_delete=models.CASCADE, related_name="tallies")
    commit_oid = models.CharField(max_length=40, blank=True)
    revision = models.CharField(max_length=255, blank=True)  # as the latest review of this version calls it
    ones = models.PositiveIntegerField(default=0)
    twos = models.PositiveIntegerField(default=0)
    threes = models.PositiveIntegerField(default=0)
    fours = models.PositiveIntegerField(default=0)
    fives = models.PositiveIntegerField(default=0)
    reviewed_at = models.DateTimeField(default=timezone.now)  # last change

    class Meta:
        constraints = [models.UniqueConstraint(fields=["repo", "commit_oid"], name="tally_once")]
        indexes = [models.Index(fields=["repo", "-reviewed_at"], name="tallies_by_date")]

    def __str__(self) -> str:
        return f"{self.repo_id}@{self.commit_oid[:8]}"

    @property
    def counts(self) -> tuple[int, int, int, int, int]:
        """From one star to five."""
        return self.ones, self.twos, self.threes, self.fours, self.fives
