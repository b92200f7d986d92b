"""Take blobs out of the whole history: new trees and commits without them, and every reference moved to those.

    tips > commits, parents first > trees without the blobs (each looked at once) > new commits > refs swapped

Author, committer, dates and messages stay as they are, byte for byte; signatures go, for they would not hold any more.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pygit2
from pygit2.enums import ObjectType, SortMode

from hub.core.errors import Conflict, PreconditionFailed, Unprocessable
from hub.storage.git.refs import READABLE_PREFIXES, compare_and_swap, read_ref
from hub.storage.git.repository import open_repository, writer_lock
from hub.storage.git.trees import MODE_TREE, RawEntry, read_tree

MAX_COMMITS: Final = 50_000
MAX_TREES: Final = 500_000
MAX_DEPTH: Final = 400
_ROUNDS: Final = 5
# A header of a commit or tag with its continuation lines.
_SIGNATURE: Final = re.compile(rb"^(?:gpgsig|gpgsig-sha256|mergetag) [^\n]*\n(?: [^\n]*\n)*", re.MULTILINE)
_TAG_SIGNATURE: Final = re.compile(rb"^-----BEGIN (?:PGP|SSH) SIGNATURE-----\n", re.MULTILINE)
_TOO_LONG: Final = (
    "The history of this repository is too long to be rewritten here. Clone it, rewrite it with git and push it back."
)


@dataclass(frozen=True, slots=True)
class MovedRef:
    ref: str
    old_oid: str
    new_oid: str


@dataclass(slots=True)
class _Rewriter:
    """One repository without these blobs; what was rewritten once is remembered between rounds."""

    git: pygit2.Repository
    blobs: frozenset[str]
    trees: dict[str, str | None] = field(default_factory=dict)
    commits: dict[str, str] = field(default_factory=dict)
    tips: list[str] = field(default_factory=list)  # whose history is in ``commits``
    tags: dict[str, str] = field(default_factory=dict)

    def target(self, oid: str) -> str:
        """What a reference to ``oid`` must hold afterwards."""
        kind, data = self.git.odb.read(oid)
        if kind == ObjectType.TAG:
            return self._tag(oid, data)
        if kind != ObjectType.COMMIT:
            return oid
        self._follow(oid)
        return self.commits[oid]

    def _tag(self, oid: str, data: bytes) -> str:
        if oid not in self.tags:
            old = data[7:47].decode()  # "object " and 40 digits
            new = self.target(old)
            self.tags[oid] = oid if new == old else self._write(ObjectType.TAG, _retarget(data, new))
        return self.tags[oid]

    def _follow(self, tip: str) -> None:
        """Rewrite what leads to ``tip``, parents first."""
        if tip in self.commits:
            return
        walk = self.git.walk(tip, SortMode.TOPOLOGICAL | SortMode.REVERSE)
        for known in self.tips:
            walk.hide(known)
        for commit in walk:
            if len(self.commits) >= MAX_COMMITS:
                raise Unprocessable(_TOO_LONG)
            self._rewrite(commit)
        self.tips.append(tip)

    def _rewrite(self, commit: pygit2.Commit) -> None:
        oid = str(commit.id)
        old_tree = str(commit.tree_id)
        new_tree = self._tree(old_tree, 0) or self._write(ObjectType.TREE, b"")
        parents = [(str(parent), self.commits.get(str(parent), str(parent))) for parent in commit.parent_ids]
        if new_tree == old_tree and all(old == new for old, new in parents):
            self.commits[oid] = oid
            return
        _kind, data = self.git.odb.read(oid)
        head, separator, message = data.partition(b"\n\n")
        head = _SIGNATURE.sub(b"", head + b"\n").removesuffix(b"\n")
        head = head.replace(b"tree " + old_tree.encode(), b"tree " + new_tree.encode(), 1)
        lines = head.split(b"\n")
        kept = [line for line in lines[1:] if not line.startswith(b"parent ")]
        head = b"\n".join([lines[0], *(b"parent " + new.encode() for _old, new in parents), *kept])
        self.commits[oid] = self._write(ObjectType.COMMIT, head + separator + message)

    def _tree(self, oid: str, depth: int) -> str | None:
        """The tree without the blobs; None when nothing is left that was not empty before."""
        if oid in self.trees:
            return self.trees[oid]
        if depth > MAX_DEPTH or len(self.trees) >= MAX_TREES:
            raise Unprocessable(_TOO_LONG)
        entries = read_tree(self.git, oid)
        kept = [changed for entry in entries if (changed := self._entry(entry, depth)) is not None]
        if kept == entries:
            self.trees[oid] = oid
        else:
            self.trees[oid] = self._write(ObjectType.TREE, b"".join(map(_tree_line, kept))) if kept else None
        return self.trees[oid]

    def _entry(self, entry: RawEntry, depth: int) -> RawEntry | None:
        if entry.mode != MODE_TREE:
            return None if entry.oid in self.blobs else entry
        oid = self._tree(entry.oid, depth + 1)
        return None if oid is None else entry._replace(oid=oid)

    def _write(self, kind: ObjectType, data: bytes) -> str:
        return str(self.git.odb.write(kind, data))


def _tree_line(entry: RawEntry) -> bytes:
    return b"%o %s\0%s" % (entry.mode, entry.name, bytes.fromhex(entry.oid))


def _retarget(data: bytes, oid: str) -> bytes:
    data = b"object " + oid.encode() + data[47:]
    signature = _TAG_SIGNATURE.search(data)
    return data[: signature.start()] if signature else data


def remove_blobs(
    repo_path: Path | str, blob_oids: Iterable[str], *, check: Callable[[Sequence[str]], None] | None = None
) -> list[MovedRef]:
    """Rewrite all branches, tags and pull requests without these blobs; return the references that moved.

    Trees and commits are written beside the writers; only the moves happen under the repository's lock, so that a
    long history holds up nobody. A reference that moved meanwhile is rewritten anew. ``check`` is asked with the
    names of those that would move, before any does, and raises to refuse.

    Raises: Unprocessable (too long a history), Conflict (references keep moving); what is in ``check``
    """
    rewriter = _Rewriter(open_repository(repo_path), frozenset(blob_oids))
    for _ in range(_ROUNDS):
        planned = _plan(rewriter)
        if check is not None:
            check([move.ref for move in planned])
        with writer_lock(repo_path):
            if _plan_holds(rewriter.git, planned):
                return _move(rewriter.git, planned)
    raise Conflict("The branches of this repository keep changing. Please try again.")


def _plan(rewriter: _Rewriter) -> list[MovedRef]:
    moves = []
    for ref in rewriter.git.listall_references():
        oid = read_ref(rewriter.git, ref) if ref.startswith(READABLE_PREFIXES) else None
        if oid is not None:
            new_oid = rewriter.target(oid)
            if new_oid != oid:
                moves.append(MovedRef(ref, oid, new_oid))
    return moves


def _plan_holds(git: pygit2.Repository, planned: Sequence[MovedRef]) -> bool:
    return all(read_ref(git, move.ref) == move.old_oid for move in planned)


def _move(git: pygit2.Repository, planned: Sequence[MovedRef]) -> list[MovedRef]:
    moved: list[MovedRef] = []
    for move in planned:
        try:
            compare_and_swap(git, move.ref, old_oid=move.old_oid, new_oid=move.new_oid)
        except PreconditionFailed as error:
            # A push does not hold our lock. What moved stays moved; asking again goes on from there.
            raise Conflict(f"{move.ref} changed meanwhile. Please try again.") from error
        moved.append(move)
    return moved
