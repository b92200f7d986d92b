"""Password rules beyond Django's own (T03)."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _


class MaximumLengthValidator:
    """Refuse before hashing what is longer than ``max_bytes`` in UTF-8: hashing cost must stay bounded."""

    def __init__(self, max_bytes: int = 1024) -> None:
        self.max_bytes = max_bytes

    def validate(self, password: str, user: Any = None) -> None:
        if len(password.encode()) > self.max_bytes:
            raise ValidationError(self.get_help_text(), code="password_too_long")

    def get_help_text(self) -> str:
        return _("Your password can be at most %(count)d bytes long.") % {"count": self.max_bytes}
