"""What a repo holds at a commit: tree, files, history.  Reads only; rights were checked by the caller.

at_revision(repo, "main") > Snapshot > list_tree, get_entry, read_head, iterate_file, list_commits, …
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import pygit2

from hub.accounts.auth import Viewer
from hub.core.errors import EntryNotFound, PayloadTooLarge, RevisionNotFound
from hub.repos.models import LastCommit, Repo, RepoObject
from hub.storage.git import diffs, objects
from hub.storage.git.diffs import TreeDiff
from hub.storage.git.objects import CommitInfo, EntryType, RefList, TreeEntry, TreePage
from hub.storage.git.repository import open_repository
from hub.storage.lfs.objects import iter_object, read_object

# A listing that would look at more entries is cut or refused (T65).
NODE_BUDGET: Final = 200_000
_LAST_SECOND: Final = 253_402_214_400  # 9999-12-31, a day short of what dates can hold: time zones still fit
MAX_HEAD_BYTES: Final = 64 * 1024 * 1024

ReadRange = Callable[[str, int, int], bytes]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A repo at one commit; ``revision`` is what the caller typed."""

    repo: Repo
    revision: str
    oid: str

    @property
    def git(self) -> pygit2.Repository:
        return open_repository(self.repo.git_path)


@dataclass(frozen=True, slots=True)
class LastChange:
    """The commit that last touched a path."""

    oid: str
    title: str
    date: datetime


# --- revisions -------------------------------------------------------------------------------------------------------


def at_revision(repo: Repo, revision: str = "", *, viewer: Viewer | None = None) -> Snapshot:
    """Resolve ``revision`` (empty: the default branch).

    A worker's token sees the one commit it was made for, and no other revision exists for it.

    Raises: RevisionNotFound
    """
    name = revision or repo.default_branch
    try:
        oid = objects.resolve_revision(open_repository(repo.git_path), name)
    except RevisionNotFound as error:
        raise RevisionNotFound(f"Invalid rev id: {name[:200]}") from error
    if viewer is not None and viewer.service is not None and viewer.service.commit_oid != oid:
        raise RevisionNotFound(f"Invalid rev id: {name[:200]}")
    return Snapshot(repo, name, oid)


def at_revision_and_path(repo: Repo, rest: str, *, viewer: Viewer | None = None) -> tuple[Snapshot, str]:
    """Split ``{revision}/{path}`` of a URL (hub-api §1.3) and resolve it. Raises: RevisionNotFound."""
    revision, path = objects.split_revision_and_path(open_repository(repo.git_path), rest)
    return at_revision(repo, revision, viewer=viewer), path


def list_refs(repo: Repo) -> RefList:
    return objects.list_refs(open_repository(repo.git_path))


# --- trees -----------------------------------------------------------------------------------------------------------


def list_tree(
    snapshot: Snapshot, path: str = "", *, recursive: bool = False, cursor: str | None = None, limit: int = 1000
) -> TreePage:
    """One page of a folder. Raises: EntryNotFound, BadRequest (cursor)."""
    with _naming_commit(snapshot):
        return objects.list_tree(snapshot.git, snapshot.oid, path, recursive=recursive, cursor=cursor, limit=limit)


def get_entry(snapshot: Snapshot, path: str) -> TreeEntry:
    """Raises: EntryNotFound, whose ``data["commit_oid"]`` lets clients remember the absence."""
    with _naming_commit(snapshot):
        return objects.get_entry(snapshot.git, snapshot.oid, path)


def get_file(snapshot: Snapshot, path: str) -> TreeEntry:
    """The file (or link) at ``path``. Raises: EntryNotFound, for folders too."""
    entry = get_entry(snapshot, path)
    if entry.type in (EntryType.DIRECTORY, EntryType.SUBMODULE):
        raise EntryNotFound(commit_oid=snapshot.oid)
    return entry


def get_paths(snapshot: Snapshot, paths: Iterable[str]) -> list[TreeEntry]:
    """The entries of those ``paths`` that exist."""
    return objects.get_paths(snapshot.git, snapshot.oid, paths)


def tree_size(snapshot: Snapshot, path: str = "") -> int:
    """Bytes of all files of a folder. Raises: EntryNotFound, PayloadTooLarge (too many entries)."""
    if path:
        get_entry(snapshot, path)
    return sum(entry.size for entry in walk_files(snapshot, path=path))


