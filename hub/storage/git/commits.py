"""Write commits without a work tree: blobs, then trees, then the commit, then the reference (hub-api 13.3).

    operations → blobs stored (no lock) → per-repo lock → tip read → touched trees → commit → compare-and-swap

The reference update is the commit point: a crash before it leaves only unreachable objects (T160).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pygit2
from pygit2.enums import ObjectType

from hub.core.errors import (
    BadRequest,
    Conflict,
    EntryNotFound,
    PayloadTooLarge,
    PreconditionFailed,
    RevisionNotFound,
)
from hub.storage.git.bulk import ByteSource, write_blobs
from hub.storage.git.paths import find_twins, twin_key, validate_path_in_repo
from hub.storage.git.refs import STALE_PARENT, Signature, compare_and_swap, read_ref
from hub.storage.git.repository import open_repository, writer_lock
from hub.storage.git.trees import MODE_EXECUTABLE, MODE_FILE, MODE_TREE, read_tree
from hub.storage.lfs.pointer import format_pointer

MAX_PLAIN_BLOB_BYTES = 10 * 1024 * 1024
# As many as a commit has operations.
MAX_COPIED_PATHS = 25_000
# From this many new blobs on, one pack is cheaper than an fsync per loose object.
BULK_THRESHOLD = 24
_MAX_RACES = 20


@dataclass(frozen=True, slots=True)
class AddBytes:
    """Put a regular file at `path`: from bytes, or from a blob that the repository holds already."""

    path: str
    data: bytes = b""
    blob_oid: str | None = None


@dataclass(frozen=True, slots=True)
class AddStream:
    """Put a regular file of `size_bytes` read from an open binary file."""

    path: str
    source: ByteSource
    size_bytes: int


@dataclass(frozen=True, slots=True)
class AddPointer:
    """Put an LFS pointer at `path`."""

    path: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class DeleteFile:
    """Remove a file; a folder of that name is removed whole, as clients expect."""

    path: str


@dataclass(frozen=True, slots=True)
class DeleteFolder:
    """Remove a folder and all below it; a trailing slash is fine."""

    path: str


@dataclass(frozen=True, slots=True)
class DeleteEntry:
    """Remove a file or a folder."""

    path: str


@dataclass(frozen=True, slots=True)
class CopyEntry:
    """Put what the parent commit holds at `source_path` at `path` too."""

    source_path: str
    path: str


@dataclass(frozen=True, slots=True)
class MoveEntry:
    """Put what the parent commit holds at `source_path` at `path` instead."""

    source_path: str
    path: str


Addition = AddBytes | AddStream | AddPointer
Deletion = DeleteFile | DeleteFolder | DeleteEntry
Operation = Addition | Deletion | CopyEntry | MoveEntry


@dataclass(frozen=True, slots=True)
class CommitResult:
    """What a write did; `is_new` is False when nothing changed and `oid` is the old tip."""

    oid: str
    parent_oid: str | None
    tree_oid: str
    changed_paths: tuple[str, ...]
    is_new: bool


@dataclass(frozen=True, slots=True)
class _Entry:
    mode: int
    oid: str


def write_commit(
    repo_path: Path | str,
    ref: str,
    operations: Sequence[Operation],
    *,
    message: str,
    author: Signature,
    committer: Signature | None = None,
    parent_oid: str | None = None,
    create_from: str | None = None,
    allow_empty: bool = False,
    guard: Callable[[], None] | None = None,
) -> CommitResult:
    """Commit `operations` onto full reference `ref` and move it there.

    Deletions come first, then copies and moves (from the parent), then additions: a path both deleted and
    added ends up added. `parent_oid` (5 to 40 hex digits) must be the tip. `create_from` (a commit oid)
    creates a reference that must not exist yet, for a pull request. `guard` is asked under the repository's
    lock, before the reference moves, and raises to refuse.

    Raises: RevisionNotFound (no such reference), PreconditionFailed (stale parent), EntryNotFound (deleting
    or copying what is not there), BadRequest (file and folder of one name), Unprocessable, PayloadTooLarge,
    Conflict (reference exists or stays locked), StorageFull.
    """
    ready = _store_blobs(repo_path, operations)
    with writer_lock(repo_path):
        if guard is not None:
            guard()
        repo = open_repository(repo_path)
        for _ in range(_MAX_RACES):
            base, old = _parent(repo, ref, parent_oid, create_from)
            result = _build(
                repo,
                base,
                ready,
                message,
                author,
                committer or author,
                allow_empty or create_from is not None,
            )
            if not result.is_new:
                return result
            try:
                compare_and_swap(repo, ref, old_oid=old, new_oid=result.oid)
                return result
            except PreconditionFailed:
                # A push moved the tip meanwhile; without an expected parent ours goes on top of it.
                if parent_oid is not None or create_from is not None:
                    raise
    raise Conflict("The branch keeps changing. Please try again.")


def write_initial_commit(
    repo_path: Path | str,
    operations: Sequence[Operation],
    *,
    message: str,
    author: Signature,
    ref: str = "refs/heads/main",
) -> CommitResult:
    """Make the first, parentless commit of `ref`. Raises: Conflict when `ref` exists."""
    ready = _store_blobs(repo_path, operations)
    with writer_lock(repo_path):
        repo = open_repository(repo_path)
        if read_ref(repo, ref) is not None:
            raise Conflict(f"Reference {ref} already exists")
        result = _build(repo, None, ready, message, author, author, allow_empty=True)
        compare_and_swap(repo, ref, old_oid=None, new_oid=result.oid)
        return result


def write_squashed(
    repo_path: Path | str,
    ref: str,
    *,
    message: str,
    author: Signature,
    expected_oid: str | None = None,
) -> CommitResult:
    """Replace the history of `ref` by one parentless commit with the same files (super-squash).

    Raises: RevisionNotFound, PreconditionFailed.
    """
    with writer_lock(repo_path):
        repo = open_repository(repo_path)
        old, _ = _parent(repo, ref, expected_oid, None)
        tree_oid = str(_commit_tree(repo, old))
        oid = write_commit_object(repo, tree_oid, [], message, author, author)
        compare_and_swap(repo, ref, old_oid=old, new_oid=oid)
    return CommitResult(oid, None, tree_oid, (), True)


# --- blobs -----------------------------------------------------------------------------------------------


def _store_blobs(repo_path: Path | str, operations: Sequence[Operation]) -> list[tuple[Operation, str | None]]:
    """Check every path, store new contents and pair each operation with the oid of its blob."""
    _check_paths(operations)
    repo = open_repository(repo_path)
    pending = [operation for operation in operations if _needs_blob(operation)]
    if len(pending) >= BULK_THRESHOLD:
        oids = iter(write_blobs(repo_path, (_content(operation) for operation in pending)))
    else:
        oids = (_write_loose(repo, *_content(operation)) for operation in pending)
    return [
        (
            operation,
            next(oids) if _needs_blob(operation) else _known_blob(repo, operation),
        )
        for operation in operations
    ]


def _check_paths(operations: Iterable[Operation]) -> None:
    for operation in operations:
        if not isinstance(operation, Deletion):
            validate_path_in_repo(operation.path)
        if isinstance(operation, (AddBytes, AddStream)):
            size = operation.size_bytes if isinstance(operation, AddStream) else len(operation.data)
            if size > MAX_PLAIN_BLOB_BYTES:
                raise PayloadTooLarge(
                    f"{operation.path} is larger than {MAX_PLAIN_BLOB_BYTES >> 20} MiB. Use LFS for large files."
                )


def _needs_blob(operation: Operation) -> bool:
    return isinstance(operation, (AddStream, AddPointer)) or (
        isinstance(operation, AddBytes) and operation.blob_oid is None
    )


def _known_blob(repo: pygit2.Repository, operation: Operation) -> str | None:
    if not isinstance(operation, AddBytes) or operation.blob_oid is None:
        return None
    try:
        kind, _ = repo.odb.read_header(operation.blob_oid)
    except (KeyError, ValueError) as error:
        raise EntryNotFound(f"The content of {operation.path} is not in this repository") from error
    if kind != ObjectType.BLOB:
        raise BadRequest(f"The content of {operation.path} is not a file")
    return operation.blob_oid


def _content(operation: Operation) -> tuple[bytes | ByteSource, int]:
    if isinstance(operation, AddStream):
        return operation.source, operation.size_bytes
    if isinstance(operation, AddPointer):
        try:
            data = format_pointer(operation.sha256, operation.size_bytes)
        except ValueError as error:
            raise BadRequest(f"Invalid LFS pointer for {operation.path}: {error}") from error
        return data, len(data)
    assert isinstance(operation, AddBytes)  # `_needs_blob` let no other kind through
    return operation.data, len(operation.data)


def _write_loose(repo: pygit2.Repository, content: bytes | ByteSource, size: int) -> str:
    if not isinstance(content, bytes):
        # Bounded by MAX_PLAIN_BLOB_BYTES; one byte more shows a file longer than it claims.
        content = content.read(size + 1)
        if len(content) != size:
            raise BadRequest("A file does not have its declared size")
    return str(repo.create_blob(content))


# --- the tip ---------------------------------------------------------------------------------------------


def _parent(
    repo: pygit2.Repository, ref: str, parent_oid: str | None, create_from: str | None
) -> tuple[str, str | None]:
    """Return the parent commit and the value the reference must have (None: it must not exist)."""
    tip = read_ref(repo, ref)
    if create_from is not None:
        if tip is not None:
            raise Conflict(f"Reference {ref} already exists")
        return create_from, None
    if tip is None:
        raise RevisionNotFound
    if parent_oid is not None and not (len(parent_oid) >= 5 and tip.startswith(parent_oid.lower())):
        raise PreconditionFailed(STALE_PARENT, commit_oid=tip)
    return tip, tip


# --- trees -----------------------------------------------------------------------------------------------


class _Folder:
    """A folder of the commit in the making: its stored tree, plus what changed; read only when touched."""

    def __init__(self, repo: pygit2.Repository, tree_oid: str | None) -> None:
        self._repo = repo
        self._tree: pygit2.Tree | None = repo[tree_oid].peel(pygit2.Tree) if tree_oid else None
        self._tree_oid = tree_oid
        self._folders: dict[str, _Folder] = {}
        # None marks an entry of the stored tree as removed.
        self._changes: dict[str, _Entry | None] = {}

    def entry(self, name: str) -> _Entry | None:
        """Return what is at `name` now; a folder being changed has an empty oid."""
        if name in self._folders:
            return _Entry(MODE_TREE, "") if not self._folders[name].is_empty() else None
        if name in self._changes:
            return self._changes[name]
        return self.stored(name)

    def stored(self, name: str) -> _Entry | None:
        if self._tree is None:
            return None
        try:
            # `/` looks up one name; indexing would read slashes and numbers as something else.
            found = self._tree / name
        except KeyError:
            return None
        return _Entry(int(found.filemode), str(found.id))

    def folder(self, name: str, *, create: bool) -> _Folder | None:
        if name not in self._folders:
            entry = self.entry(name)
            if entry is None and not create:
                return None
            if entry is not None and entry.mode != MODE_TREE:
                return None
            self._folders[name] = _Folder(self._repo, entry.oid if entry else None)
        return self._folders[name]

    def put(self, name: str, entry: _Entry) -> None:
        self._folders.pop(name, None)
        self._changes[name] = entry

    def remove(self, name: str) -> None:
        self._folders.pop(name, None)
        self._changes[name] = None

    def is_empty(self) -> bool:
        if any(self._changes.values()) or any(not folder.is_empty() for folder in self._folders.values()):
            return False
        # Only removals are left: compare counts, since reading a large folder here would cost more than the commit.
        gone = {name for name in (*self._changes, *self._folders) if self.stored(name) is not None}
        return self._tree is None or len(self._tree) == len(gone)

    def names(self) -> Iterator[str]:
        """Yield the names that the folder holds now."""
        for name in self._stored_names():
            if name not in self._changes and name not in self._folders:
                yield name
        yield from (name for name, entry in self._changes.items() if entry is not None and name not in self._folders)
        yield from (name for name, folder in self._folders.items() if not folder.is_empty())

    def write(self) -> str | None:
        """Store the changed trees, deepest first; return the oid, or None when nothing is left."""
        if not self._folders and not self._changes:
            return self._tree_oid
        builder = self._repo.TreeBuilder(self._tree) if self._tree is not None else self._repo.TreeBuilder()
        self._refuse_twins()
        written = {name: folder.write() for name, folder in self._folders.items()}
        entries = {name: _Entry(MODE_TREE, oid) if oid else None for name, oid in written.items()}
        for name, entry in {**self._changes, **entries}.items():
            if entry is not None:
                builder.insert(name, entry.oid, entry.mode)
            elif builder.get(name) is not None:
                builder.remove(name)
        return str(builder.write()) if len(builder) else None

    def entries_of(self, tree_oid: str) -> list[_Entry]:
        return [_Entry(entry.mode, entry.oid) for entry in read_tree(self._repo, tree_oid)]

    def _stored_names(self) -> list[str]:
        return [entry.text for entry in read_tree(self._repo, self._tree_oid)] if self._tree_oid else []

    def _refuse_twins(self) -> None:
        new = {name for name in (*self._changes, *self._folders) if self.stored(name) is None and self.entry(name)}
        if not self._may_hold_twin(new):
            return
        keys = {twin_key(name) for name in new}
        twins = find_twins(sorted(name for name in self.names() if twin_key(name) in keys))
        if twins:
            raise BadRequest(f"Two names in one folder differ only by case or Unicode form: {twins[0]!r}, {twins[1]!r}")

    def _may_hold_twin(self, new: set[str]) -> bool:
        """Rule out twins by a byte search: folding every name of a folder of 10,000 costs 40 ms."""
        if not all(name.isascii() for name in new) or len({name.lower() for name in new}) < len(new):
            return True
        if self._tree_oid is None or not new:
            return False
        lowered = bytes(self._repo.odb.read(self._tree_oid)[1]).lower()
        return any(b" %s\0" % name.lower().encode() in lowered for name in new)


def _build(
    repo: pygit2.Repository,
    base_oid: str | None,
    operations: list[tuple[Operation, str | None]],
    message: str,
    author: Signature,
    committer: Signature,
    allow_empty: bool,
) -> CommitResult:
    base_tree = str(_commit_tree(repo, base_oid)) if base_oid else None
    root = _Folder(repo, base_tree)
    changed = _apply(root, _Folder(repo, base_tree), operations)
    tree_oid = root.write() or str(repo.TreeBuilder().write())
    if tree_oid == base_tree and not allow_empty:
        return CommitResult(str(base_oid), base_oid, tree_oid, (), False)
    parents = [base_oid] if base_oid else []
    oid = write_commit_object(repo, tree_oid, parents, message, author, committer)
    return CommitResult(oid, base_oid, tree_oid, tuple(changed), True)


def _commit_tree(repo: pygit2.Repository, oid: str) -> pygit2.Oid:
    try:
        return repo[oid].peel(pygit2.Commit).tree_id
    except (KeyError, ValueError, pygit2.GitError) as error:
        raise RevisionNotFound from error


def _apply(root: _Folder, parent: _Folder, operations: list[tuple[Operation, str | None]]) -> list[str]:
    """Change `root`; return the paths changed, in order. `parent` stays as it was, for copies."""
    added = {operation.path for operation, _ in operations if not isinstance(operation, Deletion)}
    changed: dict[str, None] = {}
    for operation, _ in operations:
        if isinstance(operation, Deletion):
            path = operation.path.strip("/")
            _delete(root, path, added)
            changed[path] = None
        elif isinstance(operation, MoveEntry):
            _delete(root, operation.source_path, set())
            changed[operation.source_path] = None
    copies_left = MAX_COPIED_PATHS
    for operation, _ in operations:
        if isinstance(operation, (CopyEntry, MoveEntry)):
            entry = _lookup(parent, operation.source_path)
            if isinstance(operation, CopyEntry):
                copies_left = _count_copy(parent, entry, copies_left)
            _put(root, operation.path, entry)
            changed[operation.path] = None
    for operation, blob_oid in operations:
        if isinstance(operation, Addition) and blob_oid is not None:
            _put(
                root,
                operation.path,
                _Entry(_file_mode(parent, operation.path), blob_oid),
            )
            changed[operation.path] = None
    return list(changed)


def _count_copy(parent: _Folder, entry: _Entry, left: int) -> int:
    """Return what is left of the paths that one commit may copy: folders copied into themselves double (T65).

    Raises: PayloadTooLarge
    """
    stack = [entry]
    while stack:
        left -= 1
        if left < 0:
            raise PayloadTooLarge(f"A commit copies at most {MAX_COPIED_PATHS} files and folders. Please split it.")
        found = stack.pop()
        if found.mode == MODE_TREE:
            stack += parent.entries_of(found.oid)
    return left


def _delete(root: _Folder, path: str, added: set[str]) -> None:
    *parents, name = path.split("/")
    folder: _Folder | None = root
    for part in parents:
        folder = folder.folder(part, create=False) if folder is not None and part else None
    if folder is not None and name and folder.entry(name) is not None:
        folder.remove(name)
    elif not any(other == path or other.startswith(f"{path}/") for other in added):
        raise EntryNotFound(f"A file with this name doesn't exist: {path}")


def _put(root: _Folder, path: str, entry: _Entry) -> None:
    *parents, name = path.split("/")
    folder = root
    for part in parents:
        below = folder.folder(part, create=True)
        if below is None:
            raise BadRequest(f"Cannot add {path}: {part} is a file, not a folder")
        folder = below
    there = folder.entry(name)
    if there is not None and there.mode == MODE_TREE and entry.mode != MODE_TREE:
        raise BadRequest(f"Cannot add {path}: a folder has this name")
    if there is not None and there.mode != MODE_TREE and entry.mode == MODE_TREE:
        raise BadRequest(f"Cannot add {path}: a file has this name")
    folder.put(name, entry)


def _lookup(parent: _Folder, path: str) -> _Entry:
    *parents, name = path.strip("/").split("/")
    folder: _Folder | None = parent
    for part in parents:
        folder = folder.folder(part, create=False) if folder is not None and part else None
    entry = folder.entry(name) if folder is not None and name else None
    if entry is None:
        raise EntryNotFound(f"A file with this name doesn't exist: {path}")
    if not entry.oid:
        # The folder was opened by another copy; it is unchanged, so its stored tree is still right.
        entry = folder.stored(name) if folder is not None else None
    assert entry is not None  # `parent` is never changed
    return entry


def _file_mode(parent: _Folder, path: str) -> int:
    """Keep the executable bit of a file that is overwritten."""
    try:
        mode = _lookup(parent, path).mode
    except EntryNotFound:
        return MODE_FILE
    return MODE_EXECUTABLE if mode == MODE_EXECUTABLE else MODE_FILE


def write_commit_object(
    repo: pygit2.Repository,
    tree_oid: str,
    parents: list[str],
    message: str,
    author: Signature,
    committer: Signature,
) -> str:
    text = message.replace("\0", "").encode(errors="replace").decode().strip() + "\n"
    return str(repo.create_commit(None, author.to_git(), committer.to_git(), text, tree_oid, parents))
