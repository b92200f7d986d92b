"""The contract between a runner and an engine: requests in, steps, events out; single-threaded by design.

runner loop: submit* cancel* → step() → events → one frame; so cancelling takes effect before the next step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from inference.protocol.events import Event
from inference.protocol.requests import Request


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """What to load: a snapshot folder and the facts of its inspection.

    `kv_budget_bytes` bounds the key-value cache, `max_slots` the requests that run together.
    """

    path: str
    pipeline_tag: str
    context_length: int | None = None
    sentence_modules: tuple[dict[str, Any], ...] = ()
    max_slots: int = 32
    kv_budget_bytes: int = 1024 * 1024 * 1024


class Engine(Protocol):
    """A loaded model that serves many requests together."""

    def submit(self, request_id: str, request: Request) -> None:
        """Accept a request. Raises: InvalidInput when it can never be served."""

    def cancel(self, request_id: str) -> None:
        """Forget a request; its next step does not happen. Unknown ids are ignored."""

    def step(self) -> list[Event]:
        """Do one bounded piece of work and return its events."""

    @property
    def has_work(self) -> bool:
        """Say whether `step` would do anything."""
