"""What pages, the API and the gateway ask about hosted models."""

from __future__ import annotations

import json
import statistics
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, cast

from django.conf import settings
from django.utils import timezone
from redis import Redis
from redis.exceptions import RedisError

from hub.accounts.auth import Viewer
from hub.catalog.models import RepoIndex
from hub.core.errors import RevisionNotFound
from hub.repos.models import Ref, Repo
from hub.repos.permissions import visible_to
from inference import keys
from inference.models import ModelHealth

# Tasks that one set of weights answers besides the one on its card.
_RELATED: Final = {
    "sentence-similarity": ("sentence-similarity", "feature-extraction"),
    "feature-extraction": ("feature-extraction", "sentence-similarity"),
}
RESTS: Final = "This model failed repeatedly and rests for a day."
# The client's name for "the hub itself".
PROVIDER: Final = "hf-inference"
SERVED_TASKS: Final = (
    "text-classification",
    "feature-extraction",
    "sentence-similarity",
    "text-generation",
    "image-classification",
)


@dataclass(frozen=True, slots=True)
class Serving:
    """Whether a commit can be hosted, as what, and if not, why (a sentence for people)."""

    is_servable: bool
    commit_oid: str
    pipeline_tag: str
    tasks: tuple[str, ...]
    reason_code: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class LiveState:
    """What is said about a model on its page: cold | loading | ready | unavailable, with words."""

    state: str
    reason_code: str = ""
    reason: str = ""
    waiting: int = 0  # calls in its queue
    load_p50_ms: float | None = None  # measured cold starts


def serving_of(repo: Repo, revision: str = "") -> Serving:
    """What the index knows of the default branch; a given revision must be a branch, a tag or the head itself.

    Raises:
        RevisionNotFound: no such revision here.
    """
    index = RepoIndex.objects.filter(repo=repo).first()
    commit_oid = _commit_of(repo, revision)
    if index is None or not index.head_oid or not index.inspection:
        return Serving(False, commit_oid, "", (), "not_inspected", "The files of this model are still being inspected.")
    inspection = index.inspection
    # The card states the task; where it is silent the files do.
    task = index.pipeline_tag or inspection.get("pipeline_tag") or ""
    if not settings.HUB_INFERENCE_ENABLED:
        return Serving(False, commit_oid, task, (), "disabled", "Hosted inference is turned off on this hub.")
    if not inspection.get("servable"):
        reason = inspection.get("message") or "This model cannot be hosted."
        return Serving(False, commit_oid, task, (), inspection.get("reason") or "unsupported", reason)
    if task not in SERVED_TASKS:
        return Serving(False, commit_oid, task, (), "unsupported_task", _task_reason(task))
    return Serving(True, commit_oid, task, _RELATED.get(task, (task,)))


def _task_reason(task: str) -> str:
    if not task:
        return "The card and the files do not say which task this model is for."
    return f"This hub does not host the task '{task}' yet."


def _commit_of(repo: Repo, revision: str) -> str:
    if not revision or revision in {repo.head_oid, repo.default_branch}:
        return repo.head_oid
    names = [f"refs/heads/{revision}", f"refs/tags/{revision}"]
    oid = Ref.objects.filter(repo=repo, name__in=names).values_list("oid", flat=True).first()
    if oid is None:
        # Heads of pull requests are strangers' files under the owner's name: they do not run here (T196).
        heads = Ref.objects.filter(repo=repo, oid=revision).exclude(name__startswith="refs/pr/")
        oid = heads.values_list("oid", flat=True).first()
    if oid is None:
        raise RevisionNotFound(f"Invalid rev id: {revision[:100]}")
    return oid


def live_state(repo: Repo, serving: Serving | None = None) -> LiveState:
    """The honest state of a model right now: from the files first, then from what workers report."""
    serving = serving or serving_of(repo)
    if not serving.is_servable:
        return LiveState("unavailable", serving.reason_code, serving.reason)
    model = keys.model_key(repo.pk, serving.commit_oid)
    health = ModelHealth.objects.filter(repo=repo, commit_oid=serving.commit_oid).first()
    load_p50 = statistics.median(health.load_times_ms) if health and health.load_times_ms else None
    if health and health.rests_until and health.rests_until > timezone.now():
        return LiveState("unavailable", "model_failed_repeatedly", RESTS, load_p50_ms=load_p50)
    try:
        beats, waiting, waiting_in_pool = _beats_and_queues(model)
    except RedisError:
        return LiveState("unavailable", "broker_down", "The queue of hosted inference cannot be reached right now.")
    if not beats:
        return LiveState("unavailable", "no_worker", "No inference worker is running on this hub right now.")
    states = [beat["models"][model] for beat in beats if model in beat.get("models", {})]
    for wanted in ("ready", "loading"):
        if any(state["state"] == wanted for state in states):
            return LiveState(wanted, waiting=waiting, load_p50_ms=load_p50)
    failed = next((state for state in states if state["state"] == "failed"), None)
    if failed:
        return LiveState("unavailable", failed.get("code", "failed"), failed.get("reason", ""), load_p50_ms=load_p50)
    return LiveState("cold", waiting=waiting_in_pool, load_p50_ms=load_p50)


@lru_cache(maxsize=1)
def redis_client() -> Redis:
    """The process-wide connection pool to the Redis side (sync)."""
    return Redis.from_url(settings.REDIS_URL, socket_timeout=5, socket_connect_timeout=2)


def _beats_and_queues(model: str) -> tuple[list[dict[str, Any]], int, int]:
    """Heartbeats of living workers, calls waiting for the model, calls waiting for any model of the pool."""
    redis = redis_client()
    names = sorted(name.decode() for name in cast("set[bytes]", redis.smembers(keys.WORKERS)))
    with redis.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.get(keys.worker(name))
        pipe.llen(keys.model_queue(model))
        pipe.llen(keys.pool_queue("cpu"))
        *beats, waiting, waiting_in_pool = pipe.execute()
    return [json.loads(beat) for beat in beats if beat is not None], waiting, waiting_in_pool


def list_callable(viewer: Viewer, limit: int = 1000) -> list[dict[str, Any]]:
    rows = (
        RepoIndex.objects.filter(visible_to(viewer, "repo__"), repo_type="model", is_listed=True)
        .filter(pipeline_tag__in=SERVED_TASKS, inspection__servable=True)
        .order_by("-s_downloads")
        .values("full_id", "created_at", "namespace__name")[:limit]
    )
    return [
        {"full_id": row["full_id"], "created_at": row["created_at"], "owner": row["namespace__name"]} for row in rows
    ]


def inference_summary(repo: Repo) -> dict[str, Any]:
    """The inference fields of ``GET /api/models/{id}``; empty where this hub does not run the model.

    "warm" means callable now or after a load, as clients read it; the page tells which of both.  Lists want the
    mapping as an array with ``provider`` inside (hub-api §7.2).
    """
    serving = serving_of(repo)
    if not serving.is_servable:
        return {}
    mapping = {"providerId": repo.repo_id, "status": "live", "task": serving.pipeline_tag}
    return {"inference": "warm", "inferenceProviderMapping": {PROVIDER: mapping}}
