"""Keep ``RepoIndex`` true to the repos: written whole from the head commit, with a change for the search index."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Final

import structlog
from django.db import transaction
from django.db.models import F, Q, Value
from django.db.models.functions import Concat
from django.utils import timezone

from hub.catalog import search_index
from hub.catalog.facts import HeadFacts, head_facts
from hub.catalog.models import IndexChange, RepoIndex
from hub.catalog.sort_keys import pack, pack_score, sort_keys
from hub.repos.models import Repo

log = structlog.get_logger("hub.catalog")

_MAX_ROUNDS: Final = 3
_STALE_BATCH: Final = 200
_NUMBERS: Final = ("likes", "downloads", "rating", "rating_count")
#: Changes that every machine's index has long taken; an index older than this is rebuilt.
_CHANGES_KEPT: Final = timedelta(days=7)


def index_repo(repo_pk: int) -> None:
    """Read the repo's head and write its row; a repo that is gone loses its row.  Safe to repeat and to run twice."""
    for _ in range(_MAX_ROUNDS):
        repo = Repo.objects.select_related("namespace").filter(pk=repo_pk, deleted_at__isnull=True).first()
        if repo is None:
            forget_repo(repo_pk)
            return
        facts = head_facts(repo)
        if _write(repo, facts):
            return
    log.info("index_repo_outrun", repo=repo_pk)  # pushed again meanwhile each time: its own signal comes


def place_repo(repo_pk: int) -> None:
    """Show a new, moved or changed repo in lists at once, by its address; its files are read by ``index_repo``.

    Clients look for what they have just made (hub-api §34.4).
    """
    repo = Repo.objects.select_related("namespace").filter(pk=repo_pk, deleted_at__isnull=True).first()
    if repo is None:
        return
    place = _place(repo)
    keys = sort_keys(
        repo_pk=repo.pk,
        trending_score=0.0,
        likes=repo.likes,
        downloads=repo.downloads,
        updated_at=repo.updated_at,
        created_at=repo.created_at,
        parameters=None,
        rating_bound=repo.rating_bound,
    )
    dates = {"updated_at": repo.updated_at, "created_at": repo.created_at}
    RepoIndex.objects.update_or_create(repo=repo, defaults=place, create_defaults={**place, **dates, **keys})


def _place(repo: Repo) -> dict[str, Any]:
    return {
        "repo_type": repo.repo_type,
        "namespace_id": repo.namespace_id,
        "full_id": repo.repo_id,
        "full_id_folded": repo.repo_id.lower(),
        "visibility": repo.visibility,
        "gated": repo.gated,
        "is_listed": not repo.is_disabled,
    }


def _write(repo: Repo, facts: HeadFacts) -> bool:
    """Write the row; False when the repo moved on while its files were read."""
    with transaction.atomic():
        current = Repo.objects.select_for_update().select_related("namespace").filter(pk=repo.pk).first()
        if current is None or current.head_oid != repo.head_oid:
            return False
        present = RepoIndex.objects.filter(pk=repo.pk).values_list("trending_score", flat=True).first()
        RepoIndex.objects.update_or_create(repo=current, defaults=_columns(current, facts, present or 0.0))
        _note_change([repo.pk])
    return True


