"""Pull-through from a second, live hub: read there once, kept here, served when it is away."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx
import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import EntryNotFoundError, RepositoryNotFoundError

from tests.e2e.live_hub import ROOT, LiveHub

pytestmark = [pytest.mark.slow]

PASSWORD = "correct horse battery staple"
LARGE = b"\0" + hashlib.sha256(b"large").digest() * 100_000
FILES = {"README.md": b"# Far\n", "config.json": b'{"model_type": "bert"}', "sub/a.txt": b"a\n", "model.bin": LARGE}
_OPEN = {"HUB_OUTGOING_NETWORKS": "127.0.0.0/8,::1/128", "HUB_OUTGOING_PORTS": "any", "HUB_INFERENCE_ENABLED": "0"}
_LIMITS = dict.fromkeys(("HUB_RATE_API", "HUB_RATE_RESOLVE", "HUB_RATE_PAGES"), "1000000") | {"HUB_MIN_FREE_BYTES": "0"}


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveHub]:
    hub = LiveHub(tmp_path_factory.mktemp("far") / "data", settings={**_LIMITS, **_OPEN}).start()
    try:
        hub.manage("createuser", "faraway", "--email", "f@example.org", "--password", PASSWORD)
        token = hub.manage("createtoken", "faraway", "--scope", "write").split()[-1]
        script = (
            "import json, sys; from huggingface_hub import HfApi; api = HfApi(); api.create_repo('faraway/model');"
            "api.create_repo('faraway/hidden', private=True);"
            "api.upload_folder(repo_id='faraway/model', folder_path=sys.argv[1])"
        )
        folder = tmp_path_factory.mktemp("content")
        for name, data in FILES.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(data)
        environment = hub.environment | {"HF_ENDPOINT": hub.url, "HF_TOKEN": token, "HF_HOME": str(folder.parent / "h")}
        subprocess.run([sys.executable, "-c", script, str(folder)], env=environment, cwd=ROOT, check=True, timeout=120)
        yield hub
    finally:
        hub.stop()


@pytest.fixture(scope="module")
def near(far: LiveHub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveHub]:
    own = {"HUB_UPSTREAM_URL": far.url, "HUB_UPSTREAM_NAMESPACES": "faraway", "HUB_UPSTREAM_FRESH_SECONDS": "0"}
    hub = LiveHub(tmp_path_factory.mktemp("near") / "data", settings={**_LIMITS, **_OPEN, **own}).start()
    try:
        hub.manage("createuser", "reader", "--email", "r@example.org", "--password", PASSWORD)
        yield hub
    finally:
        hub.stop()


@pytest.fixture(scope="module")
def token(near: LiveHub) -> str:
    return near.manage("createtoken", "reader", "--scope", "read").split()[-1]


def _snapshot(hub: LiveHub, token: str, home: Path, repo_id: str = "faraway/model") -> Path:
    """In a process of its own: the client fixes its caches and Xet at import."""
    script = "import sys; from huggingface_hub import snapshot_download; print(snapshot_download(sys.argv[1]))"
    environment = hub.environment | {"HF_ENDPOINT": hub.url, "HF_TOKEN": token, "HF_HOME": str(home)}
    done = subprocess.run(
        [sys.executable, "-c", script, repo_id],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return Path(done.stdout.strip().splitlines()[-1])


def _content(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".gitattributes"
    }


def test_what_was_read_once_is_served_when_the_upstream_is_away(
    far: LiveHub, near: LiveHub, token: str, tmp_path: Path
) -> None:
    there = HfApi(endpoint=far.url).repo_info("faraway/model")
    api = HfApi(endpoint=near.url, token=token)
    assert api.repo_info("faraway/model").sha == there.sha
    assert sorted(api.list_repo_files("faraway/model")) == sorted([".gitattributes", *FILES])
    assert _content(_snapshot(near, token, tmp_path / "first")) == FILES
    with pytest.raises(EntryNotFoundError):
        api.hf_hub_download("faraway/model", "absent.txt", local_dir=tmp_path / "absent")

    far.stop()
    try:
        assert _content(_snapshot(near, token, tmp_path / "second")) == FILES
        assert api.repo_info("faraway/model").sha == there.sha
        url = f"{near.url}/faraway/model/resolve/main/model.bin"
        answer = httpx.get(
            url, headers={"Authorization": f"Bearer {token}", "Range": "bytes=100-299"}, follow_redirects=True
        )
        assert (answer.status_code, answer.content) == (206, LARGE[100:300])
        head = httpx.head(url, headers={"Authorization": f"Bearer {token}"})
        assert head.headers["x-agora-mirrored-from"] == far.url
        assert head.headers["etag"] == f'"{hashlib.sha256(LARGE).hexdigest()}"'
        # What nobody asked for before cannot be had now, and that is not the same as "there is none".
        other = httpx.get(
            f"{near.url}/api/models/faraway/other", headers={"Authorization": f"Bearer {token}"}, timeout=60
        )
        assert other.status_code == 503
    finally:
        far.start()


def test_nothing_is_offered_to_strangers_or_beyond_the_list(far: LiveHub, near: LiveHub, token: str) -> None:
    bearer = {"Authorization": f"Bearer {token}"}
    assert httpx.get(f"{near.url}/api/models/faraway/model").status_code == 401
    assert httpx.get(f"{near.url}/faraway/model/resolve/main/README.md").status_code == 401
    missing = httpx.get(f"{near.url}/api/models/faraway/absent", headers=bearer)
    hidden = httpx.get(f"{near.url}/api/models/faraway/hidden", headers=bearer)
    unlisted = httpx.get(f"{near.url}/api/models/elsewhere/model", headers=bearer)
    assert [answer.status_code for answer in (missing, hidden, unlisted)] == [404] * 3
    assert missing.json() == hidden.json() == unlisted.json() == {"error": "Repository not found"}
    with pytest.raises(RepositoryNotFoundError):
        HfApi(endpoint=near.url, token=token).create_branch("faraway/model", branch="mine")


def test_a_namespace_of_ones_own_is_never_filled_from_elsewhere(near: LiveHub, token: str) -> None:
    """T29, T35: what is hidden here reads like what is missing, whatever stands upstream under the same name."""
    bearer = {"Authorization": f"Bearer {token}"}
    assert httpx.get(f"{near.url}/api/models/reader/model", headers=bearer).status_code == 404
    near.manage("createuser", "faraway", "--email", "f@example.org", "--password", PASSWORD)
    try:
        answer = httpx.get(f"{near.url}/api/models/faraway/model", headers=bearer)
        assert (answer.status_code, answer.headers.get("x-agora-mirrored-from")) == (404, None)
    finally:
        undo = (
            "from hub.accounts.models import Namespace, User; User.objects.filter(username='faraway').delete(); "
            "Namespace.objects.filter(name='faraway').delete()"
        )
        near.manage("shell", "-c", undo)


class _Liar(BaseHTTPRequestHandler):
    """A hub that announces one file and sends another of the same length."""

    oid = "a" * 40

    def do_GET(self) -> None:
        if "/resolve/" in self.path:
            self._send(b"wrong!", "application/octet-stream")
        else:
            self._send(json.dumps({"id": "faraway/lie", "sha": self.oid}).encode())

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        entry = {"type": "file", "path": "a.txt", "size": 6, "oid": hashlib.sha1(b"blob 6\0right!").hexdigest()}
        self._send(json.dumps([entry]).encode())

    def _send(self, body: bytes, kind: str = "application/json") -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


def test_other_bytes_than_announced_are_never_given_whole_t184(tmp_path: Path) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Liar)
    Thread(target=server.serve_forever, daemon=True).start()
    own = {"HUB_UPSTREAM_URL": f"http://127.0.0.1:{server.server_port}", "HUB_UPSTREAM_NAMESPACES": "any"}
    hub = LiveHub(tmp_path / "data", settings={**_LIMITS, **_OPEN, **own}).start()
    try:
        hub.manage("createuser", "reader", "--email", "r@example.org", "--password", PASSWORD)
        secret = hub.manage("createtoken", "reader", "--scope", "read").split()[-1]
        bearer = {"Authorization": f"Bearer {secret}"}
        url = f"{hub.url}/faraway/lie/resolve/main/a.txt"
        for _ in range(2):  # nothing of it was kept, so the second reader fares no better
            answer = httpx.get(url, headers=bearer, follow_redirects=True)
            assert answer.status_code == 500
            assert b"wrong!" not in answer.content
        assert not [path for path in (hub.data_dir / "blobs" / "objects").rglob("*") if path.is_file()]
    finally:
        hub.stop()
        server.shutdown()
        server.server_close()
