"""The books of imports: ask for one, cancel, retry, and what wakes and gives up those that nobody works on.

    create_import > (task) import_run.run_import > succeeded | failed | cancelled        retry_import > queued again

The copying itself is ``import_run``.  A row says everything: a flushed broker or a killed worker loses nothing, for
``wake_imports`` runs every half minute (T165, T168).
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any, Final

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from kombu.exceptions import OperationalError

from hub.accounts.auth import Viewer
from hub.accounts.enums import Action
from hub.accounts.models import Namespace
from hub.accounts.permissions import get_namespace_for_create
from hub.accounts.services import audit
from hub.core.errors import AuthenticationRequired, BadRequest, Conflict, EntryNotFound, InsufficientScope, RepoNotFound
from hub.core.ids import RepoType, fold, validate_repo_name
from hub.core.ratelimit import Bucket, hit
from hub.core.sealing import seal
from hub.repos import tasks
from hub.repos.enums import ImportState, Visibility
from hub.repos.models import Repo, RepoImport, RepoImportFile
from hub.repos.permissions import RepoMoved, get_repo_for_write
from hub.repos.remote_hub import normalise_endpoint, validate_source
from hub.repos.services import lfs
from hub.storage.lfs import transfer
from hub.storage.models import UploadSession
from hub.storage.models import UploadState as SessionState

log = structlog.get_logger("hub.repos.imports")

MAX_OPEN: Final = 10
MAX_ATTEMPTS: Final = 3
MAX_TOKEN_LENGTH: Final = 500
KEEP_FILES: Final = timedelta(days=2)
KEEP_ROWS: Final = timedelta(days=30)
SEAL_PURPOSE: Final = "import"
_OPEN: Final = (ImportState.QUEUED, ImportState.RUNNING)
_PER_HOUR: Final = 60


# --- asking ----------------------------------------------------------------------------------------------------------


def create_import(
    viewer: Viewer,
    *,
    endpoint: str,
    source: str,
    namespace: str,
    name: str,
    repo_type: RepoType = RepoType.MODEL,
    revision: str = "",
    token: str = "",
    visibility: Visibility | None = None,
) -> RepoImport:
    """Ask for a copy of ``source`` at ``endpoint``, into a new repo or one that the viewer may write to.

    Files of the same path are replaced, others stay. ``token`` is for the other hub: sealed, gone when the job ends.

    Raises: AuthenticationRequired, PermissionDenied, InsufficientScope, RateLimited, BadRequest, AddressRefused,
        Conflict (too many open)
    """
    if viewer.user is None:
        raise AuthenticationRequired
    repo, owner = _target(viewer, repo_type, namespace, name)
    endpoint, source = normalise_endpoint(endpoint), validate_source(source.strip())
    hit(Bucket("imports", _PER_HOUR, 3600), f"user:{viewer.user_pk}")
    with transaction.atomic():
        Namespace.objects.select_for_update().get(pk=owner.pk)
        _check_open(viewer, owner, repo_type, name)
        job = RepoImport.objects.create(
            author=viewer.user,
            repo=repo,
            namespace=owner,
            name=repo.name if repo else name,
            repo_type=repo_type.value,
            visibility=visibility or "",
            endpoint=endpoint,
            source=source,
            revision=_clean_revision(revision),
            sealed_token=seal(_clean_token(token), purpose=SEAL_PURPOSE),
        )
        audit.record(
            "repo.import", actor=viewer, target=job.target, repo_type=repo_type.value, source=f"{endpoint}/{source}"
        )
        transaction.on_commit(partial(_enqueue, job.object_id))
    return job


def _target(viewer: Viewer, repo_type: RepoType, namespace: str, name: str) -> tuple[Repo | None, Namespace]:
    """The repo to write to, if there is one, and its owner. Raises: as ``create_import``."""
    try:
        repo = get_repo_for_write(viewer, repo_type, namespace, name)
    except (RepoNotFound, RepoMoved):  # a former address is free to be taken
        owner = get_namespace_for_create(viewer, namespace)
        validate_repo_name(name)
        return None, owner
    return repo, repo.namespace


def _check_open(viewer: Viewer, owner: Namespace, repo_type: RepoType, name: str) -> None:
    waiting = RepoImport.objects.filter(state__in=_OPEN)
    if waiting.filter(author_id=viewer.user_pk).count() >= MAX_OPEN:
        raise Conflict(f"You have {MAX_OPEN} imports that are not done. Wait for one, or cancel it.")
    if any(fold(taken) == fold(name) for taken in _names(waiting.filter(namespace=owner, repo_type=repo_type.value))):
        raise Conflict("An import into this repository is under way already.")


def _names(rows: QuerySet[RepoImport]) -> list[str]:
    return list(rows.values_list("name", flat=True))


def _clean_revision(revision: str) -> str:
    text = revision.strip() or "main"
    if len(text) > 255 or not text.isprintable() or " " in text:
        raise BadRequest("The revision is a branch, a tag or a commit.", param="revision")
    return text


def _clean_token(token: str) -> str:
    text = token.strip()
    if len(text) > MAX_TOKEN_LENGTH or not text.isascii() or not text.isprintable() or " " in text:
        raise BadRequest("The access token holds characters that no token has.", param="token")
    return text


def get_import(viewer: Viewer, object_id: str, *, to_change: bool = False) -> RepoImport:
    """The viewer's own import. Raises: AuthenticationRequired, EntryNotFound, InsufficientScope."""
    if viewer.user is None:
        raise AuthenticationRequired
    job = (
        RepoImport.objects.select_related("namespace", "repo", "repo__namespace", "author")
        .filter(object_id=object_id, author_id=viewer.user_pk)
        .first()
    )
    if job is None or not _allows(viewer, job, Action.REPO_READ):
        raise EntryNotFound("There is no such import.")
    if to_change and not _allows(viewer, job, Action.REPO_WRITE):
        raise InsufficientScope
    return job


