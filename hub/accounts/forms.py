"""allauth's forms in this hub's words; the other forms of accounts belong to the pages."""

from __future__ import annotations

from typing import Any

from allauth.account import forms as base
from django import forms
from django.db import transaction
from django.http import HttpRequest
from django.utils.translation import gettext as _

from hub.accounts.models import User
from hub.core.ids import NAMESPACE_MAX_LENGTH

# The adapter checks names (hub.core.ids); allauth's default would let through what we refuse and the reverse.
username_validators: list[Any] = []


class _PlainMixin:
    """Labels stand above the fields, so a placeholder would only say the same twice."""

    fields: dict[str, forms.Field]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            field.widget.attrs.pop("placeholder", None)
            if name in {"password1", "password"} and field.widget.attrs.get("autocomplete") == "new-password":
                field.help_text = _("At least 12 characters; a few words make a good one.")


class LoginForm(_PlainMixin, base.LoginForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["login"].label = _("User name or e-mail address")
        self.fields["password"].help_text = ""  # the page links to the reset itself
        if "remember" in self.fields:
            self.fields["remember"].label = _("Stay signed in on this device")


class SignupForm(_PlainMixin, base.SignupForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        username = self.fields["username"]
        username.label = _("User name")
        username.help_text = _("Letters, digits and single dashes. It becomes part of every address.")
        username.widget.attrs.update(
            {"autocapitalize": "none", "spellcheck": "false", "maxlength": NAMESPACE_MAX_LENGTH, "data-name-check": ""}
        )

    @transaction.atomic
    def save(self, request: HttpRequest) -> User:
        """Name, account and address are written together."""
        return super().save(request)


class AddEmailForm(_PlainMixin, base.AddEmailForm):
    pass


class ChangePasswordForm(_PlainMixin, base.ChangePasswordForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["oldpassword"].help_text = ""


class SetPasswordForm(_PlainMixin, base.SetPasswordForm):
    pass


class ResetPasswordForm(_PlainMixin, base.ResetPasswordForm):
    pass


class ResetPasswordKeyForm(_PlainMixin, base.ResetPasswordKeyForm):
    pass
