"""Journey: what a client sends by Xet is what a browser, git-lfs and a range request get, byte by byte."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser

from tests.e2e.conftest import Person
from tests.e2e.live_hub import LiveHub

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

DATA = random.Random(44).randbytes(7_000_003)
NAME = "weights.safetensors"


def test_a_file_sent_by_xet_comes_back_by_every_way(
    hub: LiveHub, browser: Browser, person: Person, tmp_path: Path
) -> None:
    repo_id = person.create_repo("by-xet")
    file = tmp_path / NAME
    file.write_bytes(DATA)
    _send(hub, person, repo_id, file, tmp_path / "home")
    listed = person.api("POST", f"/api/models/{repo_id}/paths-info/main", json={"paths": [NAME]}).json()
    assert len(listed[0]["xetHash"]) == 64
    assert list((hub.data_dir / "blobs" / "xorbs" / "objects").rglob("*"))

    assert _click_download(browser, f"{hub.url}/{repo_id}/blob/main/{NAME}") == DATA
    assert _clone(hub, repo_id, tmp_path) == DATA
    _ranges(f"{hub.url}/{repo_id}/resolve/main/{NAME}")


def _send(hub: LiveHub, person: Person, repo_id: str, file: Path, home: Path) -> None:
    """In a process of its own: the client reads its settings when it is loaded."""
    code = (
        "from huggingface_hub import HfApi, constants\n"
        "import hf_xet\n"
        "assert not constants.HF_HUB_DISABLE_XET\n"
        f"HfApi().upload_file(path_or_fileobj={str(file)!r}, path_in_repo={file.name!r}, repo_id={repo_id!r})\n"
    )
    base = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    environment = base | {"HF_ENDPOINT": hub.url, "HF_TOKEN": person.token, "HF_HOME": str(home)}
    argv = [sys.executable, "-c", code]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


def _click_download(browser: Browser, address: str) -> bytes:
    context = browser.new_context(accept_downloads=True)
    page = context.new_page()
    page.goto(address)
    with page.expect_download() as started:
        page.get_by_role("link", name="Download", exact=True).first.click()
    assert started.value.suggested_filename == NAME
    data = Path(started.value.path()).read_bytes()
    context.close()
    return data


def _clone(hub: LiveHub, repo_id: str, folder: Path) -> bytes:
    environment = {**os.environ, "HOME": str(folder), "GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_NOSYSTEM": "1"}
    target = folder / "clone"
    subprocess.run(["git", "lfs", "install"], env=environment, check=True, capture_output=True)
    argv = ["git", "clone", "-q", f"{hub.url}/{repo_id}", str(target)]
    subprocess.run(argv, env=environment, check=True, timeout=120)
    return (target / NAME).read_bytes()


def _ranges(address: str) -> None:
    for text, expected in (
        ("bytes=0-0", DATA[:1]),
        ("bytes=65530-131080", DATA[65530:131081]),
        ("bytes=3000000-", DATA[3_000_000:]),
        ("bytes=-17", DATA[-17:]),
    ):
        answer = httpx.get(address, headers={"Range": text}, follow_redirects=True, timeout=60)
        assert (answer.status_code, answer.content == expected) == (206, True), text
    parts = [
        httpx.get(address, headers={"Range": f"bytes={at}-{at + 999_999}"}, follow_redirects=True, timeout=60).content
        for at in range(0, len(DATA), 1_000_000)
    ]
    assert b"".join(parts) == DATA
