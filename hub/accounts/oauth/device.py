"""Sign-in of a program on another device (RFC 8628): it shows a code, a signed-in person confirms it in a browser.

start → (person) find_open → decide → (program) poll → one pair of tokens
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from allauth.idp.oidc.models import Client
from django.db import transaction
from django.utils import timezone

from hub.accounts.auth import digest
from hub.accounts.context import current_origin
from hub.accounts.enums import DeviceState
from hub.accounts.models import DeviceCode, User
from hub.accounts.oauth import tokens
from hub.accounts.oauth.scopes import in_order
from hub.accounts.services.audit import record
from hub.core.errors import HubError, NotFound
from hub.core.logs import mask
from hub.core.ratelimit import Bucket, check, hit

GRANT: Final = "urn:ietf:params:oauth:grant-type:device_code"
LIFE: Final = timedelta(minutes=15)
INTERVAL_S: Final = 5
#: Consonants only: no word comes up, and nothing is mistaken for a digit.
_ALPHABET: Final = "BCDFGHJKLMNPQRSTVWXZ"
_LENGTH: Final = 8
#: 20^8 codes: ten wrong ones in a quarter of an hour find nothing.
WRONG_CODES: Final = Bucket("device-codes", 10, 900)


class OAuthError(HubError):
    """A refusal in OAuth's words: ``error`` of RFC 6749 §5.2 and RFC 8628 §3.5."""

    status = 400

    def __init__(self, error: str, description: str) -> None:
        self.error = error
        super().__init__(description)


@dataclass(frozen=True, slots=True)
class Started:
    device_code: str
    row: DeviceCode


def start(client_id: str, scopes: list[str] | None, *, client: str) -> Started:
    """Begin; ``client`` is the program's own name for itself.

    Raises:
        OAuthError: the application may not do this, or not with these scopes.
    """
    application = get_device_application(client_id)
    allowed = application.get_scopes()
    if scopes and not set(scopes) <= set(allowed):
        raise OAuthError("invalid_scope", "The application may not ask for these scopes.")
    device_code = secrets.token_urlsafe(32)
    row = DeviceCode.objects.create(
        digest=digest(device_code),
        user_code=_new_user_code(),
        application=application,
        scopes=in_order(scopes or application.get_default_scopes() or allowed),
        client="".join(letter for letter in mask(client) if letter.isprintable())[:80],
        address=current_origin().address,
        expires_at=timezone.now() + LIFE,
    )
    return Started(device_code, row)


def get_device_application(client_id: str) -> Client:
    """A public application with the device grant. Raises OAuthError."""
    application = Client.objects.filter(pk=client_id[:100], type=Client.Type.PUBLIC).first()
    if application is None:
        raise OAuthError("invalid_client", "There is no application with this client id.")
    if GRANT not in application.get_grant_types():
        raise OAuthError("unauthorized_client", "This application may not use the device flow.")
    return application


def _new_user_code() -> str:
    while True:
        code = "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
        if not DeviceCode.objects.filter(user_code=code).exists():
            return code


def find_open(user: User, typed: str) -> DeviceCode:
    """The code that a person typed, in any case and with or without its dash.

    Raises:
        RateLimited: too many wrong ones.
        NotFound: unknown, expired or decided; one answer for all.
    """
    check(WRONG_CODES, str(user.pk))
    code = "".join(letter for letter in typed.upper() if letter.isalnum())[: _LENGTH + 1]
    row = DeviceCode.objects.select_related("application").filter(user_code=code).first()
    if row is None or not row.is_open():
        hit(WRONG_CODES, str(user.pk))
        raise NotFound("This code is wrong, has expired or has been used. Start again in your program.")
    return row


def decide(row: DeviceCode, *, user: User, is_allowed: bool) -> None:
    """Allow or refuse, once. Raises NotFound when it was decided or ran out meanwhile."""
    state = DeviceState.APPROVED if is_allowed else DeviceState.DENIED
    with transaction.atomic():
        changed = DeviceCode.objects.filter(pk=row.pk, state=DeviceState.PENDING, expires_at__gt=timezone.now()).update(
            state=state, user=user
        )
        if not changed:
            raise NotFound("This code is wrong, has expired or has been used. Start again in your program.")
        record(f"oauth.device_{state}", actor=user, target=row.application_id, scopes=row.scopes)


def poll(device_code: str, client_id: str) -> tuple[tokens.Pair, list[str]]:
    """What a waiting program asks every few seconds: the secrets, once.

    Raises:
        OAuthError: authorization_pending, slow_down, access_denied, expired_token, invalid_grant, invalid_client.
    """
    application = get_device_application(client_id)
    with transaction.atomic():
        row = (
            DeviceCode.objects.select_for_update(of=("self",))
            .select_related("user")
            .filter(digest=digest(device_code), application=application)
            .first()
        )
        answer = _answer(row)
    if isinstance(answer, OAuthError):  # outside, so that the time of this poll is kept
        raise answer
    return answer


def _answer(row: DeviceCode | None) -> tuple[tokens.Pair, list[str]] | OAuthError:
    if row is None or row.state == DeviceState.USED:
        return OAuthError("invalid_grant", "This device code is unknown or was used.")
    now = timezone.now()
    if row.expires_at <= now:
        return OAuthError("expired_token", "The device code has expired.")
    # Half a second of grace: a client that waits exactly five seconds is not too fast.
    is_too_fast = row.polled_at is not None and (now - row.polled_at).total_seconds() < INTERVAL_S - 0.5
    row.polled_at = now
    row.save(update_fields=["polled_at"])
    if row.state == DeviceState.PENDING:
        if is_too_fast:
            return OAuthError("slow_down", "Wait longer between two requests.")
        return OAuthError("authorization_pending", "The person has not decided yet.")
    if row.state == DeviceState.DENIED or row.user is None or not row.user.is_active:
        return OAuthError("access_denied", "The person refused.")
    row.state = DeviceState.USED
    row.save(update_fields=["state"])
    pair = tokens.new_pair()
    tokens.record_pair(row.user, row.application, pair, scopes=row.scopes)
    return pair, row.scopes
