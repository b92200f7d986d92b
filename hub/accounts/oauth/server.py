"""oauthlib's provider over allauth's validator, with our rows behind it.

request → oauthlib (grants, PKCE, OpenID) → Validator (allauth: clients, id tokens; here: codes and tokens)
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from allauth.core import context
from allauth.idp.oidc.internal.oauthlib.request_validator import OAuthLibRequestValidator
from allauth.idp.oidc.models import Client
from django.utils import timezone
from oauthlib.common import Request
from oauthlib.oauth2.rfc6749.errors import InvalidGrantError
from oauthlib.openid import Server

from hub.accounts.auth import OAUTH_PREFIX, REFRESH_PREFIX, digest, generate_secret
from hub.accounts.models import AccessToken, AuthorizationCode
from hub.accounts.oauth import tokens
from hub.accounts.oauth.scopes import in_order

CODE_LIFE: Final = timedelta(seconds=60)
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class Validator(OAuthLibRequestValidator):
    """One for each request: it remembers the code or token that the request is about."""

    def __init__(self) -> None:
        super().__init__()
        self._code: AuthorizationCode | None = None
        self._former: AccessToken | None = None

    # --- the request for consent -------------------------------------------------------------------------------------

    def validate_redirect_uri(self, client_id: str, redirect_uri: str, request: Request, *args: Any, **kw: Any) -> bool:
        return is_redirect_uri_allowed(redirect_uri, request.client.get_redirect_uris())

    def validate_silent_authorization(self, request: Request) -> bool:
        return tokens.has_consented(context.request.user, request.client, request.scopes)

    def save_authorization_code(
        self, client_id: str, code: dict[str, Any], request: Request, *a: Any, **kw: Any
    ) -> None:
        AuthorizationCode.objects.create(
            digest=digest(code["code"]),
            application=request.client,
            user=request.user,
            redirect_uri=request.redirect_uri,
            scopes=in_order(request.scopes),
            nonce=getattr(request, "nonce", None) or "",
            code_challenge=getattr(request, "code_challenge", None) or "",
            expires_at=timezone.now() + CODE_LIFE,
        )

    # --- the exchange of a code ---------------------------------------------------------------------------------------

    def validate_code(self, client_id: str, code: str, client: Any, request: Request, *args: Any, **kw: Any) -> bool:
        row = (
            AuthorizationCode.objects.select_for_update(of=("self",))
            .select_related("user")
            .filter(digest=digest(code), application=request.client)
            .first()
        )
        if row is None:
            return False
        if row.used_at is not None:  # somebody else has it too (RFC 6749 §4.1.2)
            tokens.end_sign_in(row.sign_in, actor=None, reason="replayed")
            return False
        if row.expires_at <= timezone.now() or not row.user.is_active:
            return False
        self._code = row
        request.user, request.scopes = row.user, list(row.scopes)
        if row.code_challenge:
            request.code_challenge, request.code_challenge_method = row.code_challenge, "S256"
        return True

    def _lookup_authorization_code(self, request: Request, client_id: str, code: str) -> dict[str, Any] | None:
        """In the form that the inherited methods read."""
        row = self._code or AuthorizationCode.objects.filter(digest=digest(code), application_id=client_id).first()
        if row is None or (request.code and row.digest != digest(request.code)):
            return None
        found: dict[str, Any] = {
            "redirect_uri": row.redirect_uri,
            "scopes": row.scopes,
            "code": {"nonce": row.nonce or None},
        }
        if row.code_challenge:
            found["pkce"] = {"code_challenge": row.code_challenge, "code_challenge_method": "S256"}
        return found

    def invalidate_authorization_code(self, client_id: str, code: str, request: Request, *args: Any, **kw: Any) -> None:
        """Compare and swap: of two exchanges at once, one is undone with its tokens."""
        if not AuthorizationCode.objects.filter(digest=digest(code), used_at=None).update(used_at=timezone.now()):
            raise InvalidGrantError

    # --- tokens -------------------------------------------------------------------------------------------------------

    def validate_refresh_token(self, refresh_token: str, client: Any, request: Request, *args: Any, **kw: Any) -> bool:
        self._former = tokens.find_for_refresh(refresh_token, request.client)
        if self._former is None:
            return False
        request.user = self._former.user
        return True

    def get_original_scopes(self, refresh_token: str, request: Request, *args: Any, **kw: Any) -> list[str]:
        return list(self._former.scopes) if self._former else []

    def rotate_refresh_token(self, request: Request) -> bool:
        return True

    def save_bearer_token(self, token: dict[str, Any], request: Request, *args: Any, **kw: Any) -> None:
        pair = tokens.Pair(token["access_token"], token.get("refresh_token", ""))
        sign_in = self._code.sign_in if self._code else ""
        if self._former is not None:
            tokens.retire(self._former)
            sign_in = self._former.sign_in
        tokens.record_pair(request.user, request.client, pair, scopes=in_order(request.scopes), sign_in=sign_in)

    def revoke_token(self, token: str, token_type_hint: str, request: Request, *args: Any, **kw: Any) -> None:
        tokens.end_by_secret(token, request.client)


def server() -> Server:
    """A provider for one request."""
    return Server(
        request_validator=Validator(),
        token_generator=lambda request: generate_secret(OAUTH_PREFIX),
        refresh_token_generator=lambda request: generate_secret(REFRESH_PREFIX),
        token_expires_in=int(tokens.ACCESS_LIFE.total_seconds()),
    )


def is_redirect_uri_allowed(uri: str, registered: list[str]) -> bool:
    """Exactly one of the registered ones (T10); for a program on the person's machine any port will do (RFC 8252)."""
    return uri in registered or any(_is_same_loopback(uri, known) for known in registered)


def _is_same_loopback(uri: str, known: str) -> bool:
    if "\\" in uri or not uri.isascii() or not uri.isprintable():
        return False
    try:
        given, expected = urlsplit(uri), urlsplit(known)
        return is_loopback(given) and is_loopback(expected) and _without_port(given) == _without_port(expected)
    except ValueError:  # a port that is no number
        return False


def is_loopback(uri: SplitResult) -> bool:
    """http to this machine, without a user name in it."""
    return uri.scheme == "http" and uri.hostname in _LOOPBACK and "@" not in uri.netloc


def _without_port(uri: SplitResult) -> tuple[str | None, str, str, str]:
    uri.port  # noqa: B018 -- raises ValueError for one that is none
    return uri.hostname, uri.path, uri.query, uri.fragment


def is_public(application: Client) -> bool:
    return application.type == Client.Type.PUBLIC
