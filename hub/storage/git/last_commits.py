"""Which commit last changed each path: for one commit, for a push, and from scratch. Rows are kept elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pygit2
from pygit2.enums import SortMode

from hub.core.errors import RevisionNotFound
from hub.storage.git.trees import RawEntry, read_tree

MAX_COMMITS = 50_000
# Paths beyond are looked up when somebody asks for them.
MAX_PATHS = 200_000


@dataclass(frozen=True, slots=True)
class PathChange:
    """A file or folder that differs between two trees; `is_deleted` when the new tree lacks it."""

    path: str
    is_folder: bool
    is_deleted: bool


@dataclass(frozen=True, slots=True)
class LastCommits:
    """Commit oid by path (files and folders); deleted paths; False when a bound cut the walk short."""

    by_path: dict[str, str]
    deleted_paths: frozenset[str]
    is_complete: bool


def changed_entries(
    repo: pygit2.Repository, old_tree_oid: str | None, new_tree_oid: str | None
) -> Iterator[PathChange]:
    """Yield every changed path **and its parent folders**, each folder before what it holds.

    Unchanged folders are never read. A path that turns from file to folder (or back) is yielded once as
    deleted and once as new. At most `MAX_PATHS` paths are yielded (T65).
    """
    stack = [("", old_tree_oid, new_tree_oid)]
    budget = MAX_PATHS
    while stack and budget > 0:
        prefix, old_oid, new_oid = stack.pop()
        old, new = _by_key(repo, old_oid), _by_key(repo, new_oid)
        for key in [key for key in {**old, **new} if old.get(key) != new.get(key)]:
            before, after = old.get(key), new.get(key)
            entry = after or before
            assert entry is not None  # the key came from one of the two
            path = prefix + entry.text
            yield PathChange(path, entry.is_tree, after is None)
            budget -= 1
            if entry.is_tree:
                stack.append((f"{path}/", before.oid if before else None, after.oid if after else None))


def changes_of_commit(repo: pygit2.Repository, parent_oid: str | None, commit_oid: str) -> list[PathChange]:
    """Return what `commit_oid` changed against `parent_oid` (None: the empty tree). Raises: RevisionNotFound."""
    old_tree = _tree_oid(repo, parent_oid) if parent_oid else None
    return list(changed_entries(repo, old_tree, _tree_oid(repo, commit_oid)))


def last_commits(repo: pygit2.Repository, tip_oid: str, since_oid: str | None = None) -> LastCommits:
    """Find the last commit of each path at `tip_oid`, in one pass over history, newest first.

    With `since_oid` (the tip before a push) only paths that differ between the two tips are answered, and
    normally only new commits are walked. A commit counts for a path when it differs there from all parents.
    What no commit within `MAX_COMMITS` explains is given to the oldest one seen, and `is_complete` is False.
    Raises: RevisionNotFound.
    """
    old_tree = _tree_oid(repo, since_oid) if since_oid else None
    changes = list(changed_entries(repo, old_tree, _tree_oid(repo, tip_oid)))
    pending = {change.path for change in changes if not change.is_deleted}
    deleted = frozenset(change.path for change in changes if change.is_deleted) - pending
    by_path: dict[str, str] = {}
    oldest = tip_oid
    for count, commit in enumerate(repo.walk(tip_oid, SortMode.TOPOLOGICAL | SortMode.TIME)):
        if not pending or count >= MAX_COMMITS:
            break
        oldest = str(commit.id)
        found = _own_changes(repo, commit) & pending
        by_path.update(dict.fromkeys(found, oldest))
        pending -= found
    by_path.update(dict.fromkeys(pending, oldest))
    return LastCommits(by_path, deleted, not pending)


def _own_changes(repo: pygit2.Repository, commit: pygit2.Commit) -> set[str]:
    new_tree = str(commit.tree_id)
    parents: list[str | None] = [str(parent.tree_id) for parent in commit.parents]
    own: set[str] | None = None
    for parent in parents or [None]:
        if parent == new_tree:
            return set()
        changes = {change.path for change in changed_entries(repo, parent, new_tree) if not change.is_deleted}
        own = changes if own is None else own & changes
    return own or set()


def _by_key(repo: pygit2.Repository, tree_oid: str | None) -> dict[tuple[bytes, bool], RawEntry]:
    if tree_oid is None:
        return {}
    return {(entry.name, entry.is_tree): entry for entry in read_tree(repo, tree_oid)}


def _tree_oid(repo: pygit2.Repository, commit_oid: str) -> str:
    try:
        return str(repo[commit_oid].peel(pygit2.Commit).tree_id)
    except (KeyError, ValueError, pygit2.GitError) as error:
        raise RevisionNotFound from error
