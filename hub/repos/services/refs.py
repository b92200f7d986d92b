"""Branches and tags; names and moves are judged by ``hub.storage.git.refs``."""

from __future__ import annotations

from hub.accounts.auth import Viewer
from hub.core.errors import Conflict, RevisionNotFound
from hub.repos.content import at_revision
from hub.repos.models import Repo
from hub.repos.protection import require_deletable, require_rewritable
from hub.repos.services.commits import CommitResult, signature_of
from hub.repos.services.mirror import follow_refs
from hub.storage.git import commits as git_commits
from hub.storage.git import refs as git_refs
from hub.storage.git.objects import get_commit, merge_base
from hub.storage.git.refs import BRANCH_PREFIX, PULL_PREFIX, TAG_PREFIX, read_ref
from hub.storage.git.repository import open_repository, writer_lock


def create_branch(
    repo: Repo,
    *,
    actor: Viewer,
    name: str,
    starting_point: str | None = None,
    overwrite: bool = False,
    is_empty: bool = False,
) -> str:
    """Create a branch at ``starting_point`` (default: the default branch); return its commit.

    ``overwrite`` moves one that exists, but only to a ``starting_point`` that was named: without it nothing changes.

    Raises: BadRequest (name), RevisionNotFound, Conflict (exists).
    """
    git_refs.validate_branch_name(name)
    ref = BRANCH_PREFIX + name
    there = read_ref(open_repository(repo.git_path), ref) if overwrite and not starting_point and not is_empty else None
    if there is not None:
        return there
    if is_empty:
        oid = git_commits.write_initial_commit(
            repo.git_path, [], message="Initial commit", author=signature_of(actor), ref=ref
        ).oid
    else:
        oid = at_revision(repo, starting_point or repo.default_branch).oid
        if overwrite and name == repo.default_branch:
            raise Conflict(f"Reference {ref} already exists")
        with writer_lock(repo.git_path):
            if overwrite and not _goes_forward(repo, ref, oid):
                require_rewritable(repo, ref)
            git_refs.create_branch(open_repository(repo.git_path), name, oid, overwrite=overwrite)
    follow_refs(repo.pk, refs=[ref], actor_pk=actor.user_pk)
    return oid


def _goes_forward(repo: Repo, ref: str, oid: str) -> bool:
    """True when ``ref`` does not exist, or ``oid`` holds all of its history."""
    git = open_repository(repo.git_path)
    old = read_ref(git, ref)
    return old is None or merge_base(git, old, oid) == old


def delete_branch(repo: Repo, *, actor: Viewer, name: str) -> None:
    """Raises: PermissionDenied for the default branch and protected ones, RevisionNotFound."""
    require_deletable(repo, BRANCH_PREFIX + name)
    with writer_lock(repo.git_path):
        git_refs.delete_branch(open_repository(repo.git_path), name)
    follow_refs(repo.pk, refs=[BRANCH_PREFIX + name], actor_pk=actor.user_pk)


def create_tag(repo: Repo, *, actor: Viewer, name: str, revision: str, message: str = "") -> None:
    """Tag ``revision``, annotated when there is a message. Raises: RevisionNotFound, BadRequest, Conflict."""
    oid = at_revision(repo, revision).oid
    with writer_lock(repo.git_path):
        git_refs.create_tag(
            open_repository(repo.git_path), name, oid, message=message or None, tagger=signature_of(actor)
        )
    follow_refs(repo.pk, refs=[TAG_PREFIX + name], actor_pk=actor.user_pk)


def delete_tag(repo: Repo, *, actor: Viewer, name: str) -> None:
    """Raises: PermissionDenied for protected ones, RevisionNotFound."""
    require_deletable(repo, TAG_PREFIX + name)
    with writer_lock(repo.git_path):
        git_refs.delete_tag(open_repository(repo.git_path), name)
    follow_refs(repo.pk, refs=[TAG_PREFIX + name], actor_pk=actor.user_pk)


def super_squash(repo: Repo, *, actor: Viewer, revision: str, message: str = "") -> CommitResult:
    """Replace the history of a branch by one commit with the same files.

    Raises: RevisionNotFound, PermissionDenied where the branch is protected.
    """
    ref = revision if revision.startswith((BRANCH_PREFIX, PULL_PREFIX)) else BRANCH_PREFIX + revision
    git = open_repository(repo.git_path)
    tip = read_ref(git, ref)
    if tip is None:
        raise RevisionNotFound(f"Invalid rev id: {revision[:200]}")
    require_rewritable(repo, ref)
    text = message.strip() or f"Super-squash of {revision}: {get_commit(git, tip).title}"
    done = git_commits.write_squashed(repo.git_path, ref, message=text, author=signature_of(actor), expected_oid=tip)
    follow_refs(repo.pk, refs=[ref], actor_pk=actor.user_pk)
    return CommitResult(done.oid, ref, None, (), True)
