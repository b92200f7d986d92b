"""What is kept how long: sessions to their expiry, invitations 30 days past it, codes a day, audit events 400 days."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.utils import timezone

from hub.accounts.models import AccessToken, AuditEvent, AuthorizationCode, DeviceCode, Invitation

AUDIT_LIFE: Final = timedelta(days=400)
INVITATION_LIFE_AFTER: Final = timedelta(days=30)
CODE_LIFE_AFTER: Final = timedelta(days=1)
#: Refreshed tokens make way for new ones; until then a replay of their refresh token ends the sign-in.
REFRESHED_LIFE_AFTER: Final = timedelta(days=180)


def clear_expired() -> None:
    """Drop what is past its time; safe to run twice."""
    now = timezone.now()
    Session.objects.filter(expire_date__lt=now).delete()
    UserSession.objects.exclude(session_key__in=Session.objects.values("session_key")).delete()
    Invitation.objects.filter(expires_at__lt=now - INVITATION_LIFE_AFTER).delete()
    AuthorizationCode.objects.filter(expires_at__lt=now - CODE_LIFE_AFTER).delete()
    DeviceCode.objects.filter(expires_at__lt=now - CODE_LIFE_AFTER).delete()
    AccessToken.objects.filter(refreshed_at__lt=now - REFRESHED_LIFE_AFTER).delete()
    AuditEvent.objects.purge(now - AUDIT_LIFE)
