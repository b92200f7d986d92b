"""Read a repository: revisions, trees, blobs, history. All lists are bounded; ``diffs`` compares."""

from __future__ import annotations

import re
import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from itertools import islice

import pygit2
from pygit2.enums import BlobFilter, ObjectType, SortMode

from hub.core.errors import BadRequest, EntryNotFound, PayloadTooLarge, RevisionNotFound
from hub.storage.git.refs import (
    BRANCH_PREFIX,
    CONVERT_PREFIX,
    PULL_PREFIX,
    READABLE_PREFIXES,
    TAG_PREFIX,
    read_ref,
)
from hub.storage.git.repository import open_repository
from hub.storage.git.trees import (
    MODE_SUBMODULE,
    MODE_SYMLINK,
    MODE_TREE,
    RawEntry,
    read_tree,
)
from hub.storage.lfs.pointer import MAX_POINTER_BYTES, LfsPointer, parse_pointer

MIN_ABBREVIATION = 5
MAX_PAGE = 1000
_KEPT_TREES = 2
_MAX_KEPT_ENTRIES = 20_000
# How many commits a history filtered by path looks at before it gives up.
MAX_FILTERED_WALK = 20_000

_HEX = re.compile(r"[0-9a-fA-F]+\Z")
_PULL_REST = re.compile(r"(refs/pr/[0-9]+)(?:/|\Z)")


class EntryType(StrEnum):
    """What a tree entry is; links and submodules are shown as text and never followed."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"
    SUBMODULE = "submodule"


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """One file or folder at a commit; `size` is the content's, in bytes, also for LFS files."""

    type: EntryType
    path: str
    size: int
    oid: str
    mode: int
    lfs: LfsPointer | None = None


@dataclass(frozen=True, slots=True)
class TreePage:
    """A page of a listing; `next_cursor` is opaque and None on the last page."""

    entries: list[TreeEntry]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Person:
    """The author or committer that a commit names (Unix seconds, offset in minutes)."""

    name: str
    email: str
    time_s: int
    offset_min: int


@dataclass(frozen=True, slots=True)
class CommitInfo:
    """A commit; `message` is what follows the title."""

    oid: str
    title: str
    message: str
    author: Person
    committer: Person
    parents: tuple[str, ...]
    tree_oid: str


@dataclass(frozen=True, slots=True)
class RefInfo:
    """A reference: short name, full name and the commit it leads to."""

    name: str
    ref: str
    target_commit: str


@dataclass(frozen=True, slots=True)
class RefList:
    """All readable references by kind, each sorted by name."""

    branches: list[RefInfo] = field(default_factory=list)
    tags: list[RefInfo] = field(default_factory=list)
    converts: list[RefInfo] = field(default_factory=list)
    pull_requests: list[RefInfo] = field(default_factory=list)


# --- revisions -------------------------------------------------------------------------------------------


def resolve_revision(repo: pygit2.Repository, revision: str) -> str:
    """Return the commit oid that `revision` names: branch, tag, ``refs/…``, ``HEAD`` or (short) commit id.

    Raises: RevisionNotFound.
    """
    for ref in _candidate_refs(revision):
        oid = read_ref(repo, ref)
        if oid is not None:
            return _peel(repo, oid)
    if MIN_ABBREVIATION <= len(revision) <= 40 and _HEX.match(revision):
        return _peel(repo, revision.lower())
    raise RevisionNotFound


def split_revision_and_path(repo: pygit2.Repository, rest: str) -> tuple[str, str]:
    """Split the decoded ``{revision}/{path}`` of a URL; the path may be empty.

    A full ``refs/pr/N`` wins, then the longest existing reference, then the first segment.
    """
    rest = rest.strip("/")
    pull = _PULL_REST.match(rest)
    if pull:
        return pull[1], rest[pull.end() :]
    parts = rest.split("/")
    # Reference names are at most 200 bytes, so more segments than this cannot belong to one.
    for count in range(min(len(parts), 24), 1, -1):
        revision = "/".join(parts[:count])
        if any(read_ref(repo, ref) for ref in _candidate_refs(revision)):
            return revision, "/".join(parts[count:])
    return parts[0], "/".join(parts[1:])


