"""Compare what the rows say with what git and the blob store hold (T191); repair what can be derived.

Reads only, unless ``repair``.  Every finding names repo, path or object, and whether it was repaired.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from django.conf import settings

from hub.core.errors import EntryNotFound, HubError
from hub.repos.content import at_revision, walk_files
from hub.repos.models import LastCommit, Ref, Repo, RepoObject
from hub.repos.services.care import remove_stale_stages
from hub.repos.services.mirror import follow_refs, rebuild_last_commits
from hub.storage import blobs
from hub.storage.blobs import ObjectCorrupt
from hub.storage.git.last_commits import last_commits
from hub.storage.git.maintenance import check_integrity, clear_leftovers
from hub.storage.git.objects import list_refs
from hub.storage.git.refs import BRANCH_PREFIX
from hub.storage.git.repository import open_repository
from hub.storage.lfs.objects import record_object
from hub.storage.models import LfsObject

_BATCH: Final = 500


@dataclass(frozen=True, slots=True)
class Finding:
    """A defect: ``code`` is stable, ``subject`` names the repo or object, ``text`` says what is wrong."""

    code: str
    subject: str
    text: str
    is_repaired: bool = False


def check_all(*, deep: bool = False, repair: bool = False) -> Iterator[Finding]:
    """Yield every defect found; ``deep`` reads all bytes and all history."""
    for repo in Repo.objects.select_related("namespace").order_by("pk").iterator():
        yield from check_repo(repo, deep=deep, repair=repair)
    yield from check_orphans(repair=repair)
    yield from check_blobs(deep=deep, repair=repair)
    if repair:
        remove_stale_stages()


def check_repo(repo: Repo, *, deep: bool = False, repair: bool = False) -> Iterator[Finding]:
    try:
        open_repository(repo.git_path)
    except HubError:
        yield Finding("git_missing", str(repo), "the git repository is gone")
        return
    yield from _check_leftovers(repo, repair)
    yield from _check_refs(repo, repair)
    yield from _check_last_commits(repo, deep, repair)
    yield from _check_pointers(repo)
    yield from _check_links(repo)
    if deep:
        report = check_integrity(repo.git_path)
        yield from (Finding("git_damaged", str(repo), problem) for problem in report.problems)
        if not report.is_sound and not report.problems:
            yield Finding("git_damaged", str(repo), "git fsck failed")


def _check_leftovers(repo: Repo, repair: bool) -> Iterator[Finding]:
    # Only with leave to repair: looking is the same walk as removing.
    if repair:
        for name in clear_leftovers(repo.git_path):
            yield Finding("leftover", str(repo), name, is_repaired=True)


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
        stored = dict(LfsObject.objects.filter(sha256__in=batch).values_list("sha256", "size_bytes"))
        for sha256, size in batch.items():
            if stored.get(sha256) != size:
                yield Finding(
                    "object_unknown", str(repo), f"{sha256}: {size} bytes are linked, {stored.get(sha256)} stored"
                )
            elif not store.exists(sha256):
                yield Finding("object_missing", str(repo), f"{sha256} is not in the blob store")


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


def check_blobs(*, deep: bool = False, repair: bool = False) -> Iterator[Finding]:
    """Objects that the index and the store do not agree on; with ``deep`` every byte is hashed (T184)."""
    store = blobs.get_blob_store()
    indexed = dict(LfsObject.objects.values_list("sha256", "size_bytes"))
    for sha256 in store.iter_sha256():
        if sha256 not in indexed:
            if repair:
                record_object(store.verify(sha256))
            yield Finding("blob_unindexed", sha256, "stored, but not indexed", is_repaired=repair)
    for sha256, size in indexed.items():
        yield from _check_blob(store, sha256, size, deep)


def _check_blob(store: blobs.BlobStore, sha256: str, size: int, deep: bool) -> Iterator[Finding]:
    try:
        stat = store.verify(sha256) if deep else store.stat(sha256)
    except EntryNotFound:
        yield Finding("blob_missing", sha256, _holders(sha256) or "indexed, but not stored")
    except ObjectCorrupt:
        yield Finding("blob_corrupt", sha256, f"the bytes changed and were set aside; {_holders(sha256)}")
    else:
        if stat.size_bytes != size:
            yield Finding("blob_size", sha256, f"{stat.size_bytes} bytes are stored, {size} indexed")


def _holders(sha256: str) -> str:
    rows = RepoObject.objects.select_related("repo", "repo__namespace").filter(sha256=sha256)[:5]
    return "used by " + ", ".join(str(row.repo) for row in rows) if rows else ""
