"""Large files of a repo: uploads into it, leave to serve them (links), quota.

A pointer alone opens nothing.  A repo serves an object only when it is linked (T71), and it is linked only when
this repo received the bytes or the actor may read a repo that serves them (T70).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.conf import settings
from django.db import transaction
from django.db.models import F, Sum

from hub.accounts.auth import Viewer
from hub.accounts.models import Namespace
from hub.core.errors import BadRequest, EntryNotFound, HubError, PayloadTooLarge, Unprocessable
from hub.repos.models import Repo, RepoObject
from hub.repos.permissions import check_files, visible_to
from hub.storage.lfs import objects, transfer
from hub.storage.models import LfsObject, UploadSession, UploadState

# Below this, one PUT is simpler than parts; every client can do it.
BASIC_LIMIT_BYTES = transfer.PART_SIZE_BYTES


def repo_key(repo: Repo) -> str:
    """Under which name storage knows the repo."""
    return f"repo:{repo.pk}"


def owner_key(repo: Repo) -> str:
    """Whose quota pays: the namespace."""
    return f"namespace:{repo.namespace_id}"


def audience(repo: Repo, viewer: Viewer) -> str:
    """For whom a download URL is made: it goes into the signed part."""
    return f"{repo_key(repo)}:{viewer.user_pk or ''}"


# --- quota -----------------------------------------------------------------------------------------------------------


def stored_bytes(namespace_id: int) -> int:
    """Bytes that a namespace's repos hold, deleted but recoverable ones included."""
    return Repo.objects.filter(namespace_id=namespace_id).aggregate(total=Sum("storage_bytes"))["total"] or 0


def check_quota(repo: Repo, size_bytes: int, *, reserved_bytes: int = 0) -> None:
    """Raises: PayloadTooLarge when ``size_bytes`` more would exceed the namespace's quota."""
    quota = settings.HUB_QUOTA_BYTES
    if quota and stored_bytes(repo.namespace_id) + reserved_bytes + size_bytes > quota:
        raise PayloadTooLarge(
            f"{repo.namespace.name} has no room for {size_bytes} more bytes: its storage quota is {quota} bytes. "
            "Delete files or repositories, or ask the operator of this hub for more."
        )


def _reserve(repo: Repo) -> transfer.Reserve:
    def reserve(size_bytes: int) -> None:
        held = transfer.reserved_bytes(owner_key(repo)) + uncommitted_bytes(repo)
        check_quota(repo, size_bytes, reserved_bytes=held)

    return reserve


def uncommitted_bytes(repo: Repo) -> int:
    """Bytes that a namespace has sent and that no commit names: they lie on the disk all the same (T75)."""
    linked = RepoObject.objects.filter(repo__namespace_id=repo.namespace_id)
    sent = (
        UploadSession.objects.filter(owner_key=owner_key(repo), state=UploadState.COMPLETE)
        .exclude(sha256__in=linked.values("sha256"))
        .values_list("sha256", "size_bytes")
    )
    return sum(dict(sent).values())


# --- uploads ---------------------------------------------------------------------------------------------------------


def is_present(repo: Repo, sha256: str) -> bool:
    """True if this repo has the bytes already: they need not be sent again."""
    return bool(present(repo, [sha256]))


def present(repo: Repo, sha256s: Iterable[str]) -> set[str]:
    """Which of many objects this repo has received or serves. What other repos hold plays no part (T69)."""
    wanted = list(sha256s)
    linked = set(RepoObject.objects.filter(repo=repo, sha256__in=wanted).values_list("sha256", flat=True))
    stored = set(objects.find_objects(wanted))
    return (linked | transfer.uploaded_to(repo_key(repo), wanted)) & stored


def begin_upload(
    repo: Repo,
    *,
    sha256: str,
    size_bytes: int,
    in_parts: bool,
    part_size_bytes: int = transfer.PART_SIZE_BYTES,
) -> UploadSession:
    """Start or resume the upload of one file, whole or in parts of ``part_size_bytes`` or more.

    Raises: Unprocessable (hash or size), PayloadTooLarge (quota), StorageFull.
    """
    if size_bytes > settings.HUB_MAX_FILE_BYTES:
        raise Unprocessable(f"Files over {settings.HUB_MAX_FILE_BYTES} bytes are not accepted by this hub.")
    keys = {"repo_key": repo_key(repo), "owner_key": owner_key(repo)}
    if not in_parts:
        return transfer.begin_basic_upload(sha256=sha256, size_bytes=size_bytes, reserve=_reserve(repo), **keys)
    return transfer.begin_upload(
        sha256=sha256, size_bytes=size_bytes, part_size_bytes=part_size_bytes, reserve=_reserve(repo), **keys
    )


