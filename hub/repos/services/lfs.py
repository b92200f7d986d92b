"""Large files of a repo: uploads into it, leave to serve them (links), quota.

A pointer alone opens nothing.  A repo serves an object only when it is linked (T71), and it is linked only when
this repo received the bytes or the actor may read a repo that serves them (T70).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, Sum

from hub.accounts.auth import Viewer
from hub.accounts.models import Namespace
from hub.core.errors import BadRequest, EntryNotFound, HubError, PayloadTooLarge, Unprocessable
from hub.repos.models import GuestBytes, Repo, RepoObject, UpstreamFile
from hub.repos.permissions import check_files, has_write_role, visible_to
from hub.storage.lfs import objects, transfer
from hub.storage.models import LfsObject, UploadSession, UploadState, XetRegistration
from hub.storage.xet import registry

# Below this, one PUT is simpler than parts; every client can do it.
BASIC_LIMIT_BYTES = transfer.PART_SIZE_BYTES


def repo_key(repo: Repo) -> str:
    """Under which name storage knows the repo."""
    return f"repo:{repo.pk}"


def owner_key(repo: Repo, actor: Viewer | None = None) -> str:
    """Whose quota pays: a namespace."""
    return _owner_key_of(payer_of(repo, actor).pk)


def _owner_key_of(payer_pk: int) -> str:
    return f"namespace:{payer_pk}"


def repo_pk_of(key: str) -> int:
    """The repo behind a ``repo_key``, which a signed token has brought back."""
    return int(key.removeprefix("repo:"))


def payer_pk_of(key: str) -> int:
    """The namespace behind an ``owner_key``, which a signed token has brought back."""
    return int(key.removeprefix("namespace:"))


def payer_of(repo: Repo, actor: Viewer | None) -> Namespace:
    """Whose quota pays for what ``actor`` sends: a stranger's, while it is only in a pull request (T196)."""
    if actor is None or actor.user is None or actor.user.namespace is None or has_write_role(actor, repo):
        return repo.namespace
    return actor.user.namespace


def is_guest(repo: Repo, actor: Viewer) -> bool:
    """True for people who reach the repo by pull requests only."""
    return payer_of(repo, actor).pk != repo.namespace_id


def audience(repo: Repo, viewer: Viewer) -> str:
    """For whom a download URL is made: it goes into the signed part."""
    return f"{repo_key(repo)}:{viewer.user_pk or ''}"


# --- quota -----------------------------------------------------------------------------------------------------------


def stored_bytes(namespace_id: int) -> int:
    """Bytes that a namespace pays for: its repos, deleted but recoverable ones included, and its pull requests."""
    repos = Repo.objects.filter(namespace_id=namespace_id).aggregate(total=Sum("storage_bytes"))["total"] or 0
    large = RepoObject.objects.filter(payer_id=namespace_id).aggregate(total=Sum("size_bytes"))["total"] or 0
    plain = GuestBytes.objects.filter(payer_id=namespace_id).aggregate(total=Sum("size_bytes"))["total"] or 0
    return int(repos + large + plain)


def check_quota(repo: Repo, size_bytes: int, *, actor: Viewer | None = None, reserved_bytes: int = 0) -> None:
    """Raises: PayloadTooLarge when ``size_bytes`` more would exceed the quota of whoever pays."""
    _check_quota_of(payer_of(repo, actor), size_bytes, reserved_bytes)


def _check_quota_of(payer: Namespace, size_bytes: int, reserved_bytes: int) -> None:
    quota = settings.HUB_QUOTA_BYTES
    if quota and stored_bytes(payer.pk) + reserved_bytes + size_bytes > quota:
        raise PayloadTooLarge(
            f"{payer.name} has no room for {size_bytes} more bytes: its storage quota is {quota} bytes. "
            "Delete files or repositories, or ask the operator of this hub for more."
        )


def _reserve(repo: Repo, actor: Viewer | None) -> transfer.Reserve:
    def reserve(size_bytes: int) -> None:
        payer = payer_of(repo, actor)
        _check_quota_of(payer, size_bytes, _held_bytes(payer.pk))

    return reserve


