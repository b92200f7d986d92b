"""Routes of the gateway.

    POST /v1/chat/completions · /v1/completions · /v1/embeddings · GET /v1/models[/{ns}/{name}]
    POST /models/{ns}/{name}[/v1/… | /pipeline/{task}] · POST /pipeline/{task}/{ns}/{name}
Pure ASGI: one task per call on the event loop; Django is asked in threads before and after, never during a stream.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import structlog
from django.conf import settings
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from hub.core.edge import REQUEST_ID_KEY, Receive, Scope, Send
from hub.core.errors import HubError, RateLimited
from hub.core.ratelimit import Standing
from inference.gateway import access, answers
from inference.gateway.calls import Accepted
from inference.gateway.errors import Headers, as_inference_error, as_told, headers_of, hub_body, openai_body
from inference.gateway.http import ClientLeft, header, parse_json, read_body, send_json
from inference.gateway.inbox import Inbox
from inference.gateway.threads import in_thread
from inference.protocol import hf_tasks, openai
from inference.protocol.errors import InferenceError, InvalidInput
from inference.protocol.requests import GenerateRequest, Request, request_to_wire

log = structlog.get_logger(__name__)

_NAME: Final = r"[^/]+/[^/]+"
_MODEL: Final = re.compile(rf"/models/(?P<model>{_NAME})(?:/pipeline/(?P<task>[a-z-]+))?")
_MODEL_OPENAI: Final = re.compile(
    rf"/models/(?P<model>{_NAME})(?:/v1)?/(?P<route>chat/completions|completions|embeddings)"
)
_PIPELINE: Final = re.compile(rf"/pipeline/(?P<task>[a-z-]+)/(?P<model>{_NAME})")
_ROUTES: Final = r"(?P<route>chat/completions|completions|embeddings)"
_OPENAI: Final = re.compile(rf"/v1/{_ROUTES}")
_LIST: Final = re.compile(rf"/v1/models(?:/(?P<model>{_NAME}))?")


@dataclass(slots=True)
class Exchange:
    """One HTTP request on its way through the gateway."""

    scope: Scope
    receive: Receive
    send: Send
    request_id: str
    headers: Headers
    is_openai: bool = False


class Gateway:
    """The ASGI application; its Redis connection and inbox live with the event loop that first uses them."""

    def __init__(self) -> None:
        self._redis: Redis | None = None
        self._inbox: Inbox | None = None

    def _transport(self) -> tuple[Redis, Inbox]:
        if self._redis is None or self._inbox is None:
            # A server that hangs costs a caller four seconds, not for ever (T166); one retry outlives its restart.
            self._redis = Redis.from_url(
                settings.REDIS_URL,
                socket_timeout=2,
                socket_connect_timeout=2,
                health_check_interval=30,
                retry=Retry(NoBackoff(), 1),
            )
            self._inbox = Inbox(self._redis)
        return self._redis, self._inbox

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # The edge has settled it; a caller's own header is believed only there.
        request_id = scope.get(REQUEST_ID_KEY) or f"req-{secrets.token_hex(12)}"
        exchange = Exchange(
            scope, receive, send, request_id, [(b"x-request-id", request_id.encode("latin-1", "replace"))]
        )
        path = scope["path"]  # decoded by the server, once (T51)
        exchange.is_openai = path.startswith("/v1/") or _MODEL_OPENAI.fullmatch(path) is not None
        try:
            await self._answer(exchange, path)
        except ClientLeft:
            return
        except HubError as error:
            _add_limit(exchange, error)
            await _refuse(exchange, as_inference_error(error))
        except InferenceError as error:
            await _refuse(exchange, error)
        except RedisError as error:
            log.warning("inference_broker_unreachable", error=type(error).__name__)
            message = "The queue of hosted inference cannot be reached right now. Please try again."
            await _refuse(exchange, InferenceError("broker_down", message, status=503, retryable=True, retry_after_s=2))

    async def _answer(self, exchange: Exchange, path: str) -> None:
        handler, arguments = _route(self, exchange.scope["method"], path)
        await handler(exchange, **arguments)

    # --- routes ------------------------------------------------------------------------------------------------------

    async def list_models(self, exchange: Exchange, model: str | None) -> None:
        viewer = await in_thread(access.identify, _access_request(exchange))
        if model:
            await send_json(exchange.send, 200, await in_thread(access.describe_model, viewer, model), exchange.headers)
            return
        rows = await in_thread(access.list_models, viewer)
        await send_json(exchange.send, 200, {"object": "list", "data": rows}, exchange.headers)

    async def openai(self, exchange: Exchange, route: str, model: str | None = None) -> None:
        viewer = await in_thread(access.identify, _access_request(exchange))
        body = await read_body(exchange.receive)
        call = _OPENAI_PARSERS[route](parse_json(body))
        task = "feature-extraction" if route == "embeddings" else "text-generation"
        target, standing = await in_thread(access.find_target, viewer, model or call.model, task)
        _add_rate(exchange, standing)
        accepted = _accepted(exchange, viewer, target, call.request, route.replace("/", "."), len(body))
        await answers.openai(exchange, call, accepted, *self._transport())

    async def task(self, exchange: Exchange, model: str, task: str | None = None) -> None:
        viewer = await in_thread(access.identify, _access_request(exchange))
        body = await read_body(exchange.receive)
        target, standing = await in_thread(access.find_target, viewer, model, task or "")
        _add_rate(exchange, standing)
        served, request = _parse_task(target.pipeline_tag, header(exchange.scope, b"content-type"), body, task is None)
        accepted = _accepted(exchange, viewer, target, request, f"hf.{served}", len(body))
        await answers.task(exchange, request, accepted, *self._transport())


_OPENAI_PARSERS: Final[dict[str, Callable[[Any], Any]]] = {
    "chat/completions": openai.parse_chat,
    "completions": openai.parse_completion,
    "embeddings": openai.parse_embeddings,
}


def _route(gateway: Gateway, method: str, path: str) -> tuple[Callable[..., Awaitable[None]], dict[str, Any]]:
    if method in {"GET", "HEAD"} and (match := _LIST.fullmatch(path)):
        return gateway.list_models, match.groupdict()
    table = (
        (_OPENAI, gateway.openai),
        (_MODEL_OPENAI, gateway.openai),
        (_PIPELINE, gateway.task),
        (_MODEL, gateway.task),
    )
    for pattern, handler in table:
        if match := pattern.fullmatch(path):
            if method != "POST":
                raise InferenceError("method_not_allowed", "Use POST here.", status=405)
            return handler, match.groupdict()
    raise InferenceError("not_found", "There is no such route.", status=404)


def _parse_task(task: str, content_type: str, body: bytes, may_choose: bool) -> tuple[str, Request]:
    """The task that is meant, and its request: JSON, or the bytes of an image where the task takes one.

    Weights for embeddings serve two tasks; where the route names none (``may_choose``), the inputs tell them apart.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if task == "image-classification" and kind != "application/json":
        return task, hf_tasks.parse_image(body)
    if not body:
        raise InvalidInput("body", "The body is empty.", status=400)
    value = parse_json(body)
    if may_choose and task in {"sentence-similarity", "feature-extraction"} and isinstance(value, dict):
        task = "sentence-similarity" if isinstance(value.get("inputs"), dict) else "feature-extraction"
    return task, hf_tasks.parse_task(task, value)


