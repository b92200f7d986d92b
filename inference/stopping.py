"""Hosted calls that run when their model is closed: they end within one step (T40, T152).

New calls are refused by ``hub.repos.permissions``, and queued ones by the worker that takes them.
"""

from __future__ import annotations

import structlog
from redis.exceptions import RedisError

from hub.repos.models import Repo
from inference import keys
from inference.models import UsageOutcome, UsageRecord
from inference.queries import redis_client

log = structlog.get_logger("inference")


def stop_calls_of_closed_repo(repo_pk: int) -> int:
    """Cancel what is in flight for a repo that was disabled; return how many calls were told."""
    if not Repo.objects.filter(pk=repo_pk, disabled_at__isnull=False).exists():
        return 0
    calls = UsageRecord.objects.filter(repo_id=repo_pk, outcome=UsageOutcome.RESERVED)
    requests = list(calls.values_list("request_id", flat=True))
    try:
        for request_id in requests:
            _cancel(request_id)
    except RedisError as error:
        # Without the Redis side no call runs on either; the deadline ends what is left.
        log.warning("calls_not_stopped", repo=repo_pk, reason=str(error)[:200])
        return 0
    return len(requests)


def _cancel(request_id: str) -> None:
    with redis_client().pipeline(transaction=False) as pipe:
        pipe.set(keys.cancelled(request_id), 1, ex=keys.CALL_TTL_S)
        pipe.publish(keys.CANCEL_CHANNEL, request_id)
        pipe.execute()
