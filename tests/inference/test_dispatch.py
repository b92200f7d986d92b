"""Queues on a real broker: admission, routing, rescue, cancellation."""

from __future__ import annotations

import time

import msgpack
import pytest
from redis.asyncio import Redis as AsyncRedis

from hub.core.errors import RateLimited, ServiceUnavailable
from inference import dispatch, keys


def _call(request_id: str = "req-1", user_pk: int = 7) -> dispatch.Call:
    return dispatch.Call(
        request_id, "gate", user_pk, 3, "ns/name", "a" * 40, "text-generation", time.time() + 60, {"kind": "x"}
    )


@pytest.fixture
async def broker(redis, settings):
    redis.sadd(keys.WORKERS, "w")
    redis.set(keys.worker("w"), "{}", ex=30)
    client = AsyncRedis.from_url(settings.REDIS_URL)
    yield client
    await client.aclose()


async def test_cold_calls_go_to_the_pool_and_held_ones_to_their_model(broker, redis):
    call = _call()
    assert await dispatch.submit(broker, call) == dispatch.Place(waiting=0, is_held=False)
    assert redis.llen(keys.pool_queue("cpu")) == 1
    redis.zadd(keys.holders(call.model_key), {"w": time.time()})
    assert (await dispatch.submit(broker, _call("req-2"))).is_held
    packed = msgpack.unpackb(redis.rpop(keys.model_queue(call.model_key)))
    assert (packed["request_id"], packed["payload"]) == ("req-2", {"kind": "x"})


async def test_a_holder_that_fell_silent_holds_nothing(broker, redis):
    redis.zadd(keys.holders(_call().model_key), {"w": time.time() - keys.HEARTBEAT_TTL_S - 1})
    assert not (await dispatch.submit(broker, _call())).is_held


async def test_a_call_sent_twice_is_queued_once_t167(broker, redis):
    await dispatch.submit(broker, _call())
    await dispatch.submit(broker, _call())
    assert redis.llen(keys.pool_queue("cpu")) == 1


async def test_places_of_a_person_are_bounded_and_given_back_t138(broker):
    for number in range(dispatch.CALLS_PER_USER):
        await dispatch.submit(broker, _call(f"req-{number}"))
    with pytest.raises(RateLimited):
        await dispatch.submit(broker, _call("one-more"))
    await dispatch.submit(broker, _call("other", user_pk=8))
    await dispatch.finish(broker, 7, "req-0")
    await dispatch.finish(broker, 7, "req-0")
    await dispatch.submit(broker, _call("one-more"))


async def test_a_full_queue_takes_nothing_and_holds_no_place_t139(broker, redis):
    redis.lpush(keys.pool_queue("cpu"), *(b"x" for _ in range(keys.QUEUE_LIMIT)))
    with pytest.raises(ServiceUnavailable) as refusal:
        await dispatch.submit(broker, _call())
    assert refusal.value.data["retry_after_s"] > 0
    assert redis.zcard(keys.running(7)) == 0


async def test_without_a_worker_nothing_is_queued(broker, redis):
    redis.delete(keys.worker("w"))
    with pytest.raises(ServiceUnavailable):
        await dispatch.submit(broker, _call())
    assert redis.smembers(keys.WORKERS) == set()


async def test_rescue_moves_calls_of_a_model_that_nobody_holds_in_order(broker, redis):
    call = _call()
    redis.lpush(keys.model_queue(call.model_key), b"first", b"second")
    redis.zadd(keys.holders(call.model_key), {"w": time.time()})
    assert await dispatch.rescue(broker, call.model_key) == 0
    redis.zrem(keys.holders(call.model_key), "w")
    assert await dispatch.rescue(broker, call.model_key) == 2
    assert [redis.rpop(keys.pool_queue("cpu")) for _ in range(2)] == [b"first", b"second"]


async def test_cancel_reaches_who_listens_and_who_comes_later(broker, redis):
    with redis.pubsub(ignore_subscribe_messages=True) as channel:
        channel.subscribe(keys.CANCEL_CHANNEL)
        channel.get_message(timeout=1)
        await dispatch.cancel(broker, "req-1")
        message = None
        deadline = time.monotonic() + 2
        while message is None and time.monotonic() < deadline:
            message = channel.get_message(timeout=0.1)
    assert message["data"] == b"req-1"
    assert redis.exists(keys.cancelled("req-1"))
