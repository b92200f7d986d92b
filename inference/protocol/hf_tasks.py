"""The HF task wire: `{"inputs": …, "parameters": {…}}` in, the lists and objects that InferenceClient parses out.

Source: the task specifications that huggingface_hub generates its types from. Raw image bytes are an input too.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Any

from inference.protocol import arrays, limits
from inference.protocol.errors import InvalidInput, UnsupportedField
from inference.protocol.events import DoneEvent, TokenEvent
from inference.protocol.openai import parse_stop
from inference.protocol.requests import (
    ClassifyImageRequest,
    ClassifyTextRequest,
    EmbedRequest,
    GenerateRequest,
    Request,
    SimilarityRequest,
    check_number,
    check_text,
    check_texts,
)

# How a model runs is the hub's business: these reach us from old clients, mean nothing here and harm nothing.
_IGNORED_OPTIONS = frozenset({"use_cache", "wait_for_model", "use_gpu"})


def parse_task(pipeline_tag: str, body: Any) -> Request:
    """Parse a JSON body of one task. Raises: InvalidInput, UnsupportedField."""
    parser = _PARSERS.get(pipeline_tag)
    if parser is None:
        raise InvalidInput("task", f"The task '{pipeline_tag}' is not served here.", code="unsupported_task")
    if not isinstance(body, dict):
        raise InvalidInput("body", "The body must be a JSON object.")
    return parser(body)


def parse_image(data: bytes) -> ClassifyImageRequest:
    """Parse a raw image body."""
    return ClassifyImageRequest(image=data)


def _open(body: dict[str, Any], parameters: set[str], top_level: set[str] | None = None) -> dict[str, Any]:
    """Return the parameters after refusing every field that is not known; null counts as absent."""
    extra = top_level or set()
    for name, value in body.items():
        if name == "options":
            _check_options(value)
        elif name not in {"inputs", "parameters"} | extra:
            raise UnsupportedField(str(name)[:64])
    given = body.get("parameters")
    if given is None:
        given = {}
    if not isinstance(given, dict):
        raise InvalidInput("parameters", "'parameters' must be an object.")
    for name in given:
        if name not in parameters:
            raise UnsupportedField(f"parameters.{str(name)[:64]}")
    merged = {**{name: body[name] for name in extra if name in body}, **given}
    return {name: value for name, value in merged.items() if value is not None}


def _check_options(options: Any) -> None:
    if not isinstance(options, dict):
        raise InvalidInput("options", "'options' must be an object.")
    for name in options:
        if name not in _IGNORED_OPTIONS:
            raise UnsupportedField(f"options.{str(name)[:64]}")


def _texts(body: dict[str, Any]) -> tuple[str, ...]:
    inputs = body.get("inputs")
    return check_texts("inputs", [inputs] if isinstance(inputs, str) else inputs)


def _parse_text_classification(body: dict[str, Any]) -> ClassifyTextRequest:
    parameters = _open(body, {"top_k", "function_to_apply"})
    return ClassifyTextRequest(texts=_texts(body), **parameters)


def _parse_feature_extraction(body: dict[str, Any]) -> EmbedRequest:
    names = {"normalize", "truncate", "truncation_direction", "prompt_name"}
    # The client sends these as parameters, text-embeddings-inference callers beside `inputs`: both mean the same.
    parameters = _open(body, names, names)
    for name in ("normalize", "truncate"):
        if not isinstance(parameters.get(name, False), bool):
            raise InvalidInput(name, f"'{name}' must be true or false.")
    direction = parameters.get("truncation_direction")
    if isinstance(direction, str):
        parameters["truncation_direction"] = direction.lower()
    return EmbedRequest(texts=_texts(body), **parameters)


def _parse_sentence_similarity(body: dict[str, Any]) -> SimilarityRequest:
    _open(body, set())
    inputs = body.get("inputs")
    if not isinstance(inputs, dict):
        raise InvalidInput("inputs", "'inputs' must hold source_sentence and sentences.")
    for name in inputs:
        if name not in ("source_sentence", "sentences"):
            raise UnsupportedField(f"inputs.{str(name)[:64]}")
    source = check_text("inputs.source_sentence", inputs.get("source_sentence"))
    return SimilarityRequest(source, check_texts("inputs.sentences", inputs.get("sentences")))


_GENERATION = frozenset(
    "max_new_tokens temperature top_p top_k seed stop frequency_penalty repetition_penalty return_full_text do_sample "
    "details decoder_input_details best_of watermark".split()
)


def _parse_text_generation(body: dict[str, Any]) -> GenerateRequest:
    parameters = _open(body, set(_GENERATION), {"stream"})
    stream = _flag(parameters, "stream")
    sampled = _flag(parameters, "do_sample") or "temperature" in parameters
    for name in ("decoder_input_details", "watermark"):
        if _flag(parameters, name):
            raise UnsupportedField(f"parameters.{name}")
    if parameters.pop("best_of", 1) != 1:
        raise UnsupportedField("parameters.best_of", "must be 1")
    temperature = check_number("temperature", parameters.pop("temperature", 1.0), 0, 2)
    return GenerateRequest(
        prompt=check_text("inputs", body.get("inputs")),
        max_new_tokens=parameters.pop("max_new_tokens", limits.DEFAULT_NEW_TOKENS),
        temperature=temperature if sampled else 0.0,
        stop=parse_stop(parameters.pop("stop", None)),
        return_full_text=_flag(parameters, "return_full_text"),
        stream=stream,
        details=_flag(parameters, "details"),
        **parameters,
    )


def _flag(parameters: dict[str, Any], name: str) -> bool:
    value = parameters.pop(name, False)
    if not isinstance(value, bool):
        raise InvalidInput(name, f"'{name}' must be true or false.")
    return value


def _parse_image_classification(body: dict[str, Any]) -> ClassifyImageRequest:
    parameters = _open(body, {"top_k", "function_to_apply"})
    inputs = body.get("inputs")
    if not isinstance(inputs, str):
        raise InvalidInput("inputs", "'inputs' must be an image as base64 text.")
    if inputs.startswith("data:"):
        inputs = inputs.partition(",")[2]
    try:
        image = base64.b64decode(inputs, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidInput("inputs", "'inputs' is not valid base64.") from error
    return ClassifyImageRequest(image=image, **parameters)


_PARSERS: dict[str, Callable[[dict[str, Any]], Request]] = {
    "text-classification": _parse_text_classification,
    "feature-extraction": _parse_feature_extraction,
    "sentence-similarity": _parse_sentence_similarity,
    "text-generation": _parse_text_generation,
    "image-classification": _parse_image_classification,
}
SERVED_TASKS = tuple(_PARSERS)


# ---- answers


def task_response(request: Request, output: dict[str, Any]) -> Any:
    """Build the JSON answer of a request from its result. Raises: FrameError, KeyError on a malformed result."""
    match request:
        case ClassifyTextRequest():
            return output["labels"]  # one list of labels per text, also for a single text
        case ClassifyImageRequest():
            return output["labels"][0]
        case EmbedRequest():
            return arrays.unpack_rows(output["embeddings"])
        case SimilarityRequest():
            return output["scores"]
        case GenerateRequest():
            raise TypeError("a generation is answered by generation_response")


_FINISH_REASONS = {"stop": "eos_token", "stop_sequence": "stop_sequence", "length": "length"}  # ours → the client's


def generation_response(request: GenerateRequest, text: str, tokens: list[TokenEvent], done: DoneEvent) -> Any:
    """Build the answer of a generation that does not stream; `text` is what the model wrote."""
    answer: dict[str, Any] = {"generated_text": _whole_text(request, text)}
    if request.details:
        # The prompt's own log-probabilities are not computed; asking for them (decoder_input_details) is refused.
        answer["details"] = {
            **_details(request, done),
            "prefill": [],
            "tokens": [_token(event) for event in tokens],
        }
    return [answer]


def generation_chunk(index: int, event: TokenEvent) -> dict[str, Any]:
    """Build one server-sent chunk of a streamed generation; `index` counts from 1."""
    return {"index": index, "token": _token(event), "generated_text": None, "details": None}


def last_generation_chunk(
    index: int, event: TokenEvent, request: GenerateRequest, text: str, done: DoneEvent
) -> dict[str, Any]:
    """Build the last chunk, which carries the whole text too, and the details where they were asked for."""
    details = {**_details(request, done), "input_length": done.usage.prompt_tokens} if request.details else None
    chunk = generation_chunk(index, event)
    return {**chunk, "generated_text": _whole_text(request, text), "details": details}


def _whole_text(request: GenerateRequest, text: str) -> str:
    return (request.prompt or "") + text if request.return_full_text else text


def _token(event: TokenEvent) -> dict[str, Any]:
    return {"id": event.token_id, "text": event.text, "logprob": event.logprob, "special": event.is_special}


def _details(request: GenerateRequest, done: DoneEvent) -> dict[str, Any]:
    return {
        "finish_reason": _FINISH_REASONS.get(done.finish_reason, "eos_token"),
        "generated_tokens": done.usage.completion_tokens,
        "seed": request.seed,
    }
