"""The one authentication path: API, git, LFS, CAS, signed routes, pages and inference all end here.

``Authorization: Bearer`` or ``Basic`` (token as password) → ``authenticate_header`` → ``Viewer``.
A request without the header is the session's user.  A bad token is refused even on public pages (T27).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
import zlib
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from django.core import signing
from django.db.models import Q
from django.utils import timezone

from hub.accounts.enums import Action, TokenRole
from hub.accounts.oauth.scopes import actions_of
from hub.core.errors import InvalidCredentials
from hub.core.logs import mask
from hub.core.ratelimit import BAD_TOKENS, hit

if TYPE_CHECKING:
    from hub.accounts.models import AccessToken, User

# The JavaScript client refuses tokens that do not begin with hf_.
TOKEN_PREFIX: Final = "hf_"  # noqa: S105 -- public
OAUTH_PREFIX: Final = "hf_oauth_"
REFRESH_PREFIX: Final = "hf_oauth__refresh_"
TOKEN_PATTERN: Final = r"hf_(?:oauth_(?:_refresh_)?)?[0-9A-Za-z]{43}[0-9A-Za-z]{6}"  # noqa: S105 -- public
_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_BODY_LENGTH: Final = 43  # 43 base62 digits carry 256 bits
_CHECKSUM_LENGTH: Final = 6
SERVICE_PREFIX: Final = "hubsvc_"
_SERVICE_SALT: Final = "agora.service-token"
# Last use is written at most this often: a busy token must not turn reads into writes.
_LAST_USE_RESOLUTION: Final = timedelta(minutes=1)

_READ_ACTIONS: Final = frozenset({Action.REPO_READ, Action.ACCOUNT_READ, Action.ORG_READ})
# What a classic token may do; creating tokens and changing sign-in data needs a session (T17).
_ROLE_ACTIONS: Final[dict[str, frozenset[Action]]] = {
    TokenRole.READ: _READ_ACTIONS | {Action.INFERENCE},
    TokenRole.WRITE: frozenset(Action),
    TokenRole.INFERENCE: frozenset({Action.INFERENCE, Action.ACCOUNT_READ}),
}


@dataclass(frozen=True, slots=True)
class ServiceGrant:
    """Right of a worker to read the files of one repo at one commit (design D10)."""

    repo_pk: int
    commit_oid: str


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks or acts: a person (by session or token), a worker, or nobody.

    Effective right = what the person may do now ∩ what the token allows (T21); callers ask
    ``hub.accounts.permissions`` and ``hub.repos.permissions``, which ask ``allows``.
    """

    user: User | None = None
    token: AccessToken | None = None
    service: ServiceGrant | None = None
    _cache: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def is_authenticated(self) -> bool:
        return self.user is not None or self.service is not None

    @property
    def user_pk(self) -> int | None:
        return self.user.pk if self.user else None

    def allows(self, action: Action, *, namespace: str = "", repo_type: str = "", name: str = "") -> bool:
        """Whether the token (if any) permits ``action``, on this namespace or repo where one is named."""
        if self.token is None:
            return True
        if self.token.role == TokenRole.OAUTH:
            return action in actions_of(self.token.scopes)
        if self.token.role != TokenRole.FINE_GRAINED:
            return action in _ROLE_ACTIONS[self.token.role]
        return _is_granted(self.token.grants, action, namespace, repo_type, name)


ANONYMOUS: Final = Viewer()


def _is_granted(grants: dict[str, Any], action: Action, namespace: str, repo_type: str, name: str) -> bool:
    wanted = {action.value}
    if action is Action.REPO_READ:
        wanted.add(Action.REPO_WRITE.value)  # who may write a repo may read it
    if action is Action.ACCOUNT_READ or wanted & set(grants.get("global", [])):
        return True
    for scope in grants.get("scoped", []):
        entity = scope.get("entity", {})
        target = entity.get("name", "").lower()
        if entity.get("type") in {"user", "org"}:
            matches = bool(namespace) and target == namespace.lower()
        else:
            matches = entity.get("type") == repo_type and target == f"{namespace}/{name}".lower()
        if matches and wanted & set(scope.get("permissions", [])):
            return True
    return False