def _allows(viewer: Viewer, job: RepoImport, action: Action) -> bool:
    return viewer.allows(action, namespace=job.namespace.name, repo_type=job.repo_type, name=job.name)


def list_imports(viewer: Viewer, *, before_pk: int | None = None, limit: int = 30) -> list[RepoImport]:
    """The viewer's imports, newest first; ``limit + 1`` of them where there are more."""
    rows = RepoImport.objects.select_related("namespace", "repo", "repo__namespace").filter(author_id=viewer.user_pk)
    if before_pk is not None:
        rows = rows.filter(pk__lt=before_pk)
    return [job for job in rows.order_by("-pk")[: limit + 1] if _allows(viewer, job, Action.REPO_READ)]


# --- cancel, retry ---------------------------------------------------------------------------------------------------


def cancel_import(viewer: Viewer, job: RepoImport) -> RepoImport:
    """Stop; what was fetched is freed by the sweep, unless the import is tried again before. Safe to repeat."""
    if close_import(job.pk, ImportState.CANCELLED):
        audit.record("repo.import_cancel", actor=viewer, target=job.target, repo_type=job.repo_type)
    job.refresh_from_db()
    return job


def retry_import(viewer: Viewer, job: RepoImport, *, token: str = "") -> RepoImport:
    """Go on with an import that failed or was cancelled: the same commit, and only files that are not here yet.

    Raises: Conflict (not ended, or it succeeded), BadRequest (token)
    """
    sealed = seal(_clean_token(token), purpose=SEAL_PURPOSE)
    now = timezone.now()
    with transaction.atomic():
        changed = RepoImport.objects.filter(pk=job.pk, state__in=(ImportState.FAILED, ImportState.CANCELLED)).update(
            state=ImportState.QUEUED,
            sealed_token=sealed,
            error="",
            attempts=0,
            lease="",
            leased_until=None,
            wake_at=now,
            queued_at=now,
            finished_at=None,
        )
        if not changed:
            raise Conflict("Only imports that failed or were cancelled can be tried again.")
        audit.record("repo.import_retry", actor=viewer, target=job.target, repo_type=job.repo_type)
        transaction.on_commit(partial(_enqueue, job.object_id))
    job.refresh_from_db()
    return job


