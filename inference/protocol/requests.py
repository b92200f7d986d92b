"""What an engine is asked to do: one validated, frozen value per kind, and its wire form.

OpenAI body | HF body → parser (openai, hf_tasks) → a request here → `to_wire` → host → runner → `request_from_wire`.
Both ends construct the same classes, so the same bounds hold on both sides of the process boundary.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, ClassVar

from inference.protocol import limits
from inference.protocol.errors import InvalidInput, UnsupportedField


def check_text(param: str, value: Any, *, allow_empty: bool = False) -> str:
    """Return `value` when it is text within bounds. Raises: InvalidInput."""
    if not isinstance(value, str):
        raise InvalidInput(param, f"'{param}' must be a string.")
    if not value and not allow_empty:
        raise InvalidInput(param, f"'{param}' must not be empty.")
    if len(value) > limits.MAX_TEXT_CHARS:
        raise InvalidInput(param, f"'{param}' is longer than {limits.MAX_TEXT_CHARS} characters.", status=413)
    if any("\ud800" <= char <= "\udfff" for char in value) if not value.isascii() else False:
        raise InvalidInput(param, f"'{param}' holds a lone surrogate and is not valid Unicode.")
    return value


def check_texts(param: str, values: Any) -> tuple[str, ...]:
    """Return a batch of texts within bounds. Raises: InvalidInput."""
    if not isinstance(values, (list, tuple)) or not values:
        raise InvalidInput(param, f"'{param}' must be a non-empty list of strings.")
    if len(values) > limits.MAX_BATCH:
        raise InvalidInput(param, f"'{param}' holds more than {limits.MAX_BATCH} items.")
    return tuple(check_text(param, value) for value in values)


def check_number(param: str, value: Any, low: float, high: float, *, low_open: bool = False) -> float:
    """Return a finite number in [low, high] (or (low, high]). Raises: InvalidInput."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise InvalidInput(param, f"'{param}' must be a number.")
    if value > high or value < low or (low_open and value == low):
        raise InvalidInput(param, f"'{param}' must lie {'above' if low_open else 'between'} {low:g} and {high:g}.")
    return float(value)