def walk_files(snapshot: Snapshot, *, path: str = "", budget: int = NODE_BUDGET) -> Iterator[TreeEntry]:
    """Yield all files at the commit, or below ``path``, depth first. Raises: PayloadTooLarge past ``budget``."""
    cursor: str | None = None
    seen = 0
    while True:
        page = objects.list_tree(
            snapshot.git, snapshot.oid, path, recursive=True, cursor=cursor, limit=objects.MAX_PAGE
        )
        seen += len(page.entries)
        if seen > budget:
            raise PayloadTooLarge(f"This repository has more than {budget} files and folders.")
        yield from (entry for entry in page.entries if entry.type in (EntryType.FILE, EntryType.SYMLINK))
        cursor = page.next_cursor
        if cursor is None:
            return


def has_recorded_changes(snapshot: Snapshot) -> bool:
    """Whether the last commits of this snapshot's entries are known without a walk through history."""
    return _branch_at(snapshot) is not None


def last_changes(snapshot: Snapshot, entries: Iterable[TreeEntry]) -> dict[str, LastChange]:
    """The last commit of each entry by path.

    Heads of branches are answered by the table; other commits by walking history for the entries asked.
    """
    entries = list(entries)
    ref = _branch_at(snapshot)
    found = _recorded_changes(snapshot.repo, ref, entries) if ref else {}
    for entry in entries:
        if entry.path not in found:
            change = _walked_change(snapshot, entry.path)
            if change is not None:
                found[entry.path] = change
    return found


def _branch_at(snapshot: Snapshot) -> str | None:
    """A branch whose mirrored head is this commit."""
    rows = snapshot.repo.refs.filter(oid=snapshot.oid, name__startswith="refs/heads/").values_list("name", flat=True)
    return rows.first()


def _recorded_changes(repo: Repo, ref: str, entries: list[TreeEntry]) -> dict[str, LastChange]:
    by_parent: dict[str, list[str]] = {}
    for entry in entries:
        parent, _, name = entry.path.rpartition("/")
        by_parent.setdefault(parent, []).append(name)
    found = {}
    for parent, names in by_parent.items():
        for start in range(0, len(names), 500):
            rows = LastCommit.objects.filter(
                repo=repo, ref=ref, parent_path=parent, name__in=names[start : start + 500]
            ).values_list("name", "oid", "title", "committed_at")
            for name, oid, title, date in rows:
                found[f"{parent}/{name}" if parent else name] = LastChange(oid, title, date)
    return found


def _walked_change(snapshot: Snapshot, path: str) -> LastChange | None:
    commits = objects.list_commits(snapshot.git, snapshot.oid, limit=1, path=path)
    return change_of(commits[0]) if commits else None


def change_of(commit: CommitInfo) -> LastChange:
    return LastChange(commit.oid, commit.title, commit_date(commit))


def commit_date(commit: CommitInfo) -> datetime:
    """When it was made, as its author claims: git takes any number, a calendar does not (T52)."""
    return datetime.fromtimestamp(min(max(commit.committer.time_s, 0), _LAST_SECOND), UTC)


# --- file contents ---------------------------------------------------------------------------------------------------


def has_content(repo: Repo, entry: TreeEntry) -> bool:
    """True unless the file is a pointer to a large file that this repo may not serve (T70, T71)."""
    return entry.lfs is None or RepoObject.objects.filter(repo=repo, sha256=entry.lfs.sha256).exists()


def read_range(snapshot: Snapshot, entry: TreeEntry, start: int, stop: int) -> bytes:
    """Bytes ``start`` to ``stop`` of a file, from git or the blob store, in memory.

    Raises: PayloadTooLarge above ``MAX_HEAD_BYTES``; EntryNotFound when a large file is not this repo's.
    """
    stop = min(stop, entry.size)
    if stop - start > MAX_HEAD_BYTES:
        raise PayloadTooLarge
    if stop <= start:
        return b""
    if entry.lfs is not None:
        if not has_content(snapshot.repo, entry):
            raise EntryNotFound(commit_oid=snapshot.oid)
        return read_object(entry.lfs.sha256, start=start, stop=stop)
    return _read_blob_range(snapshot.git, entry.oid, start, stop)


