"""Journeys: a mention reaches the other person's bell; follow and feed; a collection made from a repo's page."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.conftest import Person
from tests.e2e.live_hub import LiveHub

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def _reload_until(page: Page, selector: str, text: str) -> None:
    """Notices are written by a worker: a moment after the act."""
    for _attempt in range(60):
        if page.locator(selector).inner_text() == text:
            return
        page.wait_for_timeout(500)
        page.reload()
    expect(page.locator(selector)).to_have_text(text)


def test_a_mention_reaches_the_other_persons_bell(
    hub: LiveHub, browser: Browser, new_person: Callable[..., Person]
) -> None:
    owner, named = new_person(), new_person()
    repo_id = owner.create_repo("talked-about")
    page = browser.new_context().new_page()
    named.sign_in(page)
    page.goto(f"{hub.url}/models")
    expect(page.locator("[data-bell-count]")).to_be_hidden()

    body = {"title": "About the licence", "description": f"What do you think, @{named.name}?"}
    opened = owner.api("POST", f"/api/models/{repo_id}/discussions", json=body)
    assert opened.status_code == 200, opened.text
    page.reload()
    _reload_until(page, "[data-bell-label]", "1")

    page.get_by_role("link", name="Notifications").click()
    row = page.locator(".notice", has_text="About the licence")
    expect(row).to_contain_text(f"{owner.name} mentioned you")
    expect(row).to_contain_text(f"{repo_id} #1")
    row.get_by_role("button", name="Mute this thread").click()
    expect(page.get_by_text("You will hear nothing more of “About the licence”.")).to_be_visible()
    expect(page.locator("[data-bell-count]")).to_be_hidden()

    for number in range(2):
        more = {"title": f"Another thread {number}", "description": f"@{named.name}"}
        assert owner.api("POST", f"/api/models/{repo_id}/discussions", json=more).status_code == 200
    _reload_until(page, "[data-bell-label]", "2")
    page.get_by_role("button", name="Mark all as read").click()
    expect(page.get_by_text("Everything is read.")).to_be_visible()
    expect(page.locator("[data-bell-count]")).to_be_hidden()
    expect(page.get_by_role("heading", name="Nothing unread")).to_be_visible()
    page.context.close()


def test_the_bell_counts_while_the_page_stays_open(
    hub: LiveHub, browser: Browser, new_person: Callable[..., Person]
) -> None:
    owner, named = new_person(), new_person()
    repo_id = owner.create_repo("talked-about")
    context = browser.new_context()
    page = context.new_page()
    page.clock.install()
    named.sign_in(page)
    page.goto(f"{hub.url}/models")
    body = {"title": "Are you there", "description": f"@{named.name}"}
    assert owner.api("POST", f"/api/models/{repo_id}/discussions", json=body).status_code == 200
    label = page.locator("[data-bell-label]")
    for _minute in range(30):
        page.clock.fast_forward(61_000)
        page.wait_for_timeout(500)
        if label.inner_text() == "1":
            break
    expect(label).to_have_text("1")
    context.close()


def test_what_to_hear_of_is_chosen_on_the_page_of_a_repo(
    hub: LiveHub, browser: Browser, new_person: Callable[..., Person]
) -> None:
    owner, reader = new_person(), new_person()
    repo_id = owner.create_repo("watched")
    page = browser.new_context().new_page()
    reader.sign_in(page)
    page.goto(f"{hub.url}/{repo_id}")
    page.locator(".repo-head summary", has_text="Watch").click()
    page.get_by_role("button", name="Everything").click()
    expect(page.locator(".repo-head summary", has_text="Watching")).to_be_visible()
    assert (
        owner.api(
            "POST", f"/api/models/{repo_id}/discussions", json={"title": "News for all", "description": ""}
        ).status_code
        == 200
    )
    _reload_until(page, "[data-bell-label]", "1")

    page.goto(f"{hub.url}/settings/notifications")
    expect(page.get_by_role("link", name=repo_id)).to_be_visible()
    page.get_by_label("Digest").select_option("weekly")
    page.get_by_label("Quiet").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_label("Digest")).to_have_value("weekly")
    expect(page.locator("[data-bell-count]")).to_be_hidden()
    page.context.close()


def test_whom_one_follows_is_in_the_feed(hub: LiveHub, browser: Browser, new_person: Callable[..., Person]) -> None:
    maker, reader = new_person(), new_person()
    page = browser.new_context().new_page()
    reader.sign_in(page)
    page.goto(f"{hub.url}/feed")
    expect(page.get_by_role("heading", name="You follow nobody yet")).to_be_visible()
    page.goto(f"{hub.url}/{maker.name}")
    page.get_by_role("button", name="Follow", exact=True).click()
    expect(page.get_by_role("button", name="Following")).to_be_visible()
    repo_id = maker.create_repo("fresh-news")
    page.get_by_label("Your account").click()
    page.get_by_role("link", name="Feed").click()
    story = page.locator(".story", has_text=repo_id)
    expect(story).to_contain_text("published")
    story.get_by_role("link", name=repo_id).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("fresh-news")
    page.goto(f"{hub.url}/{maker.name}?tab=followers")
    expect(page.get_by_role("main").get_by_role("link", name=reader.name)).to_be_visible()
    page.context.close()


def test_a_collection_is_made_from_the_page_of_a_repo_and_ordered_without_script(
    hub: LiveHub, browser: Browser, new_person: Callable[..., Person]
) -> None:
    maker, reader = new_person(), new_person()
    first, second = maker.create_repo("one"), maker.create_repo("two")
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    reader.sign_in(page)
    page.goto(f"{hub.url}/{first}")
    page.get_by_role("link", name="Add to a collection").click()
    page.get_by_role("link", name="New collection").last.click()
    page.get_by_label("Title").fill("Reading list")
    page.get_by_role("button", name="Create the collection").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Reading list")
    page.goto(f"{hub.url}/{second}")
    page.get_by_role("link", name="Add to a collection").click()
    page.get_by_role("button", name="Add to Reading list").click()
    items = page.locator(".collection-item__title a")
    expect(items).to_have_text([first, second])
    page.get_by_role("button", name=f"Move {second} up").click()
    expect(items).to_have_text([second, first])
    row = page.locator(".collection-item", has_text=second)
    row.locator("summary").click()
    row.get_by_label(f"Note on {second}").fill("Read this first")
    row.get_by_role("button", name="Save").click()
    expect(row.locator(".collection-item__note")).to_have_text("Read this first")
    context.close()
