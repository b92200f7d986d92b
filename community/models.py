"""What people say and do about repos."""

from django.db import models
from django.utils import timezone

from hub.accounts.models import User
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
