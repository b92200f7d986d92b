"""Signed URLs of the data plane.

A grant is everything that a request may do, spelled out; the URL carries it and a MAC over it (T42):

    /_d/<action>/<base64url(fields)>/<base64url(hmac-sha256)>

Fields are length-prefixed, so no byte can move from one to the next. The MAC covers the text in the URL itself, so
there is one spelling of each valid URL. Making and checking take microseconds and touch no database.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import struct
import time
from dataclasses import dataclass, fields
from enum import StrEnum
from functools import lru_cache
from typing import Any

from django.conf import settings

from hub.core.errors import PermissionDenied

PREFIX = "/_d/"
CLOCK_SKEW_S = 60
UPLOAD_TTL_S = 3600
DOWNLOAD_TTL_S = 900

_VERSION = "1"
_PURPOSE = b"agora data plane url v1"
_LENGTH = struct.Struct(">I")


class Action(StrEnum):
    """What a URL allows; also its first path segment."""

    BLOB = "blob"
    PUT = "put"
    PART = "part"
    COMPLETE = "complete"
    XORB = "xorb"
    XORB_PUT = "xorb-put"


METHODS = {
    Action.BLOB: "GET",
    Action.PUT: "PUT",
    Action.PART: "PUT",
    Action.COMPLETE: "POST",
    Action.XORB: "GET",
    Action.XORB_PUT: "PUT",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """One permission. ``audience`` names for whom it was made (owner and repo); ``expires_at`` is Unix seconds.

    ``sha256`` names the content: of the xorb actions the xorb hash. XORB allows ``size_bytes`` from ``offset_bytes``.
    ``is_recipe``: a BLOB is put together from its recipe, for its whole copy is about to go or gone.
    ``tally``: what whoever made the URL wants to hear when bytes were sent (``hub.storage.signals``); "" for nothing.
    """

    action: Action
    sha256: str
    size_bytes: int
    audience: str
    expires_at: int
    session_id: str = ""
    store_upload_id: str = ""
    part_number: int = 0
    offset_bytes: int = 0
    filename: str = ""
    disposition: str = ""
    content_type: str = ""
    is_recipe: int = 0
    tally: str = ""

    @property
    def method(self) -> str:
        return METHODS[self.action]


_FIELDS = tuple(field.name for field in fields(Grant))
_INTEGERS = frozenset({"size_bytes", "expires_at", "part_number", "offset_bytes", "is_recipe"})


def expiry(ttl_s: int) -> int:
    return int(time.time()) + ttl_s


def sign_path(grant: Grant) -> str:
    """Return the site-relative URL that carries the grant."""
    key_id, key = _keys(settings.SECRET_KEY, ())[0]
    payload = _encode(_pack(grant, key_id))
    return f"{PREFIX}{grant.action.value}/{payload}/{_mac(key, grant.action.value, payload)}"


def sign_url(grant: Grant, base_url: str | None = None) -> str:
    """Return the URL under ``base_url``: ``HUB_URL`` if None, relative to the site if empty."""
    return (settings.HUB_URL if base_url is None else base_url).rstrip("/") + sign_path(grant)


def read_path(path: str, *, now: float | None = None) -> Grant:
    """Return the grant of a URL path.

    Raises: PermissionDenied for any change, an unknown key or an expiry passed by more than ``CLOCK_SKEW_S``.
    """
    action, payload, mac = _split(path)
    grant = _authentic(action, payload, mac)
    if (time.time() if now is None else now) > grant.expires_at + CLOCK_SKEW_S:
        raise PermissionDenied("This link has expired. Please ask for a new one.")
    return grant


def _split(path: str) -> tuple[str, str, str]:
    parts = path.removeprefix(PREFIX).split("/")
    if not path.startswith(PREFIX) or len(parts) != 3 or not path.isascii():
        raise _refusal()
    return parts[0], parts[1], parts[2]


def _authentic(action: str, payload: str, mac: str) -> Grant:
    for key_id, key in _keys(settings.SECRET_KEY, tuple(settings.SECRET_KEY_FALLBACKS)):
        if hmac.compare_digest(_mac(key, action, payload), mac):
            return _unpack(_decode(payload), action, key_id)
    raise _refusal()


def _pack(grant: Grant, key_id: str) -> bytes:
    values = [_VERSION, key_id, grant.method, *(str(getattr(grant, name)) for name in _FIELDS)]
    return b"".join(_LENGTH.pack(len(raw)) + raw for raw in (value.encode() for value in values))


def _unpack(data: bytes, action: str, key_id: str) -> Grant:
    values = _read_fields(data)
    if len(values) != len(_FIELDS) + 3:
        raise _refusal()
    named: dict[str, Any] = dict(zip(_FIELDS, values[3:], strict=True))
    named |= {name: int(named[name]) for name in _INTEGERS}
    named["action"] = Action(named["action"])
    grant = Grant(**named)
    if values[:3] != [_VERSION, key_id, grant.method] or grant.action != action:
        raise _refusal()
    return grant


def _read_fields(data: bytes) -> list[str]:
    values, position = [], 0
    while position < len(data):
        (length,) = _LENGTH.unpack_from(data, position)
        position += _LENGTH.size
        values.append(data[position : position + length].decode())
        position += length
    return values


def _mac(key: bytes, action: str, payload: str) -> str:
    message = _LENGTH.pack(len(action)) + action.encode() + payload.encode()
    return _encode(hmac.digest(key, message, "sha256"))


@lru_cache(maxsize=4)
def _keys(secret: str, fallbacks: tuple[str, ...]) -> tuple[tuple[str, bytes], ...]:
    """Return (key id, key), the signing one first; older secrets still verify during a rotation."""
    keys = [hmac.digest(value.encode(), _PURPOSE, "sha256") for value in (secret, *fallbacks)]
    return tuple((hashlib.sha256(key).hexdigest()[:8], key) for key in keys)


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError) as error:
        raise _refusal() from error


def _refusal() -> PermissionDenied:
    return PermissionDenied("This link is not valid. Please ask for a new one.")
