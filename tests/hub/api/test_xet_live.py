"""The stock client over Xet against a running hub, each step in a process with its own cache (xet-protocol §14.12)."""

from __future__ import annotations

import hashlib
import json
import os
import random
import struct
import subprocess
import sys
from itertools import count
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from tests.hub.api.conftest import LiveHub

pytestmark = [pytest.mark.slow]
_numbers = count(1)
MB = 1_000_000


@pytest.fixture
def repo_id(live_hub: LiveHub) -> str:
    name = f"alice/xet-{next(_numbers)}"
    _client(live_hub, Path(live_hub.data_dir) / "home-make", f"api.create_repo('{name}')")
    return name


def _client(hub: LiveHub, home: Path, code: str, *, token: str = "", **environment: str) -> str:
    """Run ``code`` with ``api`` in a fresh client; return what it printed."""
    base = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    base |= {"HF_ENDPOINT": hub.url, "HF_TOKEN": token or hub.alice, "HF_HOME": str(home)}
    base |= {"HF_HUB_DISABLE_PROGRESS_BARS": "1"} | environment
    script = f"from huggingface_hub import HfApi\napi = HfApi()\n{code}\n"
    done = subprocess.run(
        [sys.executable, "-c", script], env=base, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def _upload(hub: LiveHub, home: Path, repo_id: str, file: Path) -> None:
    _client(
        hub, home, f"api.upload_file(path_or_fileobj={str(file)!r}, path_in_repo={file.name!r}, repo_id={repo_id!r})"
    )


def _stored_bytes(hub: LiveHub) -> int:
    return sum(
        path.stat().st_size for path in (hub.data_dir / "blobs" / "xorbs" / "objects").rglob("*") if path.is_file()
    )


def _get(hub: LiveHub, repo_id: str, name: str, **headers: str) -> tuple[int, bytes]:
    with urlopen(Request(f"{hub.url}/{repo_id}/resolve/main/{name}", headers=headers)) as answer:
        return answer.status, answer.read()


def test_an_edited_file_sends_and_stores_only_what_changed(live_hub: LiveHub, repo_id: str, tmp_path: Path) -> None:
    """From a machine that knows nothing of the first version: the hub's dedup index has to tell it."""
    dice = random.Random(1)
    first = dice.randbytes(40 * MB)
    second = first[: 20 * MB] + dice.randbytes(MB) + first[20 * MB :]
    file = tmp_path / "model.bin"
    file.write_bytes(first)
    before = _stored_bytes(live_hub)
    _upload(live_hub, tmp_path / "one", repo_id, file)
    middle = _stored_bytes(live_hub)
    file.write_bytes(second)
    _upload(live_hub, tmp_path / "two", repo_id, file)
    after = _stored_bytes(live_hub)

    assert middle - before <= len(first) * 1.01
    assert after - middle <= len(second) * 0.04  # one of forty megabytes, and the chunks at its ends

    got = tmp_path / "got"
    _client(live_hub, tmp_path / "three", f"api.hf_hub_download({repo_id!r}, 'model.bin', local_dir={str(got)!r})")
    assert (got / "model.bin").read_bytes() == second
    assert _get(live_hub, repo_id, "model.bin") == (200, second)
    span = "bytes=19999990-21000009"
    assert _get(live_hub, repo_id, "model.bin", Range=span) == (206, second[19999990:21000010])
    assert _get(live_hub, repo_id, "model.bin", Range="bytes=-17") == (206, second[-17:])


LAYERS, LAYER_BYTES = 6, 4 * 1024 * 1024
#: A layer, a chunk at each of its ends, and what the store keeps about it. Boundaries lie where the bytes say, so that
#: some weights need another chunk or two until the old and the new ones meet again: these seeds are not among them.
ONE_LAYER_BYTES = LAYER_BYTES + 2 * 128 * 1024 + 64 * 1024


def _safetensors(seed: int, *, tuned: int | None = None) -> bytes:
    """Layers of random weights; with ``tuned`` one of them is another."""
    entries = {
        f"layer.{number}.weight": {
            "dtype": "F32",
            "shape": [1024, 1024],
            "data_offsets": [number * LAYER_BYTES, (number + 1) * LAYER_BYTES],
        }
        for number in range(LAYERS)
    }
    header = json.dumps(entries).encode()
    header += b" " * (-len(header) % 8)
    weights = [random.Random(f"{seed} {number} {number == tuned}").randbytes(LAYER_BYTES) for number in range(LAYERS)]
    return struct.pack("<Q", len(header)) + header + b"".join(weights)


def _convert(hub: LiveHub) -> None:
    """What the worker does every few minutes: cut files that came whole into chunks."""
    hub.manage("shell", "--command", "from hub.repos.services.xet import convert_files; convert_files()")


@pytest.mark.parametrize("way", ["xet", "lfs"])
def test_a_fine_tune_of_one_layer_stores_that_layer(live_hub: LiveHub, repo_id: str, tmp_path: Path, way: str) -> None:
    """From a machine that never saw the base, into a repo of its own owner's: by Xet, and by LFS with what follows."""
    seed = {"xet": 13, "lfs": 12}[way]
    file = tmp_path / "model.safetensors"
    environment = {"HF_HUB_DISABLE_XET": "1"} if way == "lfs" else {}
    code = f"api.upload_file(path_or_fileobj={str(file)!r}, path_in_repo={file.name!r}, repo_id={repo_id!r})"
    stored = []
    _convert(live_hub)  # what other tests have left whole on this hub is not this file's
    for version, data in enumerate((_safetensors(seed), _safetensors(seed, tuned=3))):
        file.write_bytes(data)
        before = _stored_bytes(live_hub)
        _client(live_hub, tmp_path / f"home-{version}", code, **environment)
        if way == "lfs":
            assert _stored_bytes(live_hub) == before
            _convert(live_hub)
        stored.append(_stored_bytes(live_hub) - before)
        assert _get(live_hub, repo_id, file.name) == (200, data)

    assert LAYERS * LAYER_BYTES <= stored[0] <= LAYERS * LAYER_BYTES * 1.01
    assert LAYER_BYTES <= stored[1] < ONE_LAYER_BYTES


def test_git_lfs_gets_what_came_by_xet(live_hub: LiveHub, repo_id: str, tmp_path: Path) -> None:
    data = random.Random(2).randbytes(5 * MB)
    file = tmp_path / "weights.safetensors"
    file.write_bytes(data)
    _upload(live_hub, tmp_path / "home", repo_id, file)
    environment = {**os.environ, "HOME": str(tmp_path), "GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_NOSYSTEM": "1"}
    subprocess.run(["git", "lfs", "install"], env=environment, check=True, capture_output=True)
    target = tmp_path / "clone"
    subprocess.run(
        ["git", "clone", "-q", f"{live_hub.url}/{repo_id}", str(target)], env=environment, check=True, timeout=120
    )
    assert (target / file.name).read_bytes() == data


def test_sending_the_same_again_changes_nothing(live_hub: LiveHub, repo_id: str, tmp_path: Path) -> None:
    file = tmp_path / "a.bin"
    file.write_bytes(random.Random(3).randbytes(3 * MB))
    head = f"print(api.repo_info({repo_id!r}).sha)"
    _upload(live_hub, tmp_path / "home", repo_id, file)
    before = _client(live_hub, tmp_path / "home", head)
    stored = _stored_bytes(live_hub)
    _upload(live_hub, tmp_path / "other-home", repo_id, file)
    assert _client(live_hub, tmp_path / "home", head) == before
    assert _stored_bytes(live_hub) == stored


def test_thousands_of_small_files_are_one_folder(live_hub: LiveHub, repo_id: str, tmp_path: Path) -> None:
    """More chunks than one xorb takes: 9,000 binary files of their own content."""
    folder = tmp_path / "folder"
    for number in range(9_000):
        path = folder / f"{number // 1_000}" / f"{number}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\0" + hashlib.sha256(str(number).encode()).digest())
    _client(live_hub, tmp_path / "home", f"api.upload_folder(repo_id={repo_id!r}, folder_path={str(folder)!r})")
    listed = _client(live_hub, tmp_path / "home", f"print(len(api.list_repo_files({repo_id!r})))")
    assert int(listed) == 9_001
    for number in (0, 4_321, 8_999):
        expected = (folder / f"{number // 1_000}" / f"{number}.bin").read_bytes()
        assert _get(live_hub, repo_id, f"{number // 1_000}/{number}.bin") == (200, expected)


