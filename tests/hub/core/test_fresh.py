from __future__ import annotations

import time

import pytest

from hub.core.fresh import FreshCache


def test_an_answer_is_asked_for_once_while_it_is_fresh():
    cache, asked = FreshCache[int](ttl_s=60), []

    answers = [cache.get("key", lambda: asked.append(1) or len(asked)) for _ in range(3)]

    assert answers == [1, 1, 1]


def test_an_old_answer_is_asked_for_again():
    cache, asked = FreshCache[int](ttl_s=0.02), []
    cache.get("key", lambda: asked.append(1) or 1)
    time.sleep(0.03)
    cache.get("key", lambda: asked.append(1) or 1)

    assert len(asked) == 2


def test_a_refusal_is_never_kept():
    cache = FreshCache[int](ttl_s=60)

    def refuse() -> int:
        raise PermissionError

    with pytest.raises(PermissionError):
        cache.get("key", refuse)

    assert cache.get("key", lambda: 7) == 7


def test_the_cache_stays_bounded():
    cache = FreshCache[int](ttl_s=60, max_items=10)
    for number in range(100):
        cache.get(number, lambda: 1)

    assert len(cache._items) <= 10
