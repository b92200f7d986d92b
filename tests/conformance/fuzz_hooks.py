"""Loaded by schemathesis (SCHEMATHESIS_HOOKS): most requests name things that exist, or nothing but 404 is tested."""

from __future__ import annotations

from typing import Any
from zlib import crc32

import schemathesis

OWNER = "alice"
#: One name in five stays as schemathesis made it.
_INVENTED = 5
_KNOWN = {
    "namespace": OWNER,
    "owner": OWNER,
    "user": OWNER,
    "organization": "guild",
    "types": "models",
    "name": "fuzz",
    "revision": "main",
    "rest": "main/README.md",
    "branch": "dev",
    "compare": "main..dev",
    "num": 1,
    "task": "text-generation",
}
_PEOPLE = "/api/users/"
_ORGANIZATIONS = "/api/organizations/"


@schemathesis.serializer(
    "application/x-git-upload-pack-request", "application/x-git-receive-pack-request", "application/x-ndjson"
)
def as_bytes(context: Any, value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")


@schemathesis.hook
def map_path_parameters(context: Any, path_parameters: dict[str, Any] | None) -> dict[str, Any] | None:
    if not path_parameters:
        return path_parameters
    path = context.operation.path
    return {name: _known(path, name, value) for name, value in path_parameters.items()}


def _known(path: str, name: str, value: Any) -> Any:
    # From the value itself, so that a case found once is found again.
    if crc32(repr(value).encode()) % _INVENTED == 0 or name not in _KNOWN:
        return value
    if name == "name" and path.startswith((_PEOPLE, "/api/{kind}/", "/api/avatars/")):
        return OWNER
    return _KNOWN["organization"] if name == "name" and path.startswith(_ORGANIZATIONS) else _KNOWN[name]
