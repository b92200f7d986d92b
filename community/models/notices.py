"""What people watch, what they are told, and how."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from community.enums import Digest, MailChoice, NoticeKind, Reason, WatchLevel
from community.models.threads import Discussion, Event
from hub.accounts.models import Namespace, User
from hub.core.ids import new_object_id
from hub.repos.models import Repo


class Watch(models.Model):
    """How much a person hears of a repo, of all repos of an owner, or of one thread (there ``ignore`` mutes)."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="watches")
    repo = models.ForeignKey(Repo, null=True, blank=True, on_delete=models.CASCADE, related_name="watches")
    namespace = models.ForeignKey(Namespace, null=True, blank=True, on_delete=models.CASCADE, related_name="watches")
    discussion = models.ForeignKey(Discussion, null=True, blank=True, on_delete=models.CASCADE, related_name="watches")
    level = models.CharField(max_length=13, choices=WatchLevel.choices)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "repo"], name="watch_repo_once"),
            models.UniqueConstraint(fields=["user", "namespace"], name="watch_namespace_once"),
            models.UniqueConstraint(fields=["user", "discussion"], name="watch_discussion_once"),
            models.CheckConstraint(
                condition=Q(repo__isnull=False, namespace__isnull=True, discussion__isnull=True)
                | Q(repo__isnull=True, namespace__isnull=False, discussion__isnull=True)
                | Q(repo__isnull=True, namespace__isnull=True, discussion__isnull=False),
                name="watch_one",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} watches {self.repo_id or self.namespace_id or self.discussion_id}: {self.level}"


class Happening(models.Model):
    """Something that people are yet to be told of.  This row is the work; it goes when its notices are written."""

    kind = models.CharField(max_length=16, choices=NoticeKind.choices)
    actor = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    repo = models.ForeignKey(Repo, null=True, on_delete=models.CASCADE, related_name="+")
    discussion = models.ForeignKey(Discussion, null=True, on_delete=models.CASCADE, related_name="+")
    event = models.ForeignKey(Event, null=True, on_delete=models.CASCADE, related_name="+")
    # Keys of the people to tell; null: whoever watches or takes part, found when the notices are written.
    recipients = models.JSONField(null=True)
    group = models.CharField(max_length=60, blank=True)  # what shares it is one notice
    title = models.CharField(max_length=200, blank=True)
    text = models.CharField(max_length=500, blank=True)
    href = models.CharField(max_length=300, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"


class Notification(models.Model):
    """What one person is told of one thing. All that happens in a thread is one row, which becomes unread again."""

    object_id = models.CharField(max_length=24, unique=True, default=new_object_id, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="notifications")
    group = models.CharField(max_length=60)
    kind = models.CharField(max_length=16, choices=NoticeKind.choices)  # of what happened last
    reason = models.CharField(max_length=13, choices=Reason.choices)
    actor = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    # Whether its reader may still see these is asked whenever it is shown or mailed (T38).
    repo = models.ForeignKey(Repo, null=True, on_delete=models.CASCADE, related_name="+")
    discussion = models.ForeignKey(Discussion, null=True, on_delete=models.CASCADE, related_name="+")
    event = models.ForeignKey(Event, null=True, on_delete=models.SET_NULL, related_name="+")  # where to read on
    title = models.CharField(max_length=200, blank=True)
    text = models.CharField(max_length=500, blank=True)
    href = models.CharField(max_length=300, blank=True)
    num_unread = models.PositiveIntegerField(default=1)
    is_shown = models.BooleanField(default=True)  # in the inbox; those for mail alone are not
    is_for_digest = models.BooleanField(default=False)
    mail_at = models.DateTimeField(null=True, blank=True)  # a mail of its own is due, about this:
    mail_event = models.ForeignKey(Event, null=True, on_delete=models.SET_NULL, related_name="+")
    read_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "group"], name="notification_group_once")]
        indexes = [
            models.Index(fields=["user", "-updated_at", "-id"], name="notifications_of_user"),
            models.Index(fields=["user"], condition=Q(read_at__isnull=True), name="notifications_unread"),
            models.Index(fields=["mail_at"], condition=Q(mail_at__isnull=False), name="notifications_to_mail"),
            models.Index(fields=["updated_at"], name="notifications_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} for {self.user_id}"

    @property
    def is_unread(self) -> bool:
        return self.read_at is None


class NotificationSetting(models.Model):
    """What a person chose for one kind; without a row the defaults hold."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="notification_settings")
    kind = models.CharField(max_length=16, choices=NoticeKind.choices)
    is_shown = models.BooleanField()
    mail = models.CharField(max_length=6, choices=MailChoice.choices)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "kind"], name="notification_setting_once")]

    def __str__(self) -> str:
        return f"{self.kind} of {self.user_id}: {self.is_shown}, {self.mail}"


class NotificationPreference(models.Model):
    """What holds for all kinds of a person's notices."""

    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="notification_preference")
    digest = models.CharField(max_length=6, choices=Digest.choices, default=Digest.OFF)
    is_quiet = models.BooleanField(default=False)  # no number on the bell and no mail, until it is switched off
    digest_at = models.DateTimeField(default=timezone.now)  # up to when the last digest told

    class Meta:
        indexes = [models.Index(fields=["digest", "digest_at"], name="digests_due")]

    def __str__(self) -> str:
        return f"{self.user_id}: {self.digest}"
