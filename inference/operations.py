"""What an operator is shown of hosted inference: workers, the models they hold, sandbox layers, queues."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, cast

from redis.exceptions import RedisError

from hub.core.error_words import in_words_of_reader
from hub.repos.models import Repo
from inference import keys
from inference.queries import redis_client

_DEAD_LETTERS_SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class LoadedModel:
    repo_id: str  # empty when the repo is gone
    url: str
    commit_oid: str
    state: str
    reason: str
    memory_bytes: int
    running: int
    waiting: int


@dataclass(frozen=True, slots=True)
class WorkerRow:
    name: str
    pool: str
    seen_at: datetime
    memory_bytes: int
    used_bytes: int
    in_flight: int
    layers_active: list[str]
    layers_missing: list[str]
    models: list[LoadedModel]


@dataclass(frozen=True, slots=True)
class QueueRow:
    label: str
    is_pool: bool
    waiting: int


@dataclass(frozen=True, slots=True)
class UndecodableNote:
    at: datetime
    size_bytes: int


@dataclass(frozen=True, slots=True)
class WorkersOverview:
    """``is_reachable`` False: the Redis side does not answer, and nothing else is known."""

    is_reachable: bool
    workers: list[WorkerRow]
    queues: list[QueueRow]
    undecodable: list[UndecodableNote]
    queue_limit: int = keys.QUEUE_LIMIT


def workers_overview() -> WorkersOverview:
    try:
        beats, undecodable = _beats()
        models = sorted({model for beat in beats for model in beat.get("models", {})})
        waiting = _waiting(models, sorted({beat.get("pool", "cpu") for beat in beats} | {"cpu"}))
    except RedisError:
        return WorkersOverview(False, [], [], [])
    repos = _repos(models)
    return WorkersOverview(
        True,
        [_worker(beat, repos) for beat in beats],
        [QueueRow(_queue_label(name, repos), is_pool, count) for name, is_pool, count in waiting if is_pool or count],
        undecodable,
    )


def _beats() -> tuple[list[dict[str, Any]], list[UndecodableNote]]:
    redis = redis_client()
    names = sorted(name.decode() for name in cast("set[bytes]", redis.smembers(keys.WORKERS)))
    with redis.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.get(keys.worker(name))
        pipe.lrange(keys.DEAD_LETTERS, 0, _DEAD_LETTERS_SHOWN - 1)
        *beats, letters = pipe.execute()
    notes = [json.loads(letter) for letter in letters]
    return (
        [json.loads(beat) for beat in beats if beat is not None],
        [UndecodableNote(datetime.fromtimestamp(note["at"], UTC), note["size_bytes"]) for note in notes],
    )


def _waiting(models: list[str], pools: list[str]) -> list[tuple[str, bool, int]]:
    with redis_client().pipeline(transaction=False) as pipe:
        for pool in pools:
            pipe.llen(keys.pool_queue(pool))
        for model in models:
            pipe.llen(keys.model_queue(model))
        lengths = pipe.execute()
    names = [(pool, True) for pool in pools] + [(model, False) for model in models]
    return [(name, is_pool, length) for (name, is_pool), length in zip(names, lengths, strict=True)]


def _repos(models: list[str]) -> dict[int, Repo]:
    repo_pks = {int(model.partition("@")[0]) for model in models}
    return {repo.pk: repo for repo in Repo.objects.filter(pk__in=repo_pks).select_related("namespace")}


def _queue_label(name: str, repos: dict[int, Repo]) -> str:
    repo_pk, at, _commit = name.partition("@")
    if not at:
        return name
    repo = repos.get(int(repo_pk))
    return repo.repo_id if repo else name


def _worker(beat: dict[str, Any], repos: dict[int, Repo]) -> WorkerRow:
    layers = beat.get("layers", {})
    models = [_model(key, state, repos) for key, state in sorted(beat.get("models", {}).items())]
    return WorkerRow(
        name=beat["name"],
        pool=beat.get("pool", ""),
        seen_at=datetime.fromtimestamp(beat["at"], UTC),
        memory_bytes=beat.get("memory_bytes", 0),
        used_bytes=sum(model.memory_bytes for model in models),
        in_flight=beat.get("in_flight", 0),
        layers_active=sorted(name for name, works in layers.items() if works),
        layers_missing=sorted(name for name, works in layers.items() if not works),
        models=models,
    )


def _model(key: str, state: dict[str, Any], repos: dict[int, Repo]) -> LoadedModel:
    repo_pk, _, commit_oid = key.partition("@")
    repo = repos.get(int(repo_pk))
    # ModelHost's word for a model that cannot be loaded; pages say "unavailable" for it.
    name = "unavailable" if state["state"] == "failed" else state["state"]
    return LoadedModel(
        repo_id=repo.repo_id if repo else "",
        url=repo.urls.page if repo else "",
        commit_oid=commit_oid,
        state=name,
        reason=in_words_of_reader(state.get("reason", "")),
        memory_bytes=state.get("memory_bytes", 0),
        running=state.get("running", 0),
        waiting=state.get("waiting", 0),
    )
