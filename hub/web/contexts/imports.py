"""What the pages of imports are given."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from hub.core.error_words import in_words_of_reader
from hub.core.ids import RepoType
from hub.repos.enums import ImportState
from hub.repos.models import RepoImport
from hub.repos.urls import RepoUrls
from hub.web.templatetags.hub_ui import human_size

_TONES = {
    ImportState.RUNNING: "accent",
    ImportState.SUCCEEDED: "success",
    ImportState.FAILED: "danger",
    ImportState.CANCELLED: "warning",
}


@dataclass(frozen=True, slots=True)
class ImportRow:
    """A line of the list."""

    href: str
    source: str
    host: str
    target: str
    target_href: str
    state: str
    tone: str
    progress: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ImportPage:
    """One import; ``percent`` is None while nothing is known of its size."""

    object_id: str
    source: str
    source_href: str
    host: str
    revision: str
    commit_oid: str
    target: str
    target_href: str
    commit_href: str
    state: str
    state_label: str
    tone: str
    is_open: bool
    is_queued: bool
    can_retry: bool
    error: str
    percent: int | None
    progress: str
    speed: str
    current_path: str
    progress_href: str
    cancel_href: str
    retry_href: str
    created_at: datetime
    finished_at: datetime | None


def import_row(job: RepoImport) -> ImportRow:
    return ImportRow(
        href=reverse("web:import_page", args=[job.object_id]),
        source=job.source,
        host=urlsplit(job.endpoint).netloc,
        target=job.repo.repo_id if job.repo else job.target,
        target_href=_target_href(job),
        state=str(ImportState(job.state).label),
        tone=_TONES.get(ImportState(job.state), ""),
        progress=_progress(job),
        created_at=job.created_at,
    )


def import_page(job: RepoImport) -> ImportPage:
    state = ImportState(job.state)
    source_path = f"{RepoType(job.repo_type).web_prefix}{job.source}"
    return ImportPage(
        object_id=job.object_id,
        source=job.source,
        source_href=f"{job.endpoint}/{source_path}",
        host=urlsplit(job.endpoint).netloc,
        revision=job.revision,
        commit_oid=job.commit_oid,
        target=job.repo.repo_id if job.repo else job.target,
        target_href=_target_href(job),
        commit_href=job.repo.urls.commit(job.target_oid) if job.repo and job.target_oid else "",
        state=state.value,
        state_label=str(state.label),
        tone=_TONES.get(state, ""),
        is_open=not state.is_final,
        is_queued=state is ImportState.QUEUED,
        can_retry=state in (ImportState.FAILED, ImportState.CANCELLED),
        error=in_words_of_reader(job.error) if job.error else "",
        percent=_percent(job),
        progress=_progress(job),
        speed=_("%(size)s per second") % {"size": human_size(job.bytes_per_s)} if job.bytes_per_s else "",
        current_path=job.current_path,
        progress_href=reverse("web:import_progress", args=[job.object_id]),
        cancel_href=reverse("web:import_cancel", args=[job.object_id]),
        retry_href=reverse("web:import_retry", args=[job.object_id]),
        created_at=job.created_at,
        finished_at=job.finished_at,
    )


def _target_href(job: RepoImport) -> str:
    """Where the copy is; empty until its repo is there."""
    if job.repo is None or job.repo.deleted_at is not None:
        return ""
    urls: RepoUrls = job.repo.urls
    return urls.page


def _percent(job: RepoImport) -> int | None:
    if job.state == ImportState.SUCCEEDED:
        return 100
    if not job.files_total:
        return None
    if not job.bytes_total:
        return 100 * job.files_done // job.files_total
    return min(100 * job.bytes_done // job.bytes_total, 100)


def _progress(job: RepoImport) -> str:
    """``3 of 12 files, 1.2 GB of 4 GB``."""
    if not job.files_total:
        return ""
    if job.state == ImportState.SUCCEEDED:
        files = ngettext("%(count)s file", "%(count)s files", job.files_total) % {"count": job.files_total}
        return _("%(files)s, %(size)s") % {"files": files, "size": human_size(job.bytes_total)}
    files = ngettext("%(done)s of %(count)s file", "%(done)s of %(count)s files", job.files_total) % {
        "done": job.files_done,
        "count": job.files_total,
    }
    return _("%(files)s, %(done)s of %(total)s") % {
        "files": files,
        "done": human_size(job.bytes_done),
        "total": human_size(job.bytes_total),
    }
