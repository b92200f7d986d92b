"""Celery entries: thin, safe to run twice, with the work in ``services``."""

from __future__ import annotations

from celery import shared_task


@shared_task(name="repos.reconcile", ignore_result=True, acks_late=True, time_limit=900, expires=60)
def reconcile_task() -> None:
    """Make rows follow refs that a crash left ahead, and clear what killed git processes left (T160, T161)."""
    from hub.repos.services.care import reconcile_recent  # noqa: PLC0415 -- leaf

    reconcile_recent()


@shared_task(name="repos.expire_uploads", ignore_result=True, acks_late=True, time_limit=1800)
def expire_uploads_task() -> None:
    from hub.repos.services.care import expire_uploads  # noqa: PLC0415 -- leaf

    expire_uploads()


@shared_task(name="repos.prune", ignore_result=True, acks_late=True, time_limit=4 * 3600)
def prune_task() -> None:
    """Drop what deleted branches and rewritten histories left in git (T56)."""
    from hub.repos.services.backup import maintenance  # noqa: PLC0415 -- leaf
    from hub.repos.services.care import prune_recent  # noqa: PLC0415 -- leaf

    with maintenance():  # a backup copies refs before objects
        prune_recent()


@shared_task(name="repos.purge_deleted", ignore_result=True, acks_late=True, time_limit=3600)
def purge_deleted_task() -> None:
    """Free what deleted repos held, and large files that were sent and never committed."""
    from hub.repos.services.backup import maintenance  # noqa: PLC0415 -- leaf
    from hub.repos.services.lfs import referenced_objects  # noqa: PLC0415 -- leaf
    from hub.repos.services.repos import purge_deleted  # noqa: PLC0415 -- leaf
    from hub.storage.gc import delete_unreferenced_objects  # noqa: PLC0415 -- leaf
    from hub.storage.xet.collect import collect  # noqa: PLC0415 -- leaf

    with maintenance():  # a backup must not lose what it is copying
        purge_deleted()
        delete_unreferenced_objects(referenced_objects)
        collect()


@shared_task(name="repos.roll_downloads", ignore_result=True, acks_late=True, time_limit=900)
def roll_downloads_task() -> None:
    from hub.repos.services.counters import roll_downloads  # noqa: PLC0415 -- leaf

    roll_downloads()


@shared_task(name="repos.remind_owners", ignore_result=True, acks_late=True, time_limit=900)
def remind_owners_task() -> None:
    """Tell owners of gates who waits longer than they promised."""
    from hub.repos.services.access import remind_owners  # noqa: PLC0415 -- leaf

    remind_owners()


@shared_task(name="repos.run_import", ignore_result=True, acks_late=True, time_limit=3600)
def run_import_task(object_id: str) -> None:
    from hub.repos.services.import_run import run_import  # noqa: PLC0415 -- leaf

    run_import(object_id)


@shared_task(name="repos.wake_imports", ignore_result=True, acks_late=True, time_limit=60, expires=30)
def wake_imports_task() -> None:
    """Take imports from workers that are gone, and send what waits: messages may be lost, rows are not (T165)."""
    from hub.repos.services.imports import wake_imports  # noqa: PLC0415 -- leaf

    wake_imports()


@shared_task(name="repos.forget_imports", ignore_result=True, acks_late=True, time_limit=300)
def forget_imports_task() -> None:
    from hub.repos.services.imports import forget_imports  # noqa: PLC0415 -- leaf

    forget_imports()


@shared_task(name="repos.convert_files", ignore_result=True, acks_late=True, time_limit=6600)
def convert_files_task() -> None:
    """Cut files that came whole into shared chunks, and drop whole copies that have outlived their grace."""
    from hub.repos.services.xet import convert_files  # noqa: PLC0415 -- leaf

    convert_files()
