"""Celery entries of the catalogue: ids in, one call; all safe to run twice."""

from __future__ import annotations

from celery import shared_task


@shared_task(name="catalog.index_repo", ignore_result=True, acks_late=True, soft_time_limit=120, time_limit=150)
def index_repo(repo_pk: int) -> None:
    from hub.catalog import search_index, services  # noqa: PLC0415 -- leaf

    services.index_repo(repo_pk)
    search_index.apply_changes()


@shared_task(name="catalog.update_numbers", ignore_result=True, acks_late=True, time_limit=30)
def update_numbers(repo_pk: int) -> None:
    from hub.catalog import services  # noqa: PLC0415 -- leaf

    # The search index takes numbers in batches, with the next catch-up: a like must not cost an index commit.
    services.update_numbers(repo_pk)


@shared_task(name="catalog.catch_up", ignore_result=True, acks_late=True, soft_time_limit=1500, time_limit=1800)
def catch_up() -> None:
    from hub.catalog import services  # noqa: PLC0415 -- leaf

    services.catch_up()


@shared_task(name="catalog.update_trending", ignore_result=True, acks_late=True, soft_time_limit=840, time_limit=870)
def update_trending() -> None:
    from hub.catalog import trending  # noqa: PLC0415 -- leaf

    trending.update_trending()