def check_integer(param: str, value: Any, low: int, high: int) -> int:
    """Return an integer in [low, high]. Raises: InvalidInput."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidInput(param, f"'{param}' must be an integer.")
    if not low <= value <= high:
        raise InvalidInput(param, f"'{param}' must lie between {low} and {high}.")
    return value


@dataclass(frozen=True, slots=True)
class GenerateRequest:
    """Continue `prompt`, or answer `messages`; exactly one is set. Temperature 0 is greedy.

    `stream`, `return_full_text` and `details` say what the answer looks like; tokens are the same with and without.
    """

    kind: ClassVar[str] = "generate"
    prompt: str | None = None
    messages: tuple[dict[str, str], ...] | None = None
    max_new_tokens: int = limits.DEFAULT_NEW_TOKENS
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    repetition_penalty: float = 1.0
    stream: bool = False
    return_full_text: bool = False
    details: bool = False

    def __post_init__(self) -> None:
        if (self.prompt is None) == (self.messages is None):
            raise InvalidInput("prompt", "Exactly one of a prompt and messages is needed.")
        if self.prompt is not None:
            check_text("prompt", self.prompt)
        else:
            _check_messages(self.messages or ())
        check_integer("max_tokens", self.max_new_tokens, 1, limits.MAX_NEW_TOKENS)
        check_number("temperature", self.temperature, 0, 2)
        check_number("top_p", self.top_p, 0, 1, low_open=True)
        check_integer("top_k", self.top_k, 0, 1_000_000)
        if self.seed is not None:
            check_integer("seed", self.seed, -(2**63), 2**63 - 1)
        _check_stop(self.stop)
        check_number("presence_penalty", self.presence_penalty, -2, 2)
        check_number("frequency_penalty", self.frequency_penalty, -2, 2)
        check_number("repetition_penalty", self.repetition_penalty, 0, 10, low_open=True)


def _check_messages(messages: tuple[dict[str, str], ...]) -> None:
    if not messages or len(messages) > limits.MAX_MESSAGES:
        raise InvalidInput("messages", f"'messages' must hold 1 to {limits.MAX_MESSAGES} messages.")
    for message in messages:
        if set(message) != {"role", "content"} or message["role"] not in ("system", "user", "assistant"):
            raise InvalidInput("messages", "Each message needs a role (system, user, assistant) and content.")
        check_text("messages", message["content"], allow_empty=True)
    if sum(len(message["content"]) for message in messages) > limits.MAX_TEXT_CHARS:
        raise InvalidInput(
            "messages", f"The messages hold more than {limits.MAX_TEXT_CHARS} characters together.", status=413
        )


def _check_stop(stop: tuple[str, ...]) -> None:
    if len(stop) > limits.MAX_STOP_STRINGS:
        raise InvalidInput("stop", f"'stop' holds more than {limits.MAX_STOP_STRINGS} strings.")
    for text in stop:
        if not isinstance(text, str) or not 1 <= len(text) <= limits.MAX_STOP_CHARS:
            raise InvalidInput("stop", f"Each stop string must have 1 to {limits.MAX_STOP_CHARS} characters.")


@dataclass(frozen=True, slots=True)
class EmbedRequest:
    """Embed texts, one vector each, of the model's own width: `dimensions` may only confirm it.

    `normalize` true scales the vectors to length 1; None and false keep the model's own choice. A text longer than
    the model reads is cut on the `truncation_direction` side, or refused where `truncate` is false. `prompt_name` is
    one of the prompts in the repo's sentence-transformers configuration.
    """

    kind: ClassVar[str] = "embed"
    texts: tuple[str, ...]
    normalize: bool | None = None
    truncate: bool = True
    truncation_direction: str = "right"
    prompt_name: str | None = None
    dimensions: int | None = None

    def __post_init__(self) -> None:
        check_texts("inputs", self.texts)
        if self.truncation_direction not in ("left", "right"):
            raise InvalidInput("truncation_direction", "'truncation_direction' must be left or right.")
        if self.prompt_name is not None:
            check_text("prompt_name", self.prompt_name)
        if self.dimensions is not None:
            check_integer("dimensions", self.dimensions, 1, 1_000_000)


@dataclass(frozen=True, slots=True)
class SimilarityRequest:
    """Compare one sentence with others by the cosine of their embeddings."""

    kind: ClassVar[str] = "similarity"
    source_sentence: str
    sentences: tuple[str, ...]

    def __post_init__(self) -> None:
        check_text("source_sentence", self.source_sentence)
        check_texts("sentences", self.sentences)


def _check_scores(top_k: int | None, function_to_apply: str | None) -> None:
    if top_k is not None:
        check_integer("top_k", top_k, 1, limits.MAX_TOP_K_LABELS)
    if function_to_apply not in (None, "sigmoid", "softmax", "none"):
        raise InvalidInput("function_to_apply", "'function_to_apply' must be sigmoid, softmax or none.")


@dataclass(frozen=True, slots=True)
class ClassifyTextRequest:
    """Score texts against the model's labels."""

    kind: ClassVar[str] = "classify_text"
    texts: tuple[str, ...]
    top_k: int | None = None
    function_to_apply: str | None = None

    def __post_init__(self) -> None:
        check_texts("inputs", self.texts)
        _check_scores(self.top_k, self.function_to_apply)


@dataclass(frozen=True, slots=True)
class ClassifyImageRequest:
    """Score one encoded image (PNG, JPEG, WebP, GIF, BMP, TIFF) against the model's labels."""

    kind: ClassVar[str] = "classify_image"
    image: bytes
    top_k: int | None = None
    function_to_apply: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.image, bytes) or not self.image:
            raise InvalidInput("inputs", "An image is needed.")
        if len(self.image) > limits.MAX_BODY_BYTES:
            raise InvalidInput("inputs", f"The image exceeds {limits.MAX_BODY_BYTES} bytes.", status=413)
        _check_scores(self.top_k, self.function_to_apply)


Request = GenerateRequest | EmbedRequest | SimilarityRequest | ClassifyTextRequest | ClassifyImageRequest
_CLASSES: dict[str, type[Any]] = {
    cls.kind: cls
    for cls in (GenerateRequest, EmbedRequest, SimilarityRequest, ClassifyTextRequest, ClassifyImageRequest)
}
_TUPLES = ("texts", "sentences", "stop", "messages")


def request_to_wire(request: Request) -> dict[str, Any]:
    """Return the request as plain data."""
    fields = {field.name: getattr(request, field.name) for field in dataclasses.fields(request)}
    return {"kind": request.kind, **fields}


def request_from_wire(wire: Any) -> Request:
    """Rebuild and re-validate a request. Raises: InvalidInput."""
    if not isinstance(wire, dict) or wire.get("kind") not in _CLASSES:
        raise InvalidInput("kind", "Unknown kind of request.")
    cls = _CLASSES[wire["kind"]]
    known = {field.name for field in dataclasses.fields(cls)}
    values = {name: value for name, value in wire.items() if name != "kind"}
    for name in values:
        if name not in known:
            raise UnsupportedField(name, "is not known here")
    for name in _TUPLES:
        if isinstance(values.get(name), list):
            values[name] = tuple(values[name])
    try:
        request: Request = cls(**values)
    except TypeError as error:
        raise InvalidInput("kind", "The request lacks a field.") from error
    return request
