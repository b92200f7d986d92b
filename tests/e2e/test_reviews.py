"""Journey: who ran a model here reviews it and gets the badge, others do not; the owner answers; readers vote."""

from __future__ import annotations

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.live import FullHub
from tests.factories.accounts import PASSWORD

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

MODEL = "ada/murmur"


def test_proof_of_use_comes_from_the_records(full_hub: FullHub, browser: Browser) -> None:
    full_hub.until_inspected(MODEL)
    full_hub.create_user("runner", PASSWORD)
    full_hub.create_user("talker", PASSWORD)
    _run(full_hub, full_hub.create_token("runner", "inference"), times=2)
    runners, talkers, owners = (_signed_in(browser, full_hub, name) for name in ("runner", "talker", "ada"))

    _review(runners, full_hub, "4 stars: good", "Runs without end, as promised.")
    _review(talkers, full_hub, "5 stars: excellent", "I hear it is great.")

    owners.goto(f"{full_hub.url}/{MODEL}")
    owners.get_by_role("link", name="Reviews 2").click()
    ran, heard = (owners.locator("article.review", has_text=words) for words in ("as promised", "I hear"))
    expect(ran).to_contain_text("ran it here 2 times")
    expect(heard).not_to_contain_text("ran it here")
    expect(ran.get_by_text("main ·")).to_be_visible()
    expect(owners.get_by_text("Members of the owner do not judge")).to_be_visible()

    ran.get_by_role("link", name="Reply").click()
    owners.get_by_label("Reply in the owner's name").fill("Thank you.")
    owners.get_by_role("button", name="Save the reply").click()
    expect(owners.get_by_text("The reply is saved.")).to_be_visible()

    talkers.goto(f"{full_hub.url}/{MODEL}/reviews")
    ran = talkers.locator("article.review", has_text="as promised")
    expect(ran).to_contain_text("Thank you.")
    ran.get_by_role("button", name="Helpful").click()
    expect(ran.locator(".helpful-button [aria-pressed=true]")).to_be_visible()
    expect(ran.locator(".helpful-button__count")).to_have_text("1")
    talkers.get_by_role("link", name="Proof of use only").click()
    expect(talkers.locator("article.review")).to_have_count(1)

    _edit(talkers, full_hub)
    for page in (runners, talkers, owners):
        page.context.close()


def _run(hub: FullHub, token: str, *, times: int) -> None:
    for _ in range(times):
        answer = httpx.post(
            f"{hub.url}/v1/completions",
            headers={"Authorization": f"Bearer {token}"},
            json={"model": MODEL, "prompt": "the quick", "max_tokens": 1},
            timeout=120,
        )
        assert answer.status_code == 200, answer.text


def _signed_in(browser: Browser, hub: FullHub, name: str) -> Page:
    page = browser.new_context().new_page()
    page.goto(f"{hub.url}/accounts/login/")
    page.locator("input[name=login]").fill(name)
    page.locator("input[name=password]").fill(PASSWORD)
    page.locator("input[name=password]").press("Enter")
    page.wait_for_url(f"{hub.url}/")
    return page


def _review(page: Page, hub: FullHub, stars: str, text: str) -> None:
    page.goto(f"{hub.url}/{MODEL}/reviews")
    page.get_by_role("link", name="Write a review").click()
    page.get_by_label(stars).check()
    page.get_by_label("What was it like?").fill(text)
    page.get_by_role("button", name="Save the review").click()
    expect(page.get_by_text("Your review is saved.")).to_be_visible()
    expect(page.locator("article.review")).to_contain_text(text)


def _edit(page: Page, hub: FullHub) -> None:
    page.goto(f"{hub.url}/{MODEL}/reviews/write")
    page.get_by_label("2 stars: poor").check()
    page.get_by_label("What was it like?").fill("Tried it at last: too slow for me.")
    page.get_by_role("button", name="Save the review").click()
    expect(page.get_by_role("heading", name="What it said before")).to_be_visible()
    expect(page.locator(".review-history")).to_contain_text("I hear it is great.")
