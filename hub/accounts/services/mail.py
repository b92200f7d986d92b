"""Mails about accounts.  They leave after the commit, and a mail server that is down undoes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog
from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.template.loader import render_to_string
from django.utils import translation

from hub.accounts.models import User
from hub.accounts.services import site_settings

log = structlog.get_logger(__name__)


def send_notice(user: User, template: str, context: dict[str, Any]) -> None:
    """Tell a person by mail, in their language, where mail is configured and they have an address."""
    if user.email:
        send_mail(user.email, template, {**context, "user": user}, language=user.language)


def send_mail(
    address: str,
    template: str,
    context: dict[str, Any],
    *,
    language: str = "",
    has_html: bool = False,
    headers: Mapping[str, str] | None = None,
) -> None:
    """Queue ``<template>_subject.txt`` and ``<template>_message.txt`` for after the commit.

    With ``has_html`` the text goes with ``<template>_message.html``. A subject is one line, whatever is put into it
    (T95).
    """
    if not settings.IS_MAIL_CONFIGURED:
        return
    with translation.override(language or settings.LANGUAGE_CODE):
        context = {**context, "site_name": site_settings.current().name, "hub_url": settings.HUB_URL}
        subject = " ".join(render_to_string(f"{template}_subject.txt", context).split())
        body = render_to_string(f"{template}_message.txt", context)
        page = render_to_string(f"{template}_message.html", context) if has_html else ""
    message = EmailMultiAlternatives(subject=subject, body=body, to=[address], headers=dict(headers or {}))
    if page:
        message.attach_alternative(page, "text/html")
    transaction.on_commit(lambda: _deliver(message, template))


def _deliver(message: EmailMultiAlternatives, template: str) -> None:
    try:
        message.send()
    except OSError:
        log.exception("mail_failed", template=template)
