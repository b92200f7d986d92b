"""Routes of the OAuth and OpenID provider for programs; included by ``hub.api.urls``."""

from __future__ import annotations

from django.urls import path

from hub.api.routing import api
from hub.api.views import oauth

urlpatterns = [
    path(".well-known/openid-configuration", api(GET=oauth.configuration), name="openid_configuration"),
    path("oauth/jwks", api(GET=oauth.jwks), name="jwks"),
    path("oauth/device", api(GET=oauth.device_page, POST=oauth.start_device), name="device_code"),
    path("oauth/token", api(POST=oauth.token), name="oauth_token"),
    path("oauth/revoke", api(POST=oauth.revoke), name="oauth_revoke"),
    path("oauth/userinfo", api(GET=oauth.userinfo, POST=oauth.userinfo), name="userinfo"),
]
