"""Django work for the event loop: a small fixed pool, so that database connections stay few."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

from django.db import close_old_connections

T = TypeVar("T")

_POOL: Final = ThreadPoolExecutor(max_workers=2, thread_name_prefix="gateway-db")


async def in_thread(function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """Run ``function`` in the pool with connections checked, as Django does around a request."""

    def run() -> T:
        close_old_connections()
        return function(*args, **kwargs)

    return await asyncio.get_running_loop().run_in_executor(_POOL, run)
