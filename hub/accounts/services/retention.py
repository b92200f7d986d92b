"""What is kept how long: sessions to their expiry, invitations 30 days past it, audit events 400 days."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.utils import timezone

from hub.accounts.models import AuditEvent, Invitation

AUDIT_LIFE: Final = timedelta(days=400)
INVITATION_LIFE_AFTER: Final = timedelta(days=30)


def clear_expired() -> None:
    """Drop what is past its time; safe to run twice."""
    now = timezone.now()
    Session.objects.filter(expire_date__lt=now).delete()
    UserSession.objects.exclude(session_key__in=Session.objects.values("session_key")).delete()
    Invitation.objects.filter(expires_at__lt=now - INVITATION_LIFE_AFTER).delete()
    AuditEvent.objects.filter(created_at__lt=now - AUDIT_LIFE).delete()
