"""Bodies that are no sane JSON are a 400 on every route that reads one (T106, T114)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from tests.factories.accounts import bearer, make_token, make_user
from tests.factories.repos import make_repo

pytestmark = pytest.mark.django_db(transaction=True)

HUGE = 10**30
BODIES: list[Any] = [
    b"{",
    b"[]",
    b"\xff\xfe",
    b'{"files": NaN}',
    b'{"files": [1e999]}',
    b'{"files": "\\ud800"}',
    b'{"files": "\\u0000"}',
    b'{"files": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    {"files": [HUGE]},
    {"files": [-HUGE]},
    {"files": [{"path": "a", "size": HUGE}], "totalBytes": HUGE},
    {"gated": []},
    {"gated": {}},
    {"gated": 1},
    {"operation": "upload", "objects": [{"oid": "a" * 64, "size": HUGE}]},
    {"operation": "download", "objects": [{"oid": "a" * 64, "size": HUGE}]},
    {"oid": "a" * 64, "size": HUGE},
    {"paths": [{}], "expand": []},
    {"name": [], "type": {}},
    {"fromRepo": {}, "toRepo": []},
    {"role": {}},
]


@pytest.fixture(autouse=True)
def _no_limits(settings: Any) -> None:
    settings.HUB_RATE_API = 1_000_000


def test_nothing_crashes_on_odd_bodies() -> None:
    owner = make_user("ann", password=None)
    make_repo(owner, "model")
    headers = bearer(make_token(owner)[1])
    client = Client()

    def send(method: str, path: str, body: Any) -> Any:
        data = body if isinstance(body, bytes) else json.dumps(body)
        return client.generic(method, path, data, content_type="application/json", **headers)

    repo = "/api/models/ann/model"
    draft = f"{repo}/upload-drafts/{send('POST', f'{repo}/upload-drafts', {}).json()['id']}"
    routes = [
        ("PUT", f"{repo}/settings"),
        *(("POST", f"{repo}/{end}") for end in ("duplicate", "tag/main", "paths-info/main", "preupload/main")),
        *(("POST", f"{repo}/{end}") for end in ("commit/main", "super-squash/main", "upload-drafts/check")),
        ("PUT", f"{draft}/files"),
        *(("POST", f"{draft}/{end}") for end in ("begin", "complete", "remove", "commit")),
        ("POST", "/ann/model.git/info/lfs/objects/batch"),
        ("POST", "/ann/model.git/info/lfs/objects/verify"),
        *(("POST", f"/ann/model.git/info/lfs/locks{end}") for end in ("", "/verify", "/1/unlock")),
        ("POST", "/api/repos/create"),
        ("DELETE", "/api/repos/delete"),
        ("POST", "/api/repos/move"),
        ("POST", "/api/validate-yaml"),
        ("PUT", "/api/organizations/ann/members/ann/role"),
    ]
    for method, path in routes:
        for body in BODIES:
            answer = send(method, path, body)
            assert answer.status_code < 500, (method, path, body)
            if isinstance(body, bytes) and answer.status_code == 400:
                assert set(answer.json()) <= {"error", "errors", "message"}
    for body in BODIES:
        assert send("POST", "/api/credentials/revoke", body).status_code == 202
