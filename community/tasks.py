"""Celery entries: thin, safe to run twice, with the work in ``services``."""

from __future__ import annotations

from celery import shared_task


@shared_task(name="community.mend_pull_requests", ignore_result=True, acks_late=True, time_limit=900, expires=300)
def mend_pull_requests_task() -> None:
    """Finish merges that a crash cut short, and remove heads whose opening never ended (T162)."""
    from community.services.pulls import finish_merges, sweep_orphans  # noqa: PLC0415 -- leaf

    finish_merges()
    sweep_orphans()


@shared_task(name="community.purge_pull_requests", ignore_result=True, acks_late=True, time_limit=3600)
def purge_pull_requests_task() -> None:
    """Free what removed pull requests held (T196)."""
    from community.services.pulls import drop_removed_files  # noqa: PLC0415 -- leaf

    drop_removed_files()


@shared_task(name="community.wake_webhooks", ignore_result=True, acks_late=True, time_limit=120, expires=60)
def wake_webhooks_task() -> None:
    """Hand out the deliveries whose time has come; the rows are the truth, messages may be lost (T165)."""
    from community.services.deliveries import due  # noqa: PLC0415 -- leaf

    for object_id in due():
        send_webhook_task.delay(object_id)


@shared_task(name="community.send_webhook", ignore_result=True, acks_late=True, time_limit=60, expires=600)
def send_webhook_task(object_id: str) -> None:
    from community.services.deliveries import send  # noqa: PLC0415 -- leaf

    send(object_id)


@shared_task(name="community.forget_deliveries", ignore_result=True, acks_late=True, time_limit=900)
def forget_deliveries_task() -> None:
    from community.services.deliveries import forget_old  # noqa: PLC0415 -- leaf

    forget_old()


@shared_task(name="community.wake_notices", ignore_result=True, acks_late=True, time_limit=300, expires=120)
def wake_notices_task() -> None:
    """Tell people what happened, then send the mails that are due; rows are the truth, messages may be lost (T165)."""
    from community.services.notices import spread_all  # noqa: PLC0415 -- leaf

    spread_all()
    send_notice_mails_task.delay()


@shared_task(name="community.send_notice_mails", ignore_result=True, acks_late=True, time_limit=300, expires=120)
def send_notice_mails_task() -> None:
    from community.services.notice_mails import send_due  # noqa: PLC0415 -- leaf

    send_due()


@shared_task(name="community.send_digests", ignore_result=True, acks_late=True, time_limit=1800, expires=1800)
def send_digests_task() -> None:
    from community.services.notice_mails import send_digests  # noqa: PLC0415 -- leaf

    send_digests()


@shared_task(name="community.forget_notices", ignore_result=True, acks_late=True, time_limit=900)
def forget_notices_task() -> None:
    from community.services.notices import forget_old  # noqa: PLC0415 -- leaf

    forget_old()


@shared_task(name="community.prove_reviews", ignore_result=True, acks_late=True, time_limit=900, expires=900)
def prove_reviews_task() -> None:
    """Find out whose use of what they reviewed came after the review."""
    from community.services.ratings import prove_reviews  # noqa: PLC0415 -- leaf

    prove_reviews()
