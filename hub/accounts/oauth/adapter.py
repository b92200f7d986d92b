"""Where django-allauth's OpenID provider asks us: who issues, with which key, and what is said about a person."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Iterable
from typing import Any

from allauth.account.models import EmailAddress
from allauth.idp.oidc.adapter import DefaultOIDCAdapter
from allauth.idp.oidc.models import Client, PrivateKey
from django.conf import settings

from hub.accounts.auth import digest
from hub.accounts.models import User
from hub.accounts.oauth.keys import signing_key_pem
from hub.accounts.queries import memberships_of


class OIDCAdapter(DefaultOIDCAdapter):
    def generate_client_id(self) -> str:
        return str(uuid.uuid4())

    def generate_client_secret(self) -> str:
        return f"oauth_app_secret_{secrets.token_hex(24)}"

    def hash_token(self, token: str) -> str:
        return digest(token)

    def get_issuer(self) -> str:
        # From configuration: a token must name the same issuer whatever the Host header was.
        return settings.HUB_URL

    def list_private_keys(self, **kwargs: Any) -> list[PrivateKey]:
        return [PrivateKey(pem=signing_key_pem())]

    def get_user_sub(self, client: Client, user: Any) -> str:
        return user.object_id

    def get_user_by_sub(self, client: Client, sub: str) -> User | None:
        return User.objects.filter(object_id=sub, is_active=True).first()

    def get_claims(
        self, purpose: str, user: Any, client: Any, scopes: Iterable[str], email: str | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        return claims_of(user, scopes)


def claims_of(user: User, scopes: Iterable[str]) -> dict[str, Any]:
    """What applications with these scopes are told about a person (hub-api §5.3); organizations with their role."""
    granted = set(scopes)
    claims: dict[str, Any] = {"sub": user.object_id}
    if "profile" in granted:
        claims |= _profile(user)
    if "email" in granted and user.email:
        claims["email"] = user.email
        claims["email_verified"] = _is_verified(user)
    if "read-memberships" in granted:
        claims["orgs"] = [_organization(membership) for membership in memberships_of(user)]
    return claims


def _is_verified(user: User) -> bool:
    return EmailAddress.objects.filter(user=user, email__iexact=user.email, verified=True).exists()


def _profile(user: User) -> dict[str, Any]:
    claims = {
        "name": user.get_full_name(),
        "preferred_username": user.username,
        "profile": f"{settings.HUB_URL}/{user.username}",
        "picture": picture_of(user),
        "isPro": False,
    }
    return {**claims, "website": user.website} if user.website else claims


def _organization(membership: Any) -> dict[str, Any]:
    organization = membership.organization
    return {
        "sub": organization.object_id,
        "name": organization.full_name or organization.name,
        "preferred_username": organization.name,
        "picture": picture_of(organization),
        "isEnterprise": False,
        "canPay": False,
        "roleInOrg": membership.role,
    }


def picture_of(subject: Any) -> str:
    return f"{settings.HUB_URL}{subject.avatar_url or '/static/icons/mark.svg'}"
