"""Celery entries; each calls one function."""

from __future__ import annotations

from celery import shared_task


@shared_task(name="inference.settle_lost_calls", ignore_result=True, acks_late=True)
def settle_lost_calls_task() -> None:
    from inference.metering import settle_lost_calls  # noqa: PLC0415 -- leaf

    settle_lost_calls()
