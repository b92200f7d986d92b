"""Tokens that the provider gives out: recorded as hashes, refreshed with rotation, ended by person or application.

A sign-in is a chain of access tokens, each with one refresh token.  A refresh token that is shown twice was copied:
the whole chain ends (RFC 9700 §4.14).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import structlog
from allauth.idp.oidc.models import Client
from django.db.models import Q, QuerySet
from django.utils import timezone

from hub.accounts.auth import OAUTH_PREFIX, REFRESH_PREFIX, digest, generate_secret
from hub.accounts.enums import TokenRole
from hub.accounts.models import AccessToken, User
from hub.accounts.services.audit import record
from hub.accounts.services.tokens import revoke_token
from hub.core.ids import new_object_id

#: Clients refresh when less than a day remains (hub-api §5.1); shorter lives would make every start a refresh.
ACCESS_LIFE: Final = timedelta(days=30)
REFRESH_LIFE: Final = timedelta(days=180)
#: After a refresh other processes of the same program still hold the former token for a while.
FORMER_LIFE: Final = timedelta(days=1)
#: Sign-ins of one person to one application that live at the same time; the oldest give way.
MAX_SIGN_INS: Final = 100

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Pair:
    """Secrets that are told once."""

    access: str
    refresh: str


def new_pair() -> Pair:
    return Pair(generate_secret(OAUTH_PREFIX), generate_secret(REFRESH_PREFIX))


def record_pair(
    user: User, application: Client, pair: Pair, *, scopes: list[str], sign_in: str = "", name: str = ""
) -> AccessToken:
    """Store a new pair; without ``sign_in`` it begins a chain.  The caller holds the transaction."""
    token = AccessToken.objects.create(
        user=user,
        name=(name or application.name)[:100],
        role=TokenRole.OAUTH,
        scopes=scopes,
        application=application,
        sign_in=sign_in or new_object_id(),
        prefix=OAUTH_PREFIX,
        last_four=pair.access[-4:],
        digest=digest(pair.access),
        refresh_digest=digest(pair.refresh) if pair.refresh else None,
        expires_at=timezone.now() + ACCESS_LIFE,
    )
    _drop_oldest(user, application)
    record("oauth.token", actor=user, target=application.id, sign_in=token.sign_in, scopes=scopes)
    return token


def _drop_oldest(user: User, application: Client) -> None:
    surplus = (
        sign_ins_of(user)
        .filter(application=application, refreshed_at__isnull=True)
        .order_by("-created_at", "-pk")[MAX_SIGN_INS : MAX_SIGN_INS + 10]
    )
    for token in surplus:
        revoke_token(token, actor=user, reason="replaced")


def find_for_refresh(secret: str, application: Client) -> AccessToken | None:
    """The token that this refresh token renews, locked; None if it is unknown, used, too old or revoked.

    A used one ends its chain.
    """
    token = (
        AccessToken.objects.select_for_update(of=("self",))
        .select_related("user")
        .filter(refresh_digest=digest(secret), application=application)
        .first()
    )
    if token is None or token.revoked_at is not None or not token.user.is_active:
        return None
    if token.refreshed_at is not None:
        log.warning("refresh_token_replayed", token_id=token.object_id, user_id=token.user_id)
        end_sign_in(token.sign_in, actor=None, reason="replayed")
        return None
    return token if token.created_at + REFRESH_LIFE > timezone.now() else None


def retire(token: AccessToken) -> None:
    """Mark a token as refreshed: its refresh token is used up and it ends within a day itself."""
    now = timezone.now()
    token.refreshed_at = now
    token.expires_at = min(token.expires_at or now + FORMER_LIFE, now + FORMER_LIFE)
    token.save(update_fields=["refreshed_at", "expires_at"])


def end_sign_in(sign_in: str, *, actor: User | None, reason: str) -> None:
    for token in AccessToken.objects.filter(sign_in=sign_in, revoked_at__isnull=True):
        revoke_token(token, actor=actor, reason=reason)


def end_by_secret(secret: str, application: Client) -> None:
    """An application gives a token back, of either kind (RFC 7009); an unknown one is nothing to tell about."""
    token = AccessToken.objects.filter(
        Q(digest=digest(secret)) | Q(refresh_digest=digest(secret)), application=application
    ).first()
    if token is not None:
        end_sign_in(token.sign_in, actor=token.user, reason="application")


def end_access(user: User, application: Client) -> None:
    """A person withdraws what they allowed an application."""
    for token in AccessToken.objects.filter(user=user, application=application, revoked_at__isnull=True):
        revoke_token(token, actor=user)
    record("oauth.withdraw", actor=user, target=application.id)


def sign_ins_of(user: User) -> QuerySet[AccessToken]:
    """Tokens of applications that work now or can be refreshed."""
    now = timezone.now()
    alive = Q(expires_at__gt=now) | Q(refreshed_at__isnull=True, created_at__gt=now - REFRESH_LIFE)
    return AccessToken.objects.filter(alive, user=user, role=TokenRole.OAUTH, revoked_at__isnull=True)


def has_consented(user: User, application: Client, scopes: list[str]) -> bool:
    """Whether a sign-in that is alive covers these scopes already."""
    granted = sign_ins_of(user).filter(application=application).values_list("scopes", flat=True)
    return any(set(scopes) <= set(earlier) for earlier in granted[: MAX_SIGN_INS * 2])


def token_answer(pair: Pair, scopes: list[str]) -> dict[str, Any]:
    """The body of a token response (RFC 6749 §5.1)."""
    return {
        "access_token": pair.access,
        "token_type": "bearer",
        "expires_in": int(ACCESS_LIFE.total_seconds()),
        "refresh_token": pair.refresh,
        "scope": " ".join(scopes),
    }
