"""Which applications a person has let in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from allauth.idp.oidc.models import Client

from hub.accounts.models import AccessToken, User
from hub.accounts.oauth.scopes import words_of
from hub.accounts.oauth.tokens import sign_ins_of
from hub.core.errors import NotFound


@dataclass(frozen=True, slots=True)
class AllowedApplication:
    application: Client
    permissions: list[str]
    first_at: datetime
    last_used_at: datetime | None
    last_client: str
    sign_in_count: int


def allowed_applications(user: User) -> list[AllowedApplication]:
    """By name; two queries whatever the number."""
    tokens = sign_ins_of(user).select_related("application").order_by("created_at")
    by_application: dict[str | None, list[AccessToken]] = {}
    for token in tokens:
        by_application.setdefault(token.application_id, []).append(token)
    found = [_summary(group) for group in by_application.values()]
    return sorted(found, key=lambda item: item.application.name.lower())


def _summary(tokens: list[AccessToken]) -> AllowedApplication:
    used = [token for token in tokens if token.last_used_at]
    latest = max(used, key=lambda token: token.last_used_at or token.created_at, default=None)
    scopes = {scope for token in tokens for scope in token.scopes}
    application = tokens[0].application
    assert application is not None
    return AllowedApplication(
        application=application,
        permissions=words_of(scopes),
        first_at=tokens[0].created_at,
        last_used_at=latest.last_used_at if latest else None,
        last_client=latest.last_used_client if latest else "",
        sign_in_count=len({token.sign_in for token in tokens}),
    )


def get_allowed_application(user: User, client_id: str) -> Client:
    """Raises NotFound for one that the person has not let in (T33)."""
    token = sign_ins_of(user).select_related("application").filter(application_id=client_id).first()
    if token is None or token.application is None:
        raise NotFound
    return token.application
