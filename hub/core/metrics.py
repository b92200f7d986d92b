"""Numbers that every installation exports; other packages declare theirs beside their work.

Labels have few values each: never a repo, a user or a path.
"""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Histogram

REQUESTS: Final = Counter("agora_http_requests_total", "Answered requests.", ["method", "status"])
REQUEST_SECONDS: Final = Histogram(
    "agora_http_request_seconds",
    "Time from the request's headers to the end of its answer.",
    ["method"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
TASKS: Final = Counter("agora_tasks_total", "Tasks that ended.", ["task", "state"])

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def count_request(method: str, status: int, seconds: float) -> None:
    """Count one answer; ``status`` 0 means that the client left before one."""
    known = method if method in _METHODS else "other"
    REQUESTS.labels(known, str(status or "gone")).inc()
    REQUEST_SECONDS.labels(known).observe(seconds)
