"""Routes of notices, the feed and collections; included by ``hub.web.urls`` before the catch-alls."""

from __future__ import annotations

from django.urls import path

from hub.web.views import notices

urlpatterns = [
    path("notifications", notices.inbox, name="notifications"),
    path("notifications/count", notices.unread_count, name="unread_count"),
    path("notifications/unsubscribe/<str:token>", notices.unsubscribe, name="unsubscribe"),
    path("notifications/<str:object_id>", notices.open_notice, name="open_notice"),
    path("settings/notifications", notices.settings_notifications, name="settings_notifications"),
    path("-/watch/<namespace:name>", notices.watch_owner, name="watch_owner"),
]
