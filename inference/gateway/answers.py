"""From the events of a call to the answer of its route: whole, or streamed as it comes."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hub.core.errors import HubError
from inference.gateway.calls import Accepted, LiveCall, open_call
from inference.gateway.errors import as_inference_error, as_told, openai_body
from inference.gateway.http import ClientLeft, EventStream, send_json, until_disconnect
from inference.gateway.inbox import Inbox
from inference.protocol import hf_tasks
from inference.protocol import openai as openai_wire
from inference.protocol.errors import InferenceError
from inference.protocol.events import DoneEvent, ResultEvent, StateEvent, TokenEvent
from inference.protocol.frames import FrameError
from inference.protocol.requests import GenerateRequest, Request

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from inference.gateway.app import Exchange

Headers = list[tuple[bytes, bytes]]


async def openai(exchange: Exchange, call: Any, accepted: Accepted, redis: Redis, inbox: Inbox) -> None:
    if isinstance(call, openai_wire.GenerationCall) and call.stream:
        await _with_disconnect(exchange, _stream_openai(exchange, call, accepted, redis, inbox))
    else:
        await _with_disconnect(exchange, _whole(exchange, accepted, redis, inbox, _openai_builder(call, accepted)))


async def task(exchange: Exchange, request: Request, accepted: Accepted, redis: Redis, inbox: Inbox) -> None:
    if isinstance(request, GenerateRequest) and request.stream:
        await _with_disconnect(exchange, _stream_task(exchange, request, accepted, redis, inbox))
    else:

        def build(answer: Answer) -> Any:
            if isinstance(request, GenerateRequest):
                return hf_tasks.generation_response(request, answer.text, answer.tokens, answer.done)
            return hf_tasks.task_response(request, answer.output)

        await _with_disconnect(exchange, _whole(exchange, accepted, redis, inbox, build))


async def _with_disconnect(exchange: Exchange, work: Awaitable[None]) -> None:
    """Run ``work``; when the caller leaves first, cancel it, which cancels the call (T142)."""
    working = asyncio.ensure_future(work)
    leaving = asyncio.create_task(until_disconnect(exchange.receive))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working
        raise ClientLeft
    finally:
        leaving.cancel()
        working.cancel()  # when the server itself ends this task; otherwise it is done


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer: the text and its tokens of a generation, the output of any other task."""

    text: str
    tokens: list[TokenEvent]
    output: dict[str, Any]
    done: DoneEvent


Builder = Callable[[Answer], Any]


def _openai_builder(call: Any, accepted: Accepted) -> Builder:
    model = accepted.repo.repo_id

    def build(answer: Answer) -> Any:
        done = answer.done
        if isinstance(call, openai_wire.EmbeddingCall):
            return openai_wire.embeddings_response(model, answer.output, done.usage, call.encoding_format)
        is_chat = call.request.messages is not None
        respond = openai_wire.chat_response if is_chat else openai_wire.completion_response
        return respond(accepted.request_id, model, answer.text, done.finish_reason, done.usage)

    return build


async def _whole(exchange: Exchange, accepted: Accepted, redis: Redis, inbox: Inbox, build: Builder) -> None:
    async with open_call(accepted, redis, inbox) as call:
        tokens: list[TokenEvent] = []
        output: dict[str, Any] = {}
        async for event in call.events():
            if isinstance(event, TokenEvent):
                tokens.append(event)
            elif isinstance(event, ResultEvent):
                output = event.output
        if call.done is None:
            raise InferenceError("internal", "The model gave no answer.", status=500)
        text = "".join(event.text for event in tokens)
        body = _built(build, Answer(text, tokens, output, call.done))
        call.output_bytes = await send_json(exchange.send, 200, body, [*exchange.headers, *_call_headers(call)])


def _built(build: Builder, answer: Answer) -> Any:
    """A runner executes a stranger's weights: what it sends may have any shape."""
    try:
        return build(answer)
    except (FrameError, LookupError, TypeError) as error:
        raise InferenceError("internal", "The model's answer had an unexpected form.", status=500) from error


