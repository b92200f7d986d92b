"""Bodies that are no sane JSON are a 400 on every route that reads one (T106, T114)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from tests.factories.accounts import bearer, make_token, make_user
from tests.factories.repos import make_repo
from tests.hub.test_route_rules import _methods, _path, _routes

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


#: What every reader of JSON must refuse by itself, whatever it looks for.
INSANE: list[bytes] = [
    b'{"name": NaN}',
    b'{"name": "\\ud800"}',
    b'{"name": "\\u0000"}',
    b'{"name": ' + b"[" * 65 + b"]" * 65 + b"}",
    b'{"name": 1e999}',
    b"[1]",
    b'"text"',
    b"\xff",
    b'{"name": {}, "title": [], "path": 1, "paths": "x", "branch": [], "comment": 3, "status": {}, "pinned": "x"}',
    b'{"private": [], "type": 7, "repo": {}, "revision": -1, "message": true, "user": {}, "item": [], "url": 5}',
]


def test_no_route_crashes_on_insane_json_t106() -> None:
    """Every address that takes a body by the URL configuration, so that a new one is tested by being there."""
    owner = make_user("owner", password=None)
    make_repo(owner, "model")
    headers = bearer(make_token(owner)[1])
    client, asked, reads = Client(), 0, False
    taken: set[tuple[str, str, bytes]] = set()
    for route, pattern in _routes():
        # Types differ in their prefix alone.
        if "admin/" in route or route.startswith(
            ("api/datasets", "api/spaces", "api/kernels", "datasets/", "spaces/", "kernels/")
        ):
            continue
        for method in set(_methods(pattern)) - {"GET", "HEAD"}:
            for body in (b"{", *INSANE):
                path = _path(route, namespace="owner", name="model", organization="owner", user="owner")
                answer = client.generic(method, path, body, content_type="application/json", **headers)
                asked += 1
                assert answer.status_code < 500, (method, route, body)
                if body == b"{":
                    reads = answer.status_code >= 400  # what acts on its address alone never looks
                elif reads and body in INSANE[:5] and answer.headers.get("Content-Type") == "application/json":
                    taken |= {(method, route, body[:20])} if answer.status_code < 400 else set()
    assert taken == set()
    assert asked > 500
