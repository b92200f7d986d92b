"""What people like and whom they follow."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from hub.accounts.models import Namespace, Organization, User
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


class Pin(models.Model):
    """A repo that its owner shows first on their page."""

    namespace = models.ForeignKey(Namespace, on_delete=models.CASCADE, related_name="pins")
    repo = models.OneToOneField(Repo, on_delete=models.CASCADE, related_name="pin")
    position = models.PositiveSmallIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["namespace", "position"], name="pin_place_once")]

    def __str__(self) -> str:
        return f"{self.repo_id} on {self.namespace_id}"
