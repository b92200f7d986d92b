"""Journey: a reader reports a comment, a moderator hides it, its author is told, appeals, and is restored."""

from __future__ import annotations

import base64
import hashlib
import hmac
import struct
import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.axe import violations
from tests.e2e.conftest import Person
from tests.e2e.live_hub import LiveHub

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def one_time_code(secret: str) -> str:
    """What an authenticator app shows now (RFC 6238)."""
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    digest = hmac.new(key, struct.pack(">Q", int(time.time()) // 30), hashlib.sha1).digest()
    offset = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[offset : offset + 4])[0] & 0x7FFFFFFF) % 1_000_000:06}"


@pytest.fixture
def moderator(hub: LiveHub, new_person: Callable[..., Person]) -> Person:
    person = new_person()
    hub.manage(
        "createuser", person.name, "--email", f"{person.name}@example.org", "--password", person.password, "--staff"
    )
    return person


def _turn_on_second_factor(page: Page, hub: LiveHub) -> None:
    page.goto(f"{hub.url}/moderation")
    expect(page.get_by_text("needs an account with two-factor authentication")).to_be_visible()
    page.goto(f"{hub.url}/accounts/2fa/totp/activate/")
    page.locator("input[name=code]").fill(one_time_code(page.locator("#totp-secret").input_value()))
    page.get_by_role("button", name="Turn on").click()
    page.wait_for_url(lambda address: "/activate" not in address)


def test_report_hide_tell_appeal_restore(
    hub: LiveHub, browser: Browser, new_person: Callable[..., Person], moderator: Person
) -> None:
    owner, author, reader = new_person(), new_person(), new_person()
    repo_id = owner.create_repo("maps")
    path = f"/api/models/{repo_id}/discussions"
    made = author.api(
        "POST", path, json={"title": "A question", "description": "You have all copied my maps, thieves!"}
    )
    assert made.status_code == 200, made.text
    thread = f"{hub.url}/{repo_id}/discussions/1"
    pages = [browser.new_context(viewport={"width": 1280, "height": 900}).new_page() for _person in range(3)]
    for person, page in zip((author, reader, moderator), pages, strict=True):
        page.set_default_timeout(30_000)
        person.sign_in(page)
    authors, readers, desk = pages

    readers.goto(thread)
    readers.locator(".comment").first.get_by_role("link", name="Report").click()
    expect(readers.get_by_text("thieves!")).to_be_visible()
    assert violations(readers) == []
    readers.get_by_label("Harassment or hate").check()
    readers.get_by_label("Tell the moderators more").fill("An insult.")
    readers.get_by_role("button", name="Send the report").click()
    expect(readers.get_by_role("cell", name="waits for a moderator")).to_be_visible()

    _turn_on_second_factor(desk, hub)
    desk.goto(f"{hub.url}/moderation")
    assert violations(desk) == []
    desk.locator(".case-row", has_text="An insult.").get_by_role("link", name=f"{repo_id}#1").click()
    expect(desk.get_by_text("thieves!")).to_be_visible()
    assert violations(desk) == []
    desk.get_by_label("Hide: nobody sees it any more").check()
    desk.get_by_label("Reason").fill("This is an insult, not a question.")
    desk.get_by_role("button", name="Do it").click()
    expect(desk.get_by_text("Done. The person concerned is told")).to_be_visible()

    readers.goto(thread)
    expect(readers.get_by_text("This comment was hidden.")).to_be_visible()
    expect(readers.get_by_text("thieves!")).to_have_count(0)

    authors.goto(f"{hub.url}/notifications")
    expect(authors.get_by_text("A moderator decided").first).to_be_visible()
    authors.goto(f"{hub.url}/settings/moderation")
    expect(authors.get_by_text("This is an insult, not a question.")).to_be_visible()
    assert violations(authors) == []
    authors.get_by_text("Appeal…").click()
    authors.get_by_label("Why should this be looked at again?").fill("They are a verse from the song of the maps.")
    authors.get_by_role("button", name="Send the appeal").click()
    expect(authors.get_by_text("Your appeal was sent to the moderators.")).to_be_visible()

    desk.goto(f"{hub.url}/moderation")
    desk.get_by_role("link", name="Appeals 1").click()
    expect(desk.get_by_text("a verse from the song")).to_be_visible()
    assert violations(desk) == []
    desk.get_by_label("Answer, sent to the person").fill("So it is. Sorry.")
    desk.get_by_role("button", name="Undo the measure").click()
    expect(desk.get_by_text("The measure is undone.")).to_be_visible()

    for where in ("/moderation/measures", "/moderation/held", "/conduct", "/settings/blocks", f"/{author.name}"):
        desk.goto(hub.url + where)
        assert violations(desk) == [], where
    authors.reload()
    expect(authors.get_by_text("So it is. Sorry.")).to_be_visible()
    readers.goto(thread)
    expect(readers.get_by_text("thieves!")).to_be_visible()
    for page in pages:
        page.context.close()
