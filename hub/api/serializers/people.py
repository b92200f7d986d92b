"""People and organizations as they travel (hub-api §21): never an address or another private fact (T34)."""

from __future__ import annotations

from typing import Any

from django.conf import settings

from hub.accounts.models import Organization, User


def avatar_url(subject: User | Organization) -> str:
    return f"{settings.HUB_URL}{subject.avatar_url}" if subject.avatar else f"{settings.HUB_URL}/static/icons/mark.svg"


def user_json(user: User, *, is_following: bool = False) -> dict[str, Any]:
    return {
        "_id": user.object_id,
        "type": "user",
        "user": user.username,
        "fullname": user.get_full_name(),
        "avatarUrl": avatar_url(user),
        "isPro": False,
        "isFollowing": is_following,
    }


def organization_json(organization: Organization) -> dict[str, Any]:
    return {
        "type": "org",
        "id": organization.object_id,
        "name": organization.name,
        "fullname": organization.full_name or organization.name,
        "avatarUrl": avatar_url(organization),
    }
