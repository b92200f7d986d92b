"""Housekeeping of accounts."""

from __future__ import annotations

from celery import shared_task


@shared_task(name="accounts.clear_expired", ignore_result=True, acks_late=True, time_limit=600)
def clear_expired_task() -> None:
    from hub.accounts.services.retention import clear_expired  # noqa: PLC0415 -- leaf

    clear_expired()
