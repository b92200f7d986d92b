"""The sign-up form; the other forms of accounts belong to the pages."""

from __future__ import annotations

from typing import Any

from allauth.account.forms import SignupForm as BaseSignupForm
from django.db import transaction
from django.http import HttpRequest

from hub.accounts.models import User
from hub.core.ids import NAMESPACE_MAX_LENGTH

# The adapter checks names (hub.core.ids); allauth's default would let through what we refuse and the reverse.
username_validators: list[Any] = []


class SignupForm(BaseSignupForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        username = self.fields["username"]
        username.widget.attrs.update(
            {"autocapitalize": "none", "spellcheck": "false", "maxlength": NAMESPACE_MAX_LENGTH}
        )

    @transaction.atomic
    def save(self, request: HttpRequest) -> User:
        """Name, account and address are written together."""
        return super().save(request)
