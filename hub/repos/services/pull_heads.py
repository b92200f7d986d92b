"""The git side of pull requests: heads at ``refs/pr/N``, merges into branches, what strangers' files cost.

Who may do what, and in which state a pull request is, ``community`` knows.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

import pygit2

from hub.accounts.auth import Viewer
from hub.core.errors import Conflict, PreconditionFailed, RevisionNotFound
from hub.repos.content import Snapshot, at_revision, diff
from hub.repos.models import GuestBytes, Repo, RepoObject
from hub.repos.services import lfs, locks
from hub.repos.services.commits import signature_of
from hub.repos.services.mirror import follow_refs
from hub.storage.git import diffs, merges, objects
from hub.storage.git.diffs import TreeDiff
from hub.storage.git.merges import Merge
from hub.storage.git.objects import CommitInfo
from hub.storage.git.refs import BRANCH_PREFIX, compare_and_swap, read_ref
from hub.storage.git.repository import open_repository, writer_lock
from hub.storage.git.trees import MODE_SUBMODULE, Change, changed_entries
from hub.storage.lfs.pointer import format_pointer

# A pull request with more commits lists its newest ones.
MAX_LISTED_COMMITS = 250
# Files of a merge that are compared with locks and looked into for pointers.
MAX_CHANGED_FILES = 25_000


def branch_tip(repo: Repo, branch: str) -> tuple[str, str]:
    """Full name and commit of a branch. Raises: RevisionNotFound for tags, commit ids and what does not exist."""
    ref = branch if branch.startswith(BRANCH_PREFIX) else BRANCH_PREFIX + branch
    oid = read_ref(open_repository(repo.git_path), ref) if branch else None
    if oid is None:
        raise RevisionNotFound(f"Invalid rev id: {branch[:200]}")
    return ref, oid


def create_head(repo: Repo, ref: str, oid: str, *, actor_pk: int | None) -> None:
    """Begin a pull request at a commit. Raises: Conflict when there is one of this number."""
    with writer_lock(repo.git_path):
        try:
            compare_and_swap(open_repository(repo.git_path), ref, old_oid=None, new_oid=oid)
        except (PreconditionFailed, ValueError) as error:
            raise Conflict(f"Reference {ref} already exists") from error
    follow_refs(repo.pk, refs=[ref], actor_pk=actor_pk)


def head_exists(repo: Repo, ref: str) -> bool:
    return read_ref(open_repository(repo.git_path), ref) is not None


def delete_head(repo: Repo, ref: str, *, actor_pk: int | None) -> None:
    """Remove the commits of a pull request from sight, and what they cost from its author's quota."""
    with writer_lock(repo.git_path):
        git = open_repository(repo.git_path)
        oid = read_ref(git, ref)
        if oid is not None:
            compare_and_swap(git, ref, old_oid=oid, new_oid=None)
    GuestBytes.objects.filter(repo=repo, ref=ref).delete()
    follow_refs(repo.pk, refs=[ref], actor_pk=actor_pk)


def drop_guest_links(repo: Repo) -> int:
    """Close large files of strangers whose pointers git has pruned; return how many.

    Only after garbage collection: until then the commits of a removed pull request could still be named.
    """
    git = open_repository(repo.git_path)
    gone = [
        link.pk
        for link in RepoObject.objects.filter(repo=repo, payer__isnull=False)
        if pygit2.hash(format_pointer(link.sha256, link.size_bytes)) not in git
    ]
    RepoObject.objects.filter(pk__in=gone).delete()
    return len(gone)


# --- what a pull request changes -------------------------------------------------------------------------------------


def commits_of(repo: Repo, head_oid: str, base_ref: str) -> list[CommitInfo]:
    """Commits that the head has and the base has not, newest first."""
    git = open_repository(repo.git_path)
    return objects.list_commits(git, head_oid, limit=MAX_LISTED_COMMITS, exclude_oid=read_ref(git, base_ref))


def commits_between(repo: Repo, head_oid: str, base_oid: str) -> list[CommitInfo]:
    """Commits that the head has and ``base_oid`` has not, newest first."""
    git = open_repository(repo.git_path)
    exclude = base_oid if base_oid != head_oid else None
    return objects.list_commits(git, head_oid, limit=MAX_LISTED_COMMITS, exclude_oid=exclude) if exclude else []


def start_of(repo: Repo, head_oid: str, base_oid: str) -> str:
    """Where the head left its base; empty when they share nothing."""
    return objects.merge_base(open_repository(repo.git_path), base_oid, head_oid) or ""


