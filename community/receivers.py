"""Receivers: one line each.  Signals come after the database commit."""

from __future__ import annotations

from functools import partial
from typing import Any

import structlog
from django.dispatch import receiver
from kombu.exceptions import OperationalError

from community import tasks
from community import webhook_events as events
from community.services import deliveries, notices
from community.services.pulls import follow_ref
from community.signals import discussion_changed
from hub.repos.signals import access_changed, commit_created, repo_changed, repo_created, repo_deleted, repo_moved

log = structlog.get_logger("community")


@receiver(commit_created, dispatch_uid="community.follow_ref")
def on_commit(sender: Any, repo_pk: int, ref: str, new_oid: str, actor_pk: int | None, **_: Any) -> None:
    follow_ref(repo_pk, ref, new_oid, actor_pk)


# --- notices ----------------------------------------------------------------------------------------------------------


@receiver(discussion_changed, dispatch_uid="community.notice_discussion")
def notice_discussion(
    sender: Any, discussion_pk: int, action: str, comment_pk: int | None, actor_pk: int | None, **_: Any
) -> None:
    notices.record_thread(discussion_pk, action, comment_pk, actor_pk)


@receiver(access_changed, dispatch_uid="community.notice_access")
def notice_access(sender: Any, request_pk: int, actor_pk: int | None, **_: Any) -> None:
    notices.record_access(request_pk, actor_pk)


# --- webhooks ---------------------------------------------------------------------------------------------------------


@receiver(repo_created, dispatch_uid="community.tell_created")
def tell_created(sender: Any, repo_pk: int, **_: Any) -> None:
    _wake(deliveries.record_repo_event(repo_pk, partial(events.RepoEvent, action="create", scope="repo")))


@receiver(repo_deleted, dispatch_uid="community.tell_deleted")
def tell_deleted(sender: Any, repo_pk: int, **_: Any) -> None:
    _wake(deliveries.record_repo_event(repo_pk, partial(events.RepoEvent, action="delete", scope="repo")))


@receiver(repo_moved, dispatch_uid="community.tell_moved")
def tell_moved(sender: Any, repo_pk: int, former_repo_id: str, **_: Any) -> None:
    _wake(deliveries.record_repo_event(repo_pk, partial(events.moved, former_id=former_repo_id)))
    deliveries.follow_move(repo_pk, former_repo_id)


@receiver(repo_changed, dispatch_uid="community.tell_changed")
def tell_changed(sender: Any, repo_pk: int, **_: Any) -> None:
    _wake(deliveries.record_repo_event(repo_pk, events.config_changed))


@receiver(commit_created, dispatch_uid="community.tell_commit")
def tell_commit(sender: Any, repo_pk: int, ref: str, old_oid: str, new_oid: str, **_: Any) -> None:
    _wake(deliveries.record_repo_event(repo_pk, partial(events.ref_moved, ref=ref, old_oid=old_oid, new_oid=new_oid)))


@receiver(discussion_changed, dispatch_uid="community.tell_discussion")
def tell_discussion(sender: Any, discussion_pk: int, action: str, comment_pk: int | None, **_: Any) -> None:
    _wake(deliveries.record_discussion_event(discussion_pk, action, comment_pk))


def _wake(recorded: int) -> None:
    """A broker that is away must not fail the act that is done already: the sweep finds the rows (T166)."""
    if not recorded:
        return
    try:
        tasks.wake_webhooks_task.delay()
    except OperationalError as error:
        log.warning("not_enqueued", task="community.wake_webhooks", reason=str(error)[:200])
