"""Journey: a repo gets a gate, somebody asks, the owner lets them in by clicking, the client downloads (T37, T39)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from huggingface_hub import HfApi, hf_hub_download
from huggingface_hub.errors import GatedRepoError
from playwright.sync_api import Browser, Page, expect

from tests.e2e.conftest import Person
from tests.e2e.live_hub import LiveHub

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

CARD = b"""---
extra_gated_fields:
  Institution: text
  Use:
    type: select
    options: [Research, Teaching]
  I keep to the terms: checkbox
---
# Maps
"""
MAPS = bytes(range(256)) * 40


def test_a_request_is_granted_in_the_browser_and_taken_back(
    hub: LiveHub, browser: Browser, new_person: Callable[..., Person], tmp_path: Path
) -> None:
    owner, asker = new_person(), new_person()
    repo_id = owner.create_repo("maps")
    api = HfApi(hub.url, token=owner.token)
    api.upload_file(path_or_fileobj=CARD, path_in_repo="README.md", repo_id=repo_id)
    api.upload_file(path_or_fileobj=MAPS, path_in_repo="maps.bin", repo_id=repo_id)
    owners, askers = (browser.new_context().new_page() for _ in range(2))
    owner.sign_in(owners)
    _set_up_gate(owners, hub, repo_id)

    _sign_in_at_the_gate(askers, hub, repo_id, asker)
    _ask(askers)
    with pytest.raises(GatedRepoError):
        _download(hub, repo_id, asker, tmp_path / "early")

    _accept(owners, hub, repo_id, asker)
    askers.reload()
    expect(askers.get_by_role("heading", name="You may read the files")).to_be_visible()
    assert _download(hub, repo_id, asker, tmp_path / "then") == MAPS

    _take_back(owners, asker, "The term is over.")
    askers.reload()
    expect(askers.get_by_role("heading", name="Your request was rejected")).to_be_visible()
    expect(askers.get_by_text("The term is over.")).to_be_visible()
    with pytest.raises(GatedRepoError):
        _download(hub, repo_id, asker, tmp_path / "late")
    for page in (owners, askers):
        page.context.close()


def _set_up_gate(page: Page, hub: LiveHub, repo_id: str) -> None:
    page.goto(f"{hub.url}/{repo_id}")
    page.get_by_role("link", name="Settings", exact=True).click()
    page.get_by_role("navigation", name="Settings").get_by_role("link", name="Access").click()
    page.get_by_role("link", name="Set up a gate").click()
    gate = page.locator("#gate")
    gate.get_by_label("Whom you let in").check()
    gate.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The files are open to those who were let in.")).to_be_visible()


def _sign_in_at_the_gate(page: Page, hub: LiveHub, repo_id: str, asker: Person) -> None:
    """From a file's address, as somebody sent it, by signing in, to the form."""
    page.goto(f"{hub.url}/{repo_id}/blob/main/maps.bin")
    page.get_by_role("link", name="Sign in to ask for access").click()
    page.locator("input[name=login]").fill(asker.name)
    page.locator("input[name=password]").fill(asker.password)
    page.locator("input[name=password]").press("Enter")
    page.wait_for_url(f"{hub.url}/{repo_id}")


def _ask(page: Page) -> None:
    gate = page.locator("#gate")
    gate.get_by_label("Institution").fill("University of the Orchard")
    gate.get_by_label("Use").select_option("Teaching")
    gate.get_by_label("I keep to the terms").check()
    gate.get_by_role("button", name="Ask for access").click()
    expect(page.get_by_role("heading", name="Your request waits for a decision")).to_be_visible()
    expect(gate.get_by_text("University of the Orchard")).to_be_visible()


def _accept(page: Page, hub: LiveHub, repo_id: str, asker: Person) -> None:
    page.goto(f"{hub.url}/{repo_id}")
    page.get_by_role("link", name="Settings 1").click()
    page.get_by_role("navigation", name="Settings").get_by_role("link", name="Access").click()
    row = page.locator(".access__row", has_text=asker.name)
    expect(row).to_contain_text(f"{asker.name}@example.org")
    expect(row).to_contain_text("Teaching")
    row.get_by_role("button", name="Accept").click()
    expect(page.get_by_text(f"{asker.name} may read the files now.")).to_be_visible()
    expect(page.get_by_text("Nobody waits for a decision.")).to_be_visible()


def _take_back(page: Page, asker: Person, reason: str) -> None:
    page.get_by_role("link", name="Let in 1").click()
    row = page.locator(".access__row", has_text=asker.name)
    row.get_by_text("Take back…").click()
    row.get_by_label("Reason, shown to them").fill(reason)
    row.get_by_role("button", name="Take the access back").click()
    expect(page.get_by_text(f"{asker.name} cannot read the files.")).to_be_visible()


def _download(hub: LiveHub, repo_id: str, asker: Person, cache: Path) -> bytes:
    path = hf_hub_download(repo_id, "maps.bin", endpoint=hub.url, token=asker.token, cache_dir=cache)
    return Path(path).read_bytes()
