"""Receivers: one line each; they enqueue.  Signals come after the database commit."""

from __future__ import annotations

from typing import Any

import structlog
from django.dispatch import receiver
from kombu.exceptions import OperationalError

from hub.catalog import services, tasks
from hub.repos.signals import commit_created, counters_changed, repo_changed, repo_created, repo_deleted, repo_moved

log = structlog.get_logger("hub.catalog")


# Before the next one: what is read from the files comes later, the address must not.
@receiver([repo_created, repo_moved, repo_changed], dispatch_uid="catalog.place_repo")
def place_repo(sender: Any, repo_pk: int, **_: Any) -> None:
    services.place_repo(repo_pk)


@receiver([repo_created, repo_moved, repo_changed, repo_deleted, commit_created], dispatch_uid="catalog.index_repo")
def index_repo(sender: Any, repo_pk: int, **_: Any) -> None:
    _enqueue(tasks.index_repo, repo_pk)


@receiver(counters_changed, dispatch_uid="catalog.update_numbers")
def update_numbers(sender: Any, repo_pk: int, **_: Any) -> None:
    _enqueue(tasks.update_numbers, repo_pk)


def _enqueue(task: Any, repo_pk: int) -> None:
    """A broker that is away must not fail the act that is done already: the next catch-up finds the repo (T166)."""
    try:
        task.delay(repo_pk)
    except OperationalError as error:
        log.warning("not_enqueued", task=task.name, repo=repo_pk, reason=str(error)[:200])
