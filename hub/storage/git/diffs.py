"""Compare two commits: which files differ, and in which lines. All of it is bounded."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

import pygit2
from pygit2.enums import DeltaStatus, DiffOption

from hub.storage.git.objects import blob_size, find_entry, load_commit, read_pointer
from hub.storage.git.trees import MODE_SUBMODULE, changed_entries
from hub.storage.lfs.pointer import LfsPointer

MAX_DIFF_BLOB_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class DiffLine:
    """`origin` is ``+``, ``-`` or a space; line numbers are None on the side that lacks the line."""

    origin: str
    old_line: int | None
    new_line: int | None
    text: str


@dataclass(frozen=True, slots=True)
class DiffHunk:
    header: str
    lines: list[DiffLine]


@dataclass(frozen=True, slots=True)
class FileDiff:
    """One changed file; `hunks` is empty for binary, LFS and too large files."""

    status: str
    old_path: str
    path: str
    old_oid: str | None
    new_oid: str | None
    old_size: int
    new_size: int
    old_lfs: LfsPointer | None
    new_lfs: LfsPointer | None
    is_binary: bool
    is_truncated: bool
    additions: int
    deletions: int
    hunks: list[DiffHunk]


@dataclass(frozen=True, slots=True)
class TreeDiff:
    """Changed files between two commits; `total_files` counts those left out too."""

    files: list[FileDiff]
    total_files: int
    is_truncated: bool


def diff_commits(
    repo: pygit2.Repository,
    base_oid: str | None,
    head_oid: str,
    *,
    max_files: int = 100,
    max_lines: int = 5000,
    context_lines: int = 3,
) -> TreeDiff:
    """Compare two commits; None as base means the empty tree. `max_lines` bounds all files together.

    Raises: RevisionNotFound; PayloadTooLarge when they differ in more names than anybody can look at (T65).
    """
    head = load_commit(repo, head_oid).tree
    _require_comparable(repo, base_oid, str(head.id))
    # SKIP_BINARY_CHECK off: libgit2 then decides per file when its patch is made, not for all of them.
    options = DiffOption.INCLUDE_TYPECHANGE
    if base_oid is None:
        diff = head.diff_to_tree(flags=options, context_lines=context_lines, swap=True)
    else:
        base = load_commit(repo, base_oid).tree
        diff = base.diff_to_tree(head, flags=options, context_lines=context_lines)
    total = len(diff)
    if total <= 200:
        # Exact renames only: comparing contents is quadratic.
        diff.find_similar(rename_threshold=100)
        total = len(diff)
    files, lines_left = [], max_lines
    for index, delta in enumerate(islice(diff.deltas, max_files)):
        file = _describe_delta(repo, diff, index, delta, lines_left)
        lines_left -= sum(len(hunk.lines) for hunk in file.hunks)
        files.append(file)
    return TreeDiff(files, total, total > len(files) or any(file.is_truncated for file in files))


def follow_line(repo: pygit2.Repository, old_oid: str, new_oid: str, path: str, line: int) -> int | None:
    """Where line `line` of `path` at one commit is at another; None when it was changed, or cannot be told."""
    old, new = (find_entry(repo, oid, path) for oid in (old_oid, new_oid))
    if old is None or new is None:
        return None
    if old.oid == new.oid:
        return line
    blobs = [repo.get(entry.oid) for entry in (old, new)]
    if not all(isinstance(blob, pygit2.Blob) and blob.size <= MAX_DIFF_BLOB_BYTES for blob in blobs):
        return None
    offset = 0
    for hunk in blobs[0].diff(blobs[1], context_lines=0).hunks:  # type: ignore[union-attr]
        # A hunk that only adds stands after its old line, one that takes away begins at it.
        first = hunk.old_start + (hunk.old_lines == 0)
        if line < first:
            break
        if line < first + hunk.old_lines:
            return None
        offset += hunk.new_lines - hunk.old_lines
    return line + offset


def _require_comparable(repo: pygit2.Repository, base_oid: str | None, head_tree: str) -> None:
    """Spell out what differs within a budget: libgit2 would do it without one."""
    base_tree = str(load_commit(repo, base_oid).tree_id) if base_oid else None
    for _change in changed_entries(repo, base_tree, head_tree):
        pass


_STATUS = {
    DeltaStatus.ADDED: "added",
    DeltaStatus.DELETED: "deleted",
    DeltaStatus.RENAMED: "renamed",
    DeltaStatus.TYPECHANGE: "type changed",
}


def _describe_delta(
    repo: pygit2.Repository,
    diff: pygit2.Diff,
    index: int,
    delta: pygit2.DiffDelta,
    lines_left: int,
) -> FileDiff:
    old_oid, old_size, old_lfs = _describe_side(repo, delta.old_file)
    new_oid, new_size, new_lfs = _describe_side(repo, delta.new_file)
    is_large = max(old_size, new_size) > MAX_DIFF_BLOB_BYTES
    patch = None if is_large or old_lfs or new_lfs else diff[index]
    is_binary = patch is not None and bool(patch.delta.is_binary)
    hunks, is_cut = _hunks(patch, lines_left) if patch is not None and not is_binary else ([], is_large)
    _, additions, deletions = patch.line_stats if patch is not None else (0, 0, 0)
    return FileDiff(
        status=_STATUS.get(delta.status, "modified"),
        old_path=delta.old_file.raw_path.decode(errors="replace"),
        path=delta.new_file.raw_path.decode(errors="replace"),
        old_oid=old_oid,
        new_oid=new_oid,
        old_size=old_lfs.size if old_lfs else old_size,
        new_size=new_lfs.size if new_lfs else new_size,
        old_lfs=old_lfs,
        new_lfs=new_lfs,
        is_binary=is_binary,
        is_truncated=is_cut,
        additions=additions,
        deletions=deletions,
        hunks=hunks,
    )


def _describe_side(repo: pygit2.Repository, file: pygit2.DiffFile) -> tuple[str | None, int, LfsPointer | None]:
    """Return (blob oid, size in bytes, pointer) of one side; the oid is None where the file is absent."""
    oid = str(file.id)
    if oid == "0" * 40 or file.mode == MODE_SUBMODULE:
        return (None if oid == "0" * 40 else oid), 0, None
    return oid, blob_size(repo, oid), read_pointer(repo, oid)


def _hunks(patch: pygit2.Patch, lines_left: int) -> tuple[list[DiffHunk], bool]:
    hunks: list[DiffHunk] = []
    for hunk in patch.hunks:
        if lines_left <= 0:
            return hunks, True
        lines = [_diff_line(line) for line in islice(hunk.lines, lines_left) if line.origin in "+- "]
        is_cut = len(hunk.lines) > lines_left
        lines_left -= len(hunk.lines)
        hunks.append(DiffHunk(hunk.header.rstrip("\n"), lines))
        if is_cut:
            return hunks, True
    return hunks, False


def _diff_line(line: pygit2.DiffLine) -> DiffLine:
    text = line.raw_content.decode(errors="replace").rstrip("\n")
    old_line = line.old_lineno if line.old_lineno > 0 else None
    new_line = line.new_lineno if line.new_lineno > 0 else None
    return DiffLine(line.origin, old_line, new_line, text)
