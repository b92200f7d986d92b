"""Secrets of other sites that a job must keep for a while: encrypted by a key that is not in the database (T19)."""

from __future__ import annotations

import base64
import hashlib
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings

from hub.core.errors import Unprocessable


class SecretLost(Unprocessable):
    """The text was sealed under another secret key."""

    default_message = "The stored access token cannot be read any more. Please enter it again."


@lru_cache(maxsize=8)
def _cipher(secret_key: str, purpose: str) -> Fernet:
    key = hashlib.sha256(f"agora.{purpose}:{secret_key}".encode()).digest()
    return Fernet(base64.urlsafe_b64encode(key))


def seal(secret: str, *, purpose: str) -> str:
    """Encrypt a secret; what is sealed for one purpose opens for no other. Empty stays empty."""
    return _cipher(settings.SECRET_KEY, purpose).encrypt(secret.encode()).decode() if secret else ""


def unseal(sealed: str, *, purpose: str) -> str:
    """Raises: SecretLost."""
    if not sealed:
        return ""
    try:
        return _cipher(settings.SECRET_KEY, purpose).decrypt(sealed.encode()).decode()
    except InvalidToken as error:
        raise SecretLost from error
