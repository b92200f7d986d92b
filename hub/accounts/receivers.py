"""Receivers: one line each; they enqueue or call a service."""

from __future__ import annotations

from typing import Any

from allauth.account.signals import email_changed, password_changed, password_reset, password_set
from allauth.mfa.signals import authenticator_added, authenticator_removed, authenticator_reset
from django.contrib.auth.signals import user_logged_in
from django.dispatch import receiver
from django.http import HttpRequest

from hub.accounts.models import User
from hub.accounts.services.audit import record
from hub.accounts.services.users import end_sessions
from hub.accounts.sessions import note_sign_in


@receiver([password_changed, password_set, password_reset])
def on_password(sender: object, request: HttpRequest, user: User, **kwargs: Any) -> None:
    end_sessions(user, keep=request.session.session_key or "")
    record("user.password", actor=user, target=user.username)


@receiver([authenticator_added, authenticator_removed, authenticator_reset])
def on_second_factor(sender: object, request: HttpRequest, user: User, authenticator: Any, **kwargs: Any) -> None:
    end_sessions(user, keep=request.session.session_key or "")
    record("user.second_factor", actor=user, target=user.username, type=authenticator.type)


@receiver(email_changed)
def on_email(sender: object, request: HttpRequest, user: User, **kwargs: Any) -> None:
    record("user.email", actor=user, target=user.username)


@receiver(user_logged_in)
def on_sign_in(sender: object, request: HttpRequest, **kwargs: Any) -> None:
    note_sign_in(request)