def _columns(repo: Repo, facts: HeadFacts, trending_score: float) -> dict[str, Any]:
    metadata = facts.metadata
    return {
        **_place(repo),
        "head_oid": facts.head_oid,
        "pipeline_tag": facts.pipeline_tag[:60],
        "library_name": facts.library_name[:60],
        "license": metadata.license[:60],
        "languages": list(metadata.languages),
        "base_models": [{"id": base.id, "relation": base.relation} for base in metadata.base_models],
        "datasets": list(metadata.datasets),
        "tags": list(facts.tags),
        "card_data": facts.card.metadata,
        "card_error": facts.card.error[:300],
        "title": metadata.title,
        "summary": facts.summary,
        "card_text": facts.card_text,
        "config": facts.config,
        "parameters": facts.parameters,
        "parameters_by_dtype": facts.parameters_by_dtype,
        "size_bytes": facts.size_bytes,
        "file_count": facts.file_count,
        "inspection": facts.inspection,
        "is_servable": bool(facts.inspection.get("servable")),
        "updated_at": repo.updated_at,
        "created_at": repo.created_at,
        "likes": repo.likes,
        "downloads": repo.downloads,
        "rating": repo.rating,
        "rating_count": repo.rating_count,
        **sort_keys(
            repo_pk=repo.pk,
            trending_score=trending_score,
            likes=repo.likes,
            downloads=repo.downloads,
            updated_at=repo.updated_at,
            created_at=repo.created_at,
            parameters=facts.parameters,
            rating_bound=repo.rating_bound,
        ),
    }


def update_numbers(repo_pk: int) -> None:
    """Take likes, downloads and the rating from the repo; its files are not read."""
    found = Repo.objects.filter(pk=repo_pk).values(*_NUMBERS, "rating_bound").first()
    if found is None:
        return
    numbers = {
        **{name: found[name] for name in _NUMBERS},
        "s_likes": pack(found["likes"], repo_pk),
        "s_downloads": pack(found["downloads"], repo_pk),
        "s_rating": pack_score(found["rating_bound"], repo_pk),
    }
    with transaction.atomic():
        if RepoIndex.objects.filter(pk=repo_pk).exclude(**numbers).update(**numbers):
            _note_change([repo_pk])


def forget_repo(repo_pk: int) -> None:
    """Drop the row of a repo that was deleted."""
    with transaction.atomic():
        deleted, _ = RepoIndex.objects.filter(pk=repo_pk).delete()
        if deleted:
            _note_change([repo_pk])


def _note_change(repo_pks: Iterable[int]) -> None:
    IndexChange.objects.bulk_create([IndexChange(repo_pk=repo_pk) for repo_pk in repo_pks])


def catch_up() -> int:
    """Repair what a lost message left behind, then feed the search index; return how many repos it took.

    Rows that do not show their repo's head are read again; rows of deleted repos go.
    """
    for repo_pk in _stale_repos():
        index_repo(repo_pk)
    for repo_pk in RepoIndex.objects.filter(repo__deleted_at__isnull=False).values_list("pk", flat=True)[:_STALE_BATCH]:
        forget_repo(repo_pk)
    for repo_pk in _stale_numbers():
        update_numbers(repo_pk)
    written = search_index.apply_changes()
    _drop_old_changes()
    return written


def _stale_repos() -> list[int]:
    behind = (
        Q(index__isnull=True)
        | ~Q(index__head_oid=F("head_oid"))
        | ~Q(index__visibility=F("visibility"))
        | ~Q(index__full_id=Concat("namespace__name", Value("/"), "name"))
    )
    alive = Repo.objects.filter(behind, deleted_at__isnull=True)
    return list(alive.order_by("pk").values_list("pk", flat=True)[:_STALE_BATCH])


def _stale_numbers() -> list[int]:
    behind = Q()
    for name in _NUMBERS:
        behind |= ~Q(**{f"repo__{name}": F(name)})
    return list(RepoIndex.objects.filter(behind).order_by("pk").values_list("pk", flat=True)[:_STALE_BATCH])


def _drop_old_changes() -> None:
    """The newest row stays: its number tells an index how far it is."""
    newest = IndexChange.objects.order_by("-pk").values_list("pk", flat=True).first()
    if newest is not None:
        IndexChange.objects.filter(created_at__lt=timezone.now() - _CHANGES_KEPT, pk__lt=newest).delete()


def rebuild_rows() -> int:
    """Write every row and the search index anew (after a change of what is derived)."""
    pks = Repo.objects.filter(deleted_at__isnull=True).order_by("pk").values_list("pk", flat=True)
    for repo_pk in pks.iterator():
        index_repo(repo_pk)
    return search_index.rebuild()
