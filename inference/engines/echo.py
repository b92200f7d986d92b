"""A deterministic engine without weights: gives the prompt back word by word. It tests the plumbing, not models."""

from __future__ import annotations

import struct

from inference.engines.base import EngineSpec
from inference.protocol.arrays import pack_floats
from inference.protocol.errors import InvalidInput
from inference.protocol.events import DoneEvent, Event, ResultEvent, StateEvent, TokenEvent, Usage
from inference.protocol.requests import EmbedRequest, GenerateRequest, Request


class EchoEngine:
    """Echo one word per request and step; embed a text as its length and word count."""

    def __init__(self, spec: EngineSpec) -> None:
        self._spec = spec
        self._generating: dict[str, tuple[list[str], int, int]] = {}
        self._embedding: dict[str, EmbedRequest] = {}

    def submit(self, request_id: str, request: Request) -> None:
        """Accept a generation or an embedding. Raises: InvalidInput for other kinds."""
        if isinstance(request, GenerateRequest):
            text = request.prompt if request.prompt is not None else (request.messages or ())[-1]["content"]
            words = text.split()
            self._generating[request_id] = (words, 0, request.max_new_tokens)
        elif isinstance(request, EmbedRequest):
            self._embedding[request_id] = request
        else:
            raise InvalidInput("task", "This engine echoes text only.", code="unsupported_task")

    def cancel(self, request_id: str) -> None:
        """Forget a request."""
        self._generating.pop(request_id, None)
        self._embedding.pop(request_id, None)

    @property
    def has_work(self) -> bool:
        return bool(self._generating or self._embedding)

    def step(self) -> list[Event]:
        """Emit the next word of every generation and finish every embedding."""
        events: list[Event] = []
        for request_id, request in list(self._embedding.items()):
            events += self._embed(request_id, request)
        self._embedding.clear()
        for request_id in list(self._generating):
            events += self._echo(request_id)
        return events

    def _embed(self, request_id: str, request: EmbedRequest) -> list[Event]:
        data = b"".join(struct.pack("<2f", len(text), len(text.split())) for text in request.texts)
        output = {"embeddings": pack_floats(data, (len(request.texts), 2))}
        usage = Usage(prompt_tokens=sum(len(text.split()) for text in request.texts))
        return [
            StateEvent(request_id, "running"),
            ResultEvent(request_id, output),
            DoneEvent(request_id, "stop", usage),
        ]

    def _echo(self, request_id: str) -> list[Event]:
        words, position, most = self._generating[request_id]
        events: list[Event] = [StateEvent(request_id, "running")] if position == 0 else []
        if position < min(len(words), most):
            text = words[position] if position == 0 else " " + words[position]
            is_last = position + 1 == min(len(words), most)
            events.append(TokenEvent(request_id, text, position, is_last=is_last))
            self._generating[request_id] = (words, position + 1, most)
            return events
        del self._generating[request_id]
        output = {"text": " ".join(words[:position])}
        reason = "length" if position < len(words) else "stop"
        return [*events, ResultEvent(request_id, output), DoneEvent(request_id, reason, Usage(len(words), position))]