def changes_of(repo: Repo, head_ref: str, base_oid: str) -> TreeDiff:
    """What the head changed since it left ``base_oid``. Raises: RevisionNotFound."""
    head = at_revision(repo, head_ref)
    start = start_of(repo, head.oid, base_oid)
    return diff(Snapshot(repo, head_ref, start), head) if start else diffs.diff_commits(head.git, None, head.oid)


def follow_line(repo: Repo, old_oid: str, new_oid: str, path: str, line: int) -> int | None:
    """Where a line of a file at one commit is at another; None when it was changed or is gone."""
    return diffs.follow_line(open_repository(repo.git_path), old_oid, new_oid, path, line)


def parent_of(repo: Repo, oid: str) -> str:
    """The first parent of a commit, empty where there is none."""
    parents = objects.get_commit(open_repository(repo.git_path), oid).parents
    return parents[0] if parents else ""


def find_conflicts(repo: Repo, base_oid: str, head_oid: str) -> tuple[str, ...] | None:
    """Paths that base and head changed in different ways; None when there are too many to tell."""
    return merges.find_conflicts(open_repository(repo.git_path), base_oid, head_oid)


def is_merged(repo: Repo, oid: str, base_ref: str) -> bool:
    """Whether the base's history holds this commit."""
    return merges.is_reachable(open_repository(repo.git_path), oid, from_ref=base_ref)


def plain_bytes(repo: Repo, old_oid: str, new_oid: str) -> int:
    """Bytes of the files in git that were added or changed between two commits, as a quota counts them."""
    git = open_repository(repo.git_path)
    new = [change.new for change in _changes(git, old_oid, new_oid)]
    return sum(objects.blob_size(git, entry.oid) for entry in new if entry and entry.mode != MODE_SUBMODULE)


# --- merging ---------------------------------------------------------------------------------------------------------


def prepare_merge(repo: Repo, *, actor: Viewer, author: Viewer, base_ref: str, head_ref: str, title: str) -> Merge:
    """Make the one commit, in the name of its author, that merges a pull request, and adopt the files it brings.

    The caller holds the repo's lock, writes down ``oid``, and then calls ``apply_merge``.

    Raises: RevisionNotFound, MergeConflict, Conflict (also for locked files), PayloadTooLarge (the owner's quota)
    """
    git = open_repository(repo.git_path)

    def message(parent: str, head: str) -> str:
        commits = objects.list_commits(git, head, limit=MAX_LISTED_COMMITS, exclude_oid=parent)
        return f"{title}\n\n{_listed(commits)}" if len(commits) > 1 else title

    merge = merges.prepare_merge(
        git,
        ref=base_ref,
        head_ref=head_ref,
        message=message,
        author=signature_of(author),
        committer=signature_of(actor),
    )
    changes = _changes(git, merge.parent_oid, merge.oid)
    locks.require_unlocked(repo, actor=actor, written=[change.path for change in changes])
    lfs.adopt(repo, _pointers(git, changes), plain_ref=head_ref)
    return merge


def apply_merge(repo: Repo, base_ref: str, merge: Merge) -> None:
    """Move the base; rows are the caller's. Raises: PreconditionFailed when a push has moved it, Conflict."""
    merges.apply_merge(open_repository(repo.git_path), base_ref, merge)


def _listed(commits: Iterable[CommitInfo]) -> str:
    return "\n".join(f"- {commit.title[:200]} ({commit.oid[:10]})" for commit in reversed(list(commits)))


def _changes(git: pygit2.Repository, old_oid: str, new_oid: str) -> list[Change]:
    """Raises: Conflict when there are too many to check one by one, RevisionNotFound"""
    trees = [str(git[oid].peel(pygit2.Tree).id) for oid in (old_oid, new_oid)]
    found = list(islice(changed_entries(git, *trees), MAX_CHANGED_FILES + 1))
    if len(found) > MAX_CHANGED_FILES:
        raise Conflict(f"A pull request changes at most {MAX_CHANGED_FILES} files.")
    return found


def _pointers(git: pygit2.Repository, changes: Iterable[Change]) -> list[str]:
    """sha256 of the large files among what was added or changed."""
    plain = [change.new.oid for change in changes if change.new is not None and change.new.mode != MODE_SUBMODULE]
    found = (objects.read_pointer(git, oid) for oid in plain)
    return [pointer.sha256 for pointer in found if pointer is not None]
