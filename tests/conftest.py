"""What every test shares: an own data directory, an own broker, and the live servers of a few slow tests."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _fresh_caches(settings, tmp_path):
    """Each test has its own files and an empty cache; the rate limits of one must not reach the next."""
    from django.core.cache import cache

    settings.HUB_DATA_DIR = tmp_path
    settings.MEDIA_ROOT = tmp_path / "media"
    settings.HUB_STORAGE_URL = f"file://{tmp_path / 'blobs'}"
    cache.clear()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Browser journeys come last: the browser's driver keeps an event loop running, beside which no other can start."""
    items.sort(key=lambda item: "e2e" in item.path.parts)
