"""API routes about people, organizations and credentials; included by ``hub.api.urls``."""

from __future__ import annotations

from django.urls import path, re_path

from hub.api.routing import api
from hub.api.views import people, whoami

#: Revoking has no limit that answers: whoever finds a leaked token is always told 202 (T26).
urlpatterns = [
    path("api/whoami-v2", api(GET=whoami.whoami), name="whoami"),
    path("api/credentials/revoke", whoami.revoke_credentials, name="revoke_credentials"),
    path("api/users/<str:name>/overview", api(GET=whoami.user_overview), name="user_overview"),
    path("api/organizations/<str:name>/overview", api(GET=whoami.organization_overview), name="organization_overview"),
    path("api/organizations/<str:name>/members", api(GET=whoami.organization_members), name="organization_members"),
    path(
        "api/organizations/<str:name>/members/<str:member>/role",
        api(PUT=whoami.member_role),
        name="organization_member_role",
    ),
    re_path(
        r"^api/(?P<kind>users|organizations)/(?P<name>[^/]+)/followers$", api(GET=people.followers), name="followers"
    ),
    re_path(r"^api/(?P<kind>users)/(?P<name>[^/]+)/following$", api(GET=people.following), name="following"),
    re_path(
        r"^api/(?P<kind>users|organizations)/(?P<name>[^/]+)/follow$",
        api(POST=people.follow, DELETE=people.follow),
        name="follow",
    ),
    re_path(r"^api/(?P<kind>users|organizations)/(?P<name>[^/]+)/socials$", api(GET=people.socials), name="socials"),
    re_path(r"^api/(?P<kind>users|organizations)/(?P<name>[^/]+)/avatar$", api(GET=whoami.avatar), name="avatar_of"),
    path("api/avatars/<str:name>", api(GET=whoami.avatar_redirect), name="avatar_redirect"),
]