def verify(repo: Repo, *, sha256: str, size_bytes: int) -> LfsObject:
    """Confirm that this repo's upload arrived. Raises: EntryNotFound, Unprocessable."""
    stored = objects.verify_object(sha256, size_bytes=size_bytes)
    if not is_present(repo, sha256):
        raise EntryNotFound
    return stored


def get_linked(repo: Repo, sha256: str) -> LfsObject:
    """The object if this repo may serve it (T71). Raises: EntryNotFound, Unprocessable (not a sha256)."""
    stored = objects.get_object(sha256)
    if not RepoObject.objects.filter(repo=repo, sha256=sha256).exists():
        raise EntryNotFound
    return stored


# --- links -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LinkResult:
    """Sizes in bytes of the objects that the repo may serve now, and what could not be linked."""

    sizes: Mapping[str, int]
    missing: frozenset[str]


def link_objects(repo: Repo, *, actor: Viewer, sha256s: Iterable[str]) -> LinkResult:
    """Give the repo leave to serve these objects where the rule allows.

    Nothing is linked when anything is missing. Raises: PayloadTooLarge (quota).
    """
    wanted = sorted(set(sha256s))
    if not wanted:
        return LinkResult({}, frozenset())
    stored = objects.find_objects(wanted)
    linked = set(RepoObject.objects.filter(repo=repo, sha256__in=wanted).values_list("sha256", flat=True))
    allowed = linked | transfer.uploaded_to(repo_key(repo), wanted)
    unknown = [sha256 for sha256 in wanted if sha256 not in allowed and sha256 in stored]
    allowed |= _readable_elsewhere(actor, unknown)
    missing = frozenset(sha256 for sha256 in wanted if sha256 not in stored or sha256 not in allowed)
    if not missing:
        _link(repo, actor, [stored[sha256] for sha256 in wanted if sha256 not in linked])
    return LinkResult({sha256: found.size_bytes for sha256, found in stored.items()}, missing)


def require_links(repo: Repo, *, actor: Viewer, sha256s: Iterable[str]) -> Mapping[str, int]:
    """As ``link_objects``, for commits. Raises: BadRequest naming a missing object, PayloadTooLarge."""
    result = link_objects(repo, actor=actor, sha256s=sha256s)
    if result.missing:
        raise BadRequest(
            f"LFS object missing: {min(result.missing)}. Upload the file first: "
            "its pointer points to content that this repository does not have."
        )
    return result.sizes


def _readable_elsewhere(actor: Viewer, sha256s: list[str]) -> set[str]:
    """Which objects the actor could download from another repo right now, gates included."""
    found: set[str] = set()
    if not sha256s:
        return found
    holders = (
        RepoObject.objects.filter(visible_to(actor, "repo__"), sha256__in=sha256s, repo__disabled_at__isnull=True)
        .select_related("repo", "repo__namespace")
        .order_by("pk")
    )
    for holder in holders:
        if holder.sha256 in found:
            continue
        try:
            check_files(actor, holder.repo)
        except HubError:
            continue
        found.add(holder.sha256)
    return found


def _link(repo: Repo, actor: Viewer, stored: list[LfsObject]) -> None:
    if not stored:
        return
    with transaction.atomic():
        # One linker of a namespace at a time, so that the quota is checked against what is true (T75).
        Namespace.objects.select_for_update().get(pk=repo.namespace_id)
        present_now = set(
            RepoObject.objects.filter(repo=repo, sha256__in=[item.sha256 for item in stored]).values_list(
                "sha256", flat=True
            )
        )
        fresh = [item for item in stored if item.sha256 not in present_now]
        added_bytes = sum(item.size_bytes for item in fresh)
        check_quota(repo, added_bytes)
        RepoObject.objects.bulk_create(
            RepoObject(repo=repo, sha256=item.sha256, size_bytes=item.size_bytes, added_by_id=actor.user_pk)
            for item in fresh
        )
        Repo.objects.filter(pk=repo.pk).update(storage_bytes=F("storage_bytes") + added_bytes)


def referenced_objects(sha256s: list[str]) -> set[str]:
    """Which objects some repo links, deleted but recoverable repos included; for the storage sweep."""
    return set(RepoObject.objects.filter(sha256__in=sha256s).values_list("sha256", flat=True))
