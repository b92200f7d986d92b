"""Journeys: two people discuss, and a stranger's edit of the card is reviewed, merged and shown (T94, T196)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from huggingface_hub import HfApi
from playwright.sync_api import Browser, Page, expect

from tests.e2e.conftest import Person
from tests.e2e.live_hub import LiveHub

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

CARD = b"""---
license: mit
---
# Maps

A modle of old maps.
"""


def _two(browser: Browser, *people: Person, script: bool = True) -> list[Page]:
    pages = [browser.new_context(java_script_enabled=script).new_page() for _ in people]
    for person, page in zip(people, pages, strict=True):
        page.set_default_timeout(30_000)
        person.sign_in(page)
    return pages


def _repo_with_card(hub: LiveHub, owner: Person) -> str:
    repo_id = owner.create_repo("maps")
    HfApi(hub.url, token=owner.token).upload_file(path_or_fileobj=CARD, path_in_repo="README.md", repo_id=repo_id)
    return repo_id


def test_two_people_discuss_mention_react_and_edit(
    hub: LiveHub, browser: Browser, new_person: Callable[..., Person]
) -> None:
    owner, asker = new_person(), new_person()
    repo_id = _repo_with_card(hub, owner)
    owners, askers = _two(browser, owner, asker)

    askers.goto(f"{hub.url}/{repo_id}")
    askers.get_by_role("link", name="Discussions").click()
    askers.get_by_role("link", name="Begin a discussion").click()
    askers.get_by_label("Title").fill("How old are the maps?")
    askers.get_by_label("Text").fill(f"@{owner.name}, are they **very** old?")
    expect(askers.locator(".write__shown strong")).to_have_text("very")
    askers.get_by_role("button", name="Open the discussion").click()
    expect(askers.get_by_role("heading", name="How old are the maps? #1")).to_be_visible()
    expect(askers.get_by_role("link", name=f"@{owner.name}")).to_have_attribute("href", f"/{owner.name}")

    owners.goto(f"{hub.url}/{repo_id}/discussions")
    owners.get_by_role("link", name="How old are the maps?").click()
    first = owners.locator(".comment").first
    first.get_by_label("React").click()
    first.get_by_role("button", name="Heart", exact=True).click()
    expect(first.get_by_role("button", name=f"Heart: 1, from {owner.name}")).to_have_attribute("aria-pressed", "true")
    first.get_by_role("link", name="Quote").click()
    answer = owners.locator("#reply").get_by_label("Comment")
    expect(answer).to_have_value(f"> @{asker.name} wrote:\n>\n> @{owner.name}, are they **very** old?\n\n")
    answer.press("Control+End")
    answer.type("From 1780.")
    owners.get_by_role("button", name="Comment", exact=True).click()
    said = owners.locator(".comment").nth(1)
    expect(said.locator("blockquote")).to_contain_text("are they very old?")
    said.get_by_role("link", name="Edit").click()
    text = owners.get_by_label("Comment")
    text.fill("From **1790**, I was wrong.")
    owners.get_by_role("button", name="Save").click()
    expect(said.locator("strong")).to_have_text("1790")
    said.get_by_role("link", name="edited").click()
    expect(owners.get_by_text("From 1780.")).to_be_visible()

    askers.reload()
    expect(askers.get_by_text("I was wrong.")).to_be_visible()
    askers.locator("#reply").get_by_label("Comment").fill("Thank you!")
    askers.get_by_role("button", name="Close", exact=True).click()
    expect(askers.get_by_text("closed this")).to_be_visible()
    for page in (owners, askers):
        page.context.close()


@pytest.mark.parametrize("script", [True, False], ids=["with-script", "without-script"])
def test_a_strangers_edit_is_reviewed_merged_and_shown(
    script: bool, hub: LiveHub, browser: Browser, new_person: Callable[..., Person]
) -> None:
    owner, stranger = new_person(), new_person()
    repo_id = _repo_with_card(hub, owner)
    owners, strangers = _two(browser, owner, stranger, script=script)

    strangers.goto(f"{hub.url}/{repo_id}")
    strangers.get_by_role("link", name="Propose a change").click()
    expect(strangers.get_by_text("Your change becomes a pull request")).to_be_visible()
    body = strangers.locator("textarea[name=body]")
    body.fill(body.input_value().replace("modle", "model"))
    strangers.get_by_label("Why, for a pull request").fill("A typo.")
    strangers.locator("input[name=message]").fill("Fix a typo")
    strangers.get_by_role("button", name="Propose the change").click()
    expect(strangers.get_by_role("heading", name="Fix a typo #1")).to_be_visible()
    strangers.goto(f"{hub.url}/{repo_id}")
    expect(strangers.get_by_text("A modle of old maps.")).to_be_visible()

    owners.goto(f"{hub.url}/{repo_id}/discussions")
    owners.get_by_role("link", name="Fix a typo").click()
    owners.get_by_role("link", name="Review the changes").click()
    owners.locator("tr", has_text="A model of old maps.").get_by_role("link", name="Comment on line").last.click()
    form = owners.locator("#write")
    form.get_by_label("Comment").fill("Well **spotted**.")
    form.get_by_role("button", name="Preview").click()
    expect(owners.locator("#write .write__shown strong")).to_have_text("spotted")
    owners.locator("#write").get_by_role("button", name="Comment", exact=True).click()
    expect(owners.locator(".diff__said .comment strong")).to_have_text("spotted")
    owners.get_by_role("link", name="Conversation").click()
    expect(owners.locator(".comment__code")).to_contain_text("A model of old maps.")
    owners.get_by_role("link", name="Files of this pull request").click()
    expect(owners.get_by_text("proposed, not part of this repository’s branches")).to_be_visible()
    owners.goto(f"{hub.url}/{repo_id}/discussions/1")
    owners.get_by_role("button", name="Merge").click()
    expect(owners.get_by_text("Merged into main")).to_be_visible()

    strangers.goto(f"{hub.url}/{repo_id}")
    expect(strangers.get_by_text("A model of old maps.")).to_be_visible()
    for page in (owners, strangers):
        page.context.close()
