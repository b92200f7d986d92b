"""One hosted call from acceptance to settlement.

    accept ─▶ reserve (row) ─▶ submit (queue) ─▶ events … ─▶ settle (row), place given back
Whatever ends it (answer, error, deadline, the caller leaving), the last two happen exactly once.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import structlog
from django.conf import settings
from redis.exceptions import RedisError

from hub.accounts.auth import Viewer
from hub.core.errors import HubError, ServiceUnavailable
from hub.repos.models import Repo
from inference import dispatch, keys, metering
from inference.gateway.inbox import GATEWAY, Inbox, SlowReader
from inference.gateway.threads import in_thread
from inference.metering import Measured
from inference.models import UsageOutcome
from inference.protocol.errors import InferenceError
from inference.protocol.events import DoneEvent, ErrorEvent, Event, StateEvent, TokenEvent

if TYPE_CHECKING:
    from redis.asyncio import Redis

log = structlog.get_logger(__name__)

# How often a waiting call looks whether its worker is alive; also the pace of stream heartbeats.
_WATCH_S: Final = 1.0
# Time for queueing and a cold load, on top of the run itself.
_LOAD_ALLOWANCE_S: Final = 300


@dataclass(slots=True)
class Accepted:
    """What a route hands over: who calls which model how."""

    viewer: Viewer
    repo: Repo
    commit_oid: str
    pipeline_tag: str
    route: str
    payload: dict[str, Any]
    is_streamed: bool = False
    input_bytes: int = 0
    request_id: str = field(default_factory=lambda: f"req-{secrets.token_hex(12)}")


class LiveCall:
    """Events of a submitted call, with its worker watched."""

    def __init__(self, accepted: Accepted, redis: Redis, inbox: Inbox, place: dispatch.Place, deadline: float) -> None:
        self.accepted = accepted
        self.place = place
        self.done: DoneEvent | None = None
        self.is_over = False
        self.output_bytes = 0
        self._redis = redis
        self._mailbox = inbox.open(accepted.request_id)
        self._deadline = deadline
        self._worker = ""
        self._started = 0.0
        self._tokens = 0

    async def events(self) -> AsyncIterator[Event | None]:
        """Every event in order; None once a second while nothing happens, for heartbeats.

        Raises:
            InferenceError: what the runner reports, a lost worker, or the deadline.
        """
        while not self.is_over:
            letter = await self._mailbox.get(_WATCH_S)
            if letter is None:
                await self._check_alive()
                yield None
                continue
            speaker, event = letter
            self._worker = speaker or self._worker
            self._count(event)
            if isinstance(event, ErrorEvent):
                self.is_over = speaker != GATEWAY  # the worker knows nothing of it and must be told to stop
                raise InferenceError(
                    event.code,
                    event.message,
                    status=event.status,
                    retryable=event.retryable,
                    param=event.param,
                    retry_after_s=event.retry_after_s,
                )
            if isinstance(event, DoneEvent):
                self.is_over, self.done = True, event
            yield event

    def _count(self, event: Event) -> None:
        """What a call used before its end, for one that is stopped on the way."""
        if not self._started and not (isinstance(event, StateEvent) and event.state in {"queued", "loading"}):
            self._started = time.monotonic()
        if isinstance(event, TokenEvent):
            self._tokens += 1

    async def _check_alive(self) -> None:
        if time.time() > self._deadline:
            raise InferenceError("deadline_exceeded", "The call took longer than this hub allows.", status=504)
        if self._worker:
            if not await self._redis.exists(keys.worker(self._worker)):
                self.is_over = True
                raise _lost("The worker that ran this call stopped. Please try again.")
            return
        if not await dispatch.alive_workers(self._redis):
            raise _lost("No inference worker is running right now. Please try again.")
        if not await dispatch.is_known(self._redis, self.accepted.viewer.user_pk or 0, self.accepted.request_id):
            raise _lost("The queue was restarted and lost this call. Please try again.")
        await dispatch.rescue(self._redis, keys.model_key(self.accepted.repo.pk, self.accepted.commit_oid))

    @property
    def measured(self) -> Measured:
        if self.done is None:
            run_ms = (time.monotonic() - self._started) * 1000 if self._started else 0
            return Measured(completion_tokens=self._tokens, output_bytes=self.output_bytes, run_ms=run_ms)
        usage, timings = self.done.usage, self.done.timings
        return Measured(
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
            output_bytes=self.output_bytes,
            queue_ms=timings.queue_ms,
            load_ms=timings.load_ms,
            first_token_ms=timings.first_token_ms or 0,
            run_ms=timings.run_ms,
        )


def _lost(message: str) -> InferenceError:
    return InferenceError("worker_lost", message, status=503, retryable=True, retry_after_s=1)


@asynccontextmanager
async def open_call(accepted: Accepted, redis: Redis, inbox: Inbox) -> AsyncIterator[LiveCall]:
    """Reserve and submit; on the way out cancel what still runs, and settle.

    Raises:
        RateLimited, ServiceUnavailable: not accepted.
    """
    deadline = time.time() + settings.HUB_INFERENCE_TIMEOUT_SECONDS + _LOAD_ALLOWANCE_S
    await _reserve(accepted)
    outcome, error_code, call = UsageOutcome.OK, "", None
    try:
        place = await dispatch.submit(redis, _message(accepted, inbox.gateway, deadline))
        call = LiveCall(accepted, redis, inbox, place, deadline)
        yield call
        if not call.is_over:
            outcome = UsageOutcome.CANCELLED
    except (asyncio.CancelledError, GeneratorExit):
        outcome = UsageOutcome.CANCELLED
        raise
    except (HubError, InferenceError) as error:
        outcome = UsageOutcome.REFUSED if call is None else UsageOutcome.FAILED
        error_code = error.code or type(error).__name__
        raise
    except RedisError:
        outcome, error_code = UsageOutcome.FAILED, "broker_down"
        raise
    except SlowReader as error:
        outcome, error_code = UsageOutcome.CANCELLED, "slow_reader"
        raise ServiceUnavailable("The answer was not read fast enough.") from error
    except Exception:
        outcome, error_code = UsageOutcome.FAILED, "internal"
        raise
    finally:
        inbox.close(accepted.request_id)
        # Shielded: a caller who leaves cancels this task, and the place must be given back all the same.
        await asyncio.shield(_close(accepted, redis, call, outcome, error_code))


async def _reserve(accepted: Accepted) -> None:
    await in_thread(
        metering.reserve,
        accepted.viewer,
        accepted.repo,
        request_id=accepted.request_id,
        commit_oid=accepted.commit_oid,
        pipeline_tag=accepted.pipeline_tag,
        route=accepted.route,
        is_streamed=accepted.is_streamed,
        input_bytes=accepted.input_bytes,
    )


def _message(accepted: Accepted, gateway: str, deadline: float) -> dispatch.Call:
    return dispatch.Call(
        request_id=accepted.request_id,
        gateway=gateway,
        user_pk=accepted.viewer.user_pk or 0,
        repo_pk=accepted.repo.pk,
        repo_id=accepted.repo.repo_id,
        commit_oid=accepted.commit_oid,
        pipeline_tag=accepted.pipeline_tag,
        deadline=deadline,
        payload=accepted.payload,
    )


async def _close(
    accepted: Accepted, redis: Redis, call: LiveCall | None, outcome: UsageOutcome, error_code: str
) -> None:
    try:
        if call is not None and not call.is_over:
            await dispatch.cancel(redis, accepted.request_id)
        await dispatch.finish(redis, accepted.viewer.user_pk or 0, accepted.request_id)
    except RedisError as error:
        # The answer may be out already. The worker stops at its deadline, and the place is given back at the call's.
        log.warning("inference_call_not_closed", request_id=accepted.request_id, error=type(error).__name__)
    finally:
        measured = call.measured if call else Measured()
        await in_thread(metering.settle, accepted.request_id, outcome, measured, error_code)