def list_refs(repo: pygit2.Repository) -> RefList:
    """List branches, tags, converted branches and pull request heads; tags are peeled to commits."""
    found = RefList()
    kinds = (
        (BRANCH_PREFIX, found.branches),
        (TAG_PREFIX, found.tags),
        (CONVERT_PREFIX, found.converts),
        (PULL_PREFIX, found.pull_requests),
    )
    for ref in sorted(repo.references):
        for prefix, rows in kinds:
            if ref.startswith(prefix) and (target := _ref_commit(repo, ref)):
                rows.append(RefInfo(ref.removeprefix(prefix), ref, target))
    found.pull_requests.sort(key=lambda row: (len(row.name), row.name))
    return found


def default_branch(repo: pygit2.Repository) -> str:
    """Return the name of the branch that HEAD points at, whether or not it exists yet."""
    return str(repo.lookup_reference("HEAD").target).removeprefix(BRANCH_PREFIX)


# --- trees -----------------------------------------------------------------------------------------------


def list_tree(
    repo: pygit2.Repository,
    commit_oid: str,
    path: str = "",
    *,
    recursive: bool = False,
    cursor: str | None = None,
    limit: int = MAX_PAGE,
) -> TreePage:
    """List a folder: folders first, then files, each by name; depth first when `recursive`.

    Work is bounded by the page, however large the tree is (T65).
    Raises: EntryNotFound when `path` is missing or no folder; BadRequest on a foreign cursor.
    """
    root = _folder_oid(repo, commit_oid, path)
    prefix = f"{path.strip('/')}/" if path.strip("/") else ""
    stack = _start(repo, root, prefix, cursor, recursive)
    page: list[TreeEntry] = []
    limit = max(1, min(limit, MAX_PAGE))
    while stack:
        base, entries = stack[-1]
        raw = next(entries, None)
        if raw is None:
            stack.pop()
        elif len(page) == limit:
            last = page[-1]
            return TreePage(
                page,
                last.path[len(prefix) :] + ("/" if last.type is EntryType.DIRECTORY else ""),
            )
        else:
            page.append(describe_entry(repo, base + raw.text, raw))
            if recursive and raw.is_tree:
                stack.append((f"{base}{raw.text}/", iter(_sorted_entries(repo, raw.oid))))
    return TreePage(page, None)


def get_entry(repo: pygit2.Repository, commit_oid: str, path: str) -> TreeEntry:
    """Return the file or folder at `path`. Raises: EntryNotFound, RevisionNotFound."""
    path = path.strip("/")
    if not path:
        tree_oid = str(load_commit(repo, commit_oid).tree_id)
        return TreeEntry(EntryType.DIRECTORY, "", 0, tree_oid, MODE_TREE)
    raw = find_entry(repo, commit_oid, path)
    if raw is None:
        raise EntryNotFound(f"Entry not found: {path}")
    return describe_entry(repo, path, raw)


def find_entry(repo: pygit2.Repository, commit_oid: str, path: str) -> RawEntry | None:
    """What the tree of a commit has at `path`; None where nothing is."""
    try:
        found = load_commit(repo, commit_oid).tree[path]
    except (KeyError, ValueError, pygit2.GitError):
        return None
    return RawEntry(int(found.filemode), (found.raw_name or b""), str(found.id))


def get_paths(repo: pygit2.Repository, commit_oid: str, paths: Iterable[str]) -> list[TreeEntry]:
    """Return the entries of those `paths` that exist, in the order asked, each once."""
    wanted = dict.fromkeys(path.strip("/") for path in paths)
    found = ((path, find_entry(repo, commit_oid, path)) for path in wanted if path)
    return [describe_entry(repo, path, raw) for path, raw in found if raw is not None]


def describe_entry(repo: pygit2.Repository, path: str, raw: RawEntry) -> TreeEntry:
    """Add size and LFS facts to a raw tree entry."""
    if raw.is_tree:
        return TreeEntry(EntryType.DIRECTORY, path, 0, raw.oid, raw.mode)
    if raw.mode == MODE_SUBMODULE:
        return TreeEntry(EntryType.SUBMODULE, path, 0, raw.oid, raw.mode)
    size = blob_size(repo, raw.oid)
    if raw.mode == MODE_SYMLINK:
        return TreeEntry(EntryType.SYMLINK, path, size, raw.oid, raw.mode)
    lfs = _pointer_of(repo, raw.oid, size)
    return TreeEntry(EntryType.FILE, path, lfs.size if lfs else size, raw.oid, raw.mode, lfs)


# --- blobs -----------------------------------------------------------------------------------------------


