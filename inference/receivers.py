"""Receivers: one line each.  Signals come after the database commit."""

from __future__ import annotations

from typing import Any

from django.dispatch import receiver

from hub.repos.signals import repo_changed
from inference.stopping import stop_calls_of_closed_repo


@receiver(repo_changed, dispatch_uid="inference.stop_calls")
def stop_calls(sender: Any, repo_pk: int, **_: Any) -> None:
    stop_calls_of_closed_repo(repo_pk)
