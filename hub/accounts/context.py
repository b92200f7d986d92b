"""Where the current request comes from, so that audit rows can say it without every service passing it on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Origin:
    """Network address and access token of a request; empty for commands and tasks."""

    address: str = ""
    token_pk: int | None = None


_origin: ContextVar[Origin] = ContextVar("origin", default=Origin())  # noqa: B039 -- frozen, so sharing is harmless


def current_origin() -> Origin:
    return _origin.get()


@contextmanager
def origin(address: str, token_pk: int | None = None) -> Iterator[None]:
    """Bind the origin for the length of a request."""
    reset = _origin.set(Origin(address[:45], token_pk))
    try:
        yield
    finally:
        _origin.reset(reset)
