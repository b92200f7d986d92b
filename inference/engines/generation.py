"""Text generation with continuous batching: sequences join and leave between steps.

step: admit waiting → prefill (bounded chunk, several prompts padded together) → one token for every running sequence
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

import jinja2
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from inference.engines.base import EngineSpec
from inference.engines.kv_slots import choose_backend
from inference.engines.sampling import Sampler, choose_tokens
from inference.engines.text_stream import TextStream
from inference.inspection import kv_bytes_per_token
from inference.protocol import limits
from inference.protocol.errors import InvalidInput
from inference.protocol.events import DoneEvent, Event, ResultEvent, StateEvent, TokenEvent, Usage
from inference.protocol.requests import GenerateRequest, Request

_PREFILL_TOKENS = 512
_DEFAULT_CONTEXT = 2048
_MAX_RENDERED_CHARS = 4 * limits.MAX_TEXT_CHARS


@dataclass(slots=True, eq=False)
class _Sequence:
    request_id: str
    request: GenerateRequest
    prompt_ids: list[int]
    max_new_tokens: int
    sampler: Sampler
    stream: TextStream
    cached: int = 0  # tokens whose keys and values are in the store
    next_id: int | None = None  # chosen, not yet run
    generated: int = 0

    @property
    def need(self) -> int:
        return len(self.prompt_ids) + self.max_new_tokens


class GenerationEngine:
    """Continuous batching over one causal language model."""

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, spec: EngineSpec) -> None:
        self._model, self._tokenizer = model, tokenizer
        self._context = spec.context_length or _DEFAULT_CONTEXT
        self._backend = choose_backend(model, spec.max_slots)
        self._budget_tokens = max(1, spec.kv_budget_bytes // max(1, kv_bytes_per_token(model.config.to_dict())))
        self._end_ids = _end_ids(model, tokenizer)
        self._waiting: deque[_Sequence] = deque()
        self._running: list[_Sequence] = []

    @property
    def max_batch(self) -> int:
        """Return how many sequences run together; 1 when the architecture cannot be batched."""
        return self._backend.max_rows

    def submit(self, request_id: str, request: Request) -> None:
        """Render, tokenize and queue a request. Raises: InvalidInput."""
        if not isinstance(request, GenerateRequest):
            raise InvalidInput("task", "This model generates text.", code="unsupported_task")
        ids = self._prompt_ids(request)
        room = min(self._context - len(ids), self._budget_tokens - len(ids))
        if room < 1:
            message = f"The prompt has {len(ids)} tokens; the model's context is {self._context}."
            raise InvalidInput("messages" if request.messages else "prompt", message, code="context_length_exceeded")
        self._waiting.append(
            _Sequence(
                request_id=request_id,
                request=request,
                prompt_ids=ids,
                max_new_tokens=min(request.max_new_tokens, room),
                sampler=Sampler(request, ids, self._model.device),
                stream=TextStream(self._tokenizer, request.stop),
            )
        )

    def _prompt_ids(self, request: GenerateRequest) -> list[int]:
        if request.messages is None:
            ids = list(self._tokenizer(request.prompt)["input_ids"])
        else:
            text = self._render(request.messages)
            ids = list(self._tokenizer(text, add_special_tokens=False)["input_ids"])
        if not ids:
            raise InvalidInput("prompt", "The prompt holds no token of this model.")
        return ids

    def _render(self, messages: tuple[dict[str, str], ...]) -> str:
        """Render the model's own template, in its sandboxed environment, in this sandboxed process."""
        if not self._tokenizer.chat_template:
            raise InvalidInput("messages", "This model has no chat template; use completions.", code="unsupported_task")
        try:
            text = self._tokenizer.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=True)
        except (jinja2.TemplateError, TypeError, ValueError, RecursionError) as error:
            raise InvalidInput("messages", "The model's chat template does not accept these messages.") from error
        if not isinstance(text, str) or len(text) > _MAX_RENDERED_CHARS:
            raise InvalidInput("messages", "The model's chat template makes too long a prompt of these messages.")
        return text

    def cancel(self, request_id: str) -> None:
        """Drop a sequence, waiting or running; its row is free at once."""
        self._waiting = deque(item for item in self._waiting if item.request_id != request_id)
        for row, sequence in enumerate(self._running):
            if sequence.request_id == request_id:
                self._free(row)
                return

    @property
    def has_work(self) -> bool:
        return bool(self._waiting or self._running)

    def step(self) -> list[Event]:
        """Admit, prefill a bounded piece, then advance every running sequence by one token."""
        events = self._admit()
        events += self._prefill()
        rows = [row for row, sequence in enumerate(self._running) if sequence.next_id is not None]
        if rows:
            events += self._decode(rows)
        return events

    def _admit(self) -> list[Event]:
        events: list[Event] = []
        while self._waiting and len(self._running) < self._backend.max_rows:
            widest = max([self._waiting[0].need, *(sequence.need for sequence in self._running)])
            # The store is as long as its longest row for every row: what joins must leave all of them room.
            if self._running and widest * (len(self._running) + 1) > self._budget_tokens:
                break
            sequence = self._waiting.popleft()
            self._running.append(sequence)
            events.append(StateEvent(sequence.request_id, "running"))
        return events

    def _prefill(self) -> list[Event]:
        """Run up to `_PREFILL_TOKENS` prompt tokens, so that running sequences never wait long for their next."""
        unread = [row for row, sequence in enumerate(self._running) if sequence.cached < len(sequence.prompt_ids)]
        if not unread:
            return []
        unread.sort(key=lambda row: len(self._running[row].prompt_ids) - self._running[row].cached)
        rows: list[int] = []
        width = 0
        for row in unread:
            left = min(_PREFILL_TOKENS, len(self._running[row].prompt_ids) - self._running[row].cached)
            if rows and max(width, left) * (len(rows) + 1) > _PREFILL_TOKENS:
                break
            rows.append(row)
            width = max(width, left)
        rows.sort()
        sequences = [self._running[row] for row in rows]
        chunks = [item.prompt_ids[item.cached : item.cached + width] for item in sequences]
        logits = self._backend.forward(rows, chunks, [item.cached for item in sequences])
        for item, chunk in zip(sequences, chunks, strict=True):
            item.cached += len(chunk)
        complete = [index for index, item in enumerate(sequences) if item.cached == len(item.prompt_ids)]
        if not complete:
            return []
        return self._choose(logits[complete], [sequences[index] for index in complete])

    def _decode(self, rows: list[int]) -> list[Event]:
        sequences = [self._running[row] for row in rows]
        chunks = [[item.next_id] for item in sequences if item.next_id is not None]
        logits = self._backend.forward(rows, chunks, [item.cached for item in sequences])
        for item in sequences:
            item.cached += 1
        return self._choose(logits, sequences)

    def _choose(self, logits: Any, sequences: list[_Sequence]) -> list[Event]:
        events: list[Event] = []
        tokens, logprobs = choose_tokens(logits, [item.sampler for item in sequences])
        for sequence, token, logprob in zip(sequences, tokens, logprobs, strict=True):
            events += self._advance(sequence, token, logprob)
        return events

    def _advance(self, sequence: _Sequence, token: int, logprob: float) -> list[Event]:
        """Take the chosen token: show its text, then go on or finish."""
        sequence.generated += 1
        sequence.next_id = token
        sequence.sampler.count(token)
        ended = token in self._end_ids
        text = "" if ended else sequence.stream.push(token)
        full = sequence.generated >= sequence.max_new_tokens or len(sequence.stream.text) > limits.MAX_OUTPUT_BYTES // 4
        if not (ended or sequence.stream.stopped or full):
            return [TokenEvent(sequence.request_id, text, token, logprob)]
        reason = "stop_sequence" if sequence.stream.stopped else "stop" if ended else "length"
        text += sequence.stream.finish()
        self._free(self._running.index(sequence))
        return [
            TokenEvent(sequence.request_id, text, token, logprob, is_special=ended, is_last=True),
            ResultEvent(sequence.request_id, {"text": sequence.stream.text}),
            DoneEvent(sequence.request_id, reason, Usage(len(sequence.prompt_ids), sequence.generated)),
        ]

    def _free(self, row: int) -> None:
        """Close the gap with the last row, so that the rows in use stay consecutive and are read as a view."""
        last = len(self._running) - 1
        if row != last:
            self._backend.move(last, row, self._running[last].cached)
            self._running[row] = self._running[last]
        self._running.pop()


def _end_ids(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    configured = model.generation_config.eos_token_id if model.generation_config is not None else None
    ids = configured if isinstance(configured, list) else [configured]
    return frozenset(int(item) for item in [*ids, tokenizer.eos_token_id] if item is not None)
