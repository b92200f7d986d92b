"""Receivers: one line each; they enqueue or call a service.  Nothing below this package sends signals to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import structlog
from django.conf import settings
from django.dispatch import receiver
from kombu.exceptions import OperationalError

from hub.core.ranges import ByteRange
from hub.repos import tasks
from hub.repos.services import downloads
from hub.repos.signals import commit_created
from hub.storage.signals import content_sent
from hub.storage.xet import convert

log = structlog.get_logger("hub.repos")


@receiver(content_sent, dispatch_uid="repos.hear_download")
def hear_download(sender: Any, tally: str, content: str, spans: Sequence[ByteRange], **_: Any) -> None:
    downloads.hear(tally, content, spans)


@receiver(commit_created, dispatch_uid="repos.convert_files")
def convert_files(sender: Any, repo_pk: int, **_: Any) -> None:
    """A commit may have linked files that came whole; nothing is sent where there are none."""
    if not settings.HUB_XET_CONVERT or not convert.pending(1):
        return
    try:
        tasks.convert_files_task.delay()
    except OperationalError as error:
        # The act is done already; the next catch-up finds the files (T166).
        log.warning("not_enqueued", task="repos.convert_files", repo=repo_pk, reason=str(error)[:200])
