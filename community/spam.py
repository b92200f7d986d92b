"""Signs that a post of a new account may be spam.  What follows from them is ``community.services.holding``'s.

Few and plain on purpose, so that an operator can tell people why: many links in the first post, one text sent again
and again, words that moderators have refused before.  ``docs/moderation.md`` describes them.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from datetime import timedelta
from typing import Final
from urllib.parse import urlsplit

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from community.enums import EventKind, HeldState
from community.models import Event, HeldPost
from hub.accounts.models import User

_DAY: Final = timedelta(days=1)
_LINK: Final = re.compile(r"https?://([^\s/<>()\[\]\"'`]+)|\bwww\.([^\s/<>()\[\]\"'`]+)", re.IGNORECASE)
#: Shorter texts repeat in honest talk: "thank you", "same here".
_MIN_REPEATED: Final = 20
_MAX_COMPARED: Final = 100


class Sign(models.TextChoices):
    FIRST = "first", _("First post of a new account")
    LINKS = "links", _("Many links in a first post")
    REPEATED = "repeated", _("The same text again and again")
    KNOWN = "known", _("Text that was refused before")


def is_new_account(user: User) -> bool:
    """Whether the account is younger than ``HUB_NEW_ACCOUNT_HOURS``; staff never are."""
    age = timezone.now() - user.date_joined
    return not user.is_staff and age < timedelta(hours=settings.HUB_NEW_ACCOUNT_HOURS)


def digest_of(text: str) -> str:
    """The same for texts that differ in case, spaces, marks and numbers alone."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    words = "".join(character for character in folded if character.isalpha())
    return hashlib.sha256(words.encode()).hexdigest()


def signs_of(author: User, *, title: str, body: str) -> list[Sign]:
    """What speaks against a post, by the operator's settings; empty for accounts that are not new."""
    if settings.HUB_HOLD_POSTS not in ("suspicious", "all") or not is_new_account(author):
        return []
    found = []
    if not Event.objects.filter(author=author, kind=EventKind.COMMENT, hidden_at__isnull=True).exists():
        if settings.HUB_HOLD_POSTS == "all":
            found.append(Sign.FIRST)
        if _count_links(f"{title} {body}") >= settings.HUB_HOLD_LINKS:
            found.append(Sign.LINKS)
    if _is_repeated(author, body):
        found.append(Sign.REPEATED)
    if (
        len(body) >= _MIN_REPEATED
        and HeldPost.objects.filter(digest=digest_of(body), state=HeldState.REJECTED).exists()
    ):
        found.append(Sign.KNOWN)
    return found


def _count_links(text: str) -> int:
    """Links that lead away from this hub."""
    own = urlsplit(settings.HUB_URL).netloc.lower()
    hosts = [(match[1] or match[2]).lower() for match in _LINK.finditer(text)]
    return sum(host != own for host in hosts)


def _is_repeated(author: User, body: str) -> bool:
    if len(body) < _MIN_REPEATED:
        return False
    since = timezone.now() - _DAY
    said = Event.objects.filter(author=author, kind=EventKind.COMMENT, created_at__gte=since).order_by("-created_at")
    digest = digest_of(body)
    before = sum(digest_of(text) == digest for text in said.values_list("body", flat=True)[:_MAX_COMPARED])
    waiting = HeldPost.objects.filter(author=author, digest=digest, created_at__gte=since).count()
    return before + waiting >= settings.HUB_HOLD_REPEATS
