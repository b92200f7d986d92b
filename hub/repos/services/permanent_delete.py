"""Delete large files for good: out of all history, and out of what the repo may serve (hub-api §11.6).

    which blobs name them > history rewritten (hub.storage.git.rewrite) > rows follow refs > links and proofs of upload
    removed, so that quota falls > the sweep of storage frees the bytes once no repo names them

The references move first: after a crash the files are still served, and asking again finishes the work.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from django.db import transaction
from django.db.models import F, Sum
from django.db.models.functions import Greatest

from hub.accounts.auth import Viewer
from hub.accounts.services import audit
from hub.core.errors import BadRequest
from hub.core.ids import is_sha256
from hub.repos.models import Repo, RepoObject
from hub.repos.protection import require_rewritable
from hub.repos.services import lfs
from hub.repos.services.mirror import follow_refs
from hub.storage.git.objects import list_refs
from hub.storage.git.pointers import find_pointer_blobs
from hub.storage.git.repository import open_repository
from hub.storage.git.rewrite import remove_blobs
from hub.storage.models import UploadSession, XetRegistration

MAX_FILES: Final = 1_000


def permanently_delete_lfs_files(
    repo: Repo, *, actor: Viewer, sha256s: Iterable[str], rewrite_history: bool = True
) -> list[str]:
    """Delete these files from the repo; return those that it had. The caller has checked that the actor may.

    Without ``rewrite_history`` commits keep their pointers, which lead nowhere then.

    Raises: BadRequest, PermissionDenied (a protected branch or tag names one), Unprocessable (too long a history),
        Conflict (branches keep changing), ServiceUnavailable (history cannot be looked through now)
    """
    wanted = _checked(sha256s)
    had = sorted(RepoObject.objects.filter(repo=repo, sha256__in=wanted).values_list("sha256", flat=True))
    if rewrite_history:
        _rewrite(repo, actor, wanted)
    with transaction.atomic():
        Repo.objects.select_for_update().get(pk=repo.pk)
        links = RepoObject.objects.filter(repo=repo, sha256__in=wanted)
        freed = links.filter(payer__isnull=True).aggregate(total=Sum("size_bytes"))["total"] or 0
        links.delete()
        Repo.objects.filter(pk=repo.pk).update(storage_bytes=Greatest(F("storage_bytes") - freed, 0))
        # Proofs that this repo received the bytes: they count for the quota, and would link the files again (T70).
        for proofs in (UploadSession, XetRegistration):
            proofs.objects.filter(repo_key=lfs.repo_key(repo), sha256__in=wanted).delete()
        audit.record(
            "repo.delete_files",
            actor=actor,
            target=repo.repo_id,
            repo_type=repo.repo_type,
            files=len(had),
            first=had[:20],
        )
    repo.refresh_from_db(fields=["head_oid", "updated_at", "storage_bytes"])
    return had


def _checked(sha256s: Iterable[str]) -> list[str]:
    wanted = list(dict.fromkeys(sha256s))
    if not wanted or len(wanted) > MAX_FILES:
        raise BadRequest(f"Name 1 to {MAX_FILES} files.", param="sha")
    for sha256 in wanted:
        if not is_sha256(sha256):
            raise BadRequest("A file is named by its SHA-256: 64 lower-case hexadecimal digits.", param="sha")
    return wanted


def _rewrite(repo: Repo, actor: Viewer, sha256s: Sequence[str]) -> None:
    found = list_refs(open_repository(repo.git_path))
    kinds = (found.branches, found.tags, found.converts, found.pull_requests)
    tips = sorted({info.target_commit for kind in kinds for info in kind})
    blobs = find_pointer_blobs(repo.git_path, tips, frozenset(sha256s))
    if not blobs:
        return

    def check(refs: Sequence[str]) -> None:
        for ref in refs:
            require_rewritable(repo, ref)

    remove_blobs(repo.git_path, blobs, check=check)
    follow_refs(repo.pk, actor_pk=actor.user_pk)
