"""Journey: a private model is copied from one hub to another by clicking; what fails says why and is tried again."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import HfApi, hf_hub_download
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Person
from tests.e2e.live_hub import LiveHub

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

DONE_WITHIN_MS = 120_000


@pytest.fixture(scope="module")
def other_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveHub]:
    """One that may ask its neighbours on this machine."""
    opened = {"HUB_OUTGOING_NETWORKS": "127.0.0.0/8,::1/128", "HUB_OUTGOING_PORTS": "any"}
    live = LiveHub(tmp_path_factory.mktemp("other") / "data", settings=opened | {"HUB_METRICS_BIND": "off"})
    try:
        yield live.start()
    finally:
        live.stop()


def test_a_private_model_is_copied_from_another_hub(
    hub: LiveHub, other_hub: LiveHub, person: Person, page: Page, tmp_path: Path
) -> None:
    weights = os.urandom(12_000_000)
    repo_id = person.create_repo("source", private=True)
    api = HfApi(hub.url, token=person.token)
    api.upload_file(path_or_fileobj=weights, path_in_repo="model.safetensors", repo_id=repo_id)
    api.upload_file(path_or_fileobj=b"# Copied\n", path_in_repo="README.md", repo_id=repo_id)
    copier = Person(other_hub, "copier")
    copier.sign_in(page)

    _start_import(page, other_hub, hub.url, repo_id)  # without a token: private looks missing
    expect(page.get_by_text("The other hub has no such repository")).to_be_visible(timeout=DONE_WITHIN_MS)
    page.get_by_label("Access token for the other hub").fill(person.token)
    page.get_by_role("button", name="Try again").click()
    page.get_by_role("link", name="Open the repository").click(timeout=DONE_WITHIN_MS)
    page.wait_for_url(f"{other_hub.url}/copier/copy")
    expect(page.get_by_role("heading", name="Copied")).to_be_visible()

    got = hf_hub_download(
        "copier/copy", "model.safetensors", endpoint=other_hub.url, token=copier.token, cache_dir=tmp_path
    )
    assert Path(got).read_bytes() == weights
    _find_in_the_list(page, repo_id)


def _start_import(page: Page, other_hub: LiveHub, source_url: str, repo_id: str) -> None:
    page.goto(other_hub.url)
    page.locator("summary", has_text="New").click()
    page.get_by_role("link", name="Import", exact=True).click()
    page.get_by_label("Address of the other hub").fill(source_url)
    page.get_by_label("Repository there").fill(repo_id)
    page.get_by_label("Name", exact=True).fill("copy")
    page.get_by_role("button", name="Start the import").click()
    expect(page.get_by_role("heading", name=f"Import of {repo_id}")).to_be_visible()


def _find_in_the_list(page: Page, repo_id: str) -> None:
    page.get_by_label("Your account").click()
    page.get_by_role("banner").get_by_role("link", name="Settings", exact=True).click()
    page.get_by_role("navigation", name="Settings").get_by_role("link", name="Imports").click()
    row = page.get_by_role("row", name=repo_id)
    expect(row).to_contain_text("Done")
    expect(row).to_contain_text("12 MB")
