"""Routes of people, organizations and tokens; included by ``hub.web.urls``.  allauth has its own under /accounts/."""

from __future__ import annotations

from django.urls import path, register_converter

from hub.core.ids import RESERVED_NAMES
from hub.web.views import accounts, avatars, oauth, organizations, profile, tokens, webhooks


class NamespaceConverter:
    """A first path segment that can be a user or organization: reserved words fall through to other routes."""

    regex = r"[A-Za-z0-9][A-Za-z0-9_-]{1,41}"

    def to_python(self, value: str) -> str:
        if value.lower() in RESERVED_NAMES:
            raise ValueError
        return value

    def to_url(self, value: str) -> str:
        return value


register_converter(NamespaceConverter, "namespace")

urlpatterns = [
    path("account/name-check", accounts.name_check, name="name_check"),
    path("avatars/<str:name>", avatars.avatar, name="avatar"),
    path("settings", accounts.settings_home, name="settings"),
    path("settings/profile", profile.settings_profile, name="settings_profile"),
    path("settings/account", accounts.settings_account, name="settings_account"),
    path("settings/account/language", accounts.set_language, name="settings_language"),
    path("settings/account/delete", accounts.account_delete, name="account_delete"),
    path("settings/organizations", organizations.settings_organizations, name="settings_organizations"),
    path(
        "settings/organizations/invitations/<int:invitation_pk>",
        organizations.invitation_answer,
        name="invitation_answer",
    ),
    path("settings/tokens", tokens.settings_tokens, name="settings_tokens"),
    path("settings/tokens/new", tokens.token_new, name="token_new"),
    path("settings/tokens/<str:object_id>", tokens.token_detail, name="token_detail"),
    path("settings/tokens/<str:object_id>/rename", tokens.token_rename, name="token_rename"),
    path("settings/tokens/<str:object_id>/rotate", tokens.token_rotate, name="token_rotate"),
    path("settings/tokens/<str:object_id>/revoke", tokens.token_revoke, name="token_revoke"),
    path("settings/applications", oauth.settings_applications, name="settings_applications"),
    path("settings/applications/new", oauth.application_new, name="application_new"),
    path("settings/applications/<str:client_id>", oauth.application_detail, name="application_detail"),
    path("settings/applications/<str:client_id>/secret", oauth.application_secret, name="application_secret"),
    path("settings/applications/<str:client_id>/delete", oauth.application_delete, name="application_delete"),
    path("settings/applications/<str:client_id>/withdraw", oauth.application_withdraw, name="application_withdraw"),
    path("settings/webhooks", webhooks.settings_webhooks, name="settings_webhooks"),
    path("settings/webhooks/new", webhooks.webhook_new, name="webhook_new"),
    path("settings/webhooks/<str:webhook_id>", webhooks.webhook_detail, name="webhook_detail"),
    path("settings/webhooks/<str:webhook_id>/switch", webhooks.webhook_switch, name="webhook_switch"),
    path("settings/webhooks/<str:webhook_id>/delete", webhooks.webhook_delete, name="webhook_delete"),
    path("settings/webhooks/<str:webhook_id>/replay/<str:delivery_id>", webhooks.webhook_replay, name="webhook_replay"),
    path("device", oauth.device_page, name="device"),
    path("oauth/authorize", oauth.authorize, name="oauth_authorize"),
    path("organizations/new", organizations.org_new, name="org_new"),
    path("organizations/<namespace:name>/settings", organizations.org_settings, name="org_settings"),
    path("organizations/<namespace:name>/delete", organizations.org_delete, name="org_delete"),
    path("organizations/<namespace:name>/leave", organizations.org_leave, name="org_leave"),
    path("organizations/<namespace:name>/members", organizations.org_members, name="org_members"),
    path(
        "organizations/<namespace:name>/members/<namespace:member>/role",
        organizations.org_member_role,
        name="org_member_role",
    ),
    path(
        "organizations/<namespace:name>/members/<namespace:member>/remove",
        organizations.org_member_remove,
        name="org_member_remove",
    ),
    path(
        "organizations/<namespace:name>/invitations/<int:invitation_pk>/withdraw",
        organizations.invitation_withdraw,
        name="invitation_withdraw",
    ),
    path("join", organizations.invitation, name="invitation"),
    path("join/<str:secret>", organizations.invitation_link, name="invitation_link"),
    path("<namespace:name>", profile.profile, name="profile"),
]
