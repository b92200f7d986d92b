"""Compare what the rows say with what git and the stores hold (T191); repair what can be derived.

    repos (git, refs, last commits, links, size) → orphans → large files → recipes → xorbs

Reads only, unless ``repair``.  Every finding names repo, path or object, and whether it was repaired.  A check that was
cut goes on from its last bookmark.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import pygit2
from django.conf import settings

from hub.core.errors import HubError
from hub.repos.content import at_revision, walk_files
from hub.repos.models import LastCommit, Ref, Repo, RepoObject
from hub.repos.services import fsck_stores, fsck_xet
from hub.repos.services.care import remove_stale_stages
from hub.repos.services.counters import measure_storage, recount_storage
from hub.repos.services.findings import Finding, holders_of, places_of
from hub.repos.services.fsck_stores import Step
from hub.repos.services.mirror import follow_refs, rebuild_last_commits
from hub.storage import blobs
from hub.storage.git.last_commits import last_commits
from hub.storage.git.maintenance import check_integrity, clear_leftovers, find_leftovers
from hub.storage.git.objects import list_refs
from hub.storage.git.refs import BRANCH_PREFIX
from hub.storage.git.repository import open_repository
from hub.storage.models import LfsObject

__all__ = ["Bookmark", "Finding", "check_all", "check_repo"]

_BATCH: Final = 500
# Between two measurements a repo's size is kept by adding what commits bring, before git packs it.
_SLACK_BYTES: Final = 64 * 1024**2
_MAX_PACKING: Final = 20


@dataclass(frozen=True, slots=True)
class Bookmark:
    """How far a check has come: everything up to ``key`` of ``phase`` is done."""

    phase: str
    key: str = ""


def check_all(
    *,
    deep: bool = False,
    repair: bool = False,
    after: Bookmark | None = None,
    on_step: Callable[[Bookmark], None] = lambda bookmark: None,
) -> Iterator[Finding]:
    """Yield every defect found; ``deep`` reads all bytes and all history.

    ``on_step`` is told after each repo and object, when its findings have been taken; ``after`` is such a bookmark.
    """
    phases: dict[str, Callable[[str], Iterator[Step]]] = {
        "repos": partial(_repo_steps, deep=deep, repair=repair),
        "orphans": partial(_orphan_steps, repair=repair),
        "stored": partial(fsck_stores.stored_steps, repair=repair),
        "objects": partial(fsck_stores.object_steps, deep=deep),
        "recipes": fsck_stores.recipe_steps,
        "terms": fsck_xet.term_steps,
        "mappings": partial(fsck_xet.mapping_steps, repair=repair),
        "stored_xorbs": partial(fsck_stores.stored_xorb_steps, repair=repair),
        "xorbs": partial(fsck_stores.xorb_steps, deep=deep),
    }
    names = list(phases)
    first = names.index(after.phase) if after else 0
    for name in names[first:]:
        start = after.key if after and name == after.phase else ""
        for key, findings in phases[name](start):
            yield from findings
            on_step(Bookmark(name, key))
    if repair:
        remove_stale_stages()


def _repo_steps(after: str, *, deep: bool, repair: bool) -> Iterator[Step]:
    repos = Repo.objects.select_related("namespace").filter(pk__gt=int(after or 0)).order_by("pk")
    for repo in repos.iterator(chunk_size=_BATCH):
        yield str(repo.pk), list(check_repo(repo, deep=deep, repair=repair))


def _orphan_steps(after: str, *, repair: bool) -> Iterator[Step]:
    if not after:
        yield "done", list(check_orphans(repair=repair))


def check_repo(repo: Repo, *, deep: bool = False, repair: bool = False) -> Iterator[Finding]:
    try:
        open_repository(repo.git_path)
    except HubError:
        yield Finding("git_missing", str(repo), "the git repository is gone")
        return
    yield from _check_leftovers(repo, repair)
    if deep:
        yield from _check_git(repo)
    try:
        yield from _check_refs(repo, repair)
        yield from _check_last_commits(repo, deep, repair)
        yield from _check_pointers(repo)
    except (HubError, KeyError, ValueError, pygit2.GitError) as error:
        # A damaged object stops what follows in this repo, and nothing in the others.
        text = places_of(repo, [str(error)]) or str(error)[:300]
        yield Finding("git_unreadable", str(repo), text)
    yield from _check_links(repo)
    yield from _check_size(repo, repair)


def _check_git(repo: Repo) -> Iterator[Finding]:
    report = check_integrity(repo.git_path)
    place = places_of(repo, report.problems)
    for problem in report.problems:
        yield Finding("git_damaged", str(repo), f"{problem} ({place})" if place else problem)
    if not report.is_sound and not report.problems:
        yield Finding("git_damaged", str(repo), "git fsck failed")


def _check_leftovers(repo: Repo, repair: bool) -> Iterator[Finding]:
    """Stale lock files, which block every push, and quarantines of killed pushes (T161)."""
    for name in clear_leftovers(repo.git_path) if repair else find_leftovers(repo.git_path):
        yield Finding("leftover", str(repo), name, is_repaired=repair)


def _check_size(repo: Repo, repair: bool) -> Iterator[Finding]:
    """What the quota counts for the repo, against what it holds (T191)."""
    measured = measure_storage(repo)
    lowest = measured.large_bytes + measured.git_bytes // 2 - _SLACK_BYTES
    highest = measured.large_bytes + measured.git_bytes * _MAX_PACKING + _SLACK_BYTES
    if max(measured.large_bytes, lowest) <= repo.storage_bytes <= highest:
        return
    if repair:
        recount_storage(repo)
    total = measured.large_bytes + measured.git_bytes
    text = f"the quota counts {repo.storage_bytes} bytes, {total} are held"
    yield Finding("size_differs", str(repo), text, is_repaired=repair)


def _check_refs(repo: Repo, repair: bool) -> Iterator[Finding]:
    found = list_refs(open_repository(repo.git_path))
    kinds = (found.branches, found.tags, found.converts, found.pull_requests)
    in_git = {ref.ref: ref.target_commit for kind in kinds for ref in kind}
    in_rows = dict(Ref.objects.filter(repo=repo).values_list("name", "oid"))
    wrong = [name for name in {**in_git, **in_rows} if in_git.get(name) != in_rows.get(name)]
    head = in_git.get(BRANCH_PREFIX + repo.default_branch, "")
    if repair and wrong:
        follow_refs(repo.pk)
        repo.refresh_from_db()
    for name in wrong:
        text = f"{name}: git has {in_git.get(name, 'nothing')}, the row {in_rows.get(name, 'nothing')}"
        yield Finding("ref_differs", str(repo), text, is_repaired=repair)
    if repo.head_oid != head:
        if repair:
            Repo.objects.filter(pk=repo.pk).update(head_oid=head)
        yield Finding("head_differs", str(repo), f"head is {head}, the row says {repo.head_oid}", is_repaired=repair)


def _check_last_commits(repo: Repo, deep: bool, repair: bool) -> Iterator[Finding]:
    """The root folder of each branch always; all paths of its history when ``deep``."""
    git = open_repository(repo.git_path)
    for branch in list_refs(git).branches:
        rows = LastCommit.objects.filter(repo=repo, ref=branch.ref)
        if deep:
            wanted = last_commits(git, branch.target_commit).by_path
            recorded = {
                f"{parent}/{name}" if parent else name: oid
                for parent, name, oid in rows.values_list("parent_path", "name", "oid").iterator()
            }
            is_wrong = wanted != recorded
        else:
            tree = git[branch.target_commit].tree
            is_wrong = {entry.name for entry in tree} != set(rows.filter(parent_path="").values_list("name", flat=True))
        if is_wrong:
            if repair:
                rebuild_last_commits(repo, branch.ref, branch.target_commit)
            yield Finding("last_commits_differ", str(repo), branch.ref, is_repaired=repair)


def _check_pointers(repo: Repo) -> Iterator[Finding]:
    """Large files at the head that the repo may not serve."""
    try:
        snapshot = at_revision(repo)
        entries = [entry for entry in walk_files(snapshot) if entry.lfs is not None]
    except HubError as error:
        yield Finding("head_unreadable", str(repo), error.message)
        return
    linked = set(RepoObject.objects.filter(repo=repo).values_list("sha256", flat=True))
    for entry in entries:
        if entry.lfs is not None and entry.lfs.sha256 not in linked:
            yield Finding("pointer_unlinked", str(repo), f"{entry.path} at {snapshot.oid} names {entry.lfs.sha256}")


def _check_links(repo: Repo) -> Iterator[Finding]:
    store = blobs.get_blob_store()
    rows = list(RepoObject.objects.filter(repo=repo).values_list("sha256", "size_bytes"))
    for start in range(0, len(rows), _BATCH):
        batch = dict(rows[start : start + _BATCH])
        stored = {found.sha256: found for found in LfsObject.objects.filter(sha256__in=batch)}
        for sha256, size in batch.items():
            found = stored.get(sha256)
            if found is None or found.size_bytes != size:
                there = found.size_bytes if found else None
                yield Finding("object_unknown", str(repo), f"{sha256}: {size} bytes are linked, {there} stored")
            elif found.is_whole and not store.exists(sha256):
                text = f"{sha256} is not in the blob store; {holders_of(sha256, size)}"
                yield Finding("object_missing", str(repo), text)


def check_orphans(*, repair: bool = False) -> Iterator[Finding]:
    """Git repositories without a row: creations or purges that a crash cut (T163)."""
    known = set(Repo.objects.values_list("pk", flat=True))
    for path in sorted((Path(settings.HUB_DATA_DIR) / "git").glob("[0-9a-f][0-9a-f]/*.git")):
        if path.stem.isdigit() and int(path.stem) in known:
            continue
        # A row that is being made right now is not visible yet: look again before anything is removed.
        if path.stem.isdigit() and Repo.objects.filter(pk=int(path.stem)).exists():
            continue
        if repair:
            shutil.rmtree(path, ignore_errors=True)
        yield Finding("git_orphan", path.name, "a git repository without a row", is_repaired=repair)
