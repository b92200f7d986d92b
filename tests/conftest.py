"""What every test shares: an own data directory, an own broker, and the live servers of a few slow tests."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

# Properties hold or do not, however busy the machine is: a test's own time limit (pytest-timeout) finds what hangs.
hypothesis_settings.register_profile("agora", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("agora")


@pytest.fixture(autouse=True)
def _fresh_caches(settings, tmp_path):
    """Each test has its own files and an empty cache; the rate limits of one must not reach the next."""
    from django.core.cache import cache

    from hub.accounts.services.site_settings import CACHE_KEY as SITE_SETTINGS

    settings.HUB_DATA_DIR = tmp_path
    settings.MEDIA_ROOT = tmp_path / "media"
    settings.HUB_STORAGE_URL = f"file://{tmp_path / 'blobs'}"
    cache.clear()
    # As on a hub that is running: what every page asks for is remembered, and counted by no test of queries.
    cache.set(SITE_SETTINGS, {}, 600)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Browser journeys come last: the browser's driver keeps an event loop running, beside which no other can start."""
    items.sort(key=lambda item: "e2e" in item.path.parts)
