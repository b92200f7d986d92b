"""Where django-allauth asks us: names, sign-up, addresses of clients, messages."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core import context
from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from hub.accounts.models import User
from hub.accounts.services.namespaces import check_name
from hub.accounts.services.users import save_new_user
from hub.accounts.sessions import signed_in_within
from hub.core.errors import HubError


class AccountAdapter(DefaultAccountAdapter):
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return settings.HUB_SIGNUP_OPEN

    def clean_username(self, username: str, shallow: bool = False) -> str:
        """One set of rules for sign-up, commands and organizations; reserved, retired and taken names are refused."""
        try:
            check_name(username)
        except HubError as error:
            raise forms.ValidationError(_(error.message), code="invalid_name") from error
        return username

    def save_user(self, request: HttpRequest, user: User, form: Any, commit: bool = True) -> User:
        user = super().save_user(request, user, form, commit=False)
        return save_new_user(user) if commit else user

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        """A sign-in of the last minutes is as good as a confirmation; allauth counts confirmations only (T13)."""
        return not signed_in_within(context.request, settings.ACCOUNT_REAUTHENTICATION_TIMEOUT)

    def get_client_ip(self, request: HttpRequest) -> str:
        # The edge already replaced REMOTE_ADDR where the proxy is one that the operator trusts.
        return request.META.get("REMOTE_ADDR", "") or "0.0.0.0"  # noqa: S104 -- a value, not a bind

    def get_reset_password_from_key_url(self, key: str) -> str:
        # From configuration, never from the Host header (T04).
        path = reverse("account_reset_password_from_key", kwargs={"uidb36": "UID", "key": "KEY"})
        return settings.HUB_URL + path.replace("UID-KEY", key)

    def get_email_confirmation_url(self, request: HttpRequest, emailconfirmation: Any) -> str:
        return settings.HUB_URL + reverse("account_confirm_email", args=[emailconfirmation.key])

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:
        return reverse("web:settings_account")

    def add_message(self, request: HttpRequest, level: int, *args: Any, **kwargs: Any) -> None:
        """A sign-in is its own message: what people asked for is what they see."""
        template = kwargs.get("message_template") or (args[0] if args else "")
        if level == messages.SUCCESS and template == "account/messages/logged_in.txt":
            return
        super().add_message(request, level, *args, **kwargs)
