"""Fixed-window counters on the cache (the Redis protocol); when it is away, a local counter takes over (T151).

``check`` looks without counting; ``hit`` counts and refuses above the limit.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Final

from django.core.cache import cache

from hub.core.errors import RateLimited


@dataclass(frozen=True, slots=True)
class Bucket:
    """At most ``limit`` events per ``window_s`` seconds and key."""

    name: str
    limit: int
    window_s: int


@dataclass(frozen=True, slots=True)
class Standing:
    limit: int
    remaining: int
    reset_s: int


BAD_TOKENS: Final = Bucket("bad-tokens", 20, 60)
REVOCATIONS: Final = Bucket("revocations", 60, 60)
NAME_CHECKS: Final = Bucket("name-checks", 240, 60)

_local: dict[str, int] = {}
_local_lock = threading.Lock()


def _key(bucket: Bucket, who: str) -> tuple[str, int]:
    window, passed = divmod(int(time.time()), bucket.window_s)
    return f"limit:{bucket.name}:{who}:{window}", bucket.window_s - passed


def hit(bucket: Bucket, who: str, cost: int = 1) -> Standing:
    """Count ``cost`` events of ``who``.

    Raises:
        RateLimited: above the limit; ``retry_after_s`` says when the window ends.
    """
    key, reset_s = _key(bucket, who)
    used = _increment(key, cost, bucket.window_s)
    if used > bucket.limit:
        raise RateLimited(retry_after_s=reset_s, bucket=bucket.name, limit=bucket.limit)
    return Standing(bucket.limit, bucket.limit - used, reset_s)


def check(bucket: Bucket, who: str) -> None:
    """Refuse if ``who`` is already at the limit, without counting. Raises RateLimited."""
    key, reset_s = _key(bucket, who)
    try:
        used = cache.get(key, 0)
    except Exception:  # any failure of the cache: fall back to what this process saw
        used = _local.get(key, 0)
    if used >= bucket.limit:
        raise RateLimited(retry_after_s=reset_s, bucket=bucket.name, limit=bucket.limit)


def _increment(key: str, cost: int, window_s: int) -> int:
    try:
        if cache.add(key, cost, timeout=window_s + 5):
            return cost
        return cache.incr(key, cost)
    except ValueError:  # expired between add and incr
        cache.set(key, cost, timeout=window_s + 5)
        return cost
    except Exception:  # see check()
        with _local_lock:
            if len(_local) > 50_000:
                _local.clear()
            _local[key] = _local.get(key, 0) + cost
            return _local[key]
