"""Second-factor secrets are stored encrypted by a key that is not in the database (T15, T19)."""

from __future__ import annotations

import base64
import hashlib
from functools import lru_cache

from allauth.mfa.adapter import DefaultMFAAdapter
from cryptography.fernet import Fernet
from django.conf import settings


@lru_cache(maxsize=2)
def _cipher(secret_key: str) -> Fernet:
    key = hashlib.sha256(b"agora.mfa:" + secret_key.encode()).digest()
    return Fernet(base64.urlsafe_b64encode(key))


class MFAAdapter(DefaultMFAAdapter):
    def encrypt(self, text: str) -> str:
        return _cipher(settings.SECRET_KEY).encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        return _cipher(settings.SECRET_KEY).decrypt(encrypted_text.encode()).decode()
