"""Answers that may be a moment old: a bounded cache of one process for checks on a hot path.

Revocation must work within five seconds on every door (threats, rule 5); whoever uses this keeps ``ttl_s`` well below.
Only what ``make`` returns is kept; what it raises is not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class FreshCache(Generic[T]):
    """Thread-safe by the interpreter's atomic dict operations; two threads may make the same answer at once."""

    def __init__(self, ttl_s: float, max_items: int = 4096) -> None:
        self._ttl_s = ttl_s
        self._max_items = max_items
        self._items: dict[Hashable, tuple[float, T]] = {}

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """The answer for ``key``, at most ``ttl_s`` seconds old. Raises: what ``make`` raises."""
        now = time.monotonic()
        found = self._items.get(key)
        if found is not None and now - found[0] < self._ttl_s:
            return found[1]
        value = make()
        if len(self._items) >= self._max_items:
            self._items.clear()
        # Aged from before the question was asked: a change meanwhile must not be hidden for longer.
        self._items[key] = (now, value)
        return value

    def clear(self) -> None:
        self._items.clear()
