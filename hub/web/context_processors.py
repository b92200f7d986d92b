"""What every page knows about the site."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest

from hub.web.contexts.notices import Bell


def site(request: HttpRequest) -> dict[str, Any]:
    return {
        "site_name": settings.HUB_SITE_NAME,
        "hub_url": settings.HUB_URL,
        "theme": getattr(request, "theme", ""),
        "is_signup_open": settings.HUB_SIGNUP_OPEN,
        "languages": settings.LANGUAGES,
        "bell": Bell(request),
    }
