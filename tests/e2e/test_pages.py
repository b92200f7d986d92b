"""Every page of the URLconf has an address that shows it, and axe-core finds nothing wrong on it."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from tests.e2e.axe import violations
from tests.e2e.live import FullHub
from tests.e2e.routes import Page, find_pages
from tests.e2e.screenshots import Look, look_at, sign_in

# A test here visits every page there is: minutes on a slow machine.
pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(1200)]

# Templates that between them hold every component; looked at in every other look, where all pages take too long.
_WIDE_SAMPLE = {
    "home",
    "model_list",
    "repo",
    "blob-notes-train.py",
    "commit",
    "upload",
    "settings_profile",
    "token_new",
}


@pytest.fixture(scope="module")
def cookies(full_hub: FullHub, browser: Browser) -> list[dict[str, str]]:
    return sign_in(browser, full_hub.url)


@pytest.fixture(scope="module")
def pages(full_hub: FullHub, cookies: list[dict[str, str]]) -> list[Page]:
    found, wrong = find_pages(full_hub.url, full_hub.seeded, {cookie["name"]: cookie["value"] for cookie in cookies})

    assert not wrong, "\n".join(wrong)
    return found


def _problems(browser: Browser, url: str, look: Look, cookies: list[dict[str, str]], pages: list[Page]) -> list[str]:
    problems = []
    for is_signed_in in (False, True):
        context = look_at(browser, url, look, cookies if is_signed_in else [])
        tab = context.new_page()
        for page in pages:
            if page.is_signed_in is is_signed_in:
                tab.goto(url + page.path, wait_until="load")
                problems += [f"{page.name} ({page.path}): {line}" for line in violations(tab)]
        context.close()
    return problems


def test_axe_finds_nothing_on_any_page(
    full_hub: FullHub, browser: Browser, cookies: list[dict[str, str]], pages: list[Page]
) -> None:
    # What a signed-in reader sees holds what a stranger sees, and more.
    seen_signed_in = {page.name for page in pages if page.is_signed_in}
    once = [page for page in pages if page.is_signed_in or page.name not in seen_signed_in or page.name == "home"]

    problems = _problems(browser, full_hub.url, Look(1440, "light", "en"), cookies, once)

    assert not problems, "\n".join(problems)


@pytest.mark.parametrize(
    "look", [Look(390, "dark", "en"), Look(1440, "dark", "zh-hans"), Look(390, "light", "zh-hans")], ids=str
)
def test_axe_finds_nothing_in_other_looks(
    full_hub: FullHub, browser: Browser, cookies: list[dict[str, str]], pages: list[Page], look: Look
) -> None:
    sample = [page for page in pages if page.is_signed_in and page.name in _WIDE_SAMPLE]

    assert len(sample) == len(_WIDE_SAMPLE)
    problems = _problems(browser, full_hub.url, look, cookies, sample)
    assert not problems, "\n".join(problems)
