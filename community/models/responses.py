"""What is said about what was said: reactions to comments, and comments on a line of a pull request."""

from django.db import models
from django.utils import timezone

from community.enums import DiffSide, Emoji
from community.models.threads import Event
from hub.accounts.models import User


class Reaction(models.Model):
    """One person's emoji at one comment."""

    event = models.ForeignKey(Event, on_delete=models.CASCADE, related_name="reactions")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    emoji = models.CharField(max_length=12, choices=Emoji.choices)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["event", "user", "emoji"], name="reaction_once")]

    def __str__(self) -> str:
        return f"{self.emoji} of {self.user_id} at {self.event_id}"


class LineAnchor(models.Model):
    """The line of a diff that a comment speaks of, as it was when it was written."""

    event = models.OneToOneField(Event, on_delete=models.CASCADE, related_name="anchor")
    path = models.CharField(max_length=1024)
    side = models.CharField(max_length=3, choices=DiffSide.choices)
    line = models.PositiveIntegerField()  # from 1, in the file of ``oid``
    oid = models.CharField(max_length=40)  # the commit that holds the line: the head, or where the head left its base
    head_oid = models.CharField(max_length=40)  # what the pull request was then
    text = models.CharField(max_length=400, blank=True)  # the line itself, for when it is gone

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"
