"""Micro-batching for models that answer in one pass: what waits is sorted by length, run together, handed back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from inference.protocol.events import DoneEvent, Event, ResultEvent, StateEvent, Usage
from inference.protocol.requests import Request

Item = TypeVar("Item")

_LINGER_S = 0.002


@dataclass(slots=True)
class Job(Generic[Item]):
    """One request: its prepared items, the outputs so far, and what they cost."""

    request_id: str
    request: Request
    items: list[Item]
    lengths: list[int]
    usage: Usage
    outputs: list[Any] = field(default_factory=list)


class MicroBatcher(ABC, Generic[Item]):
    """Base of one-pass engines. A subclass prepares items, runs a batch of them and builds a request's output.

    One step takes whole requests in order of arrival up to `max_items`, then runs them in batches of similar length.
    """

    max_items = 64

    def __init__(self) -> None:
        self._waiting: deque[Job[Item]] = deque()
        self._last_jobs = 0

    @abstractmethod
    def prepare(self, request: Request) -> tuple[list[Item], list[int], int]:
        """Return items, their lengths and the tokens they hold together. Raises: InvalidInput."""

    @abstractmethod
    def run_batch(self, items: list[Item], request: list[Request]) -> list[Any]:
        """Return one output per item."""

    @abstractmethod
    def finish(self, request: Request, outputs: list[Any]) -> dict[str, Any]:
        """Return the result of a request from its items' outputs."""

    def submit(self, request_id: str, request: Request) -> None:
        """Prepare and queue a request. Raises: InvalidInput."""
        items, lengths, tokens = self.prepare(request)
        self._waiting.append(Job(request_id, request, items, lengths, Usage(prompt_tokens=tokens)))

    def cancel(self, request_id: str) -> None:
        """Drop a waiting request."""
        self._waiting = deque(job for job in self._waiting if job.request_id != request_id)

    @property
    def has_work(self) -> bool:
        return bool(self._waiting)

    @property
    def linger_s(self) -> float:
        """Return how long one more request is worth waiting for.

        Callers answered together ask again together: until as many are back as were answered, the next one is near.
        """
        return _LINGER_S if len(self._waiting) < self._last_jobs else 0.0

    def step(self) -> list[Event]:
        """Run what waits, at most `max_items` (or one request that alone holds more)."""
        jobs = self._take()
        self._last_jobs = len(jobs)
        order = sorted(
            ((length, job, index) for job in jobs for index, length in enumerate(job.lengths)),
            key=lambda entry: entry[0],
        )
        for job in jobs:
            job.outputs = [None] * len(job.items)
        for batch in _split(order):
            outputs = self.run_batch([job.items[i] for _, job, i in batch], [job.request for _, job, _ in batch])
            for (_, job, index), output in zip(batch, outputs, strict=True):
                job.outputs[index] = output
        events: list[Event] = []
        for job in jobs:
            events.append(StateEvent(job.request_id, "running"))
            events.append(ResultEvent(job.request_id, self.finish(job.request, job.outputs)))
            events.append(DoneEvent(job.request_id, "stop", job.usage))
        return events

    def _take(self) -> list[Job[Item]]:
        jobs: list[Job[Item]] = []
        held = 0
        while self._waiting and (not jobs or held + len(self._waiting[0].items) <= self.max_items):
            job = self._waiting.popleft()
            held += len(job.items)
            jobs.append(job)
        return jobs


def _split(order: list[Any]) -> list[list[Any]]:
    """Cut a length-sorted list where padding would cost more than a quarter, and at 32 items."""
    batches: list[list[Any]] = []
    current: list[Any] = []
    total = 0
    for entry in order:
        length = max(entry[0], 1)
        padded = length * (len(current) + 1)
        if current and (
            len(current) >= 32 or (padded > 256 and padded > 1.25 * (total + length) and len(current) >= 4)
        ):
            batches.append(current)
            current, total = [], 0
        current.append(entry)
        total += length
    return [*batches, current] if current else batches
