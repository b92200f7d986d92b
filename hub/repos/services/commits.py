"""The one way to write to a repo: web form, API, duplication and demo content all call ``create_commit``.

    operations → checks (paths, sizes, pointers, front matter) → objects linked → git: blobs, tree, commit, ref moved
               → rows follow (mirror) → commit_created

The ref is the commit point.  What comes before can be repeated, what comes after is caught up by the reconciler (T160).
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlsplit

from django.conf import settings

from hub.accounts.auth import Viewer
from hub.core.errors import (
    BadRequest,
    EntryNotFound,
    PayloadTooLarge,
    PreconditionFailed,
    RevisionNotFound,
    Unprocessable,
)
from hub.repos.cards import CARD_PATH, MAX_CARD_BYTES, parse_card
from hub.repos.models import Repo
from hub.repos.services import lfs, locks
from hub.repos.services.mirror import follow_refs
from hub.repos.upload_mode import ATTRIBUTES_PATH, MAX_RULES_BYTES, with_lfs_paths
from hub.storage.git import commits as git_commits
from hub.storage.git import objects
from hub.storage.git.commits import (
    AddBytes,
    AddPointer,
    AddStream,
    CopyEntry,
    DeleteEntry,
    DeleteFile,
    DeleteFolder,
    MoveEntry,
    Operation,
)
from hub.storage.git.refs import BRANCH_PREFIX, PULL_PREFIX, Signature, read_ref
from hub.storage.git.repository import open_repository
from hub.storage.lfs.pointer import MAX_POINTER_BYTES, parse_pointer

__all__ = [
    "AddBytes",
    "AddPointer",
    "AddStream",
    "CommitResult",
    "CopyEntry",
    "DeleteEntry",
    "DeleteFile",
    "DeleteFolder",
    "LazyReader",
    "MoveEntry",
    "Operation",
    "PullHead",
    "create_commit",
    "signature_of",
]

MAX_OPERATIONS: Final = 25_000
MAX_MESSAGE_BYTES: Final = 64 * 1024
#: ``AddPointer.size_bytes`` of a copy: the stored object knows.
UNKNOWN_SIZE: Final = -1
# Others that write .gitattributes at the same moment: each round one of them is through.
_MAX_ROUNDS: Final = 30


class LazyReader(io.RawIOBase):
    """A small file that is fetched when its turn comes: ten thousand of them cost the memory of one."""

    def __init__(self, fetch: Callable[[], bytes]) -> None:
        super().__init__()
        self._fetch = fetch
        self._content: io.BytesIO | None = None

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        if self._content is None:
            self._content = io.BytesIO(self._fetch())
        data = self._content.read(size)
        if not data or size < 0:
            self._content = io.BytesIO()
        return data


@dataclass(frozen=True, slots=True)
class CommitResult:
    """``is_new`` is False when nothing changed; ``oid`` is then the old head."""

    oid: str
    ref: str
    parent_oid: str | None
    changed_paths: tuple[str, ...]
    is_new: bool


@dataclass(frozen=True, slots=True)
class PullHead:
    """The reference of a pull request.

    ``create_from``: the commit that it begins at, when it does not exist yet. ``guard`` is asked under the repo's
    lock, before the reference moves: it raises when the pull request is no longer open.
    """

    ref: str
    create_from: str | None = None
    guard: Callable[[], None] | None = None


@dataclass(frozen=True, slots=True)
class _Target:
    """Where a commit goes, and who makes it."""

    repo: Repo
    ref: str
    author: Signature
    pull: PullHead | None

    def tip(self) -> str | None:
        if self.pull is not None and self.pull.create_from is not None:
            return self.pull.create_from
        return read_ref(open_repository(self.repo.git_path), self.ref)

    def commit(self, operations: list[Operation], text: str, parent_oid: str | None) -> git_commits.CommitResult:
        pull = self.pull or PullHead(self.ref)
        return git_commits.write_commit(
            self.repo.git_path,
            self.ref,
            operations,
            message=text,
            author=self.author,
            parent_oid=parent_oid,
            create_from=pull.create_from,
            guard=pull.guard,
        )


def create_commit(
    repo: Repo,
    *,
    actor: Viewer,
    revision: str,
    operations: Sequence[Operation],
    message: str,
    description: str = "",
    parent_oid: str | None = None,
    pull: PullHead | None = None,
) -> CommitResult:
    """Commit ``operations`` on a branch and move it. The caller has checked the right to write.

    ``pull`` instead of a branch: the head of a pull request, which its own service hands in.
    ``parent_oid`` (5 to 40 hex digits) must be the head. Large files are named by ``AddPointer``; their paths are
    added to ``.gitattributes`` where it does not cover them.

    Raises: RevisionNotFound, PreconditionFailed, EntryNotFound, BadRequest, Unprocessable, PayloadTooLarge, Conflict,
        StorageFull; Conflict also for files that somebody else has locked
    """
    _check_size(operations, message, description)
    ref = pull.ref if pull is not None else _writable_ref(repo, revision)
    _require_unlocked(repo, actor, ref, operations)
    operations = _linked(repo, actor, [_as_pointer(operation) for operation in operations])
    _check_card(operations)
    lfs.check_quota(repo, _inline_bytes(operations), actor=actor)
    text = f"{message.strip()}\n\n{description.strip()}".strip()
    target = _Target(repo, ref, signature_of(actor), pull)
    result = _write(target, operations, text, parent_oid)
    if result.is_new:
        lfs.add_plain_bytes(repo, actor, ref, _inline_bytes(operations))
        follow_refs(repo.pk, refs=[ref], actor_pk=actor.user_pk)
        repo.refresh_from_db(fields=["head_oid", "updated_at", "storage_bytes"])
    return CommitResult(result.oid, ref, result.parent_oid, result.changed_paths, result.is_new)


def signature_of(actor: Viewer) -> Signature:
    """Who a commit names: the user name and an address that reveals nothing."""
    host = urlsplit(settings.HUB_URL).hostname or "localhost"
    name = actor.user.username if actor.user else "hub"
    return Signature(name=name, email=f"{name}@users.noreply.{host}")


def _check_size(operations: Sequence[Operation], message: str, description: str) -> None:
    if len(operations) > MAX_OPERATIONS:
        raise PayloadTooLarge(f"A commit has at most {MAX_OPERATIONS} operations. Please split it.")
    if len(message.encode(errors="replace")) + len(description.encode(errors="replace")) > MAX_MESSAGE_BYTES:
        raise PayloadTooLarge(f"A commit message has at most {MAX_MESSAGE_BYTES} bytes.")
    if not message.strip():
        raise BadRequest("A commit needs a message.")


def _require_unlocked(repo: Repo, actor: Viewer, ref: str, operations: Sequence[Operation]) -> None:
    """Raises: Conflict when a file that somebody else has locked would change (T76)."""
    if not ref.startswith(BRANCH_PREFIX):
        return  # what a pull request proposes changes nothing yet
    removed = [o.path for o in operations if isinstance(o, DeleteFile | DeleteFolder | DeleteEntry)]
    removed += [o.source_path for o in operations if isinstance(o, MoveEntry)]
    written = [o.path for o in operations if not isinstance(o, DeleteFile | DeleteFolder | DeleteEntry)]
    locks.require_unlocked(repo, actor=actor, written=written, removed=removed)


def _writable_ref(repo: Repo, revision: str) -> str:
    """The full ref to move. Raises: RevisionNotFound for tags, commit ids, pull requests and what does not exist."""
    ref = revision if revision.startswith(BRANCH_PREFIX) else BRANCH_PREFIX + revision
    if not revision or revision.startswith(PULL_PREFIX) or read_ref(open_repository(repo.git_path), ref) is None:
        raise RevisionNotFound(f"Invalid rev id: {revision[:200]}")
    return ref


# --- large files -----------------------------------------------------------------------------------------------------


def _as_pointer(operation: Operation) -> Operation:
    """Treat the text of a pointer, sent as a plain file, as what readers will see in it (T70)."""
    if isinstance(operation, AddStream) and operation.size_bytes <= MAX_POINTER_BYTES:
        operation = AddBytes(operation.path, operation.source.read(operation.size_bytes + 1))
    if isinstance(operation, AddBytes) and operation.blob_oid is None:
        pointer = parse_pointer(operation.data)
        if pointer is not None:
            return AddPointer(operation.path, pointer.sha256, pointer.size)
    return operation


def _linked(repo: Repo, actor: Viewer, operations: list[Operation]) -> list[Operation]:
    """Link all large files, and give each pointer the size that was stored. Raises: BadRequest, Unprocessable."""
    pointers = [operation for operation in operations if isinstance(operation, AddPointer)]
    sizes = lfs.require_links(repo, actor=actor, sha256s=[pointer.sha256 for pointer in pointers])
    for pointer in pointers:
        if pointer.size_bytes not in (UNKNOWN_SIZE, sizes[pointer.sha256]):
            raise Unprocessable(f"{pointer.path}: the uploaded file has {sizes[pointer.sha256]} bytes.")
    return [
        replace(operation, size_bytes=sizes[operation.sha256]) if isinstance(operation, AddPointer) else operation
        for operation in operations
    ]


def _with_attributes(operations: list[Operation], current: str) -> list[Operation] | None:
    """Add what ``.gitattributes`` lacks for the pointers; None when it lacks nothing."""
    paths = [operation.path for operation in operations if isinstance(operation, AddPointer)]
    own = next((o for o in operations if isinstance(o, AddBytes) and o.path == ATTRIBUTES_PATH), None)
    text = own.data.decode("utf-8", "surrogateescape") if own else current
    completed = with_lfs_paths(text, [path for path in paths if path != ATTRIBUTES_PATH])
    if completed == text:
        return None
    data = completed.encode("utf-8", "surrogateescape")
    return [o for o in operations if o is not own] + [AddBytes(ATTRIBUTES_PATH, data)]


def _attributes_at(repo: Repo, oid: str, operations: Sequence[Operation]) -> str:
    """``.gitattributes`` as it stands after the deletions of this commit."""
    if any(isinstance(o, DeleteFile | DeleteEntry) and o.path == ATTRIBUTES_PATH for o in operations):
        return ""
    git = open_repository(repo.git_path)
    try:
        entry = objects.get_entry(git, oid, ATTRIBUTES_PATH)
        return objects.read_blob(git, entry.oid, MAX_RULES_BYTES).decode("utf-8", "surrogateescape")
    except (EntryNotFound, PayloadTooLarge):
        return ""


# --- writing ---------------------------------------------------------------------------------------------------------


def _write(target: _Target, operations: list[Operation], text: str, parent_oid: str | None) -> git_commits.CommitResult:
    """Write, holding ``.gitattributes`` to the head it was completed for."""
    if not any(isinstance(operation, AddPointer) for operation in operations):
        return target.commit(operations, text, parent_oid)
    for _ in range(_MAX_ROUNDS):
        tip = target.tip()
        if tip is None:
            raise RevisionNotFound
        completed = _with_attributes(operations, _attributes_at(target.repo, tip, operations))
        if completed is None:
            # Covered already, and lines are only ever added by us: a later head covers it too.
            return target.commit(operations, text, parent_oid)
        try:
            if parent_oid is not None and not tip.startswith(parent_oid.lower()):
                raise PreconditionFailed(commit_oid=tip)
            return target.commit(completed, text, tip)
        except PreconditionFailed:
            if parent_oid is not None:
                raise
    raise PreconditionFailed("The branch keeps changing. Please try again.")


def _inline_bytes(operations: Sequence[Operation]) -> int:
    """Bytes that travel inside the commit; git's compression is not counted against the quota's owner."""
    return sum(
        len(operation.data) if isinstance(operation, AddBytes) else operation.size_bytes
        for operation in operations
        if isinstance(operation, AddBytes | AddStream)
    )


def _check_card(operations: Sequence[Operation]) -> None:
    """Refuse a README whose front matter cannot be read, naming the line (T104)."""
    for operation in operations:
        if not isinstance(operation, AddBytes | AddStream) or operation.path != CARD_PATH:
            continue
        if isinstance(operation, AddStream) or len(operation.data) > MAX_CARD_BYTES:
            raise PayloadTooLarge(f"README.md has at most {MAX_CARD_BYTES} bytes.")
        if operation.blob_oid is None:
            parse_card(operation.data.decode("utf-8", "replace"))
