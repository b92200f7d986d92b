"""What the operator says while the hub runs: its name, sign-up, an announcement, the code of conduct.

The environment gives the first word (``HUB_SITE_NAME``, ``HUB_SIGNUP_OPEN``); a row in the database, where one says
otherwise, the last. Every page reads it, so it is remembered for all processes and forgotten when it changes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import get_language

from hub.accounts.enums import SignupChoice, Tone
from hub.accounts.models import SiteSettings, User
from hub.accounts.services.audit import record
from hub.core.remembering import recall, remember

CACHE_KEY: Final = "site-settings"
_KEPT_S: Final = 300
_FIELDS: Final = (
    "name",
    "signup",
    "conduct_en",
    "conduct_zh",
    "announcement_en",
    "announcement_zh",
    "announcement_href",
    "announcement_tone",
    "announcement_until",
)


@dataclass(frozen=True, slots=True)
class Announcement:
    """One line for every page; ``key`` changes with its words, so that a new one is shown to all."""

    text: str
    href: str
    tone: str
    key: str


@dataclass(frozen=True, slots=True)
class Site:
    """The hub as it is now, the database's word over the environment's."""

    values: Mapping[str, Any]

    @property
    def name(self) -> str:
        return self.values.get("name") or settings.HUB_SITE_NAME

    @property
    def is_signup_open(self) -> bool:
        choice = self.values.get("signup")
        return choice == SignupChoice.OPEN if choice else settings.HUB_SIGNUP_OPEN

    @property
    def conduct(self) -> str:
        """The operator's own code of conduct in the reader's language, as Markdown; empty: the shipped one."""
        return self._in_language("conduct")

    @property
    def announcement(self) -> Announcement | None:
        text = self._in_language("announcement")
        until: datetime | None = self.values.get("announcement_until")
        if not text or (until is not None and until <= timezone.now()):
            return None
        both = f"{self.values.get('announcement_en')}\n{self.values.get('announcement_zh')}"
        return Announcement(
            text=text,
            href=self.values.get("announcement_href") or "",
            tone=self.values.get("announcement_tone") or Tone.INFO,
            key=hashlib.sha256(both.encode()).hexdigest()[:12],
        )

    def _in_language(self, field: str) -> str:
        """In the reader's language; in the other where it is the only one."""
        english, chinese = self.values.get(f"{field}_en") or "", self.values.get(f"{field}_zh") or ""
        return (chinese or english) if (get_language() or "").startswith("zh") else (english or chinese)


def current() -> Site:
    values = recall(CACHE_KEY)
    if values is None:
        row = SiteSettings.objects.filter(pk=1).values(*_FIELDS).first()
        values = row or {}
        remember(CACHE_KEY, values, _KEPT_S)
    return Site(values)


@transaction.atomic
def save_site_settings(row: SiteSettings, *, actor: User) -> SiteSettings:
    """Write the one row; every process has it with its next page."""
    former = SiteSettings.objects.filter(pk=1).values(*_FIELDS).first() or {}
    row.pk, row.updated_at, row.updated_by = 1, timezone.now(), actor
    row.clean_fields(exclude=["id", "updated_by"])
    SiteSettings.objects.update_or_create(
        pk=1, defaults={name: getattr(row, name) for name in (*_FIELDS, "updated_at", "updated_by")}
    )
    fresh = SiteSettings()
    changed = sorted(name for name in _FIELDS if former.get(name, getattr(fresh, name)) != getattr(row, name))
    record("site.settings", actor=actor, target="site", fields=changed)
    transaction.on_commit(lambda: remember(CACHE_KEY, {name: getattr(row, name) for name in _FIELDS}, _KEPT_S))
    return row