def _read_blob_range(git: pygit2.Repository, oid: str, start: int, stop: int) -> bytes:
    buffer = bytearray()
    position = 0
    for chunk in objects.iterate_blob(git, oid):
        begin, end = max(start - position, 0), min(stop - position, len(chunk))
        if end > begin:
            buffer += chunk[begin:end]
        position += len(chunk)
        if position >= stop:
            break
    return bytes(buffer)


def read_head(snapshot: Snapshot, entry: TreeEntry, max_bytes: int) -> bytes:
    """The first bytes of a file, for views that show the beginning."""
    return read_range(snapshot, entry, 0, max_bytes)


def read_text(snapshot: Snapshot, path: str, max_bytes: int) -> str | None:
    """A small text file; None when it is missing or larger. Bytes that are no UTF-8 are replaced."""
    try:
        entry = get_file(snapshot, path)
    except EntryNotFound:
        return None
    if entry.size > max_bytes or not has_content(snapshot.repo, entry):
        return None
    return read_range(snapshot, entry, 0, entry.size).decode("utf-8", "replace")


def iterate_file(snapshot: Snapshot, entry: TreeEntry, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
    """Yield a range of a file in blocks. Raises: EntryNotFound when a large file is not this repo's."""
    end = entry.size if stop is None else min(stop, entry.size)
    if entry.lfs is not None:
        if not has_content(snapshot.repo, entry):
            raise EntryNotFound(commit_oid=snapshot.oid)
        return iter_object(entry.lfs.sha256, start=start, stop=end)
    return _iterate_blob(snapshot.git, entry.oid, start, end)


def _iterate_blob(git: pygit2.Repository, oid: str, start: int, stop: int) -> Iterator[bytes]:
    position = 0
    for chunk in objects.iterate_blob(git, oid):
        begin, end = max(start - position, 0), min(stop - position, len(chunk))
        if end > begin:
            yield chunk[begin:end]
        position += len(chunk)
        if position >= stop:
            return


def read_files(repo: Repo, commit_oid: str) -> tuple[Mapping[str, int], ReadRange]:
    """Files by path with their sizes in bytes, and a function ``(path, offset, length) → bytes``.

    For readers that look into files without loading them (inspection, facts). Links count as text.
    """
    snapshot = at_revision(repo, commit_oid)
    entries = {entry.path: entry for entry in walk_files(snapshot) if entry.type is EntryType.FILE}

    def read(path: str, offset: int, length: int) -> bytes:
        if path not in entries:
            raise EntryNotFound(commit_oid=snapshot.oid)
        return read_range(snapshot, entries[path], offset, offset + length)

    return {path: entry.size for path, entry in entries.items()}, read


# --- history ---------------------------------------------------------------------------------------------------------


def list_commits(snapshot: Snapshot, *, offset: int = 0, limit: int = 100, path: str = "") -> list[CommitInfo]:
    """Commits reachable from the snapshot, newest first; with ``path`` those that changed it."""
    return objects.list_commits(snapshot.git, snapshot.oid, offset=offset, limit=limit, path=path or None)


def count_commits(snapshot: Snapshot) -> int:
    return objects.count_commits(snapshot.git, snapshot.oid)


def get_commit(snapshot: Snapshot) -> CommitInfo:
    return objects.get_commit(snapshot.git, snapshot.oid)


def diff_to_parent(snapshot: Snapshot, *, max_files: int = 100, max_lines: int = 5000) -> TreeDiff:
    """What the commit changed against its first parent."""
    parents = get_commit(snapshot).parents
    return diffs.diff_commits(
        snapshot.git, parents[0] if parents else None, snapshot.oid, max_files=max_files, max_lines=max_lines
    )


def diff(base: Snapshot, head: Snapshot, *, max_files: int = 100, max_lines: int = 5000) -> TreeDiff:
    return diffs.diff_commits(head.git, base.oid, head.oid, max_files=max_files, max_lines=max_lines)


class _naming_commit:  # noqa: N801 -- used as a context manager
    """Add the commit to an EntryNotFound that passes, so that clients may cache the absence (hub-api §16.4)."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._oid = snapshot.oid

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, EntryNotFound):
            error.data.setdefault("commit_oid", self._oid)