def blob_size(repo: pygit2.Repository, oid: str) -> int:
    """Return the size of a blob in bytes without reading its content. Raises: EntryNotFound."""
    try:
        kind, size = repo.odb.read_header(oid)
    except (KeyError, ValueError) as error:
        raise EntryNotFound from error
    if kind != ObjectType.BLOB:
        raise EntryNotFound
    return int(size)


def read_blob(repo: pygit2.Repository, oid: str, max_bytes: int) -> bytes:
    """Return the content of a blob. Raises: PayloadTooLarge above `max_bytes`; EntryNotFound."""
    if blob_size(repo, oid) > max_bytes:
        raise PayloadTooLarge(f"The file is larger than {max_bytes} bytes")
    return bytes(repo.odb.read(oid)[1])


def read_pointer(repo: pygit2.Repository, oid: str) -> LfsPointer | None:
    """Return the LFS pointer that blob `oid` is, or None for an ordinary file."""
    return _pointer_of(repo, oid, blob_size(repo, oid))


def _pointer_of(repo: pygit2.Repository, oid: str, size_bytes: int) -> LfsPointer | None:
    return None if size_bytes > MAX_POINTER_BYTES else parse_pointer(repo.odb.read(oid)[1])


def iterate_blob(repo: pygit2.Repository, oid: str, chunk_bytes: int = 1 << 16) -> Iterator[bytes]:
    """Yield the content of a blob in chunks, never holding it whole. Raises: EntryNotFound."""
    if blob_size(repo, oid) <= chunk_bytes:
        yield bytes(repo.odb.read(oid)[1])
        return
    # No commit is named, so no attribute of the repository can turn on a filter.
    with pygit2.BlobIO(repo[oid].peel(pygit2.Blob), flags=BlobFilter.NO_SYSTEM_ATTRIBUTES) as stream:
        while chunk := stream.read(chunk_bytes):
            yield chunk


# --- history ---------------------------------------------------------------------------------------------


def load_commit(repo: pygit2.Repository, oid: str) -> pygit2.Commit:
    """The commit itself. Raises: RevisionNotFound for an id of nothing, or of something else."""
    try:
        found: object = repo[oid]
    except (KeyError, ValueError) as error:
        raise RevisionNotFound from error
    if not isinstance(found, pygit2.Commit):
        raise RevisionNotFound
    return found


def get_commit(repo: pygit2.Repository, oid: str) -> CommitInfo:
    """Return the commit with this full oid. Raises: RevisionNotFound."""
    return _describe_commit(load_commit(repo, oid))


def list_commits(
    repo: pygit2.Repository,
    oid: str,
    *,
    offset: int = 0,
    limit: int = 100,
    first_parent: bool = False,
    path: str | None = None,
    exclude_oid: str | None = None,
) -> list[CommitInfo]:
    """List commits reachable from `oid`, newest first; `exclude_oid` leaves out what it reaches.

    With `path`, only commits that changed it, within the first `MAX_FILTERED_WALK` commits.
    """
    walker = _walk(repo, oid, first_parent=first_parent, exclude_oid=exclude_oid)
    if path and path.strip("/"):
        touched = path.strip("/")
        walker = (commit for commit in islice(walker, MAX_FILTERED_WALK) if _touches(repo, commit, touched))
    return [_describe_commit(commit) for commit in islice(walker, offset, offset + limit)]


def count_commits(repo: pygit2.Repository, oid: str) -> int:
    """Count the commits reachable from `oid`; counts are remembered, history does not change."""
    return _count_commits(repo.path, str(load_commit(repo, oid).id))


def merge_base(repo: pygit2.Repository, one_oid: str, other_oid: str) -> str | None:
    """Return the best common ancestor of two commits, or None."""
    found = repo.merge_base(one_oid, other_oid)
    return str(found) if found else None


# --- private ---------------------------------------------------------------------------------------------


def _candidate_refs(revision: str) -> Iterator[str]:
    if revision == "HEAD":
        yield "HEAD"
    elif revision.startswith("refs/"):
        if revision.startswith(READABLE_PREFIXES):
            yield revision
    elif revision:
        yield BRANCH_PREFIX + revision
        yield TAG_PREFIX + revision


def _peel(repo: pygit2.Repository, oid: str) -> str:
    try:
        return str(repo[oid].peel(pygit2.Commit).id)
    except (KeyError, ValueError, pygit2.GitError) as error:
        raise RevisionNotFound from error


def _ref_commit(repo: pygit2.Repository, ref: str) -> str | None:
    oid = read_ref(repo, ref)
    try:
        return _peel(repo, oid) if oid else None
    except RevisionNotFound:
        return None