def _call_headers(call: LiveCall) -> Headers:
    """Timings and counts for tools and the playground (milliseconds)."""
    done = call.done
    if done is None:
        return []
    timings = done.timings
    parts = (
        f"queue;dur={timings.queue_ms:.1f}, load;dur={timings.load_ms:.1f}, run;dur={timings.run_ms:.1f}, "
        f"first;dur={timings.first_token_ms or 0:.1f}"
    )
    return [
        (b"server-timing", parts.encode()),
        (b"x-compute-tokens", f"{done.usage.prompt_tokens}+{done.usage.completion_tokens}".encode()),
        (b"x-model-commit", call.accepted.commit_oid.encode()),
        (b"x-inference-id", call.accepted.request_id.encode()),
    ]


async def _stream_openai(exchange: Exchange, call: Any, accepted: Accepted, redis: Redis, inbox: Inbox) -> None:
    model, created = accepted.repo.repo_id, int(time.time())
    is_chat = call.request.messages is not None
    stream = EventStream(exchange.send, [*exchange.headers, (b"x-inference-id", accepted.request_id.encode())])
    first = True

    def chunk(text: str | None, finish_reason: str | None = None) -> dict[str, Any]:
        if is_chat:
            return openai_wire.chat_chunk(
                accepted.request_id, model, created=created, text=text, first=first, finish_reason=finish_reason
            )
        return openai_wire.completion_chunk(
            accepted.request_id, model, created=created, text=text or "", finish_reason=finish_reason
        )

    async with _streaming(exchange, stream, accepted, redis, inbox) as live:
        async for event in live.events():
            if event is None:
                await stream.heartbeat()
            elif isinstance(event, StateEvent):
                await _tell_state(stream, event)
            elif isinstance(event, TokenEvent) and event.text:
                await stream.event(chunk(event.text))
                first = False
            elif isinstance(event, DoneEvent):
                await stream.event(chunk(None, event.finish_reason))
                if call.include_usage:
                    usage = openai_wire.usage_chunk(
                        accepted.request_id, model, event.usage, created=created, chat=is_chat
                    )
                    await stream.event({**usage, "timings": _timings(event)})
        await stream.done()
        live.output_bytes = stream.sent_bytes


async def _tell_state(stream: EventStream, event: StateEvent) -> None:
    """As a comment: OpenAI clients skip it, the playground shows it.

    "queued" alone does not open the stream, so that a request which the engine refuses at once keeps its status.
    """
    if stream.is_open or event.state != "queued":
        await stream.comment(f"state {event.state}")


def _timings(done: DoneEvent) -> dict[str, float | None]:
    timings = done.timings
    return {
        "queue_ms": timings.queue_ms,
        "load_ms": timings.load_ms,
        "first_token_ms": timings.first_token_ms,
        "run_ms": timings.run_ms,
    }


async def _stream_task(
    exchange: Exchange, request: GenerateRequest, accepted: Accepted, redis: Redis, inbox: Inbox
) -> None:
    stream = EventStream(exchange.send, [*exchange.headers, (b"x-inference-id", accepted.request_id.encode())])
    texts: list[str] = []
    # The last chunk tells how the call ended too: the last token alone waits for that.
    last: TokenEvent | None = None
    index = 0
    async with _streaming(exchange, stream, accepted, redis, inbox) as live:
        async for event in live.events():
            if event is None:
                await stream.heartbeat()
            elif isinstance(event, StateEvent):
                await _tell_state(stream, event)
            elif isinstance(event, TokenEvent):
                index += 1
                texts.append(event.text)
                if event.is_last:
                    last = event
                else:
                    await stream.event(hf_tasks.generation_chunk(index, event))
            elif isinstance(event, DoneEvent):
                last = last or TokenEvent(event.request_id, "", 0, is_special=True)
                text = "".join(texts)
                await stream.event(hf_tasks.last_generation_chunk(max(index, 1), last, request, text, event))
        live.output_bytes = stream.sent_bytes


@contextlib.asynccontextmanager
async def _streaming(exchange: Exchange, stream: EventStream, accepted: Accepted, redis: Redis, inbox: Inbox) -> Any:
    """A call whose errors, once the stream has begun, are told in the stream."""
    try:
        async with open_call(accepted, redis, inbox) as call:
            if call.place.waiting:
                await stream.comment(f"queue {call.place.waiting}")
            yield call
    except (InferenceError, HubError) as error:
        if not stream.is_open:
            raise
        told = as_inference_error(error) if isinstance(error, HubError) else error
        await stream.event(openai_body(as_told(told, exchange.scope)))
        await stream.done()
    if stream.is_open:
        await stream.close()