def close_import(pk: int, state: ImportState, *, lease: str | None = None, error: str = "", **facts: Any) -> bool:
    """End an import once and forget the token; with ``lease`` only if it is still ours. Return whether it ended."""
    rows = RepoImport.objects.filter(pk=pk, state__in=_OPEN)
    if lease is not None:
        rows = rows.filter(lease=lease)
    changed = rows.update(
        state=state,
        error=error[:500],
        sealed_token="",
        lease="",
        leased_until=None,
        bytes_per_s=0,
        current_path="",
        finished_at=timezone.now(),
        **facts,
    )
    if changed and state != ImportState.SUCCEEDED:
        _free_unfinished(RepoImport.objects.get(pk=pk))
    return bool(changed)


def _free_unfinished(job: RepoImport) -> None:
    """Give back what open transfers had reserved. A failed import keeps them for a day: a retry goes on with them."""
    if job.repo is None or job.state != ImportState.CANCELLED:
        return
    wanted = set(job.files.filter(is_stored=False).exclude(sha256="").values_list("sha256", flat=True))
    sessions = UploadSession.objects.filter(repo_key=lfs.repo_key(job.repo), state=SessionState.OPEN)
    for session in sessions:
        if session.sha256 in wanted:
            transfer.abort_upload(session)


# --- waking ----------------------------------------------------------------------------------------------------------


def wake_imports() -> int:
    """Take imports from workers that are gone, give up hopeless ones, enqueue what waits; return how many wait.

    This is the outbox: the queue may lose every message and nothing is lost.
    """
    now = timezone.now()
    for job in RepoImport.objects.filter(state=ImportState.RUNNING, leased_until__lt=now):
        _take_back(job)
    too_old = now - timedelta(hours=settings.HUB_IMPORT_HOURS)
    for pk in RepoImport.objects.filter(state__in=_OPEN, queued_at__lt=too_old).values_list("pk", flat=True):
        close_import(pk, ImportState.FAILED, error=f"The import took longer than {settings.HUB_IMPORT_HOURS} hours.")
    waiting = RepoImport.objects.filter(state=ImportState.QUEUED, wake_at__lte=timezone.now()).order_by("wake_at", "pk")
    found = list(waiting.values_list("object_id", flat=True)[: settings.HUB_IMPORTS_AT_ONCE])
    for object_id in found:
        _enqueue(object_id)
    return len(found)


def _take_back(job: RepoImport) -> None:
    """A worker died with this import: three times without progress is enough (T170)."""
    log.warning("import_lease_expired", job=job.object_id, attempts=job.attempts)
    if job.attempts >= MAX_ATTEMPTS:
        close_import(
            job.pk, ImportState.FAILED, lease=job.lease, error="The import stopped unexpectedly several times."
        )
        return
    RepoImport.objects.filter(pk=job.pk, lease=job.lease, state=ImportState.RUNNING).update(
        state=ImportState.QUEUED, lease="", leased_until=None, wake_at=timezone.now()
    )


def _enqueue(object_id: str) -> None:
    try:
        tasks.run_import_task.delay(object_id)
    except OperationalError as error:
        log.warning("not_enqueued", job=object_id, reason=str(error)[:200])


def forget_imports() -> int:
    """Drop lists of files that nobody will go on with, and records after a month; return how many records went."""
    now = timezone.now()
    ended = RepoImport.objects.exclude(state__in=_OPEN)
    RepoImportFile.objects.filter(repo_import__in=ended.filter(finished_at__lt=now - KEEP_FILES)).delete()
    ended.filter(finished_at__lt=now - KEEP_FILES, files_total__gt=0).exclude(state=ImportState.SUCCEEDED).update(
        # Without its list the copying begins anew.
        commit_oid="",
        files_done=0,
        bytes_done=0,
        files_total=0,
        bytes_total=0,
    )
    count, _ = ended.filter(finished_at__lt=now - KEEP_ROWS).delete()
    return count
