"""What every page knows about the site."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest

from hub.accounts.services import site_settings
from hub.web.contexts.notices import Bell


def site(request: HttpRequest) -> dict[str, Any]:
    now = site_settings.current()
    announcement = now.announcement
    is_put_away = announcement is not None and request.COOKIES.get("announcement") == announcement.key
    return {
        "announcement": None if is_put_away else announcement,
        "site_name": now.name,
        "hub_url": settings.HUB_URL,
        "theme": getattr(request, "theme", ""),
        "is_signup_open": now.is_signup_open,
        "languages": settings.LANGUAGES,
        "bell": Bell(request),
    }
