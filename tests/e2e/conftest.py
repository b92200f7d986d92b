"""Live hub and browser, once per session; a fresh browser context (cookies, storage) and signed-in person per test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.e2e.browser import launched
from tests.e2e.live import full_hub  # noqa: F401 -- a fixture
from tests.e2e.live_hub import LiveHub

_numbers = count(1)


@pytest.fixture(autouse=True)
def _fresh_caches() -> None:
    """The hub under test is another process: nothing of this one's caches or settings is touched."""


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveHub]:
    live = LiveHub(tmp_path_factory.mktemp("hub") / "data")
    try:
        yield live.start()
    finally:
        live.stop()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with launched() as started:
        yield started


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    opened = browser.new_context(viewport={"width": 1440, "height": 900})
    opened.set_default_timeout(30_000)
    try:
        yield opened
    finally:
        opened.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


class Person:
    """An account of the live hub, and what it does without a browser."""

    def __init__(self, hub: LiveHub, name: str) -> None:
        self.hub, self.name = hub, name
        self.password = hub.create_user(name)
        self.token = hub.create_token(name)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def api(self, method: str, path: str, **arguments: object) -> httpx.Response:
        return httpx.request(method, f"{self.hub.url}{path}", headers=self.headers, timeout=60, **arguments)

    def create_repo(self, name: str, *, private: bool = False, repo_type: str = "model") -> str:
        """Return the repo id."""
        body = {"name": name, "private": private, "type": repo_type}
        answer = self.api("POST", "/api/repos/create", json=body)
        assert answer.status_code in (200, 201), answer.text
        return f"{self.name}/{name}"

    def sign_in(self, page: Page) -> None:
        page.goto(f"{self.hub.url}/accounts/login/")
        page.locator("input[name=login]").fill(self.name)
        page.locator("input[name=password]").fill(self.password)
        page.locator("input[name=password]").press("Enter")
        page.wait_for_url(lambda url: "/accounts/login" not in url)


@pytest.fixture
def new_person(hub: LiveHub) -> Callable[..., Person]:
    return lambda name="": Person(hub, name or f"traveller-{next(_numbers)}")


@pytest.fixture
def person(new_person: Callable[..., Person]) -> Person:
    return new_person()
