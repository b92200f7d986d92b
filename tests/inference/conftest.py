"""What tests of hosted inference share: an empty Redis side."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from redis import Redis


@pytest.fixture
def redis(settings) -> Iterator[Redis]:
    """The Redis side without anything of hosted inference, before and after."""
    client = Redis.from_url(settings.REDIS_URL)
    _clear(client)
    yield client
    _clear(client)
    client.close()


@pytest.fixture(autouse=True)
def _nothing_remembered() -> None:
    """Tests reuse primary keys: what was allowed a second ago was another person's."""
    from inference.gateway import access
    from inference.workers import runtime

    access.forget()
    runtime._permissions.clear()


def _clear(client: Redis) -> None:
    found = list(client.scan_iter("inf:*"))
    if found:
        client.delete(*found)
