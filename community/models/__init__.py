"""What people say and do about repos."""

from community.models.collections import Collection, CollectionItem, CollectionUpvote
from community.models.notices import Happening, Notification, NotificationPreference, NotificationSetting, Watch
from community.models.people import Follow, Like, Pin
from community.models.responses import LineAnchor, Reaction
from community.models.reviews import HelpfulVote, Review, ReviewReply, ReviewRevision, Tally
from community.models.threads import Attachment, CommentRevision, Discussion, Event
from community.models.webhooks import Delivery, WatchedItem, Webhook

__all__ = [
    "Attachment",
    "Collection",
    "CollectionItem",
    "CollectionUpvote",
    "CommentRevision",
    "Delivery",
    "Discussion",
    "Event",
    "Follow",
    "Happening",
    "HelpfulVote",
    "Like",
    "LineAnchor",
    "Notification",
    "NotificationPreference",
    "NotificationSetting",
    "Pin",
    "Reaction",
    "Review",
    "ReviewReply",
    "ReviewRevision",
    "Tally",
    "Watch",
    "WatchedItem",
    "Webhook",
]
