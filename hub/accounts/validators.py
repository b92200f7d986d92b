"""Password rules beyond Django's own (T03)."""

from __future__ import annotations

from typing import Any, Final

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import ngettext_lazy

# Said by Django's own validator, whose Chinese catalogue lacks it: marked here, it is found in ours, which comes first.
TOO_SHORT: Final = ngettext_lazy(
    "This password is too short. It must contain at least %d character.",
    "This password is too short. It must contain at least %d characters.",
)


class MaximumLengthValidator:
    """Refuse before hashing what is longer than ``max_bytes`` in UTF-8: hashing cost must stay bounded."""

    def __init__(self, max_bytes: int = 1024) -> None:
        self.max_bytes = max_bytes

    def validate(self, password: str, user: Any = None) -> None:
        if len(password.encode()) > self.max_bytes:
            raise ValidationError(self.get_help_text(), code="password_too_long")

    def get_help_text(self) -> str:
        return _("Your password can be at most %(count)d bytes long.") % {"count": self.max_bytes}
