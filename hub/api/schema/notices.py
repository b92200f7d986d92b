"""Notices, what is watched, and settings (hub-api §23)."""

from __future__ import annotations

from community.enums import Digest, NoticeKind, Reason, WatchLevel
from hub.api.schema.operations import (
    Query,
    anything,
    choice,
    describe,
    flag,
    many,
    moment,
    number,
    shape,
    text,
    texts,
)
from hub.api.views import notices

_GROUP = "Notifications"
_NOTICE = shape(
    "Notification",
    id=text(),
    type=choice(NoticeKind.values),
    reason=choice(Reason.values),
    read=flag(),
    numUnread=number(),
    createdAt=moment(),
    updatedAt=moment(),
    text=text("What happened, in words."),
    url=text("Where to read on."),
    actor=anything(optional=True),
    repo=anything(optional=True),
    discussion=anything(optional=True),
)
_SETTINGS = {
    "digest": choice(Digest.values, optional=True),
    "quiet": flag("No number on the bell, no mail.", optional=True),
    "types": anything("By type: web (true or false) and mail (off, digest or once).", optional=True),
}
_WATCHED = shape(
    "WatchedByYou", type=choice(["repo", "user", "org"]), id=text(), name=text(), level=choice(WatchLevel.values)
)
_SUBJECT = shape(
    "WatchSubject",
    type=choice(["repo", "user", "org"]),
    id=text("An id, a name, or models/ns/x."),
    level=choice(WatchLevel.values, "all without it.", optional=True),
)
_IDS = {
    "discussionIds": texts("At most 500.", optional=True),
    "notificationIds": texts("At most 500.", optional=True),
}

describe(
    notices.list_own,
    "List what happened",
    _GROUP,
    access="person",
    query=(
        Query("p", "Page, from 0.", "integer"),
        Query("readStatus", "Which.", choices=("all", "unread")),
        Query("repoType", "Of this kind of repository."),
        Query("repoName", "Of this repository: ns/name."),
        Query("mention", "Only where you are mentioned.", "boolean"),
        Query("lastUpdate", "Only what happened since."),
    ),
    answer=shape("Notifications", notifications=many(_NOTICE), count=anything("all, unread, view"), start=number()),
)
describe(
    notices.mark,
    "Mark as read, or as unread again",
    _GROUP,
    access="person",
    query=(Query("applyToAll", "All of them.", "boolean"),),
    request=shape("MarkAsRead", read=flag("true without it.", optional=True), **_IDS),
    answer=shape("Marked", changed=number()),
)
describe(
    notices.delete,
    "Take threads out of the inbox",
    _GROUP,
    access="person",
    request=shape("DeleteNotifications", discussionIds=texts("At most 500.")),
    answer=shape("NotificationsDeleted", deleted=number()),
)
describe(
    notices.show_settings,
    "Show where you hear of what",
    _GROUP,
    access="person",
    answer=shape("NotificationSettings", **_SETTINGS),
)
describe(
    notices.change_settings,
    "Choose where you hear of what",
    _GROUP,
    access="person",
    request=shape("ChangeNotificationSettings", **_SETTINGS),
    answer=shape("NotificationSettingsNow", **_SETTINGS),
)
describe(notices.list_watched, "List what you watch", _GROUP, access="person", answer=_WATCHED, many=True)
describe(
    notices.change_watched,
    "Watch, or stop watching",
    _GROUP,
    access="person",
    request=shape("ChangeWatched", add=many(_SUBJECT, optional=True), delete=many(_SUBJECT, optional=True)),
    answer=_WATCHED,
    many=True,
)
