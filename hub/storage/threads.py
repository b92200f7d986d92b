"""Blocking work away from the event loop: one pool for bytes, a small one for the database."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from django.db import close_old_connections

T = TypeVar("T")

_BYTES_POOL = ThreadPoolExecutor(max_workers=min(32, 4 * (os.cpu_count() or 1) + 4), thread_name_prefix="bytes")
# Each thread holds a database connection: few, whatever the number of transfers.
_RECORDS_POOL = ThreadPoolExecutor(max_workers=4, thread_name_prefix="records")


def in_bytes_thread(function: Callable[..., T], *arguments: Any, **named: Any) -> asyncio.Future[T]:
    """Start file or bucket work at once; await the result."""
    return asyncio.get_running_loop().run_in_executor(_BYTES_POOL, partial(function, *arguments, **named))


def in_records_thread(function: Callable[..., T], *arguments: Any, **named: Any) -> asyncio.Future[T]:
    """Start work that uses the database; await the result."""
    return asyncio.get_running_loop().run_in_executor(
        _RECORDS_POOL, partial(_with_fresh_connection, function, arguments, named)
    )


def _with_fresh_connection(function: Callable[..., T], arguments: tuple[Any, ...], named: dict[str, Any]) -> T:
    """Drop connections that the database has closed since, as Django does around each request."""
    close_old_connections()
    try:
        return function(*arguments, **named)
    finally:
        close_old_connections()


def records_result(function: Callable[..., T], *arguments: Any, **named: Any) -> T:
    """Do database work on behalf of a thread that moves bytes: such threads keep no connection of their own."""
    if not threading.current_thread().name.startswith("bytes"):
        return function(*arguments, **named)
    return _RECORDS_POOL.submit(_with_fresh_connection, function, arguments, named).result()