def test_strangers_neither_send_nor_read_what_is_private(live_hub: LiveHub, tmp_path: Path) -> None:
    """T77, T83: a token for one's own repo opens nobody else's files."""
    secret = f"alice/xet-private-{next(_numbers)}"
    file = tmp_path / "s.bin"
    file.write_bytes(random.Random(4).randbytes(2 * MB))
    _client(live_hub, tmp_path / "home", f"api.create_repo('{secret}', private=True)")
    _upload(live_hub, tmp_path / "home", secret, file)
    file_hash = _client(
        live_hub, tmp_path / "home", f"print(api.get_paths_info({secret!r}, ['s.bin'])[0].xet_hash)"
    ).strip()
    code = f"""
api.create_repo('bob/own', exist_ok=True)
from huggingface_hub.utils import get_session, build_hf_headers
headers = build_hf_headers()
session = get_session()
denied = session.get('{live_hub.url}/api/models/{secret}/xet-read-token/main', headers=headers)
mine = session.get('{live_hub.url}/api/models/bob/own/xet-read-token/main', headers=headers).json()
bearer = {{'Authorization': 'Bearer ' + mine['accessToken']}}
other = session.get(mine['casUrl'] + '/v2/reconstructions/{file_hash}', headers=bearer)
write = session.post(mine['casUrl'] + '/v1/shards', headers=bearer, content=b'x')
print(denied.status_code, other.status_code, write.status_code)
"""
    assert _client(live_hub, tmp_path / "bob", code, token=live_hub.bob).split() == ["404", "404", "403"]
