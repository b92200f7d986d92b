"""API routes about people, organizations and credentials; included by ``hub.api.urls``."""

from __future__ import annotations

from django.urls import path, re_path

from hub.api.views import whoami

urlpatterns = [
    path("api/whoami-v2", whoami.whoami, name="whoami"),
    path("api/credentials/revoke", whoami.revoke_credentials, name="revoke_credentials"),
    path("api/users/<str:name>/overview", whoami.user_overview, name="user_overview"),
    path("api/organizations/<str:name>/overview", whoami.organization_overview, name="organization_overview"),
    path("api/organizations/<str:name>/members", whoami.organization_members, name="organization_members"),
    path("api/organizations/<str:name>/members/<str:member>/role", whoami.member_role, name="organization_member_role"),
    re_path(r"^api/(?P<kind>users|organizations)/(?P<name>[^/]+)/followers$", whoami.no_followers, name="followers"),
    re_path(r"^api/(?P<kind>users)/(?P<name>[^/]+)/following$", whoami.no_followers, name="following"),
    re_path(r"^api/(?P<kind>users|organizations)/(?P<name>[^/]+)/avatar$", whoami.avatar, name="avatar_of"),
    path("api/avatars/<str:name>", whoami.avatar_redirect, name="avatar_redirect"),
]
