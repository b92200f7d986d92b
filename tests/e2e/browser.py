"""A real Chromium for the journeys: ``HUB_TEST_CHROMIUM`` or the one on PATH; never downloaded by a test."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find_chromium() -> str:
    """Return its path. Without one a journey is skipped, but fails where nobody would notice: in CI."""
    found = os.environ.get("HUB_TEST_CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), "")
    if found:
        return found
    message = "Chromium is missing: install it, or name it in HUB_TEST_CHROMIUM."
    if os.environ.get("CI", "").lower() in ("1", "true", "yes"):
        pytest.fail(message)
    pytest.skip(message)


@contextmanager
def launched() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # Containers run tests as root and give /dev/shm 64 MB.
        arguments = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=arguments)
        try:
            yield browser
        finally:
            browser.close()
