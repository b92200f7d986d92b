"""Three-way merges without a work tree, for pull requests.

    base, ours, theirs → folders that differ are opened, equal ones never → files by line → one commit on top of ours

Work is bounded by what differs, not by the size of the trees (T65). Renames are not followed: a file that one side
moved and the other changed is a conflict.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pygit2
from pygit2.enums import FileMode

from hub.core.errors import Conflict, RevisionNotFound
from hub.storage.git.commits import write_commit_object
from hub.storage.git.objects import blob_size, merge_base, read_blob, read_pointer
from hub.storage.git.paths import find_twins, twin_key
from hub.storage.git.refs import Signature, compare_and_swap, read_ref
from hub.storage.git.trees import MODE_EXECUTABLE, MODE_FILE, MODE_TREE, RawEntry, read_tree

# Folders opened and files compared in one merge; above, nobody is told which files clash.
NODE_BUDGET = 50_000
MAX_CONFLICTS = 1_000
# Larger texts are not merged by line.
MAX_TEXT_BYTES = 1 << 20
#: Lines of this file are rules that stand side by side: both sides' additions are kept.
_UNION_PATH = ".gitattributes"


class MergeConflict(Conflict):
    """Both sides changed the same files; ``data["paths"]`` names them, None when there are too many to tell."""

    default_message = "This pull request conflicts with its target branch. Update it first, then merge it."


@dataclass(frozen=True, slots=True)
class MergedTree:
    """``tree_oid`` is empty when there are conflicts; ``conflicts`` is None when they could not be listed."""

    tree_oid: str
    conflicts: tuple[str, ...] | None = ()


@dataclass(frozen=True, slots=True)
class Merge:
    """The new commit, what the branch holds before it, and the head that it merges."""

    oid: str
    parent_oid: str
    head_oid: str


def find_conflicts(repo: pygit2.Repository, ours_oid: str, theirs_oid: str) -> tuple[str, ...] | None:
    """Paths that both commits changed in different ways; None when there are too many to tell.

    Raises: RevisionNotFound.
    """
    return _merge_commits(repo, ours_oid, theirs_oid).conflicts


def prepare_merge(
    repo: pygit2.Repository,
    *,
    ref: str,
    head_ref: str,
    message: Callable[[str, str], str],
    author: Signature,
    committer: Signature,
) -> Merge:
    """Write the commit that puts what ``head_ref`` changed on top of ``ref``; no reference moves yet.

    ``message(parent_oid, head_oid)`` words it. The caller holds the repository's lock.

    Raises: RevisionNotFound (a reference is gone), MergeConflict, Conflict (nothing to merge).
    """
    parent, head = _tip(repo, ref), _tip(repo, head_ref)
    tree_oid = _tree_for_merge(repo, parent, head)
    oid = write_commit_object(repo, tree_oid, [parent], message(parent, head), author, committer)
    return Merge(oid, parent, head)


def apply_merge(repo: pygit2.Repository, ref: str, merge: Merge) -> None:
    """Move ``ref`` to a prepared merge. Raises: PreconditionFailed when a push has moved it; Conflict."""
    compare_and_swap(repo, ref, old_oid=merge.parent_oid, new_oid=merge.oid)


def _tip(repo: pygit2.Repository, ref: str) -> str:
    oid = read_ref(repo, ref)
    if oid is None:
        raise RevisionNotFound(f"Invalid rev id: {ref[:200]}")
    return oid


def _tree_for_merge(repo: pygit2.Repository, parent: str, head: str) -> str:
    merged = _merge_commits(repo, parent, head)
    if not merged.tree_oid:
        raise MergeConflict(paths=merged.conflicts)
    if merged.tree_oid == str(repo[parent].peel(pygit2.Commit).tree_id):
        raise Conflict("This pull request changes nothing: its target branch holds all of it already.")
    return merged.tree_oid


def _merge_commits(repo: pygit2.Repository, ours_oid: str, theirs_oid: str) -> MergedTree:
    try:
        ours, theirs = (repo[oid].peel(pygit2.Commit) for oid in (ours_oid, theirs_oid))
    except (KeyError, ValueError, pygit2.GitError) as error:
        raise RevisionNotFound from error
    base_oid = merge_base(repo, ours_oid, theirs_oid)
    base = str(repo[base_oid].peel(pygit2.Commit).tree_id) if base_oid else None
    return merge_trees(repo, base, str(ours.tree_id), str(theirs.tree_id))


def merge_trees(repo: pygit2.Repository, base: str | None, ours: str, theirs: str) -> MergedTree:
    """Merge two trees that come from ``base`` (None: they have nothing in common)."""
    merge = _TreeMerge(repo)
    try:
        tree_oid = merge.trees(base, ours, theirs, "")
    except (_TooMuch, RecursionError, UnicodeDecodeError):
        return MergedTree("", None)
    if merge.conflicts:
        return MergedTree("", tuple(sorted(merge.conflicts)))
    return MergedTree(tree_oid or str(repo.TreeBuilder().write()))


class _TooMuch(Exception):
    """More differs than a merge looks at."""


@dataclass(slots=True)
class _TreeMerge:
    repo: pygit2.Repository
    conflicts: list[str] = field(default_factory=list)
    left: int = NODE_BUDGET

    def trees(self, base: str | None, ours: str | None, theirs: str | None, prefix: str) -> str | None:
        """Return the merged tree, None when it is empty."""
        sides = [self._entries(oid) for oid in (base, ours, theirs)]
        builder = self.repo.TreeBuilder(self.repo[ours].peel(pygit2.Tree)) if ours else self.repo.TreeBuilder()
        grown: set[str] = set()
        for name in sorted({name for side in sides for name in side}):
            was, our, their = (side.get(name) for side in sides)
            if our == their or was == their:
                continue
            merged = self._entry(was, our, their, prefix, name.decode(errors="replace"))
            if our is None and merged is not None:
                grown.add(name.decode(errors="replace"))
            _put(builder, name, merged)
        oid = str(builder.write()) if len(builder) else None
        if oid is not None:
            self._find_twins(oid, grown, prefix)
        return oid

    def _entries(self, oid: str | None) -> dict[bytes, RawEntry]:
        return {entry.name: entry for entry in read_tree(self.repo, oid)} if oid else {}

    def _entry(
        self, was: RawEntry | None, our: RawEntry | None, their: RawEntry | None, prefix: str, name: str
    ) -> RawEntry | None:
        """Merge one name that their side changed."""
        self.left -= 1
        if self.left < 0 or len(self.conflicts) > MAX_CONFLICTS:
            raise _TooMuch
        if was == our:
            return their
        if all(side is None or side.is_tree for side in (was, our, their)):
            oids = [side.oid if side else None for side in (was, our, their)]
            oid = self.trees(oids[0], oids[1], oids[2], f"{prefix}{name}/")
            return RawEntry(MODE_TREE, name.encode(), oid) if oid else None
        merged = self._file(was, our, their, prefix + name)
        if merged is None:
            self.conflicts.append(prefix + name)
            return our
        return merged

    def _file(self, was: RawEntry | None, our: RawEntry | None, their: RawEntry | None, path: str) -> RawEntry | None:
        """Merge two versions of a text by line; None when that cannot be done."""
        if our is None or their is None or not all(_is_plain(side) for side in (was, our, their) if side):
            return None
        mode = their.mode if was is not None and our.mode == was.mode else our.mode
        if our.oid == their.oid:
            return RawEntry(mode, our.name, our.oid)
        texts = [self._text(side.oid) if side else b"" for side in (was, our, their)]
        if any(text is None for text in texts):
            return None
        data = _union(texts) if path == _UNION_PATH else self._by_line(was, our, their)
        return None if data is None else RawEntry(mode, our.name, str(self.repo.create_blob(data)))

    def _text(self, oid: str) -> bytes | None:
        """The text of a blob; None for what is large, binary or a pointer."""
        if blob_size(self.repo, oid) > MAX_TEXT_BYTES or read_pointer(self.repo, oid) is not None:
            return None
        data = read_blob(self.repo, oid, MAX_TEXT_BYTES)
        try:
            return None if "\0" in data.decode() else data
        except UnicodeDecodeError:
            return None

    def _by_line(self, was: RawEntry | None, our: RawEntry, their: RawEntry) -> bytes | None:
        found = self.repo.merge_file_from_index(_index_entry(was), _index_entry(our), _index_entry(their))
        assert not isinstance(found, str)  # the form that pygit2 is about to drop
        return found.contents.encode() if found.automergeable else None

    def _find_twins(self, oid: str, grown: set[str], prefix: str) -> None:
        """Refuse new names that differ from others only by case: they clash on the disks of many people (T52)."""
        keys = {twin_key(name) for name in grown}
        names = [entry.text for entry in read_tree(self.repo, oid) if keys and twin_key(entry.text) in keys]
        twins = find_twins(names)
        if twins:
            self.conflicts += [prefix + name for name in twins]


def _index_entry(entry: RawEntry | None) -> pygit2.IndexEntry | None:
    # The name plays no part: only contents are merged.
    return pygit2.IndexEntry("file", pygit2.Oid(hex=entry.oid), FileMode.BLOB) if entry else None


def _is_plain(entry: RawEntry) -> bool:
    return entry.mode in (MODE_FILE, MODE_EXECUTABLE)


def _put(builder: pygit2.TreeBuilder, name: bytes, entry: RawEntry | None) -> None:
    text = name.decode()
    if entry is not None:
        builder.insert(text, entry.oid, entry.mode)
    elif builder.get(text) is not None:
        builder.remove(text)


def _union(texts: list[bytes | None]) -> bytes:
    """Our lines, less those that they removed, plus those that they added."""
    was, our, their = ([line for line in (text or b"").splitlines() if line.strip()] for text in texts)
    kept = [line for line in our if line in their or line not in was]
    added = [line for line in their if line not in was and line not in our]
    return b"".join(line + b"\n" for line in [*kept, *added])


def is_reachable(repo: pygit2.Repository, oid: str, *, from_ref: str) -> bool:
    """Tell whether the history of a reference holds commit ``oid``."""
    tip = read_ref(repo, from_ref)
    try:
        return tip is not None and (tip == oid or bool(repo.descendant_of(tip, oid)))
    except (KeyError, ValueError, pygit2.GitError):
        return False