def _access_request(exchange: Exchange) -> access.Request:
    scope = exchange.scope
    return access.Request(
        authorization=header(scope, b"authorization"),
        cookie=header(scope, b"cookie"),
        origin=header(scope, b"origin"),
        csrf_token=header(scope, b"x-csrftoken"),
        client=header(scope, b"user-agent"),
        address=(scope.get("client") or ("", 0))[0],
    )


def _accepted(
    exchange: Exchange, viewer: Any, target: access.Target, request: Request, route: str, size: int
) -> Accepted:
    return Accepted(
        viewer=viewer,
        repo=target.repo,
        commit_oid=target.commit_oid,
        pipeline_tag=target.pipeline_tag,
        route=route,
        payload=request_to_wire(request),
        is_streamed=isinstance(request, GenerateRequest) and request.stream,
        input_bytes=size,
    )


def _add_rate(exchange: Exchange, standing: Standing) -> None:
    remaining = f'"inference";r={standing.remaining};t={standing.reset_s}'
    policy = f'"fixed window";"inference";q={standing.limit};w=60'
    exchange.headers += [(b"ratelimit", remaining.encode()), (b"ratelimit-policy", policy.encode())]


def _add_limit(exchange: Exchange, error: HubError) -> None:
    """A refusal by the rate carries the same headers as an answer (T138)."""
    if isinstance(error, RateLimited) and error.data.get("bucket") == "inference":
        _add_rate(exchange, Standing(error.data["limit"], 0, error.data["retry_after_s"]))


async def _refuse(exchange: Exchange, error: InferenceError) -> None:
    told = as_told(error, exchange.scope)
    body = openai_body(told) if exchange.is_openai else hub_body(told)
    headers = [pair for pair in exchange.headers if pair[0] != b"x-request-id"]
    await send_json(exchange.send, error.status, body, [*headers, *headers_of(error, exchange.request_id)])


application = Gateway()
