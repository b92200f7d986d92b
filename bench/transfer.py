"""Bytes per second of one large file in (LFS PUT, hashed on arrival) and out (resolve, then the data plane)."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import shutil
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench.hub import PEOPLE, BenchHub

MIB = 1024 * 1024
_BLOCK = 1 * MIB


@dataclass(frozen=True, slots=True)
class Speeds:
    """Medians in MB/s; ``copy`` is a plain file copy with fsync, ``hashing`` SHA-256 of the same file."""

    upload: float
    download: float
    copy: float
    hashing: float


def transfers(hub: BenchHub, scratch: Path, *, rounds: int, size_mib: int = 300) -> Speeds:
    source, size = scratch / "source.bin", size_mib * MIB
    taken: dict[str, list[float]] = {"upload": [], "download": [], "copy": [], "hashing": []}

    def take(what: str, work: Callable[[], Any]) -> Any:
        begun = time.perf_counter()
        result = work()
        taken[what].append(size / 1e6 / (time.perf_counter() - begun))
        return result

    name = f"transfer-{time.time_ns()}"
    _api(hub, "POST", "/api/repos/create", {"name": name})
    for number in range(rounds):
        _write_random(source, size_mib)  # a file that is known already would not be sent
        oid = take("hashing", lambda: _sha256(source))
        take("copy", lambda: _copy(source, scratch / "copy.bin"))
        take("upload", partial(_upload, hub, name, source, oid, size))
        _commit(hub, name, f"{number}.bin", oid, size)
        path = f"/{PEOPLE[0]}/{name}/resolve/main/{number}.bin"
        take("download", partial(_download, hub, path, scratch / "got.bin"))
        if _sha256(scratch / "got.bin") != oid:
            raise SystemExit("what came back is not what was sent")
    return Speeds(**{name: statistics.median(values) for name, values in taken.items()})


def _write_random(path: Path, size_mib: int) -> None:
    with path.open("wb") as file:
        for _ in range(size_mib):
            file.write(os.urandom(MIB))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _copy(source: Path, target: Path) -> None:
    """As durable as what the hub does with an upload."""
    shutil.copyfile(source, target)
    with target.open("rb") as file:
        os.fsync(file.fileno())


def _upload(hub: BenchHub, name: str, source: Path, oid: str, size: int) -> None:
    body = {
        "operation": "upload",
        "transfers": ["basic"],
        "hash_algo": "sha256",
        "objects": [{"oid": oid, "size": size}],
    }
    answer = _api(hub, "POST", f"/{PEOPLE[0]}/{name}.git/info/lfs/objects/batch", body)
    url = urlsplit(answer["objects"][0]["actions"]["upload"]["href"])
    client = http.client.HTTPConnection("127.0.0.1", hub.port, timeout=300, blocksize=_BLOCK)
    with source.open("rb") as file:
        client.request("PUT", f"{url.path}?{url.query}", file, {"Content-Length": str(size), "Host": url.netloc})
        if client.getresponse().status != 200:
            raise SystemExit("the upload was refused")
    client.close()


def _commit(hub: BenchHub, name: str, path: str, oid: str, size: int) -> None:
    lines = [
        {"key": "header", "value": {"summary": f"Add {path}"}},
        {"key": "lfsFile", "value": {"path": path, "algo": "sha256", "oid": oid, "size": size}},
    ]
    _api(hub, "POST", f"/api/models/{PEOPLE[0]}/{name}/commit/main", "\n".join(map(json.dumps, lines)))


def _download(hub: BenchHub, path: str, target: Path) -> None:
    client = http.client.HTTPConnection("localhost", hub.port, timeout=300)
    client.request("GET", path)
    moved = client.getresponse()
    moved.read()
    url = urlsplit(moved.headers["location"])
    client.request("GET", f"{url.path}?{url.query}")
    answer = client.getresponse()
    with target.open("wb") as file:
        shutil.copyfileobj(answer, file, _BLOCK)
    client.close()


def _api(hub: BenchHub, method: str, path: str, body: dict[str, Any] | str) -> dict[str, Any]:
    is_lines = isinstance(body, str)
    kind = "application/x-ndjson" if is_lines else "application/json"
    if "/info/lfs/" in path:
        kind = "application/vnd.git-lfs+json"
    client = http.client.HTTPConnection("localhost", hub.port, timeout=60)
    headers = {"Authorization": f"Bearer {hub.tokens[0]}", "Content-Type": kind, "Accept": kind}
    client.request(method, path, body if is_lines else json.dumps(body), headers)
    answer = client.getresponse()
    content = answer.read()
    client.close()
    if answer.status >= 300:
        raise SystemExit(f"{path}: {answer.status} {content[:300]!r}")
    return dict(json.loads(content))