def generate_secret(prefix: str = TOKEN_PREFIX) -> str:
    """A new token: prefix, 256 random bits in base62, CRC-32 checksum in base62 (T20)."""
    body = _base62(secrets.randbits(256), _BODY_LENGTH)
    return f"{prefix}{body}{_checksum(body)}"


def is_well_formed(secret: str) -> bool:
    """True if prefix, alphabet, length and checksum fit: refuses typing errors without a look-up."""
    if not secret.startswith(TOKEN_PREFIX):
        return False
    body = secret.removeprefix(REFRESH_PREFIX).removeprefix(OAUTH_PREFIX).removeprefix(TOKEN_PREFIX)
    if len(body) != _BODY_LENGTH + _CHECKSUM_LENGTH:
        return False
    return body.isascii() and body.isalnum() and _checksum(body[:_BODY_LENGTH]) == body[_BODY_LENGTH:]


def digest(secret: str) -> str:
    """What is stored.  A plain SHA-256 suffices: the secret has 256 random bits."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _base62(number: int, width: int) -> str:
    digits = []
    for _ in range(width):
        number, digit = divmod(number, 62)
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))


def _checksum(body: str) -> str:
    return _base62(zlib.crc32(body.encode()), _CHECKSUM_LENGTH)


def sign_service_token(grant: ServiceGrant) -> str:
    """A secret for a worker; it expires by age at verification, so nothing is stored."""
    return SERVICE_PREFIX + signing.dumps([grant.repo_pk, grant.commit_oid], salt=_SERVICE_SALT)


def authenticate_header(header: str, *, client: str = "", address: str = "") -> Viewer:
    """Turn an ``Authorization`` header into a viewer.

    Raises:
        InvalidCredentials: unknown scheme or token, revoked, expired, or its owner is not active.
        RateLimited: too many bad tokens from ``address`` (T27).
    """
    secret = _secret_from(header)
    if secret.startswith(SERVICE_PREFIX):
        return _service_viewer(secret)
    token = _find_token(secret, address)
    _note_use(token, client)
    return Viewer(user=token.user, token=token)


def _secret_from(header: str) -> str:
    scheme, _, value = header.strip().partition(" ")
    value = value.strip()
    if scheme.lower() == "bearer" and value:
        return value
    if scheme.lower() == "basic":
        try:
            decoded = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError) as error:
            raise InvalidCredentials from error
        _user, _, password = decoded.partition(":")
        # Passwords never work here (T16): a token is needed whatever the user name.
        return password or _user
    raise InvalidCredentials


def _service_viewer(secret: str) -> Viewer:
    try:
        repo_pk, commit_oid = signing.loads(secret.removeprefix(SERVICE_PREFIX), salt=_SERVICE_SALT, max_age=3600)
    except signing.BadSignature as error:
        raise InvalidCredentials from error
    return Viewer(service=ServiceGrant(repo_pk, commit_oid))


def _find_token(secret: str, address: str) -> AccessToken:
    from hub.accounts.models import AccessToken  # noqa: PLC0415 -- models need the app registry; the data plane imports us

    token = None
    if is_well_formed(secret):
        token = AccessToken.objects.select_related("user", "user__namespace").filter(digest=digest(secret)).first()
    if token is None or not token.is_live() or not token.user.is_active:
        # Only bad tokens count and are limited: a good one behind the same address keeps working.
        if address:
            hit(BAD_TOKENS, address)
        raise InvalidCredentials
    return token


def _note_use(token: AccessToken, client: str) -> None:
    now = timezone.now()
    if token.last_used_at and now - token.last_used_at < _LAST_USE_RESOLUTION:
        return
    # The condition lets one of many threads write that see the same stale row.
    stale = Q(last_used_at__isnull=True) | Q(last_used_at__lte=now - _LAST_USE_RESOLUTION)
    type(token).objects.filter(stale, pk=token.pk).update(
        last_used_at=now, last_used_client=_printable(mask(client))[:80]
    )


def _printable(text: str) -> str:
    return "".join(character for character in text if character.isprintable())