def _folder_oid(repo: pygit2.Repository, commit_oid: str, path: str) -> str:
    entry = get_entry(repo, commit_oid, path)
    if entry.type is not EntryType.DIRECTORY:
        raise EntryNotFound(f"Not a folder: {path}")
    return entry.oid


class _LongTrees:
    """Long folders that were read last, sorted: the next page of a listing needs the same one again.

    Trees never change, so nothing here grows stale; about 200 bytes are held for each entry.
    """

    def __init__(self) -> None:
        self._found: OrderedDict[tuple[str, str], list[RawEntry]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: tuple[str, str]) -> list[RawEntry] | None:
        with self._lock:
            return self._found.get(key)

    def put(self, key: tuple[str, str], entries: list[RawEntry]) -> None:
        if not MAX_PAGE < len(entries) <= _MAX_KEPT_ENTRIES:
            return
        with self._lock:
            self._found[key] = entries
            while len(self._found) > _KEPT_TREES:
                self._found.popitem(last=False)


_long_trees = _LongTrees()


def _sorted_entries(repo: pygit2.Repository, tree_oid: str) -> list[RawEntry]:
    key = (repo.path, tree_oid)
    entries = _long_trees.get(key)
    if entries is None:
        entries = sorted(read_tree(repo, tree_oid), key=_order)
        _long_trees.put(key, entries)
    return entries


def _order(entry: RawEntry) -> tuple[bool, bytes]:
    return not entry.is_tree, entry.name


def _start(
    repo: pygit2.Repository, root: str, prefix: str, cursor: str | None, recursive: bool
) -> list[tuple[str, Iterator[RawEntry]]]:
    """Open the folders that lead to `cursor`, each just behind the entry that was listed last."""
    stack: list[tuple[str, Iterator[RawEntry]]] = []
    folder, base = root, prefix
    is_folder = bool(cursor) and str(cursor).endswith("/")
    parts = cursor.strip("/").split("/") if cursor else []
    if len(parts) > 1 and not recursive:
        raise BadRequest("Invalid cursor")
    for index, part in enumerate(parts):
        is_tree = is_folder or index + 1 < len(parts)
        name = part.encode()
        entries = _sorted_entries(repo, folder)
        stack.append(
            (
                base,
                iter(entries[bisect_right(entries, (not is_tree, name), key=_order) :]),
            )
        )
        below = next((entry for entry in entries if entry.is_tree and entry.name == name), None)
        if not is_tree or not recursive:
            return stack
        if below is None:
            raise BadRequest("Invalid cursor")
        folder, base = below.oid, f"{base}{part}/"
    stack.append((base, iter(_sorted_entries(repo, folder))))
    return stack


def _walk(
    repo: pygit2.Repository,
    oid: str,
    *,
    first_parent: bool = False,
    exclude_oid: str | None = None,
) -> Iterator[pygit2.Commit]:
    walker = repo.walk(load_commit(repo, oid).id, SortMode.TOPOLOGICAL | SortMode.TIME)
    if first_parent:
        walker.simplify_first_parent()
    if exclude_oid:
        walker.hide(load_commit(repo, exclude_oid).id)
    return walker


@lru_cache(maxsize=4096)
def _count_commits(repo_path: str, oid: str) -> int:
    return sum(1 for _ in open_repository(repo_path).walk(oid, SortMode.NONE))


def _touches(repo: pygit2.Repository, commit: pygit2.Commit, path: str) -> bool:
    """Tell whether `path` in `commit` differs from every parent (git's rule for merges)."""
    here = _entry_oid(commit, path)
    if not commit.parents:
        return here is not None
    return all(_entry_oid(parent, path) != here for parent in commit.parents)


def _entry_oid(commit: pygit2.Commit, path: str) -> pygit2.Oid | None:
    try:
        return commit.tree[path].id
    except KeyError:
        return None


def _describe_commit(commit: pygit2.Commit) -> CommitInfo:
    title, _, message = commit.message.partition("\n")
    return CommitInfo(
        oid=str(commit.id),
        title=title.strip(),
        message=message.strip("\n"),
        author=_person(commit.author),
        committer=_person(commit.committer),
        parents=tuple(str(oid) for oid in commit.parent_ids),
        tree_oid=str(commit.tree_id),
    )


def _person(signature: pygit2.Signature) -> Person:
    name = signature.raw_name.decode(errors="replace")
    email = signature.raw_email.decode(errors="replace")
    return Person(name, email, signature.time, signature.offset)
