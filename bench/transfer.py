"""Large files in and out, each over nginx serving or taking the same bytes with the same client on the same machine.

python -m bench transfer [--size-mb 1000] [--rounds 5] [--parts http,lfs-upload,…]

Every act is a process of its own (``bench.clients``) with empty caches.  Hub and nginx take turns, and which of them
begins changes with each round; a row's ratio is the median of the rounds' ratios.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.request import Request, urlopen

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from bench.counting import relay_to
from bench.crowd import PEOPLE_AT_ONCE, SIZE_BYTES, crowd
from bench.hub import PEOPLE, BenchHub
from bench.nginx import Nginx

PARTS: Final = ("http", "reconstructed", "xet-download", "lfs-upload", "xet-upload", "edited", "crowd")
TARGETS: Final = {
    "http": 0.8,
    "reconstructed": 0.6,
    "xet-download": 0.5,
    "lfs-upload": 0.6,
    "xet-upload": 0.25,
}
MAX_RSS_MB: Final = 300
MAX_EDITED_PERCENT: Final = 3
MB: Final = 1_000_000
_BLOCK: Final = 8 * 1024 * 1024
Row = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Measured:
    """Seconds of each round."""

    ours: list[float]
    nginx: list[float]

    @property
    def ratio(self) -> float:
        return statistics.median(nginx / ours for ours, nginx in zip(self.ours, self.nginx, strict=True))


@dataclass
class Bench:
    """One run; ``most_rss`` is the largest resident size that a web process had, bytes."""

    hub: BenchHub
    nginx: Nginx
    scratch: Path
    rounds: int
    size_bytes: int
    most_rss: int = 0
    rows: list[Row] = field(default_factory=list)
    _numbers: int = 0

    @property
    def repo_id(self) -> str:
        return f"{PEOPLE[0]}/transfer"

    def run(self, parts: list[str]) -> list[Row]:
        stop = threading.Event()
        sampler = threading.Thread(target=self._sample, args=(stop,), daemon=True)
        sampler.start()
        try:
            self._api("POST", "/api/repos/create", {"name": "transfer"})
            for part in PARTS:
                if part in parts:
                    self._parts()[part]()
        finally:
            stop.set()
            sampler.join()
        peak = self.most_rss / MB
        self.rows.append(("web process, resident, at most", f"{peak:.0f} MB", f"target {MAX_RSS_MB} MB"))
        return self.rows

    def _parts(self) -> dict[str, Callable[[], None]]:
        return {
            "http": self._http_whole,
            "reconstructed": self._reconstructed,
            "xet-download": self._xet_download,
            "lfs-upload": self._lfs_upload,
            "xet-upload": self._xet_upload,
            "edited": self._edited,
            "crowd": self._crowd,
        }

    def _sample(self, stop: threading.Event) -> None:
        while not stop.wait(0.05):
            self.most_rss = max(self.most_rss, self.hub.live.web_rss_bytes())

    # -- parts

    def _http_whole(self) -> None:
        source = self._fresh_file()
        path = self._upload(source, is_xet=False)
        self._compare("http", "HTTP download, whole object", lambda: self._get(path, source), self._get_plain(source))
        self._forget(source)

    def _reconstructed(self) -> None:
        source = self._fresh_file()
        path = self._upload(source, is_xet=True)
        self._compare(
            "reconstructed", "HTTP download, reconstructed", lambda: self._get(path, source), self._get_plain(source)
        )
        self._forget(source)

    def _xet_download(self) -> None:
        source = self._fresh_file()
        path, sha256 = self._upload(source, is_xet=True), sha256_of(source)

        def ours() -> float:
            return self._client("download", is_xet=True, repo_id=self.repo_id, path=path, sha256=sha256)

        self._compare("xet-download", "Xet download", ours, self._get_plain(source))
        self._forget(source)

    def _lfs_upload(self) -> None:
        self._compare_uploads("lfs-upload", "LFS upload, hashing included", is_xet=False, is_hashed=True)

    def _xet_upload(self) -> None:
        self._compare_uploads("xet-upload", "Xet upload, over a plain PUT", is_xet=True, is_hashed=False)

    def _compare_uploads(self, part: str, name: str, *, is_xet: bool, is_hashed: bool) -> None:
        source = self._fresh_file()

        def ours() -> float:
            write_random(source, self.size_bytes)  # what is known already would not be sent
            seconds = self._upload_seconds(source, is_xet=is_xet)[1]
            drop_cached(self.hub.live.data_dir)  # nginx's copy is removed: both sides find as much free memory
            return seconds

        def plain() -> float:
            taken = self.nginx.taken / source.name
            seconds = self._client(
                "put", url=f"{self.nginx.url}/taken/{source.name}", file=str(source), is_hashed=is_hashed
            )
            if taken.stat().st_size != self.size_bytes:
                raise SystemExit("nginx did not take the file")
            taken.unlink()
            return seconds

        self._compare(part, name, ours, plain)
        self._forget(source)

    def _edited(self) -> None:
        """A file, then the same with a megabyte changed in the middle, from a machine that knows nothing of it."""
        source = self._fresh_file()
        self._upload(source, is_xet=True)
        with source.open("r+b") as file:
            file.seek(self.size_bytes // 2)
            file.write(secrets.token_bytes(MB))
        before = allocated_bytes(self.hub.live.data_dir / "blobs")
        with relay_to(self.hub.port) as relay:
            path = self._upload(source, is_xet=True, endpoint=relay.url)
        stored = allocated_bytes(self.hub.live.data_dir / "blobs") - before
        self._get(path, source)
        self._client("download", is_xet=True, repo_id=self.repo_id, path=path, sha256=sha256_of(source))
        self._forget(source)
        shares = [100 * size / self.size_bytes for size in (relay.sent_bytes, stored)]
        text = f"{relay.sent_bytes / MB:.1f} / {stored / MB:.1f} MB, target {MAX_EDITED_PERCENT} %"
        self._tell("1 MB changed: sent / stored", f"{shares[0]:.2f} / {shares[1]:.2f} %", text)

    def _crowd(self) -> None:
        source = self._fresh_file(SIZE_BYTES)
        path, sha256 = self._upload(source, is_xet=True), sha256_of(source)
        self._forget(source)
        found = crowd(self.hub, self.repo_id, path, sha256)
        text = f"{found.mb_per_s:.0f} MB/s together"
        self._tell(f"{PEOPLE_AT_ONCE} transfers of 200 MB at once", f"{found.errors} errors", text)

    def _compare(self, part: str, name: str, ours: Callable[[], float], plain: Callable[[], float]) -> None:
        measured = Measured([], [])
        for number in range(self.rounds):
            turns = [(measured.ours, ours), (measured.nginx, plain)]
            for times, act in turns if number % 2 == 0 else turns[::-1]:
                # What one side left in the page cache must not be written out at the expense of the other.
                os.sync()
                times.append(act())
        speeds = [self.size_bytes / MB / statistics.median(times) for times in (measured.ours, measured.nginx)]
        text = f"{speeds[0]:.0f} / {speeds[1]:.0f} MB/s, target {TARGETS[part]}"
        self._tell(f"{name} / nginx", f"{measured.ratio:.2f}", text)

    def _tell(self, name: str, value: str, text: str) -> None:
        self.rows.append((name, value, text))
        sys.stdout.write(f"{name}: {value} ({text})\n")
        sys.stdout.flush()

    # -- files

    def _fresh_file(self, size_bytes: int = 0) -> Path:
        self._numbers += 1
        source = self.nginx.files / f"source-{self._numbers}.bin"
        write_random(source, size_bytes or self.size_bytes)
        return source

    def _forget(self, source: Path) -> None:
        source.unlink()

    # -- acts

    def _upload(self, source: Path, *, is_xet: bool, endpoint: str = "") -> str:
        return self._upload_seconds(source, is_xet=is_xet, endpoint=endpoint)[0]

    def _upload_seconds(self, source: Path, *, is_xet: bool, endpoint: str = "") -> tuple[str, float]:
        self._numbers += 1
        path = f"file-{self._numbers}.bin"
        wanted = {"repo_id": self.repo_id, "file": str(source), "path": path}
        return path, self._client("upload", is_xet=is_xet, endpoint=endpoint or self.hub.live.url, **wanted)

    def _get(self, path: str, source: Path) -> float:
        target = self.scratch / "got.bin"
        seconds = self._client(
            "http", url=f"{self.hub.live.url}/{self.repo_id}/resolve/main/{path}", target=str(target)
        )
        if sha256_of(target) != sha256_of(source):
            raise SystemExit("what came back is not what was sent")
        target.unlink()
        return seconds

    def _get_plain(self, source: Path) -> Callable[[], float]:
        target = self.scratch / "got.bin"

        def act() -> float:
            seconds = self._client("http", url=f"{self.nginx.url}/files/{source.name}", target=str(target))
            target.unlink()
            return seconds

        return act

    def _client(self, act: str, *, is_xet: bool = False, **wanted: str | bool) -> float:
        if act in ("upload", "download"):
            wanted.setdefault("endpoint", self.hub.live.url)
            wanted["token"] = self.hub.tokens[0]
        return run_client(act, is_xet=is_xet, **wanted)

    def _api(self, method: str, path: str, body: dict[str, str]) -> None:
        headers = {"Authorization": f"Bearer {self.hub.tokens[0]}", "Content-Type": "application/json"}
        request = Request(f"{self.hub.live.url}{path}", json.dumps(body).encode(), headers, method=method)
        with urlopen(request, timeout=60):
            pass


def run_client(act: str, *, is_xet: bool = False, **wanted: str | bool) -> float:
    """Run one act of ``bench.clients`` in a process with empty caches; return its seconds."""
    with tempfile.TemporaryDirectory(prefix="agora-client-") as home:
        environment = {
            **os.environ,
            "HF_HOME": home,
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
        }
        if not is_xet:
            environment["HF_HUB_DISABLE_XET"] = "1"
        argv = [sys.executable, "-m", "bench.clients", json.dumps({"act": act, **wanted})]
        done = subprocess.run(argv, env=environment, check=False, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{act} failed:\n{done.stderr[-3000:]}")
        return float(json.loads(done.stdout.splitlines()[-1])["seconds"])


def write_random(path: Path, size_bytes: int) -> None:
    """Bytes that nothing compresses and nothing has seen; on disk before this returns."""
    stream = Cipher(algorithms.AES(secrets.token_bytes(16)), modes.CTR(bytes(16))).encryptor()
    zeros = bytes(_BLOCK)
    with path.open("wb") as file:
        for start in range(0, size_bytes, _BLOCK):
            file.write(stream.update(zeros[: min(_BLOCK, size_bytes - start)]))
        file.flush()
        os.fsync(file.fileno())


def allocated_bytes(folder: Path) -> int:
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())


def drop_cached(folder: Path) -> None:
    """Take the large files below a folder out of the page cache, once they are on disk."""
    os.sync()
    for path in folder.rglob("*"):
        if path.is_file() and path.stat().st_size >= MB:
            with path.open("rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def transfers(hub: BenchHub, nginx: Nginx, scratch: Path, *, rounds: int, size_mb: int, parts: list[str]) -> list[Row]:
    work = scratch / "transfer"
    work.mkdir()
    try:
        return Bench(hub, nginx, work, rounds, size_mb * MB).run(parts)
    finally:
        shutil.rmtree(work, ignore_errors=True)
