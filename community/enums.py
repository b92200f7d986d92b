"""States of a discussion and kinds of its events; the words of the wire (hub-api §18)."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class Status(models.TextChoices):
    """Discussions are open or closed; pull requests begin as drafts, or open, and end closed or merged."""

    DRAFT = "draft", _("Draft")
    OPEN = "open", _("Open")
    CLOSED = "closed", _("Closed")
    MERGED = "merged", _("Merged")

    @property
    def is_active(self) -> bool:
        return self in (Status.DRAFT, Status.OPEN)


class EventKind(models.TextChoices):
    COMMENT = "comment", _("Comment")
    STATUS_CHANGE = "status-change", _("Status change")
    TITLE_CHANGE = "title-change", _("Title change")
    COMMIT = "commit", _("Commit")
    PIN = "pin", _("Pinned")
    LOCK = "lock", _("Locked")
    REF_DELETED = "ref-deleted", _("Files removed")


class DiscussionType(models.TextChoices):
    """What a list shows."""

    ALL = "all", _("All")
    DISCUSSION = "discussion", _("Discussions")
    PULL_REQUEST = "pull_request", _("Pull requests")


class StatusFilter(models.TextChoices):
    """Open holds drafts, closed holds what was merged."""

    ALL = "all", _("All")
    OPEN = "open", _("Open")
    CLOSED = "closed", _("Closed")


class Sort(models.TextChoices):
    RECENT = "recently-created", _("Recently created")
    TRENDING = "trending", _("Most talked about")
    REACTIONS = "reactions", _("Most reactions")


class CollectionTheme(models.TextChoices):
    ORANGE = "orange", _("Orange")
    BLUE = "blue", _("Blue")
    GREEN = "green", _("Green")
    PURPLE = "purple", _("Purple")
    PINK = "pink", _("Pink")
    INDIGO = "indigo", _("Indigo")


class ItemKind(models.TextChoices):
    """What a collection may hold."""

    MODEL = "model", _("Model")
    DATASET = "dataset", _("Dataset")
    SPACE = "space", _("Space")
    PAPER = "paper", _("Paper")
    COLLECTION = "collection", _("Collection")


class WatchedKind(models.TextChoices):
    """What a webhook may watch; there are no buckets and no jobs here, but their names are taken."""

    MODEL = "model", _("Model")
    DATASET = "dataset", _("Dataset")
    SPACE = "space", _("Space")
    KERNEL = "kernel", _("Kernel")
    BUCKET = "bucket", _("Bucket")
    USER = "user", _("User")
    ORGANIZATION = "org", _("Organization")


class DeliveryState(models.TextChoices):
    WAITING = "waiting", _("Waiting")
    DELIVERED = "delivered", _("Delivered")
    FAILED = "failed", _("Failed")
    DROPPED = "dropped", _("Dropped")
