"""Frames, events and bodies: round trips, and refusal by name of everything else."""

from __future__ import annotations

import base64
import socket
import struct

import msgpack
import pytest

from inference.protocol import arrays, frames, hf_tasks, openai
from inference.protocol.errors import InvalidInput, UnsupportedField
from inference.protocol.events import (
    DoneEvent,
    ErrorEvent,
    ResultEvent,
    StateEvent,
    Timings,
    TokenEvent,
    Usage,
    event_from_wire,
    event_to_wire,
)  # fmt: skip
from inference.protocol.requests import EmbedRequest, GenerateRequest, request_from_wire, request_to_wire

CHAT = {"model": "a/b", "messages": [{"role": "user", "content": "hi"}]}
EVENTS = [
    StateEvent("r", "running"),
    TokenEvent("r", "text", 5, -0.25, is_special=True, is_last=True),
    ResultEvent("r", {"text": "x"}),
    ErrorEvent("r", "queue_full", "later", True, 5.0),
    DoneEvent("r", "stop", Usage(1, 2), Timings(1.0, 2.0, 3.0, None)),
]


@pytest.mark.parametrize("event", EVENTS)
def test_events_survive_the_wire(event):
    assert event_from_wire(frames.decode_body(frames.encode_frame(event_to_wire(event))[4:])) == event


def _nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "body",
    [
        b"\xc1",
        msgpack.packb(_nested(frames.MAX_DEPTH)),
        msgpack.packb(msgpack.ExtType(4, b"x")),
        msgpack.packb(msgpack.Timestamp(1)),
        b"\x91" * 100_000,
        msgpack.packb(b"x") + b"tail",
    ],
)
def test_hostile_bodies_are_frame_errors(body):
    with pytest.raises(frames.FrameError):
        frames.decode_body(body)


def test_a_lying_length_is_refused_before_it_is_allocated():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(struct.pack(">I", frames.MAX_FRAME_BYTES + 1))
        with pytest.raises(frames.FrameError):
            frames.FrameConnection(ours).receive()


def test_end_between_frames_is_none_and_within_one_an_error():
    ours, theirs = socket.socketpair()
    theirs.sendall(frames.encode_frame({"a": 1}) + b"\0\0")
    theirs.close()
    connection = frames.FrameConnection(ours)
    assert connection.receive() == {"a": 1}
    with pytest.raises(frames.FrameError):
        connection.receive()
    connection.close()


@pytest.mark.parametrize("field", ["tools", "logprobs", "response_format", "top_k", "nonsense", "logit_bias"])
def test_unsupported_chat_fields_are_named(field):
    with pytest.raises(UnsupportedField) as refused:
        openai.parse_chat({**CHAT, field: 1})
    assert (refused.value.param, refused.value.status) == (field, 422)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_tokens", 0), ("max_tokens", 1025), ("max_tokens", True), ("temperature", float("nan")),
        ("temperature", 2.1),
        ("top_p", 0), ("top_p", "1"), ("n", 2), ("stop", ["a"] * 5), ("stop", [""]), ("seed", 1.5), ("stream", "yes"),
        ("presence_penalty", 3), ("messages", []), ("messages", [{"role": "tool", "content": "x"}]), ("model", ""),
        ("stream_options", {"include_usage": True}),
    ],
)  # fmt: skip
def test_values_out_of_bounds_are_refused_t140(field, value):
    with pytest.raises(InvalidInput):
        openai.parse_chat({**CHAT, field: value})


def test_chat_parses_and_crosses_the_wire():
    call = openai.parse_chat(
        {**CHAT, "max_completion_tokens": 1024, "temperature": 0, "stop": "x", "stream": True,
         "stream_options": {"include_usage": True}, "user": "u"}
    )  # fmt: skip
    assert (call.stream, call.include_usage, call.user) == (True, True, "u")
    wire = frames.decode_body(frames.encode_frame(request_to_wire(call.request))[4:])
    assert request_from_wire(wire) == call.request


@pytest.mark.parametrize(("length", "fits"), [(32_767, True), (32_768, True), (32_769, False)])
def test_text_length_is_bounded_exactly_t140(length, fits):
    body = {"model": "a/b", "prompt": "x" * length}
    if fits:
        assert len(openai.parse_completion(body).request.prompt) == length
    else:
        with pytest.raises(InvalidInput) as refused:
            openai.parse_completion(body)
        assert refused.value.status == 413


