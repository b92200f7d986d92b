"""Names of everything that hosted inference keeps on the Redis side, and the bounds of each.

    gateway ──LPUSH──▶ inf:queue:{pool | model}  ──BRPOP──▶ worker
    gateway ◀─XREAD── inf:events:{gateway}       ◀──XADD── worker   (one entry per gateway and engine step)
    gateway ──PUBLISH─▶ inf:cancel               ──────────▶ worker
    worker  ──SET EX──▶ inf:worker:{name}        (heartbeat with the state of its models)

Nothing durable lives here: a flush loses calls in flight, whose callers are told to try again (T165).
"""

from __future__ import annotations

from typing import Final

CANCEL_CHANNEL: Final = "inf:cancel"
WORKERS: Final = "inf:workers"
HEARTBEAT_INTERVAL_S: Final = 1.0
HEARTBEAT_TTL_S: Final = 5
QUEUE_LIMIT: Final = 256  # calls waiting in one queue
EVENT_STREAM_LENGTH: Final = 10_000  # entries kept for a gateway that reads slowly
EVENT_STREAM_TTL_S: Final = 300
DEAD_LETTERS: Final = "inf:undecodable"  # notes about messages that no worker could read
DEAD_LETTERS_KEPT: Final = 100
CALL_TTL_S: Final = 900  # bookkeeping of one call outlives its longest life


def pool_queue(pool: str) -> str:
    """Calls for models that no worker of the pool holds yet."""
    return f"inf:queue:pool:{pool}"


def model_queue(model_key: str) -> str:
    """Calls for a model (``{repo_pk}@{commit_oid}``) that at least one worker holds."""
    return f"inf:queue:model:{model_key}"


def holders(model_key: str) -> str:
    """Sorted set: worker name → time of its last heartbeat that named the model."""
    return f"inf:holders:{model_key}"


def events(gateway: str) -> str:
    return f"inf:events:{gateway}"


def worker(name: str) -> str:
    return f"inf:worker:{name}"


def cancelled(request_id: str) -> str:
    """Set when a call is cancelled, for a worker that has not picked it up yet."""
    return f"inf:cancelled:{request_id}"


def running(user_pk: int) -> str:
    """Sorted set: request id → deadline, of one person's calls in flight."""
    return f"inf:running:{user_pk}"


def model_key(repo_pk: int, commit_oid: str) -> str:
    return f"{repo_pk}@{commit_oid}"
