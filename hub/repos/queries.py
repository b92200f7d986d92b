"""Lookups of repos for pages and API; visibility is part of each query."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from django.db.models import Count, Q, QuerySet, Sum
from django.utils import timezone

from hub.accounts.auth import Viewer
from hub.accounts.models import Namespace
from hub.core.ids import RepoType
from hub.repos.content import Snapshot, at_revision, walk_files
from hub.repos.models import DownloadDay, Ref, Repo, RepoObject
from hub.repos.permissions import visible_to
from hub.storage.git.pointers import find_pointers
from hub.storage.git.refs import BRANCH_PREFIX

#: Further branches and pull requests are not looked into for where a large file is.
MAX_SEARCHED_REFS: Final = 50


@dataclass(frozen=True, slots=True)
class DayOfDownloads:
    """A UTC day: what the card counts, and apart from it the owner's side and robots."""

    day: date
    count: int = 0
    members: int = 0
    robots: int = 0


def downloads_by_day(repo: Repo, days: int, *, today: date | None = None) -> list[DayOfDownloads]:
    """The last ``days`` days, today included, oldest first; days without downloads too."""
    today = today or timezone.now().date()
    first = today - timedelta(days=days - 1)
    rows = DownloadDay.objects.filter(repo=repo, day__gte=first, day__lte=today)
    found = {row[0]: DayOfDownloads(*row) for row in rows.values_list("day", "count", "members", "robots")}
    each = (first + timedelta(days=offset) for offset in range(days))
    return [found.get(day) or DayOfDownloads(day) for day in each]


def all_downloads(repo: Repo) -> list[DayOfDownloads]:
    """Every day on which something was counted, oldest first."""
    rows = DownloadDay.objects.filter(repo=repo).order_by("day").values_list("day", "count", "members", "robots")
    return [DayOfDownloads(*row) for row in rows]


def repos_of(viewer: Viewer, namespace: Namespace, repo_type: RepoType | None = None) -> QuerySet[Repo]:
    """The repos of a namespace that the viewer may see, newest change first."""
    rows = Repo.objects.select_related("namespace").filter(visible_to(viewer), namespace=namespace)
    if repo_type is not None:
        rows = rows.filter(repo_type=repo_type.value)
    return rows.order_by("-updated_at", "-pk")


def own_repos(viewer: Viewer, *, namespace: Namespace | None = None) -> QuerySet[Repo]:
    """The repos of a person, or of a namespace, with what they store (hub-api §6.6); the largest first."""
    owner = namespace or (viewer.user.namespace if viewer.user else None)
    rows = Repo.objects.select_related("namespace").filter(visible_to(viewer), namespace=owner)
    return rows.order_by("-storage_bytes", "-pk") if owner else rows.none()


def deleted_repos(viewer: Viewer, namespace: Namespace) -> list[Repo]:
    """What an administrator of the namespace may still restore, last deleted first. The caller checked the role."""
    rows = Repo.objects.select_related("namespace").filter(namespace=namespace, deleted_at__isnull=False)
    return list(rows.order_by("-deleted_at")[:100])


def is_name_free(namespace: Namespace, repo_type: RepoType, name: str) -> bool:
    """Whether a repo could be created there; for people who may create in this namespace only (T35)."""
    return not Repo.objects.filter(
        namespace=namespace, repo_type=repo_type.value, name_folded=name.lower(), deleted_at__isnull=True
    ).exists()


def storage_used(namespace: Namespace) -> int:
    """Bytes of all repos of a namespace, those included that can still be restored."""
    return Repo.objects.filter(namespace=namespace).aggregate(total=Sum("storage_bytes"))["total"] or 0


def known_refs(repo: Repo) -> list[tuple[str, str]]:
    """(short name, kind) of branches and tags for a picker, from the mirror: no git is opened."""
    names = repo.refs.filter(Q(name__startswith="refs/heads/") | Q(name__startswith="refs/tags/"))
    found = []
    for name in names.order_by("name").values_list("name", flat=True)[:1000]:
        kind = "branch" if name.startswith("refs/heads/") else "tag"
        found.append((name.split("/", 2)[2], kind))
    return found


@dataclass(frozen=True, slots=True)
class LargeFile:
    """A large file that a repo may serve; ``path`` where a commit names it, ``ref`` where it is more than the past."""

    sha256: str
    size_bytes: int
    created_at: datetime
    path: str
    ref: str


@dataclass(frozen=True, slots=True)
class LargeFilePage:
    items: list[LargeFile]
    next_pk: int | None


def list_large_files(repo: Repo, *, before_pk: int | None, limit: int) -> LargeFilePage:
    """Newest first."""
    rows = RepoObject.objects.filter(repo=repo).order_by("-pk")
    if before_pk is not None:
        rows = rows.filter(pk__lt=before_pk)
    found = list(rows[: limit + 1])
    places = _places(repo, {row.sha256 for row in found[:limit]})
    items = [
        LargeFile(row.sha256, row.size_bytes, row.created_at, *places.get(row.sha256, ("", "")))
        for row in found[:limit]
    ]
    return LargeFilePage(items, found[limit - 1].pk if len(found) > limit else None)


def _places(repo: Repo, sha256s: set[str]) -> dict[str, tuple[str, str]]:
    """SHA-256 → (path, ref): the default branch where it names the file, else another ref whose history does."""
    default = f"{BRANCH_PREFIX}{repo.default_branch}"
    heads = dict(Ref.objects.filter(repo=repo).order_by("name").values_list("name", "oid")[:MAX_SEARCHED_REFS])
    found: dict[str, tuple[str, str]] = {}
    if sha256s and repo.head_oid:
        live = _large_paths(at_revision(repo))
        found = {sha256: (live[sha256], default) for sha256 in sha256s if sha256 in live}
    for ref, oid in heads.items():
        left = sha256s - found.keys()
        if not left:
            break
        if ref != default:
            seen = find_pointers(repo.git_path, [oid], without=[repo.head_oid] if repo.head_oid else [])
            found |= {sha256: (seen[sha256], ref) for sha256 in left if sha256 in seen}
    left = sha256s - found.keys()
    if left and repo.head_oid:  # gone from the head, still in its history
        past = find_pointers(repo.git_path, [repo.head_oid])
        found |= {sha256: (past[sha256], "") for sha256 in left if sha256 in past}
    return found


def _large_paths(snapshot: Snapshot) -> dict[str, str]:
    return {entry.lfs.sha256: entry.path for entry in walk_files(snapshot) if entry.lfs is not None}


def count_visible(viewer: Viewer, namespace_id: int) -> dict[RepoType, int]:
    """How many repos of each type a namespace has, as this viewer sees it (T36)."""
    rows = Repo.objects.filter(visible_to(viewer), namespace_id=namespace_id).order_by()
    counted = rows.values("repo_type").annotate(number=Count("pk"))
    return {RepoType(row["repo_type"]): row["number"] for row in counted}
