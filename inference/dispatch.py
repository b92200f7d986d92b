"""Gateway side of the queues: submit a call, cancel it, and read the state of models and workers."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgpack

from hub.core.errors import RateLimited, ServiceUnavailable
from inference import keys

if TYPE_CHECKING:
    from redis.asyncio import Redis

# A person's calls at once: running and queued together (threats, Limits).
CALLS_PER_USER: Final = 10
_RETRY_AFTER_S: Final = 5

# Admit, route and enqueue in one step, so that two gateways cannot both take the last place.
# KEYS: running, holders, model queue, pool queue.  ARGV: now, deadline, request id, user limit, queue limit, oldest
# heartbeat, payload.  Returns {0 | 1 | 2, waiting, is_held}: queued, person's limit, queue full.
# A call that is there already (the connection was retried) is not queued a second time (T167).
_SUBMIT = """
if redis.call('ZSCORE', KEYS[1], ARGV[3]) then return {0, 0, 0} end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[1])
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[4]) then return {1, 0, 0} end
local held = redis.call('ZCOUNT', KEYS[2], ARGV[6], '+inf')
local queue = KEYS[4]
if held > 0 then queue = KEYS[3] end
local waiting = redis.call('LLEN', queue)
if waiting >= tonumber(ARGV[5]) then return {2, waiting, held} end
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[3])
redis.call('EXPIRE', KEYS[1], 3600)
redis.call('LPUSH', queue, ARGV[7])
redis.call('EXPIRE', queue, 3600)
return {0, waiting, held}
"""


# KEYS: holders, model queue, pool queue.  ARGV: oldest heartbeat.
_RESCUE = """
if redis.call('ZCOUNT', KEYS[1], ARGV[1], '+inf') > 0 then return 0 end
local moved = 0
while redis.call('RPOPLPUSH', KEYS[2], KEYS[3]) do moved = moved + 1 end
return moved
"""


@dataclass(frozen=True, slots=True)
class Call:
    """One accepted call on its way to a worker.  ``payload`` is the engine request (plain data and bytes)."""

    request_id: str
    gateway: str
    user_pk: int
    repo_pk: int
    repo_id: str
    commit_oid: str
    pipeline_tag: str
    deadline: float  # unix seconds; a worker drops what it gets later than this
    payload: dict[str, Any]

    @property
    def model_key(self) -> str:
        return keys.model_key(self.repo_pk, self.commit_oid)

    def pack(self) -> bytes:
        return msgpack.packb({**{name: getattr(self, name) for name in self.__slots__}, "sent_at": time.time()})


@dataclass(frozen=True, slots=True)
class Place:
    """Where a call stands when it was accepted."""

    waiting: int
    is_held: bool


async def submit(redis: Redis, call: Call, pool: str = "cpu") -> Place:
    """Queue a call where its model is held, else in the pool.

    Raises:
        RateLimited: this person has too many calls in flight (T138).
        ServiceUnavailable: the queue is full, or no worker of the pool is alive (T139).
    """
    if not await alive_workers(redis):
        raise ServiceUnavailable("No inference worker is running on this hub right now.", retry_after_s=10)
    now = time.time()
    code, waiting, held = await redis.eval(
        _SUBMIT,
        4,
        keys.running(call.user_pk),
        keys.holders(call.model_key),
        keys.model_queue(call.model_key),
        keys.pool_queue(pool),
        now,
        call.deadline,
        call.request_id,
        CALLS_PER_USER,
        keys.QUEUE_LIMIT,
        now - keys.HEARTBEAT_TTL_S,
        call.pack(),
    )
    if code == 1:
        raise RateLimited(
            f"You have {CALLS_PER_USER} calls in flight. Wait for one of them to end.", retry_after_s=_RETRY_AFTER_S
        )
    if code == 2:
        raise ServiceUnavailable("The queue for hosted inference is full.", retry_after_s=_RETRY_AFTER_S)
    return Place(waiting=int(waiting), is_held=bool(held))


async def is_known(redis: Redis, user_pk: int, request_id: str) -> bool:
    """Whether the Redis side still knows a call that no worker has taken; a flush forgets it (T165)."""
    return await redis.zscore(keys.running(user_pk), request_id) is not None


async def rescue(redis: Redis, model_key: str, pool: str = "cpu") -> int:
    """Move calls from the queue of a model that nobody holds any more to the pool; returns how many."""
    oldest = time.time() - keys.HEARTBEAT_TTL_S
    queues = (keys.holders(model_key), keys.model_queue(model_key), keys.pool_queue(pool))
    return int(await redis.eval(_RESCUE, len(queues), *queues, oldest))


async def finish(redis: Redis, user_pk: int, request_id: str) -> None:
    """Give the person's place back; safe to call twice."""
    await redis.zrem(keys.running(user_pk), request_id)


async def cancel(redis: Redis, request_id: str) -> None:
    """Tell whoever has the call, or will have it, to stop. Idempotent."""
    async with redis.pipeline(transaction=False) as pipe:
        pipe.set(keys.cancelled(request_id), 1, ex=keys.CALL_TTL_S)
        pipe.publish(keys.CANCEL_CHANNEL, request_id)
        await pipe.execute()


async def alive_workers(redis: Redis) -> list[dict[str, Any]]:
    """The last heartbeat of each worker that is alive."""
    names = await redis.smembers(keys.WORKERS)
    if not names:
        return []
    beats = await redis.mget([keys.worker(_text(name)) for name in names])
    gone = [name for name, beat in zip(names, beats, strict=True) if beat is None]
    if gone:
        await redis.srem(keys.WORKERS, *gone)
    return [json.loads(beat) for beat in beats if beat is not None]


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