def check_room_of(payer_pk: int, size_bytes: int) -> None:
    """Raises: PayloadTooLarge when a namespace has no room for so much more than it stores and is sending already."""
    _check_quota_of(Namespace.objects.get(pk=payer_pk), size_bytes, _held_bytes(payer_pk))


def room_bytes(repo: Repo, *, actor: Viewer | None = None) -> int:
    """What the quota of whoever pays leaves for uploads; -1 where there is no quota."""
    if not settings.HUB_QUOTA_BYTES:
        return -1
    payer = payer_of(repo, actor)
    return max(0, settings.HUB_QUOTA_BYTES - stored_bytes(payer.pk) - _held_bytes(payer.pk))


def _held_bytes(payer_pk: int) -> int:
    """Bytes on their way, and those that have arrived and wait for their commit."""
    return transfer.reserved_bytes(_owner_key_of(payer_pk)) + _uncommitted_bytes_of(payer_pk)


def uncommitted_bytes(repo: Repo, actor: Viewer | None = None) -> int:
    """Bytes that a namespace has sent and that no commit names: they lie on the disk all the same (T75)."""
    return _uncommitted_bytes_of(payer_of(repo, actor).pk)


def _uncommitted_bytes_of(payer_pk: int) -> int:
    linked = RepoObject.objects.filter(Q(repo__namespace_id=payer_pk, payer__isnull=True) | Q(payer_id=payer_pk))
    key = _owner_key_of(payer_pk)
    kinds = (
        UploadSession.objects.filter(owner_key=key, state=UploadState.COMPLETE),
        XetRegistration.objects.filter(owner_key=key),
    )
    sizes: dict[str, int] = {}
    for sent in kinds:
        sizes |= dict(sent.exclude(sha256__in=linked.values("sha256")).values_list("sha256", "size_bytes"))
    return sum(sizes.values())


# --- uploads ---------------------------------------------------------------------------------------------------------


def is_present(repo: Repo, sha256: str, *, actor: Viewer | None = None) -> bool:
    """True if this repo has the bytes already: they need not be sent again."""
    return bool(present(repo, [sha256], actor=actor))


def present(repo: Repo, sha256s: Iterable[str], *, actor: Viewer | None = None) -> set[str]:
    """Which of many objects this repo has received or serves. What other repos hold plays no part (T69)."""
    wanted = list(sha256s)
    linked = set(RepoObject.objects.filter(repo=repo, sha256__in=wanted).values_list("sha256", flat=True))
    stored = set(objects.find_objects(wanted))
    return (linked | _uploaded(repo, actor, wanted)) & stored


def _uploaded(repo: Repo, actor: Viewer | None, sha256s: list[str]) -> set[str]:
    """What this repo received: from anybody for its writers, from themselves for guests (T70)."""
    own = owner_key(repo, actor) if actor is not None and is_guest(repo, actor) else ""
    key = repo_key(repo)
    return transfer.uploaded_to(key, sha256s, owner_key=own) | registry.sent_to(key, sha256s, owner_key=own)


def begin_upload(
    repo: Repo,
    *,
    sha256: str,
    size_bytes: int,
    in_parts: bool,
    part_size_bytes: int = transfer.PART_SIZE_BYTES,
    actor: Viewer | None = None,
) -> UploadSession:
    """Start or resume the upload of one file, whole or in parts of ``part_size_bytes`` or more.

    ``actor`` says whose quota pays; None: the repo's namespace.

    Raises: Unprocessable (hash or size), PayloadTooLarge (quota), StorageFull.
    """
    if size_bytes > settings.HUB_MAX_FILE_BYTES:
        raise Unprocessable(f"Files over {settings.HUB_MAX_FILE_BYTES} bytes are not accepted by this hub.")
    keys = {"repo_key": repo_key(repo), "owner_key": owner_key(repo, actor)}
    if not in_parts:
        return transfer.begin_basic_upload(sha256=sha256, size_bytes=size_bytes, reserve=_reserve(repo, actor), **keys)
    return transfer.begin_upload(
        sha256=sha256, size_bytes=size_bytes, part_size_bytes=part_size_bytes, reserve=_reserve(repo, actor), **keys
    )


