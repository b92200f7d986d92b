"""What a repo, or all repos of a namespace, take, and what deleting large files would free.

One module for the pages and the quota: its sums are those that ``hub.repos.services.lfs`` checks uploads against.
Large files count once for each repo, at their full size; what chunks they share is said beside it.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from django.conf import settings
from django.core.cache import cache
from django.db.models import Count, Q, Sum

from hub.accounts.auth import Viewer
from hub.accounts.models import Namespace
from hub.core.errors import RevisionNotFound, ServiceUnavailable
from hub.core.ids import is_sha256
from hub.repos.content import at_revision, walk_files
from hub.repos.models import Ref, Repo, RepoObject
from hub.repos.permissions import visible_to
from hub.repos.services import lfs
from hub.storage.git.pointers import find_pointers
from hub.storage.git.refs import PULL_PREFIX
from hub.storage.lfs import transfer
from hub.storage.models import UploadSession, UploadState, XetRegistration
from hub.storage.usage import disk_bytes, load_stored

#: More large files than this are counted and listed, but their shared chunks are not measured.
MAX_MEASURED: Final = 2_000
MAX_SELECTED: Final = 1_000
_PLACES_KEPT_S: Final = 3600


class Place(StrEnum):
    """The best place that names a large file."""

    LIVE = "live"  # the head of the default branch
    HISTORY = "history"  # other branches, tags, older commits
    PULL = "pull"  # pull requests alone
    UNUSED = "unused"  # linked, and named by no commit


@dataclass(frozen=True, slots=True)
class LargeFile:
    """A large file of a repo; ``path`` is one that it has where it is found."""

    pk: int
    sha256: str
    size_bytes: int
    place: Place | None  # None where the history is too long to be looked through
    path: str
    is_guests: bool  # a stranger's quota pays, by a pull request


@dataclass(frozen=True, slots=True)
class RepoUsage:
    """Bytes of a repo.  ``counted_bytes`` = large files of its own + ``git_bytes``: what the quota counts for it.

    ``by_place`` holds the large files' bytes that count for the repo; None where the history is too long.
    ``logical_bytes`` and ``disk_bytes`` compare all large files with what they take; None where there are too many.
    """

    counted_bytes: int
    large_bytes: int
    large_count: int
    git_bytes: int
    by_place: Mapping[Place, int] | None
    guest_bytes: int
    uncommitted_bytes: int
    logical_bytes: int
    disk_bytes: int | None


@dataclass(frozen=True, slots=True)
class Preview:
    """What deleting these files would free: of the quota at once, on the disk after the grace of deleted content."""

    files: tuple[LargeFile, ...]
    quota_bytes: int
    disk_bytes: int | None
    live_paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NamespaceUsage:
    """What the quota check of a namespace looks at; ``quota_bytes`` 0 is no limit."""

    stored_bytes: int
    uploading_bytes: int
    uncommitted_bytes: int
    quota_bytes: int
    deleted_bytes: int  # within ``stored_bytes``: repos that can still be restored
    guest_bytes: int  # within ``stored_bytes``: pull requests to others' repos

    @property
    def counted_bytes(self) -> int:
        return self.stored_bytes + self.uploading_bytes + self.uncommitted_bytes


# --- a repo ----------------------------------------------------------------------------------------------------------


def repo_usage(repo: Repo) -> RepoUsage:
    """The numbers of the storage page. The caller has checked the right to see them."""
    repo.refresh_from_db(fields=["storage_bytes"])
    links = RepoObject.objects.filter(repo=repo)
    sums = links.aggregate(
        own=Sum("size_bytes", filter=Q(payer__isnull=True)), guests=Sum("size_bytes", filter=Q(payer__isnull=False))
    )
    own_bytes, guest_bytes = sums["own"] or 0, sums["guests"] or 0
    count = links.count()
    return RepoUsage(
        counted_bytes=repo.storage_bytes,
        large_bytes=own_bytes,
        large_count=count,
        git_bytes=max(repo.storage_bytes - own_bytes, 0),
        by_place=_bytes_by_place(repo),
        guest_bytes=guest_bytes,
        uncommitted_bytes=_uncommitted_of(repo),
        logical_bytes=own_bytes + guest_bytes,
        disk_bytes=_disk_bytes_of(links.values_list("sha256", flat=True)) if count <= MAX_MEASURED else None,
    )


def _uncommitted_of(repo: Repo) -> int:
    """Bytes that this repo was sent, or is being sent, and that it does not link."""
    linked = RepoObject.objects.filter(repo=repo).values("sha256")
    key = lfs.repo_key(repo)
    sizes: dict[str, int] = {}
    for sent in (
        UploadSession.objects.filter(repo_key=key).exclude(state=UploadState.ABORTED),
        XetRegistration.objects.filter(repo_key=key),
    ):
        sizes |= dict(sent.exclude(sha256__in=linked).values_list("sha256", "size_bytes"))
    return sum(sizes.values())


def _disk_bytes_of(sha256s: Iterable[str]) -> int:
    return disk_bytes(load_stored(sha256s))


def _bytes_by_place(repo: Repo) -> dict[Place, int] | None:
    try:
        places = places_of(repo)
    except ServiceUnavailable:
        return None
    found = dict.fromkeys(Place, 0)
    for sha256, size in RepoObject.objects.filter(repo=repo, payer__isnull=True).values_list("sha256", "size_bytes"):
        found[_place(places, sha256)[0]] += size
    return found


def places_of(repo: Repo) -> dict[str, tuple[Place, str]]:
    """SHA-256 → best place and a path there, for all large files that commits name; kept while no ref moves.

    Raises: ServiceUnavailable when the history is too long.
    """
    refs = sorted(Ref.objects.filter(repo=repo).values_list("name", "oid"))
    key = f"places:{repo.pk}:{hashlib.sha256(repr(refs).encode()).hexdigest()}"
    found = _recall(key)
    if found is None:
        found = _find_places(repo, refs)
        _remember(key, found)
    return found


def _recall(key: str) -> dict[str, tuple[Place, str]] | None:
    try:
        kept: dict[str, tuple[str, str]] | None = cache.get(key)
    except Exception:  # any failure of the cache: look again
        return None
    return None if kept is None else {sha256: (Place(place), path) for sha256, (place, path) in kept.items()}


def _remember(key: str, found: Mapping[str, tuple[Place, str]]) -> None:
    with contextlib.suppress(Exception):  # as above
        cache.set(key, {sha256: (str(place), path) for sha256, (place, path) in found.items()}, _PLACES_KEPT_S)


def _find_places(repo: Repo, refs: Sequence[tuple[str, str]]) -> dict[str, tuple[Place, str]]:
    own = [oid for name, oid in refs if not name.startswith(PULL_PREFIX)]
    pulls = [oid for name, oid in refs if name.startswith(PULL_PREFIX)]
    found = {sha256: (Place.PULL, path) for sha256, path in find_pointers(repo.git_path, pulls, without=own).items()}
    found |= {sha256: (Place.HISTORY, path) for sha256, path in find_pointers(repo.git_path, own).items()}
    with contextlib.suppress(RevisionNotFound):  # no commit yet
        entries = walk_files(at_revision(repo))
        found |= {entry.lfs.sha256: (Place.LIVE, entry.path) for entry in entries if entry.lfs is not None}
    return found


def _place(places: Mapping[str, tuple[Place, str]], sha256: str) -> tuple[Place, str]:
    return places.get(sha256, (Place.UNUSED, ""))


def list_large_files(repo: Repo, *, after: tuple[int, int] | None = None, limit: int = 50) -> list[LargeFile]:
    """Large files, the largest first, from behind ``after`` (size, pk); ``limit + 1`` where there are more."""
    rows = RepoObject.objects.filter(repo=repo)
    if after is not None:
        size, pk = after
        rows = rows.filter(Q(size_bytes__lt=size) | Q(size_bytes=size, pk__lt=pk))
    return _large_files(repo, list(rows.order_by("-size_bytes", "-pk")[: limit + 1]))


def _large_files(repo: Repo, rows: Sequence[RepoObject]) -> list[LargeFile]:
    places: Mapping[str, tuple[Place, str]] | None
    try:
        places = places_of(repo) if rows else {}
    except ServiceUnavailable:
        places = None
    files = []
    for row in rows:
        place, path = (None, "") if places is None else _place(places, row.sha256)
        files.append(LargeFile(row.pk, row.sha256, row.size_bytes, place, path, row.payer_id is not None))
    return files


# --- a preview -------------------------------------------------------------------------------------------------------


def preview_delete(repo: Repo, sha256s: Iterable[str]) -> Preview:
    """What deleting these large files from the repo and its history would free; unknown ones are left out."""
    wanted = [sha256 for sha256 in dict.fromkeys(sha256s) if is_sha256(sha256)][:MAX_SELECTED]
    rows = RepoObject.objects.filter(repo=repo, sha256__in=wanted).order_by("-size_bytes", "-pk")
    files = tuple(_large_files(repo, list(rows)))
    return Preview(
        files=files,
        quota_bytes=sum(file.size_bytes for file in files if not file.is_guests),
        disk_bytes=_freed_on_disk(repo, {file.sha256 for file in files}),
        live_paths=tuple(file.path for file in files if file.place is Place.LIVE),
    )


def history_only(repo: Repo) -> list[str]:
    """Large files that only older commits, other branches or tags name, largest first. Raises: ServiceUnavailable."""
    places = places_of(repo)
    rows = RepoObject.objects.filter(repo=repo).order_by("-size_bytes", "-pk").values_list("sha256", flat=True)
    return [sha256 for sha256 in rows if _place(places, sha256)[0] is Place.HISTORY][:MAX_SELECTED]


def _freed_on_disk(repo: Repo, chosen: set[str]) -> int | None:
    """Bytes that no file of this repo would use any more. What other repos hold is not told (T69)."""
    links = RepoObject.objects.filter(repo=repo)
    if links.count() > MAX_MEASURED:
        return None
    stored = load_stored(links.values_list("sha256", flat=True))
    return disk_bytes(stored) - disk_bytes(file for file in stored if file.sha256 not in chosen)


# --- a namespace -----------------------------------------------------------------------------------------------------


def namespace_usage(namespace: Namespace) -> NamespaceUsage:
    """The very numbers that an upload's reservation is checked against."""
    deleted = Repo.objects.filter(namespace=namespace, deleted_at__isnull=False)
    own = Repo.objects.filter(namespace=namespace).aggregate(total=Sum("storage_bytes"))["total"] or 0
    stored = lfs.stored_bytes(namespace.pk)
    return NamespaceUsage(
        stored_bytes=stored,
        uploading_bytes=transfer.reserved_bytes(lfs.owner_key(Repo(namespace=namespace))),
        uncommitted_bytes=lfs.uncommitted_bytes(Repo(namespace=namespace)),
        quota_bytes=settings.HUB_QUOTA_BYTES,
        deleted_bytes=deleted.aggregate(total=Sum("storage_bytes"))["total"] or 0,
        guest_bytes=stored - own,
    )


@dataclass(frozen=True, slots=True)
class RepoShare:
    """A repo of a namespace and how much of the quota it takes."""

    repo: Repo
    large_count: int


def list_repo_shares(
    viewer: Viewer, namespace: Namespace, *, after: tuple[int, int] | None = None, limit: int = 50
) -> list[RepoShare]:
    """The namespace's repos that the viewer may see, the largest first; ``limit + 1`` where there are more."""
    rows = Repo.objects.select_related("namespace").filter(visible_to(viewer), namespace=namespace)
    if after is not None:
        size, pk = after
        rows = rows.filter(Q(storage_bytes__lt=size) | Q(storage_bytes=size, pk__lt=pk))
    rows = rows.annotate(large_count=Count("objects_linked")).order_by("-storage_bytes", "-pk")
    return [RepoShare(repo, repo.large_count) for repo in rows[: limit + 1]]
