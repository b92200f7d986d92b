"""What is remembered about a commit of a model between workers and restarts: crashes and load times."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from django.db import transaction
from django.utils import timezone

from inference.models import ModelHealth

CRASHES_BEFORE_REST: Final = 3
_REST: Final = timedelta(hours=24)
_LOAD_TIMES_KEPT: Final = 20


def is_resting(repo_pk: int, commit_oid: str) -> bool:
    """True while a commit is not run because it crashed three times in a row (T170)."""
    return ModelHealth.objects.filter(repo_id=repo_pk, commit_oid=commit_oid, rests_until__gt=timezone.now()).exists()


def note_crash(repo_pk: int, commit_oid: str, error: str) -> bool:
    """Count a crash of the runner; True when the model now rests."""
    with transaction.atomic():
        row = _locked(repo_pk, commit_oid)
        row.crashes += 1
        row.last_error = error[:300]
        if row.crashes >= CRASHES_BEFORE_REST:
            row.rests_until = timezone.now() + _REST
        row.save()
    return row.rests_until is not None


def note_answer(repo_pk: int, commit_oid: str, load_ms: float) -> None:
    """An answer ends a row of crashes; a cold one also leaves its load time (milliseconds)."""
    rows = ModelHealth.objects.filter(repo_id=repo_pk, commit_oid=commit_oid)
    if not load_ms:
        rows.filter(crashes__gt=0).update(crashes=0, rests_until=None, last_error="")
        return
    with transaction.atomic():
        row = _locked(repo_pk, commit_oid)
        row.crashes, row.rests_until, row.last_error = 0, None, ""
        row.load_times_ms = [*row.load_times_ms, round(load_ms)][-_LOAD_TIMES_KEPT:]
        row.save()


def _locked(repo_pk: int, commit_oid: str) -> ModelHealth:
    row, _ = ModelHealth.objects.select_for_update().get_or_create(repo_id=repo_pk, commit_oid=commit_oid)
    return row
