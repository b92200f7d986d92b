"""The OpenAI wire: bodies in, requests out; events in, bodies and chunks out.

Source: the OpenAI API reference for chat completions, completions and embeddings. A field that is unknown or not
served is refused by name: a caller must never believe that something took effect which did not.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from inference.protocol import arrays, limits
from inference.protocol.errors import InferenceError, InvalidInput, UnsupportedField
from inference.protocol.events import Usage
from inference.protocol.requests import EmbedRequest, GenerateRequest, check_number, check_text, check_texts

_SAMPLING_FIELDS = frozenset(
    "max_tokens temperature top_p seed stop stream stream_options n user presence_penalty frequency_penalty".split()
)
_CHAT_FIELDS = _SAMPLING_FIELDS | {"model", "messages", "max_completion_tokens"}
_COMPLETION_FIELDS = _SAMPLING_FIELDS | {"model", "prompt"}
_EMBEDDING_FIELDS = frozenset({"model", "input", "encoding_format", "dimensions", "user"})


@dataclass(frozen=True, slots=True)
class GenerationCall:
    """A parsed chat or completion body."""

    model: str
    request: GenerateRequest
    stream: bool
    include_usage: bool
    user: str | None


@dataclass(frozen=True, slots=True)
class EmbeddingCall:
    """A parsed embeddings body; `encoding_format` is float or base64."""

    model: str
    request: EmbedRequest
    encoding_format: str
    user: str | None


def parse_chat(body: Any) -> GenerationCall:
    """Parse a /v1/chat/completions body. Raises: InvalidInput, UnsupportedField."""
    body = _known_fields(body, _CHAT_FIELDS)
    raw = body.get("messages")
    if not isinstance(raw, list) or not raw:
        raise InvalidInput("messages", "'messages' must be a non-empty list.")
    messages = tuple(_parse_message(index, message) for index, message in enumerate(raw))
    if body.get("max_tokens") is not None and body.get("max_completion_tokens") is not None:
        raise InvalidInput("max_completion_tokens", "Send 'max_tokens' or 'max_completion_tokens', not both.")
    return _generation_call(body, body.get("max_completion_tokens"), messages=messages)


def parse_completion(body: Any) -> GenerationCall:
    """Parse a /v1/completions body (one prompt). Raises: InvalidInput, UnsupportedField."""
    body = _known_fields(body, _COMPLETION_FIELDS)
    prompt = body.get("prompt")
    if isinstance(prompt, list) and len(prompt) == 1:
        prompt = prompt[0]
    return _generation_call(body, None, prompt=check_text("prompt", prompt))


def parse_embeddings(body: Any) -> EmbeddingCall:
    """Parse a /v1/embeddings body. Raises: InvalidInput, UnsupportedField."""
    body = _known_fields(body, _EMBEDDING_FIELDS)
    raw = body.get("input")
    texts = check_texts("input", [raw] if isinstance(raw, str) else raw)
    encoding_format = body.get("encoding_format")
    if encoding_format not in (None, "float", "base64"):
        raise InvalidInput("encoding_format", "'encoding_format' must be float or base64.")
    request = EmbedRequest(texts=texts, dimensions=body.get("dimensions"))
    return EmbeddingCall(_model(body), request, encoding_format or "float", _user(body))


def _known_fields(body: Any, known: frozenset[str]) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise InvalidInput("body", "The body must be a JSON object.")
    for name in body:
        if name not in known:
            raise UnsupportedField(str(name)[:64])
    return body


def _model(body: dict[str, Any]) -> str:
    model = body.get("model")
    if not isinstance(model, str) or not 1 <= len(model) <= 256:
        raise InvalidInput("model", "'model' must name a model as namespace/name.")
    return model


def _user(body: dict[str, Any]) -> str | None:
    user = body.get("user")
    if user is not None and (not isinstance(user, str) or len(user) > 256):
        raise InvalidInput("user", "'user' must be a string of at most 256 characters.")
    return user


def _parse_message(index: int, message: Any) -> dict[str, str]:
    param = f"messages[{index}]"
    if not isinstance(message, dict):
        raise InvalidInput(param, f"'{param}' must be an object.")
    for name in message:
        if name not in ("role", "content"):
            raise UnsupportedField(f"{param}.{str(name)[:64]}")
    role = message.get("role")
    if role == "developer":  # the newer name of the same role
        role = "system"
    if role not in ("system", "user", "assistant"):
        raise InvalidInput(f"{param}.role", "The role must be system, user or assistant.")
    return {"role": role, "content": _parse_content(f"{param}.content", message.get("content"))}


def _parse_content(param: str, content: Any) -> str:
    """Return the text of a message, which may come whole or as a list of text parts."""
    if not isinstance(content, list):
        return check_text(param, content, allow_empty=True)
    texts = []
    for part in content:
        if not isinstance(part, dict) or part.get("type") != "text" or set(part) != {"type", "text"}:
            raise UnsupportedField(param, "may hold text parts only")
        texts.append(check_text(param, part["text"], allow_empty=True))
    return check_text(param, "".join(texts), allow_empty=True)


def _generation_call(
    body: dict[str, Any],
    max_completion_tokens: int | None,
    *,
    prompt: str | None = None,
    messages: tuple[dict[str, str], ...] | None = None,
) -> GenerationCall:
    if body.get("n") not in (None, 1) or isinstance(body.get("n"), bool):
        raise UnsupportedField("n", "must be 1")
    stream, include_usage = _stream_options(body)
    max_tokens = body.get("max_tokens") if max_completion_tokens is None else max_completion_tokens
    request = GenerateRequest(
        prompt=prompt,
        messages=messages,
        max_new_tokens=limits.DEFAULT_NEW_TOKENS if max_tokens is None else max_tokens,
        temperature=_number_or(body, "temperature", 0, 2, 1.0),
        top_p=_number_or(body, "top_p", 0, 1, 1.0),
        seed=body.get("seed"),
        stop=parse_stop(body.get("stop")),
        presence_penalty=_number_or(body, "presence_penalty", -2, 2, 0.0),
        frequency_penalty=_number_or(body, "frequency_penalty", -2, 2, 0.0),
        stream=stream,
    )
    return GenerationCall(_model(body), request, stream, include_usage, _user(body))


def _number_or(body: dict[str, Any], name: str, low: float, high: float, default: float) -> float:
    value = body.get(name)
    return default if value is None else check_number(name, value, low, high)


def _stream_options(body: dict[str, Any]) -> tuple[bool, bool]:
    stream = body.get("stream")
    if stream is not None and not isinstance(stream, bool):
        raise InvalidInput("stream", "'stream' must be true or false.")
    options = body.get("stream_options")
    if options is None:
        return bool(stream), False
    if not isinstance(options, dict) or not stream:
        raise InvalidInput("stream_options", "'stream_options' is an object and needs 'stream': true.")
    for name in options:
        if name != "include_usage":
            raise UnsupportedField(f"stream_options.{str(name)[:64]}")
    if not isinstance(options.get("include_usage", False), bool):
        raise InvalidInput("stream_options.include_usage", "'include_usage' must be true or false.")
    return True, bool(options.get("include_usage"))


def parse_stop(stop: Any) -> tuple[str, ...]:
    """Return the stop strings of a body: none, one or a list. Raises: InvalidInput."""
    if stop is None:
        return ()
    if isinstance(stop, str):
        return (stop,)
    if not isinstance(stop, list):
        raise InvalidInput("stop", "'stop' must be a string or a list of strings.")
    return tuple(stop)


# ---- answers


def usage_body(usage: Usage) -> dict[str, int]:
    """Return the wire form of token counts."""
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }


def _envelope(request_id: str, kind: str, prefix: str, model: str, created: int | None) -> dict[str, Any]:
    return {
        "id": f"{prefix}-{request_id}",
        "object": kind,
        "created": int(time.time()) if created is None else created,
        "model": model,
    }


def _choice(finish_reason: str | None, **content: Any) -> dict[str, Any]:
    # An end token and a stop string are one reason here.
    reason = "stop" if finish_reason == "stop_sequence" else finish_reason
    return {"index": 0, **content, "logprobs": None, "finish_reason": reason}


def chat_response(
    request_id: str, model: str, text: str, finish_reason: str, usage: Usage, created: int | None = None
) -> dict[str, Any]:
    """Build the whole answer of a chat call."""
    message = {"role": "assistant", "content": text, "refusal": None}
    return {
        **_envelope(request_id, "chat.completion", "chatcmpl", model, created),
        "choices": [_choice(finish_reason, message=message)],
        "usage": usage_body(usage),
    }


def chat_chunk(
    request_id: str,
    model: str,
    *,
    created: int,
    text: str | None = None,
    first: bool = False,
    finish_reason: str | None = None,
) -> dict[str, Any]:
    """Build one streamed chunk: the first carries the role, the last the finish reason and an empty delta."""
    delta: dict[str, str] = {}
    if first:
        delta["role"] = "assistant"
    if text is not None:
        delta["content"] = text
    return {
        **_envelope(request_id, "chat.completion.chunk", "chatcmpl", model, created),
        "choices": [_choice(finish_reason, delta=delta)],
    }


def completion_response(
    request_id: str, model: str, text: str, finish_reason: str, usage: Usage, created: int | None = None
) -> dict[str, Any]:
    """Build the whole answer of a completion call."""
    return {
        **_envelope(request_id, "text_completion", "cmpl", model, created),
        "choices": [_choice(finish_reason, text=text)],
        "usage": usage_body(usage),
    }


def completion_chunk(
    request_id: str, model: str, *, created: int, text: str = "", finish_reason: str | None = None
) -> dict[str, Any]:
    """Build one streamed chunk of a completion call."""
    return {
        **_envelope(request_id, "text_completion", "cmpl", model, created),
        "choices": [_choice(finish_reason, text=text)],
    }


def usage_chunk(request_id: str, model: str, usage: Usage, *, created: int, chat: bool) -> dict[str, Any]:
    """Build the last chunk of a stream whose caller asked for usage: no choices, counts only."""
    kind, prefix = ("chat.completion.chunk", "chatcmpl") if chat else ("text_completion", "cmpl")
    return {**_envelope(request_id, kind, prefix, model, created), "choices": [], "usage": usage_body(usage)}


def embeddings_response(model: str, output: dict[str, Any], usage: Usage, encoding_format: str) -> dict[str, Any]:
    """Build the answer of an embeddings call from an `embed` result. Raises: FrameError on a malformed result."""
    packed = output.get("embeddings")
    rows: list[Any] = arrays.base64_rows(packed) if encoding_format == "base64" else list(arrays.unpack_rows(packed))
    return {
        "object": "list",
        "data": [{"object": "embedding", "index": index, "embedding": row} for index, row in enumerate(rows)],
        "model": model,
        "usage": {"prompt_tokens": usage.prompt_tokens, "total_tokens": usage.prompt_tokens},
    }


def error_body(error: InferenceError) -> dict[str, Any]:
    """Build the OpenAI error object."""
    kind = "invalid_request_error" if 400 <= error.status < 500 else "server_error"
    return {"error": {"message": error.message, "type": kind, "param": error.param, "code": error.code}}
