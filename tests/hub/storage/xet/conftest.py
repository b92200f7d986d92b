"""A content-addressed store of one domain, driven in process: xorbs, shards and rules."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field

import pytest

from hub.core.errors import PayloadTooLarge
from hub.storage.xet import registry, tokens
from hub.storage.xet.cas import CasApp
from tests.factories.xet import upload_shard


@pytest.fixture(autouse=True)
def _fresh_indexes():
    registry.indexes.clear()


@dataclass
class Rules:
    """What the hub decides about repos: here which files may be read, and how much room there is."""

    readable: set[str] = field(default_factory=set)
    room_bytes: int = 10**12

    def may_read(self, claims, file_hash):
        return file_hash in self.readable

    def reserve(self, claims, size_bytes):
        if size_bytes > self.room_bytes:
            raise PayloadTooLarge("No room is left.")

    def tally(self, claims, file_hash, size_bytes, *, address, client):
        return ""


@pytest.fixture
def rules():
    return Rules()


@pytest.fixture
def make_claims():
    def make(**changes):
        facts = {
            "domain": "ns1",
            "epoch": 0,
            "repo_key": "repo:1",
            "owner_key": "namespace:1",
            "ref": "main",
            "scope": tokens.Scope.WRITE,
            "user_key": "1",
            "expires_at": tokens.expiry(),
        }
        return tokens.Claims(**(facts | changes))

    return make


class Answer:
    def __init__(self, messages):
        self.status = messages[0]["status"]
        self.headers = {name.decode(): value.decode() for name, value in messages[0]["headers"]}
        self.body = b"".join(message.get("body", b"") for message in messages[1:])

    def json(self):
        return json.loads(self.body)

    def lines(self):
        return [json.loads(line) for line in self.body.splitlines() if line]


class Client:
    """Calls an ASGI app without a server; the bytes of a request come in pieces."""

    def __init__(self, app, claims):
        self.app, self.claims = app, claims

    def __call__(self, method, path, body=b"", *, headers=(), claims=None, token=None, piece=70_000):
        claims = claims or self.claims
        if token is None and claims is not None:
            token = tokens.sign(claims)
        url = f"/cas/d/{claims.domain}/{claims.epoch}{path}" if path.startswith("/v") else path
        sent = [(b"content-length", str(len(body)).encode()), (b"host", b"hub.test")] if body or method != "GET" else []
        sent += [(b"host", b"hub.test")] if not sent else []
        if token:
            sent.append((b"authorization", f"Bearer {token}".encode()))
        scope = {"type": "http", "method": method, "path": url, "headers": [*sent, *headers], "scheme": "http"}
        return asyncio.run(self._call(scope, body, piece))

    async def _call(self, scope, body, piece):
        pieces = [body[at : at + piece] for at in range(0, len(body), piece)] or [b""]
        messages = []

        async def receive():
            if pieces:
                part = pieces.pop(0)
                return {"type": "http.request", "body": part, "more_body": bool(pieces)}
            await asyncio.sleep(3600)
            return {"type": "http.disconnect"}

        async def send(message):
            messages.append(message)

        await self.app(scope, receive, send)
        return Answer(messages)

    def send_xorb(self, name, data, **more):
        return self("POST", f"/v1/xorbs/default/{name}", data, **more)

    def send_shard(self, files, xorbs=(), **more):
        return self("POST", "/v2/shards", upload_shard(files, xorbs), **more)


@pytest.fixture
def cas(rules, make_claims, transactional_db, settings):
    settings.HUB_STORAGE_URL += "?min_free_bytes=0"
    return Client(CasApp(rules), make_claims())
