"""The RSA key that signs id tokens: ``HUB_OIDC_KEY``, else one made once and kept beside the secret key."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.conf import settings

_FILE = "oidc_key.pem"
_BITS = 2048


def signing_key_pem() -> str:
    """Raises: OSError when HUB_DATA_DIR cannot be written."""
    if settings.HUB_OIDC_KEY:
        # One line of an environment file cannot hold line ends.
        return settings.HUB_OIDC_KEY.replace("\\n", "\n")
    return _kept_key(Path(settings.HUB_DATA_DIR) / _FILE)


@lru_cache(maxsize=4)
def _kept_key(path: Path) -> str:
    try:
        return path.read_text()
    except FileNotFoundError:
        pass
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.touch(mode=0o600)
    temporary.write_text(_new_pem())
    try:
        os.link(temporary, path)  # create-only: of several processes that start at once, one wins
    except FileExistsError:
        pass
    finally:
        temporary.unlink()
    return path.read_text()


def _new_pem() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=_BITS)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return pem.decode()
