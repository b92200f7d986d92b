"""Tokens of the content-addressed store: signed, stateless, bound to a repo, a ref, a dedup domain and an expiry (T77).

A token is asked for with the right to the repo just checked, and lives for minutes: the store itself asks nobody.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Final

from django.core import signing

from hub.core.errors import InvalidCredentials, PermissionDenied

TOKEN_TTL_S: Final = 15 * 60
#: A request that was on its way when the token expired is still served: clients take a refusal for final.
GRACE_S: Final = 120
PREFIX: Final = "/cas/d/"
_SALT: Final = "agora.cas"


class Scope(StrEnum):
    READ = "read"
    WRITE = "write"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What a token says. ``room_bytes`` is what its owner's quota had left when it was made (-1: no quota)."""

    domain: str
    epoch: int
    repo_key: str
    owner_key: str
    ref: str
    scope: Scope
    user_key: str
    expires_at: int
    room_bytes: int = -1

    def require(self, scope: Scope) -> None:
        """Raises: PermissionDenied when the token may only read."""
        if scope is Scope.WRITE and self.scope is not Scope.WRITE:
            raise PermissionDenied("This token may read only.")


def expiry() -> int:
    return int(time.time()) + TOKEN_TTL_S


def sign(claims: Claims) -> str:
    return signing.Signer(salt=_SALT).sign_object(asdict(claims))


def read(token: str, *, now: float | None = None) -> Claims:
    """Raises: InvalidCredentials for anything but a live token of this hub."""
    try:
        values = signing.Signer(salt=_SALT).unsign_object(token)
        claims = Claims(**(values | {"scope": Scope(values["scope"])}))
    except (signing.BadSignature, TypeError, ValueError, KeyError) as error:
        raise InvalidCredentials from error
    if (time.time() if now is None else now) > claims.expires_at + GRACE_S:
        raise InvalidCredentials
    return claims


def cas_path(domain: str, epoch: int) -> str:
    """Return the path of ``casUrl``. Clients keep what they know of stored chunks apart by this string alone."""
    return f"{PREFIX}{domain}/{epoch}"