def test_embeddings_float_and_base64_say_the_same():
    packed = arrays.pack_floats(struct.pack("<4f", 1, 2, 3, 4), (2, 2))
    rows = openai.embeddings_response("a/b", {"embeddings": packed}, Usage(3, 0), "float")["data"]
    coded = openai.embeddings_response("a/b", {"embeddings": packed}, Usage(3, 0), "base64")["data"]
    assert [row["embedding"] for row in rows] == [[1, 2], [3, 4]]
    assert [struct.unpack("<2f", base64.b64decode(row["embedding"])) for row in coded] == [(1, 2), (3, 4)]
    with pytest.raises(frames.FrameError):
        arrays.unpack_rows({"dtype": "float32", "shape": [1000, 1000], "data": b"x"})


def test_hf_bodies_as_the_client_sends_them():
    assert hf_tasks.parse_task("feature-extraction", {"inputs": "a", "parameters": {}}) == EmbedRequest(texts=("a",))
    request = hf_tasks.parse_task(
        "text-generation", {"inputs": "a", "parameters": {"max_new_tokens": 3, "details": True}, "stream": True}
    )
    assert request == GenerateRequest(prompt="a", max_new_tokens=3, temperature=0.0, stream=True, details=True)
    similar = hf_tasks.parse_task("sentence-similarity", {"inputs": {"source_sentence": "a", "sentences": ["b"]}})
    assert similar.sentences == ("b",)
    image = hf_tasks.parse_task(
        "image-classification", {"inputs": base64.b64encode(b"png").decode(), "parameters": {"top_k": 2}}
    )
    assert (image.image, image.top_k) == (b"png", 2)


@pytest.mark.parametrize("tag", hf_tasks.SERVED_TASKS)
def test_hf_unknown_parameters_are_named(tag):
    with pytest.raises(UnsupportedField) as refused:
        hf_tasks.parse_task(tag, {"inputs": "a", "parameters": {"nonsense": 1}})
    assert refused.value.param == "parameters.nonsense"


def test_batch_is_bounded_t140():
    body = {"inputs": ["x"] * 33}
    with pytest.raises(InvalidInput):
        hf_tasks.parse_task("text-classification", body)


def test_generation_details_as_the_client_reads_them():
    request = GenerateRequest(prompt="a", seed=3, details=True, return_full_text=True)
    tokens = [TokenEvent("r", "b", 5, -0.5), TokenEvent("r", "", 0, -0.25, is_special=True, is_last=True)]
    done = DoneEvent("r", "stop", Usage(1, 2))
    [answer] = hf_tasks.generation_response(request, "b", tokens, done)
    assert answer["generated_text"] == "ab"
    assert answer["details"] == {
        "finish_reason": "eos_token",
        "generated_tokens": 2,
        "seed": 3,
        "prefill": [],
        "tokens": [
            {"id": 5, "text": "b", "logprob": -0.5, "special": False},
            {"id": 0, "text": "", "logprob": -0.25, "special": True},
        ],
    }
    last = hf_tasks.last_generation_chunk(2, tokens[-1], request, "b", done)
    assert (last["generated_text"], last["details"]["input_length"], last["index"]) == ("ab", 1, 2)
    plain = GenerateRequest(prompt="a")
    assert hf_tasks.generation_response(plain, "b", tokens, done) == [{"generated_text": "b"}]
    assert hf_tasks.last_generation_chunk(2, tokens[-1], plain, "b", done)["details"] is None


def test_stop_strings_and_end_tokens_are_one_reason_to_openai_and_two_to_hf():
    assert openai.chat_response("r", "a/b", "x", "stop_sequence", Usage())["choices"][0]["finish_reason"] == "stop"
    done = DoneEvent("r", "stop_sequence", Usage())
    answer = hf_tasks.generation_response(GenerateRequest(prompt="a", details=True), "x", [], done)
    assert answer[0]["details"]["finish_reason"] == "stop_sequence"


def test_a_field_of_another_version_is_refused_by_name():
    wire = request_to_wire(GenerateRequest(prompt="a")) | {"beams": 4}
    with pytest.raises(UnsupportedField) as refused:
        request_from_wire(wire)
    assert refused.value.param == "beams"


@pytest.mark.parametrize("logprob", [float("nan"), float("-inf"), "0", None])
def test_a_token_without_a_finite_logprob_is_malformed(logprob):
    with pytest.raises(frames.FrameError):
        event_from_wire(["token", "r", "x", 1, logprob, False, False])