def verify(repo: Repo, *, sha256: str, size_bytes: int, actor: Viewer | None = None) -> LfsObject:
    """Confirm that this repo's upload arrived. Raises: EntryNotFound, Unprocessable."""
    stored = objects.verify_object(sha256, size_bytes=size_bytes)
    if not is_present(repo, sha256, actor=actor):
        raise EntryNotFound
    return stored


def linked_sizes(repo: Repo, sha256s: Iterable[str]) -> dict[str, int]:
    """Which of many objects this repo may serve → their sizes in bytes."""
    rows = RepoObject.objects.filter(repo=repo, sha256__in=list(sha256s))
    return dict(rows.values_list("sha256", "size_bytes"))


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
    allowed = linked | _uploaded(repo, actor, wanted)
    unknown = [sha256 for sha256 in wanted if sha256 not in allowed and sha256 in stored]
    allowed |= _readable_elsewhere(actor, unknown)
    missing = frozenset(sha256 for sha256 in wanted if sha256 not in stored or sha256 not in allowed)
    if not missing:
        _link(repo, actor, [stored[sha256] for sha256 in wanted if sha256 not in linked])
        if not is_guest(repo, actor):
            adopt(repo, wanted)
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
    payer = payer_of(repo, actor)
    with transaction.atomic():
        # One linker of a namespace at a time, so that the quota is checked against what is true (T75).
        Namespace.objects.select_for_update().get(pk=payer.pk)
        present_now = set(
            RepoObject.objects.filter(repo=repo, sha256__in=[item.sha256 for item in stored]).values_list(
                "sha256", flat=True
            )
        )
        fresh = [item for item in stored if item.sha256 not in present_now]
        added_bytes = sum(item.size_bytes for item in fresh)
        check_quota(repo, added_bytes, actor=actor)
        payer_pk = payer.pk if payer.pk != repo.namespace_id else None
        RepoObject.objects.bulk_create(
            RepoObject(
                repo=repo, sha256=item.sha256, size_bytes=item.size_bytes, added_by_id=actor.user_pk, payer_id=payer_pk
            )
            for item in fresh
        )
        if payer_pk is None:
            Repo.objects.filter(pk=repo.pk).update(storage_bytes=F("storage_bytes") + added_bytes)


def adopt(repo: Repo, sha256s: Iterable[str], *, plain_ref: str = "") -> None:
    """Take over what a stranger's pull request paid for: its large files, and the plain ones of ``plain_ref``.

    Raises: PayloadTooLarge when the repo's namespace has no room for them.
    """
    wanted = list(sha256s)
    if not wanted and not plain_ref:
        return
    with transaction.atomic():
        Namespace.objects.select_for_update().get(pk=repo.namespace_id)
        guests = RepoObject.objects.filter(repo=repo, sha256__in=wanted, payer__isnull=False)
        plain = GuestBytes.objects.filter(repo=repo, ref=plain_ref)
        sizes = [*guests.values_list("size_bytes", flat=True), *plain.values_list("size_bytes", flat=True)]
        if not sizes:
            return
        check_quota(repo, sum(sizes))
        guests.update(payer=None)
        plain.delete()
        Repo.objects.filter(pk=repo.pk).update(storage_bytes=F("storage_bytes") + sum(sizes))


def add_plain_bytes(repo: Repo, actor: Viewer, ref: str, size_bytes: int) -> None:
    """Count the plain files of a commit for whoever pays for them."""
    payer = payer_of(repo, actor)
    if payer.pk == repo.namespace_id:
        Repo.objects.filter(pk=repo.pk).update(storage_bytes=F("storage_bytes") + size_bytes)
        return
    with transaction.atomic():
        GuestBytes.objects.get_or_create(repo=repo, ref=ref, payer=payer)
        GuestBytes.objects.filter(repo=repo, ref=ref, payer=payer).update(size_bytes=F("size_bytes") + size_bytes)


def referenced_objects(sha256s: list[str]) -> set[str]:
    """Which objects some repo links, deleted but recoverable repos included; for the storage sweep."""
    linked = set(RepoObject.objects.filter(sha256__in=sha256s).values_list("sha256", flat=True))
    kept = UpstreamFile.objects.filter(stored_sha256__in=sha256s).values_list("stored_sha256", flat=True)
    return linked | set(kept)
