"""Where django-allauth asks us: names, sign-up, addresses of clients, messages."""

from __future__ import annotations

from typing import Any, Final

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core import context
from django import forms
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from hub.accounts.closed import closed_account_url
from hub.accounts.models import User
from hub.accounts.services import site_settings
from hub.accounts.services.namespaces import check_name
from hub.accounts.services.users import save_new_user
from hub.accounts.sessions import signed_in_within
from hub.core.error_words import in_words_of_reader
from hub.core.errors import HubError

_SAID_BY_THE_PAGE: Final = {"account/messages/logged_in.txt", "mfa/messages/recovery_codes_generated.txt"}


class AccountAdapter(DefaultAccountAdapter):
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return site_settings.current().is_signup_open

    def clean_username(self, username: str, shallow: bool = False) -> str:
        """One set of rules for sign-up, commands and organizations; reserved, retired and taken names are refused."""
        try:
            check_name(username)
        except HubError as error:
            raise forms.ValidationError(in_words_of_reader(error.message), code="invalid_name") from error
        return username

    def save_user(self, request: HttpRequest, user: User, form: Any, commit: bool = True) -> User:
        user = super().save_user(request, user, form, commit=False)
        return save_new_user(user) if commit else user

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        """A sign-in of the last minutes is as good as a confirmation; allauth counts confirmations only (T13)."""
        return not signed_in_within(context.request, settings.ACCOUNT_REAUTHENTICATION_TIMEOUT)

    def respond_user_inactive(self, request: HttpRequest, user: User) -> HttpResponse:
        """Whoever knows the password of a closed account is led to the page that says why, and may answer there."""
        return redirect(closed_account_url(user))

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
        """Leave out what the page that follows says or shows itself."""
        template = kwargs.get("message_template") or (args[0] if args else "")
        if template in _SAID_BY_THE_PAGE:
            return
        super().add_message(request, level, *args, **kwargs)
