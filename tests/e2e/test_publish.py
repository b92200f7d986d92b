"""Journey 1, by clicking: sign up → new model → drop a folder → close the tab → come back → page → token → call."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import httpx
import numpy as np
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.e2e.live_hub import LiveHub
from tests.e2e.models import embedding_model
from tests.e2e.test_upload import MIB, random_file, slow_down
from tests.e2e.upload_page import UploadPage

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(900)]

NAME = "grace"
PASSWORD = "twelve purple elephants dancing"
MODEL = "sentences"
BIG = "extra/random.dat"
BIG_BYTES = 300 * MIB
TEXTS = ["A hub is a place where models meet.", "An agora was a place where people met.", "十二头紫色的大象"]
ANSWER_WITHIN_S = 300


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The model and a large file beside it, and the sha256 of the latter."""
    root = tmp_path_factory.mktemp("publish") / "all-MiniLM-L6-v2"
    shutil.copytree(embedding_model(), root)
    return root, random_file(root / BIG, BIG_BYTES)


def test_a_person_publishes_a_model_and_calls_it(
    hub: LiveHub, context: BrowserContext, folder: tuple[Path, str], tmp_path: Path
) -> None:
    root, big_sha256 = folder
    repo_id = f"{NAME}/{MODEL}"
    page = context.new_page()

    sign_up(page, hub)
    describe_model(page, hub)
    upload_in_two_visits(context, page, hub, root)
    page = context.pages[-1]
    token = create_token(page, hub)

    page.goto(f"{hub.url}/{repo_id}")
    expect(page.locator("h1")).to_contain_text(MODEL)
    vectors = call_model(hub, repo_id, token)
    assert min(cosines(vectors, computed_directly(root))) > 0.9999
    check_download_with_ranges(hub, repo_id, big_sha256)
    check_git_clone(hub, repo_id, root, tmp_path / "clone", big_sha256)


def sign_up(page: Page, hub: LiveHub) -> None:
    page.goto(hub.url)
    page.get_by_role("link", name="Sign up").first.click()
    page.locator("input[name=username]").fill(NAME)
    page.locator("input[name=email]").fill(f"{NAME}@example.org")
    for field in page.locator("input[type=password]").all():
        field.fill(PASSWORD)
    page.get_by_role("button", name="Sign up").click()
    page.wait_for_url(lambda url: "/signup" not in url)


def describe_model(page: Page, hub: LiveHub) -> None:
    page.goto(f"{hub.url}/new")
    page.get_by_label("Name", exact=True).fill(MODEL)
    page.get_by_role("button", name="Create and add files").click()
    page.wait_for_url(f"{hub.url}/{NAME}/{MODEL}/upload/main")


def upload_in_two_visits(context: BrowserContext, page: Page, hub: LiveHub, root: Path) -> None:
    slow_down(page, 60 * MIB)
    upload = UploadPage(page)
    upload.root.wait_for()
    upload.drop(root)
    upload.wait_sent(BIG, 30)
    # Another tab first, as a person would have: a browser whose last tab closes ends.
    again = context.new_page()
    page.close()

    upload = UploadPage(again).open(f"{hub.url}/{NAME}/{MODEL}/upload/main")
    expect(again.locator("#upload-resume")).to_contain_text("Continue your upload")
    upload.choose_folder(root)
    upload.wait_phase("ready")
    again.get_by_label("Commit message").fill("Publish the sentence model")
    upload.commit()
    upload.wait_committed()
    expect(again.locator("#upload-inspection")).to_contain_text("can be called", timeout=60_000)
    again.get_by_role("link", name="Go to the repository").click()


def create_token(page: Page, hub: LiveHub) -> str:
    page.goto(f"{hub.url}/settings/tokens/new")
    page.get_by_label("Name", exact=True).fill("journey")
    page.locator("input[name=role][value=inference], select[name=role]").first.click()
    page.get_by_role("button", name="Create the token").click()
    secret = page.locator("#token-secret")
    secret.wait_for()
    return str(secret.evaluate("node => node.value ?? node.textContent")).strip()


def call_model(hub: LiveHub, repo_id: str, token: str) -> np.ndarray:
    """Ask until the model is loaded: a cold one answers that it is on its way."""
    deadline = time.monotonic() + ANSWER_WITHIN_S
    while True:
        answer = httpx.post(
            f"{hub.url}/models/{repo_id}/pipeline/feature-extraction",
            json={"inputs": TEXTS},
            headers={"Authorization": f"Bearer {token}"},
            timeout=ANSWER_WITHIN_S,
        )
        if answer.status_code == 200:
            return np.asarray(answer.json(), dtype=np.float64)
        assert answer.status_code == 503, answer.text
        assert time.monotonic() < deadline, answer.text
        time.sleep(2)


def computed_directly(root: Path) -> np.ndarray:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(root), device="cpu")
    return np.asarray(model.encode(TEXTS), dtype=np.float64)


def cosines(left: np.ndarray, right: np.ndarray) -> Sequence[float]:
    assert left.shape == right.shape == (len(TEXTS), 384)
    dots = (left * right).sum(axis=1)
    return list(dots / (np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)))


def check_download_with_ranges(hub: LiveHub, repo_id: str, sha256: str) -> None:
    """In four ranges, as download managers do."""
    url = f"{hub.url}/{repo_id}/resolve/main/{BIG}"
    found = hashlib.sha256()
    step = BIG_BYTES // 4
    for start in range(0, BIG_BYTES, step):
        asked = {"Range": f"bytes={start}-{start + step - 1}"}
        answer = httpx.get(url, headers=asked, follow_redirects=True, timeout=120)
        assert answer.status_code == 206
        assert answer.headers["content-range"] == f"bytes {start}-{start + step - 1}/{BIG_BYTES}"
        found.update(answer.content)
    assert found.hexdigest() == sha256


def check_git_clone(hub: LiveHub, repo_id: str, root: Path, target: Path, big_sha256: str) -> None:
    home = target.parent / "home"
    home.mkdir()
    kept = {"PATH": os.environ["PATH"], "HOME": str(home), "GIT_TERMINAL_PROMPT": "0"}
    subprocess.run(["git", "lfs", "install"], env=kept, check=True, capture_output=True, timeout=60)
    clone = ["git", "clone", "--quiet", f"{hub.url}/{repo_id}", str(target)]
    subprocess.run(clone, env=kept, check=True, capture_output=True, timeout=300)
    with (target / BIG).open("rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == big_sha256
    for name in ("config.json", "model.safetensors", "1_Pooling/config.json"):
        assert (target / name).read_bytes() == (root / name).read_bytes(), name
