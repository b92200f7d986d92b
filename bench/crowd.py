"""32 transfers of 200 MB at once, half in and half out, over sockets of their own; what arrives is compared by hash."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit

from bench.hub import BenchHub

PEOPLE_AT_ONCE: Final = 32
SIZE_BYTES: Final = 200_000_000
_BLOCK: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Crowd:
    errors: int
    mb_per_s: float


def crowd(hub: BenchHub, repo_id: str, xet_path: str, xet_sha256: str) -> Crowd:
    """Sixteen send files of their own by LFS while eight read a whole one, and eight one that came by Xet."""
    half = PEOPLE_AT_ONCE // 2
    sources = [_seed(number) for number in range(half)]
    shared = _seed(1000)
    _send(hub, repo_id, shared)
    _commit(hub, repo_id, "crowd.bin", shared)
    errors: list[str] = []

    def guarded(act: Callable[[], None]) -> Callable[[], None]:
        def run() -> None:
            try:
                act()
            except Exception as error:  # any failure is one of the numbers
                errors.append(f"{type(error).__name__}: {error}")

        return run

    acts = [guarded(partial(_send, hub, repo_id, source)) for source in sources]
    for path, sha256 in [("crowd.bin", shared.sha256), (xet_path, xet_sha256)] * (half // 2):
        acts.append(guarded(partial(_receive, hub, repo_id, path, sha256)))
    threads = [threading.Thread(target=act) for act in acts]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - begun
    for line in errors[:5]:
        print(line)
    return Crowd(len(errors), PEOPLE_AT_ONCE * SIZE_BYTES / 1e6 / seconds)


@dataclass(frozen=True, slots=True)
class _Source:
    """Bytes that need no disk: one random block, told apart by its first bytes."""

    block: bytes
    head: bytes
    sha256: str

    def pieces(self) -> Any:
        left = SIZE_BYTES - len(self.head)
        yield self.head
        while left > 0:
            piece = self.block[: min(left, _BLOCK)]
            left -= len(piece)
            yield piece


_RANDOM: Final = os.urandom(_BLOCK)


def _seed(number: int) -> _Source:
    head = os.urandom(16) + number.to_bytes(4, "big")
    blank = _Source(_RANDOM, head, "")
    digest = hashlib.sha256()
    for piece in blank.pieces():
        digest.update(piece)
    return _Source(_RANDOM, head, digest.hexdigest())


def _send(hub: BenchHub, repo_id: str, source: _Source) -> None:
    body = {"operation": "upload", "transfers": ["basic"], "objects": [{"oid": source.sha256, "size": SIZE_BYTES}]}
    answer = _api(hub, f"/{repo_id}.git/info/lfs/objects/batch", body)
    url = urlsplit(answer["objects"][0]["actions"]["upload"]["href"])
    client = http.client.HTTPConnection("127.0.0.1", hub.port, timeout=600)
    client.putrequest("PUT", f"{url.path}?{url.query}", skip_host=True)
    client.putheader("Host", url.netloc)
    client.putheader("Content-Length", str(SIZE_BYTES))
    client.endheaders()
    for piece in source.pieces():
        client.send(piece)
    status = client.getresponse().status
    client.close()
    if status != 200:
        raise RuntimeError(f"an upload answered {status}")


def _receive(hub: BenchHub, repo_id: str, path: str, sha256: str) -> None:
    client = http.client.HTTPConnection("localhost", hub.port, timeout=600)
    client.request("GET", f"/{repo_id}/resolve/main/{path}")
    moved = client.getresponse()
    moved.read()
    url = urlsplit(moved.headers["location"])
    client.request("GET", f"{url.path}?{url.query}")
    answer = client.getresponse()
    digest = hashlib.sha256()
    while piece := answer.read(_BLOCK):
        digest.update(piece)
    client.close()
    if digest.hexdigest() != sha256:
        raise RuntimeError("a download came with other bytes")


def _commit(hub: BenchHub, repo_id: str, path: str, source: _Source) -> None:
    lines = [
        {"key": "header", "value": {"summary": f"Add {path}"}},
        {"key": "lfsFile", "value": {"path": path, "algo": "sha256", "oid": source.sha256, "size": SIZE_BYTES}},
    ]
    _api(hub, f"/api/models/{repo_id}/commit/main", "\n".join(map(json.dumps, lines)))


def _api(hub: BenchHub, path: str, body: dict[str, Any] | str) -> dict[str, Any]:
    kind = "application/x-ndjson" if isinstance(body, str) else "application/vnd.git-lfs+json"
    client = http.client.HTTPConnection("localhost", hub.port, timeout=120)
    headers = {"Authorization": f"Bearer {hub.tokens[0]}", "Content-Type": kind, "Accept": kind}
    client.request("POST", path, body if isinstance(body, str) else json.dumps(body), headers)
    answer = client.getresponse()
    content = answer.read()
    client.close()
    if answer.status >= 300:
        raise RuntimeError(f"{path}: {answer.status} {content[:300]!r}")
    return dict(json.loads(content))
