"""The cache as what it is: a memory that may be away.  Work that it would have saved is done again (T166)."""

from __future__ import annotations

from typing import Any

import structlog
from django.core.cache import cache

log = structlog.get_logger("hub.core.remembering")


def recall(key: str) -> Any:
    """What was remembered under ``key``; None when nothing was, or when the cache cannot be asked."""
    try:
        return cache.get(key)
    except Exception as error:  # any failure of the cache is a miss
        log.warning("cache_away", error=str(error)[:200])
        return None


def remember(key: str, value: Any, timeout_s: int) -> None:
    """Keep ``value`` for others, where that is possible."""
    try:
        cache.set(key, value, timeout_s)
    except Exception as error:  # see recall
        log.warning("cache_away", error=str(error)[:200])
