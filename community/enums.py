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


class Emoji(models.TextChoices):
    """What people answer a comment with; the words are what a screen reader says."""

    THUMBS_UP = "thumbs-up", _("Thumbs up")
    THUMBS_DOWN = "thumbs-down", _("Thumbs down")
    LAUGH = "laugh", _("Laugh")
    HOORAY = "hooray", _("Hooray")
    CONFUSED = "confused", _("Confused")
    HEART = "heart", _("Heart")
    ROCKET = "rocket", _("Rocket")
    EYES = "eyes", _("Eyes")

    @property
    def symbol(self) -> str:
        return _SYMBOLS[self.value]


_SYMBOLS = {
    "thumbs-up": "👍",
    "thumbs-down": "👎",
    "laugh": "😄",
    "hooray": "🎉",
    "confused": "😕",
    "heart": "❤️",
    "rocket": "🚀",
    "eyes": "👀",
}


class DiffSide(models.TextChoices):
    OLD = "old", _("before")
    NEW = "new", _("after")


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


class Outcome(models.TextChoices):
    """Whether a version did what its reviewer wanted of it."""

    WORKED = "worked", _("Worked")
    FAILED = "failed", _("Failed")


class ReviewSort(models.TextChoices):
    HELPFUL = "helpful", _("Most helpful")
    NEWEST = "newest", _("Newest")


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


class WatchLevel(models.TextChoices):
    """How much a person hears of a repo or an owner; of a thread, all or nothing."""

    PARTICIPATING = "participating", _("Taking part and mentions")
    ALL = "all", _("Everything")
    IGNORE = "ignore", _("Nothing")


class NoticeKind(models.TextChoices):
    """What happened; people choose by kind where they hear of it."""

    MENTION = "mention", _("Somebody mentions you")
    COMMENT = "comment", _("Comments")
    DISCUSSION = "discussion", _("New discussions")
    PULL_REQUEST = "pull_request", _("New pull requests")
    STATUS = "status", _("Closed, reopened and merged")
    REVIEW = "review", _("Reviews")
    ACCESS_REQUEST = "access_request", _("Requests for access to your repositories")
    ACCESS_DECISION = "access_decision", _("Decisions on your own requests for access")
    FOLLOWER = "follower", _("New followers")
    LIKE = "like", _("Likes of your repositories")
    MODERATION = "moderation", _("Decisions of moderators")


class Reason(models.TextChoices):
    """Why somebody hears of it, the strongest first: a thread keeps the strongest until it is read."""

    MENTION = "mention", _("mentioned")
    ACCESS = "access", _("access")
    MODERATION = "moderation", _("moderation")
    AUTHOR = "author", _("author")
    REVIEW = "review", _("review")
    PARTICIPATING = "participating", _("taking part")
    WATCHING = "watching", _("watching")
    FOLLOW = "follow", _("followers")
    LIKE = "like", _("likes")


class MailChoice(models.TextChoices):
    OFF = "off", _("No mail")
    DIGEST = "digest", _("In the digest")
    ONCE = "once", _("At once")


class Digest(models.TextChoices):
    OFF = "off", _("None")
    DAILY = "daily", _("Every day")
    WEEKLY = "weekly", _("Every week")


class StoryKind(models.TextChoices):
    """What a feed and the activity of a profile tell."""

    REPO = "repo", _("published")
    VERSION = "version", _("tagged a version of")
    UPDATE = "update", _("changed")
    DISCUSSION = "discussion", _("opened a discussion about")
    PULL_REQUEST = "pull_request", _("opened a pull request for")
    LIKE = "like", _("likes")
    REVIEW = "review", _("reviewed")
    COLLECTION = "collection", _("made a collection")


class TargetKind(models.TextChoices):
    """What can be reported, by its id; ``community.targets`` finds each."""

    REPO = "repo", _("Repository")
    DISCUSSION = "discussion", _("Discussion")
    COMMENT = "comment", _("Comment")
    USER = "user", _("Person")
    ORGANIZATION = "org", _("Organization")
    COLLECTION = "collection", _("Collection")
    REVIEW = "review", _("Review")


class ReportCategory(models.TextChoices):
    SPAM = "spam", _("Spam or advertising")
    HARASSMENT = "harassment", _("Harassment or hate")
    MALICIOUS = "malicious", _("Malicious code or files")
    ILLEGAL = "illegal", _("Illegal content")
    COPYRIGHT = "copyright", _("Copyright or licence")
    PRIVACY = "privacy", _("Personal data")
    IMPERSONATION = "impersonation", _("Pretends to be somebody else")
    OTHER = "other", _("Something else")


class CaseState(models.TextChoices):
    """Of reports and appeals."""

    OPEN = "open", _("Open")
    ACCEPTED = "accepted", _("Accepted")
    REJECTED = "rejected", _("Rejected")


class MeasureKind(models.TextChoices):
    """What moderators do; all but a warning can be undone."""

    WARN = "warn", _("Warning")
    HIDE = "hide", _("Hidden")
    LOCK = "lock", _("Locked")
    SUSPEND = "suspend", _("Suspended")
    QUARANTINE = "quarantine", _("Quarantined")


class HeldState(models.TextChoices):
    WAITING = "waiting", _("Waiting")
    RELEASED = "released", _("Published")
    REJECTED = "rejected", _("Rejected")
