"""Notices by mail: at once for kinds that a person chose so, the rest in a digest by day or week (T38, T95).

What may not be seen any more when a mail is written is not in it.  A mail is claimed before it leaves: one that a
crash catches is lost rather than sent twice, for what it says is in the inbox too.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import structlog
from allauth.account.models import EmailAddress
from django.conf import settings
from django.core import signing
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone, translation

from community.enums import Digest, MailChoice, NoticeKind
from community.models import Notification, NotificationPreference
from community.notice_words import excerpt_of, words_of
from community.notices import Choice, choices_of, still_visible, with_subjects
from community.services.inbox import choose
from hub.accounts.auth import Viewer
from hub.accounts.models import User
from hub.accounts.services.mail import send_mail
from hub.core.errors import BadRequest, RateLimited
from hub.core.ratelimit import Bucket, hit

log = structlog.get_logger("community.notices")

MAX_MAILS: Final = 200
MAX_DIGESTS: Final = 500
MAX_LINES: Final = 50
#: A person gets at most so many mails of their own in an hour; the rest waits in the inbox.
MAX_PER_HOUR: Final = 20
EVERY: Final = {Digest.DAILY.value: timedelta(days=1), Digest.WEEKLY.value: timedelta(days=7)}
DIGEST: Final = "digest"
_MAILS: Final = Bucket("notice-mails", MAX_PER_HOUR, 3600)
_SALT: Final = "agora.unsubscribe"


@dataclass(frozen=True, slots=True)
class Line:
    """One notice in a mail."""

    sentence: str
    subject: str
    place: str
    text: str
    url: str


# --- at once ---------------------------------------------------------------------------------------------------------


def send_due() -> int:
    """Send the mails that are due, oldest first; return how many left."""
    if not settings.IS_MAIL_CONFIGURED:
        Notification.objects.filter(mail_at__isnull=False).update(mail_at=None)
        return 0
    due = Notification.objects.filter(mail_at__lte=timezone.now()).order_by("mail_at", "pk")
    return sum(_send_one(pk) for pk in list(due.values_list("pk", flat=True)[:MAX_MAILS]))


def _send_one(pk: int) -> bool:
    claimed = Notification.objects.filter(pk=pk, mail_at__isnull=False).update(mail_at=None)
    if not claimed:
        return False
    row = with_subjects(Notification.objects.filter(pk=pk)).select_related("user").first()
    if row is None or not _may_be_mailed(row):
        return False
    user = row.user
    kind = NoticeKind(row.kind)
    with translation.override(user.language or settings.LANGUAGE_CODE):
        context = {"line": _line(row), "excerpt": excerpt_of(row)}
    _send(user, "email/notice", context, kind.value)
    return True


def _may_be_mailed(row: Notification) -> bool:
    """Asked now, not when it happened: right, choice and quiet may have changed (T38)."""
    is_visible = Notification.objects.filter(still_visible(Viewer(user=row.user)), pk=row.pk).exists()
    if not is_visible or not _address_of(row.user) or row.read_at is not None:
        return False
    if NotificationPreference.objects.filter(user=row.user, is_quiet=True).exists():
        return False
    return choices_of(row.user)[row.kind].mail == MailChoice.ONCE and _counts(row.user)


def _counts(user: User) -> bool:
    """Within the person's hourly measure of mails."""
    try:
        hit(_MAILS, f"user:{user.pk}")
    except RateLimited:
        return False
    return True


def _address_of(user: User) -> str:
    """Where a person gets mail: their own, confirmed address."""
    is_confirmed = EmailAddress.objects.filter(user=user, email__iexact=user.email, verified=True).exists()
    return user.email if user.is_active and user.email and is_confirmed else ""


# --- digests ---------------------------------------------------------------------------------------------------------


def send_digests() -> int:
    """Send the digests whose time has come; return how many left. Nothing new is no mail."""
    now = timezone.now()
    if not settings.IS_MAIL_CONFIGURED:
        return 0
    due = Q()
    for digest, period in EVERY.items():
        due |= Q(digest=digest, digest_at__lte=now - period)
    rows = NotificationPreference.objects.filter(due, is_quiet=False, user__is_active=True).select_related("user")
    return sum(_send_digest(preference) for preference in list(rows.order_by("digest_at")[:MAX_DIGESTS]))


def _send_digest(preference: NotificationPreference) -> bool:
    now, since = timezone.now(), preference.digest_at
    claimed = NotificationPreference.objects.filter(pk=preference.pk, digest_at=since).update(digest_at=now)
    user = preference.user
    if not claimed or not _address_of(user):
        return False
    rows = Notification.objects.filter(
        still_visible(Viewer(user=user)), user=user, is_for_digest=True, read_at__isnull=True, updated_at__gt=since
    )
    count = rows.order_by().count()
    if not count:
        return False
    found = list(with_subjects(rows).order_by("-updated_at", "-pk")[:MAX_LINES])
    with translation.override(user.language or settings.LANGUAGE_CODE):
        lines = [_line(row) for row in found]
    context = {
        "lines": lines,
        "count": count,
        "more": count - len(lines),
        "is_weekly": preference.digest == Digest.WEEKLY,
    }
    context["inbox_url"] = f"{settings.HUB_URL}{reverse('web:notifications')}"
    _send(user, "email/digest", context, DIGEST)
    return True


def _line(row: Notification) -> Line:
    words = words_of(row)
    return Line(words.sentence, words.subject, words.place, words.text, f"{settings.HUB_URL}{words.href}")


def _send(user: User, template: str, context: dict[str, Any], what: str) -> None:
    """Send with a link that ends such mails by one click, from the mail program or a browser (RFC 8058)."""
    url = unsubscribe_url(user, what)
    send_mail(
        _address_of(user),
        template,
        {**context, "user": user, "unsubscribe_url": url},
        language=user.language,
        has_html=True,
        headers={
            "List-Unsubscribe": f"<{url}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
            "Auto-Submitted": "auto-generated",
        },
    )
    log.info("notice_mailed", user=user.pk, what=what)


# --- no more ---------------------------------------------------------------------------------------------------------


def unsubscribe_url(user: User, what: str) -> str:
    return f"{settings.HUB_URL}{reverse('web:unsubscribe', args=[sign_unsubscribe(user, what)])}"


def sign_unsubscribe(user: User, what: str) -> str:
    """The right to end mails of one kind, or digests, for one person, and nothing else; it does not expire."""
    return signing.dumps([user.pk, what], salt=_SALT, compress=False)


def read_unsubscribe(token: str) -> tuple[User, str]:
    """Whom it is from, and what it ends. Raises: BadRequest."""
    try:
        pk, what = signing.loads(token, salt=_SALT)
    except (signing.BadSignature, ValueError, TypeError) as error:
        raise BadRequest("This link is not complete, or not of this hub.") from error
    user = User.objects.filter(pk=pk, is_active=True).first()
    if user is None or (what != DIGEST and what not in NoticeKind.values):
        raise BadRequest("This link is not complete, or not of this hub.")
    return user, what


def unsubscribe(token: str) -> str:
    """End the mails that a signed link names; doing so twice changes nothing. Return what. Raises: BadRequest."""
    user, what = read_unsubscribe(token)
    viewer = Viewer(user=user)
    if what == DIGEST:
        choose(viewer, {}, digest=Digest.OFF)
    else:
        choice = choices_of(user)[what]
        choose(viewer, {what: Choice(choice.is_shown, MailChoice.OFF)})
    return what
