"""People, organizations and tokens, made by the services that the hub itself uses."""

from __future__ import annotations

from itertools import count
from typing import Any

from hub.accounts.auth import Viewer
from hub.accounts.enums import Role, TokenRole
from hub.accounts.models import AccessToken, Membership, Organization, User
from hub.accounts.services.organizations import create_organization, set_member
from hub.accounts.services.tokens import create_token
from hub.accounts.services.users import create_user

PASSWORD = "correct horse battery staple"
_numbers = count(1)


def make_user(name: str = "", *, password: str | None = PASSWORD, **fields: Any) -> User:
    """A person with a verified address; ``password=None`` saves the time of hashing one."""
    name = name or f"user-{next(_numbers)}"
    fields.setdefault("email", f"{name.lower()}@example.org")
    return create_user(name, password=password, **fields)


def make_organization(
    name: str = "", *, admin: User | None = None, members: dict[User, Role | str] | None = None, **fields: Any
) -> Organization:
    organization = create_organization(
        name or f"org-{next(_numbers)}", creator=admin or make_user(password=None), **fields
    )
    for user, role in (members or {}).items():
        set_member(organization, user=user, role=role)
    return organization


def make_member(organization: Organization, role: Role | str = Role.READ) -> Membership:
    return set_member(organization, user=make_user(password=None), role=role)


def make_token(user: User, role: TokenRole | str = TokenRole.WRITE, **fields: Any) -> tuple[AccessToken, str]:
    """The token and its secret."""
    fields.setdefault("name", f"token {next(_numbers)}")
    return create_token(user, role=role, **fields)


def make_viewer(user: User, role: TokenRole | str | None = None, **fields: Any) -> Viewer:
    """A person looking by session, or through a new token where ``role`` is given."""
    if role is None:
        return Viewer(user=user)
    token, _secret = make_token(user, role, **fields)
    return Viewer(user=user, token=token)


def bearer(secret: str) -> dict[str, str]:
    """Keyword arguments for Django's test client: ``client.get(url, **bearer(secret))``."""
    return {"HTTP_AUTHORIZATION": f"Bearer {secret}"}
