"""What people say and do about repos."""

from community.models.collections import Collection, CollectionItem, CollectionUpvote
from community.models.moderation import Appeal, Block, HeldPost, ModerationAction, Report
from community.models.notices import Happening, Notification, NotificationPreference, NotificationSetting, Watch
from community.models.people import Follow, Like, Pin
from community.models.responses import LineAnchor, Reaction
from community.models.reviews import HelpfulVote, Review, ReviewReply, ReviewRevision, Tally
from community.models.threads import Attachment, CommentRevision, Discussion, Event
from community.models.webhooks import Delivery, WatchedItem, Webhook

__all__ = [
    "Appeal",
    "Attachment",
    "Block",
    "Collection",
    "CollectionItem",
    "CollectionUpvote",
    "CommentRevision",
    "Delivery",
    "Discussion",
    "Event",
    "Follow",
    "Happening",
    "HeldPost",
    "HelpfulVote",
    "Like",
    "LineAnchor",
    "ModerationAction",
    "Notification",
    "NotificationPreference",
    "NotificationSetting",
    "Pin",
    "Reaction",
    "Report",
    "Review",
    "ReviewReply",
    "ReviewRevision",
    "Tally",
    "Watch",
    "WatchedItem",
    "Webhook",
]
