"""Events that flow from a runner to whoever asked: state* (token* | result) (done | error), the last exactly once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from inference.protocol.errors import STATUS_BY_CODE
from inference.protocol.frames import FrameError


@dataclass(frozen=True, slots=True)
class Timings:
    """Milliseconds: waiting for a slot, loading the model (0 when warm), running, and from submit to first output."""

    queue_ms: float = 0.0
    load_ms: float = 0.0
    run_ms: float = 0.0
    first_token_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens read and written, as counted by the model's own tokenizer."""

    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True, slots=True)
class StateEvent:
    """Progress before output: `queued`, `loading` (the model is cold) or `running`."""

    request_id: str
    state: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class TokenEvent:
    """One generated token and the text that it completed, which may be none (half a character, an end token).

    `logprob` is its natural logarithm of probability by the model itself, before temperature and penalties.
    `is_special` marks an end token, `is_last` the request's last.
    """

    request_id: str
    text: str
    token_id: int
    logprob: float = 0.0
    is_special: bool = False
    is_last: bool = False


@dataclass(frozen=True, slots=True)
class ResultEvent:
    """The whole output of a request that does not stream. Arrays are packed as by `arrays.pack_floats`."""

    request_id: str
    output: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ErrorEvent:
    """The end of a request that failed; `retryable` says whether the same request may work later."""

    request_id: str
    code: str
    message: str
    retryable: bool = False
    retry_after_s: float | None = None
    param: str | None = None

    @property
    def status(self) -> int:
        return STATUS_BY_CODE.get(self.code, 500)


@dataclass(frozen=True, slots=True)
class DoneEvent:
    """The end of a request that worked. `finish_reason`: stop (end token), stop_sequence or length."""

    request_id: str
    finish_reason: str
    usage: Usage = Usage()
    timings: Timings = Timings()


Event = StateEvent | TokenEvent | ResultEvent | ErrorEvent | DoneEvent


def is_final(event: Event) -> bool:
    """Say whether no event of this request can follow."""
    return isinstance(event, (ErrorEvent, DoneEvent))


def event_to_wire(event: Event) -> list[Any]:
    """Return the event as a flat list of plain data."""
    match event:
        case StateEvent():
            return ["state", event.request_id, event.state, event.detail]
        case TokenEvent():
            return [
                "token",
                event.request_id,
                event.text,
                event.token_id,
                event.logprob,
                event.is_special,
                event.is_last,
            ]
        case ResultEvent():
            return ["result", event.request_id, event.output]
        case ErrorEvent():
            return [
                "error",
                event.request_id,
                event.code,
                event.message,
                event.retryable,
                event.retry_after_s,
                event.param,
            ]
        case DoneEvent():
            usage, timings = event.usage, event.timings
            return [
                "done",
                event.request_id,
                event.finish_reason,
                [usage.prompt_tokens, usage.completion_tokens],
                [timings.queue_ms, timings.load_ms, timings.run_ms, timings.first_token_ms],
            ]


def event_from_wire(wire: Any) -> Event:
    """Parse what `event_to_wire` made. Raises: FrameError when the sender did not."""
    try:
        kind, request_id, *rest = wire
        if not isinstance(request_id, str):
            raise TypeError("request id")
        match kind:
            case "state":
                return StateEvent(request_id, _text(rest[0]), _text(rest[1]))
            case "token":
                return _token_from_wire(request_id, rest)
            case "result":
                if not isinstance(rest[0], dict):
                    raise TypeError("output")
                return ResultEvent(request_id, rest[0])
            case "error":
                return _error_from_wire(request_id, rest)
            case "done":
                return _done_from_wire(request_id, rest)
        raise ValueError("kind")
    except (TypeError, ValueError, IndexError) as error:
        raise FrameError("malformed event") from error


def _token_from_wire(request_id: str, rest: list[Any]) -> TokenEvent:
    text, token_id, logprob, is_special, is_last = rest
    return TokenEvent(
        request_id, _text(text), _count(token_id), _number(logprob), is_special=bool(is_special), is_last=bool(is_last)
    )


def _error_from_wire(request_id: str, rest: list[Any]) -> ErrorEvent:
    code, message, retryable, retry_after_s, param = rest
    return ErrorEvent(
        request_id,
        _text(code),
        _text(message),
        bool(retryable),
        None if retry_after_s is None else _number(retry_after_s),
        None if param is None else _text(param),
    )


def _done_from_wire(request_id: str, rest: list[Any]) -> DoneEvent:
    finish_reason, usage, timings = rest
    queue_ms, load_ms, run_ms, first_token_ms = timings
    return DoneEvent(
        request_id,
        _text(finish_reason),
        Usage(_count(usage[0]), _count(usage[1])),
        Timings(
            _number(queue_ms),
            _number(load_ms),
            _number(run_ms),
            None if first_token_ms is None else _number(first_token_ms),
        ),
    )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("expected text")
    return value


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise TypeError("expected a count")
    return value


def _number(value: Any) -> float:
    if not isinstance(value, (int, float)) or not math.isfinite(value):
        raise TypeError("expected a finite number")
    return float(value)
