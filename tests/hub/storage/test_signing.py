"""T42: a signed URL is one permission; whoever changes any byte of it, or waits too long, has none."""

from __future__ import annotations

import base64
from dataclasses import fields, replace
from typing import Any

import pytest

from hub.core.errors import PermissionDenied
from hub.storage.signing import CLOCK_SKEW_S, PREFIX, Action, Grant, expiry, read_path, sign_path

GRANT = Grant(
    action=Action.BLOB,
    sha256="ab" * 32,
    size_bytes=1_000,
    audience="user:12",
    expires_at=expiry(7 * 86_400),  # made when the tests are collected, which may be long before they run
    offset_bytes=34,
    filename="weights.bin",
    disposition="attachment",
)


def _is_refused(path: str, **named: Any) -> bool:
    try:
        read_path(path, **named)
    except PermissionDenied:
        return True
    return False


def test_a_grant_is_read_back_whole_t42() -> None:
    assert read_path(sign_path(GRANT)) == GRANT


def test_every_changed_character_is_refused_t42() -> None:
    path = sign_path(GRANT)
    for at in range(len(PREFIX), len(path)):
        for new in {"A", "B", "/", "=", chr(ord(path[at]) ^ 1)} - {path[at]}:
            assert _is_refused(path[:at] + new + path[at + 1 :]), (at, new)
        assert _is_refused(path[:at] + path[at + 1 :]), at
        assert _is_refused(path[:at] + "A" + path[at:]), at
    for other in (
        path + "=",
        path + "/",
        path + "A",
        path.upper(),
        path.replace("/_d/", "/_d//"),
        path + "\n",
        path * 2,
    ):
        assert _is_refused(other)


def test_every_field_is_under_the_mac_t42() -> None:
    """Fields of one grant with the signature of another."""
    _empty, _prefix, action, _payload, mac = sign_path(GRANT).split("/")
    for field in fields(Grant):
        value = getattr(GRANT, field.name)
        if field.name != "action":
            changed = replace(GRANT, **{field.name: value + 1 if isinstance(value, int) else f"{value}x"})
            payload = sign_path(changed).split("/")[3]
            assert _is_refused(f"{PREFIX}{action}/{payload}/{mac}"), field.name
    for other in Action:
        if other is not Action.BLOB:
            assert _is_refused(sign_path(GRANT).replace("/blob/", f"/{other.value}/")), other


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ({"audience": "user:1", "filename": "2"}, {"audience": "user:12", "filename": ""}),
        ({"size_bytes": 1, "offset_bytes": 23}, {"size_bytes": 12, "offset_bytes": 3}),
        ({"session_id": "a", "store_upload_id": "bc"}, {"session_id": "ab", "store_upload_id": "c"}),
        ({"filename": "inline", "disposition": ""}, {"filename": "", "disposition": "inline"}),
    ],
)
def test_no_byte_moves_from_one_field_to_the_next_t42(one: dict[str, Any], two: dict[str, Any]) -> None:
    first, second = (sign_path(replace(GRANT, **changes)) for changes in (one, two))
    assert first.split("/")[4] != second.split("/")[4]
    payload = second.split("/")[3]
    assert _is_refused(f"{PREFIX}blob/{payload}/{first.split('/')[4]}")


def test_it_ends_t42() -> None:
    path = sign_path(GRANT)
    last = GRANT.expires_at + CLOCK_SKEW_S
    assert read_path(path, now=last) == GRANT
    assert _is_refused(path, now=last + 1)


def test_other_keys_sign_nothing_here_t42(settings: Any) -> None:
    path = sign_path(GRANT)
    settings.SECRET_KEY, former = "another key", settings.SECRET_KEY
    assert _is_refused(path)
    settings.SECRET_KEY_FALLBACKS = [former]
    assert read_path(path) == GRANT
    payload = base64.urlsafe_b64decode(path.split("/")[3] + "==")
    assert former.encode() not in payload
