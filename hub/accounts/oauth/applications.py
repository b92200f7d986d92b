"""Applications that people register to let others sign in with their account here."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from allauth.idp.oidc.adapter import get_adapter
from allauth.idp.oidc.models import Client
from django.conf import settings
from django.db import transaction

from hub.accounts.models import AccessToken, User
from hub.accounts.oauth.scopes import SCOPES, in_order
from hub.accounts.oauth.server import is_loopback
from hub.accounts.services.audit import record
from hub.accounts.services.tokens import revoke_token
from hub.core.errors import BadRequest, Conflict, NotFound

MAX_APPLICATIONS: Final = 20
MAX_REDIRECTS: Final = 10
_MAX_URI_LENGTH: Final = 500
_GRANTS: Final = [Client.GrantType.AUTHORIZATION_CODE.value, Client.GrantType.REFRESH_TOKEN.value]


def create_application(
    user: User, *, name: str, redirect_uris: list[str], scopes: list[str], is_public: bool
) -> tuple[Client, str]:
    """Return the application and its secret, which nobody can read again; a public one has none ("").

    Raises:
        BadRequest: a field is malformed.
        Conflict: too many applications.
    """
    application = Client(owner=user, type=Client.Type.PUBLIC if is_public else Client.Type.CONFIDENTIAL)
    secret = _new_secret(application)
    _fill(application, name, redirect_uris, scopes)
    application.set_grant_types(_GRANTS)
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)
        if Client.objects.filter(owner=user).count() >= MAX_APPLICATIONS:
            raise Conflict(f"You have {MAX_APPLICATIONS} applications. Delete one that you no longer use.")
        application.save(force_insert=True)
        record("oauth.application_create", actor=user, target=application.id, name=application.name)
    return application, "" if is_public else secret


def _new_secret(application: Client) -> str:
    secret = get_adapter().generate_client_secret()
    application.set_secret(secret)
    return secret


def _fill(application: Client, name: str, redirect_uris: list[str], scopes: list[str]) -> None:
    application.name = clean_name(name)
    application.set_redirect_uris(clean_redirect_uris(redirect_uris))
    if set(scopes) - set(SCOPES):
        raise BadRequest("Unknown permission.", param="scopes")
    application.set_scopes(in_order({*scopes, "openid"}))
    application.set_default_scopes(["openid", "profile"] if "profile" in scopes else ["openid"])


def change_application(application: Client, *, name: str, redirect_uris: list[str], scopes: list[str]) -> Client:
    """Raises BadRequest."""
    with transaction.atomic():
        _fill(application, name, redirect_uris, scopes)
        application.save()
        record("oauth.application_change", actor=application.owner, target=application.id)
    return application


def renew_secret(application: Client) -> str:
    """Return a new secret; the old one stops at once. Raises BadRequest for a public application."""
    if application.type == Client.Type.PUBLIC:
        raise BadRequest("A public application has no secret.")
    with transaction.atomic():
        secret = _new_secret(application)
        application.save(update_fields=["secret"])
        record("oauth.application_secret", actor=application.owner, target=application.id)
    return secret


def delete_application(application: Client) -> None:
    """Everybody who signed in by it is signed out of it."""
    owner, identity = application.owner, application.id
    with transaction.atomic():
        for token in AccessToken.objects.filter(application=application, revoked_at__isnull=True):
            revoke_token(token, actor=owner, reason="application")
        application.delete()
        record("oauth.application_delete", actor=owner, target=identity)


def get_own_application(user: User, client_id: str) -> Client:
    """Raises NotFound for others' and missing ones (T33)."""
    application = Client.objects.filter(owner=user, pk=client_id).first()
    if application is None:
        raise NotFound
    return application


def applications_of(user: User) -> list[Client]:
    return list(Client.objects.filter(owner=user).order_by("name", "pk"))


def clean_name(name: str) -> str:
    name = " ".join(name.split())
    if not name or len(name) > 60 or not name.isprintable():
        raise BadRequest("Give the application a name of 1 to 60 characters.", param="name")
    return name


def clean_redirect_uris(uris: list[str]) -> list[str]:
    """Raises BadRequest."""
    if not 1 <= len(uris) <= MAX_REDIRECTS:
        raise BadRequest(f"Name 1 to {MAX_REDIRECTS} redirect addresses.", param="redirect_uris")
    for uri in uris:
        if not _is_fit_for_redirects(uri):
            raise BadRequest(
                "Redirect addresses are https://…, http:// to this machine, or a program's own scheme such as "
                "com.example.app:/callback, without fragment, user name and wildcard.",
                param="redirect_uris",
            )
    return list(dict.fromkeys(uris))


def _is_fit_for_redirects(uri: str) -> bool:
    if len(uri) > _MAX_URI_LENGTH or not uri.isascii() or not uri.isprintable() or set(uri) & set(' \\*#<>"'):
        return False
    try:
        parts = urlsplit(uri)
        parts.port  # noqa: B018 -- raises ValueError for one that is none
    except ValueError:
        return False
    if "@" in parts.netloc:
        return False
    if parts.scheme in {"http", "https"}:
        # A hub without TLS lives in a network of its own, and so do its applications.
        return bool(parts.hostname) and (parts.scheme == "https" or is_loopback(parts) or not settings.IS_HTTPS)
    # A scheme with a dot is a program's own (RFC 8252 §7.1); all that browsers run themselves have none.
    return "." in parts.scheme
