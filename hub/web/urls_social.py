"""Routes of notices, the feed and collections; included by ``hub.web.urls`` before the catch-alls."""

from __future__ import annotations

from django.urls import path

from hub.web.views import collections, notices, social

urlpatterns = [
    path("notifications", notices.inbox, name="notifications"),
    path("notifications/count", notices.unread_count, name="unread_count"),
    path("notifications/unsubscribe/<str:token>", notices.unsubscribe, name="unsubscribe"),
    path("notifications/<str:object_id>", notices.open_notice, name="open_notice"),
    path("settings/notifications", notices.settings_notifications, name="settings_notifications"),
    path("feed", social.feed, name="feed"),
    path("-/follow/<namespace:name>", social.follow, name="follow"),
    path("-/pins/<namespace:name>", social.pins, name="pins"),
    path("collections", collections.collection_list, name="collections"),
    path("collections/new", collections.collection_new, name="collection_new"),
    path("collections/add", collections.collection_add, name="collection_add"),
    path("collections/<namespace:owner>/<str:slug>", collections.collection, name="collection"),
    path("collections/<namespace:owner>/<str:slug>/edit", collections.collection_edit, name="collection_edit"),
    path("-/watch/<namespace:name>", notices.watch_owner, name="watch_owner"),
]
