"""Rows follow refs: the one place that reads git refs and brings ``Ref``, ``LastCommit`` and ``Repo`` up to them.

A commit, a push and the reconciler all end here.  The git ref is read inside the transaction, so that of two
writers that finish out of order the later transaction still sees the newest tip (T160, T173).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pygit2
import structlog
from django.db import transaction
from django.utils import timezone

from hub.core.errors import RepoNotFound
from hub.repos import signals
from hub.repos.content import commit_date
from hub.repos.models import LastCommit, Ref, Repo
from hub.storage.git import objects
from hub.storage.git.last_commits import last_commits
from hub.storage.git.refs import BRANCH_PREFIX, PULL_PREFIX
from hub.storage.git.repository import open_repository

log = structlog.get_logger("hub.repos.mirror")

_BATCH = 500


@dataclass(frozen=True, slots=True)
class RefChange:
    """A ref whose row was behind; oids are empty for "did not exist" and "is gone"."""

    ref: str
    old_oid: str
    new_oid: str


def follow_refs(repo_pk: int, *, refs: Iterable[str] | None = None, actor_pk: int | None = None) -> list[RefChange]:
    """Make rows equal to git, for ``refs`` (full names) or all; tell ``commit_created`` after the database commit.

    Safe to repeat. Raises: RepoNotFound when row or git repository is gone.
    """
    with transaction.atomic():
        repo = Repo.objects.select_for_update().filter(pk=repo_pk).first()
        if repo is None:
            raise RepoNotFound
        git = open_repository(repo.git_path)
        changes = _differences(repo, git, refs)
        for change in changes:
            _apply(repo, git, change)
        if changes:
            # A pull request changes nothing of the repo itself: strangers must not move it up in lists (T196).
            # Its removal counts, for then git has something to prune.
            if any(not change.ref.startswith(PULL_PREFIX) or not change.new_oid for change in changes):
                repo.updated_at = timezone.now()
            repo.save(update_fields=["updated_at", "head_oid"])
            transaction.on_commit(lambda: _announce(repo_pk, changes, actor_pk))
    return changes


def _announce(repo_pk: int, changes: list[RefChange], actor_pk: int | None) -> None:
    for change in changes:
        answers = signals.commit_created.send_robust(
            sender=Repo,
            repo_pk=repo_pk,
            ref=change.ref,
            old_oid=change.old_oid,
            new_oid=change.new_oid,
            actor_pk=actor_pk,
        )
        for receiver, answer in answers:
            if isinstance(answer, Exception):
                # The commit stands; the catch-up task of the package that missed it will see the newer head.
                log.error("receiver_failed", receiver=repr(receiver), error=repr(answer), repo=repo_pk)


def _differences(repo: Repo, git: pygit2.Repository, refs: Iterable[str] | None) -> list[RefChange]:
    if refs is None:
        found = objects.list_refs(git)
        kinds = (found.branches, found.tags, found.converts, found.pull_requests)
        current = {info.ref: info.target_commit for kind in kinds for info in kind}
        rows = dict(repo.refs.values_list("name", "oid"))
    else:
        names = list(refs)
        current = {name: oid for name in names if (oid := _commit_of(git, name))}
        rows = dict(repo.refs.filter(name__in=names).values_list("name", "oid"))
    return [
        RefChange(name, rows.get(name, ""), current.get(name, ""))
        for name in {**rows, **current}
        if rows.get(name, "") != current.get(name, "")
    ]


def _commit_of(git: pygit2.Repository, ref: str) -> str:
    try:
        return str(git.lookup_reference(ref).peel(pygit2.Commit).id)
    except (KeyError, ValueError, pygit2.GitError):
        return ""


def _apply(repo: Repo, git: pygit2.Repository, change: RefChange) -> None:
    if change.new_oid:
        Ref.objects.update_or_create(
            repo=repo, name=change.ref, defaults={"oid": change.new_oid, "updated_at": timezone.now()}
        )
    else:
        Ref.objects.filter(repo=repo, name=change.ref).delete()
    if change.ref == BRANCH_PREFIX + repo.default_branch:
        repo.head_oid = change.new_oid
    if change.ref.startswith(BRANCH_PREFIX):
        _follow_last_commits(repo, git, change)


# --- last commits ----------------------------------------------------------------------------------------------------


def _follow_last_commits(repo: Repo, git: pygit2.Repository, change: RefChange) -> None:
    rows = LastCommit.objects.filter(repo=repo, ref=change.ref)
    if not change.new_oid:
        rows.delete()
        return
    is_forward = _leads_to(git, change.old_oid, change.new_oid)
    if not is_forward:
        rows.delete()
        if _copy_from_twin(repo, change):
            return
    found = last_commits(git, change.new_oid, change.old_oid if is_forward else None)
    if is_forward:
        _delete_paths(repo, change.ref, found.deleted_paths)
    _store_paths(repo, git, change.ref, found.by_path)


def _leads_to(git: pygit2.Repository, old_oid: str, new_oid: str) -> bool:
    """True if the branch only went forward. A commit that was rewritten away may be pruned already."""
    if not old_oid:
        return False
    try:
        return objects.merge_base(git, old_oid, new_oid) == old_oid
    except pygit2.GitError:
        return False


def rebuild_last_commits(repo: Repo, ref: str, oid: str) -> None:
    """Write the rows of one branch anew."""
    with transaction.atomic():
        git = open_repository(repo.git_path)
        LastCommit.objects.filter(repo=repo, ref=ref).delete()
        _store_paths(repo, git, ref, last_commits(git, oid).by_path)


def _copy_from_twin(repo: Repo, change: RefChange) -> bool:
    """A branch that begins where another one stands has the same rows: no walk through history needed."""
    twin = (
        repo.refs.filter(oid=change.new_oid, name__startswith=BRANCH_PREFIX)
        .exclude(name=change.ref)
        .values_list("name", flat=True)
        .first()
    )
    if twin is None:
        return False
    copies = [
        LastCommit(repo=repo, ref=change.ref, parent_path=parent, name=name, oid=oid, title=title, committed_at=date)
        for parent, name, oid, title, date in LastCommit.objects.filter(repo=repo, ref=twin)
        .values_list("parent_path", "name", "oid", "title", "committed_at")
        .iterator()
    ]
    LastCommit.objects.bulk_create(copies, batch_size=_BATCH)
    return bool(copies)


def _delete_paths(repo: Repo, ref: str, paths: Iterable[str]) -> None:
    by_parent: dict[str, list[str]] = {}
    for path in paths:
        parent, _, name = path.rpartition("/")
        by_parent.setdefault(parent, []).append(name)
    for parent, names in by_parent.items():
        for start in range(0, len(names), _BATCH):
            LastCommit.objects.filter(
                repo=repo, ref=ref, parent_path=parent, name__in=names[start : start + _BATCH]
            ).delete()


def _store_paths(repo: Repo, git: pygit2.Repository, ref: str, by_path: dict[str, str]) -> None:
    facts = {oid: objects.get_commit(git, oid) for oid in set(by_path.values())}
    rows = []
    for path, oid in by_path.items():
        parent, _, name = path.rpartition("/")
        commit = facts[oid]
        rows.append(
            LastCommit(
                repo=repo,
                ref=ref,
                parent_path=parent,
                name=name,
                oid=oid,
                title=commit.title[:255],
                committed_at=commit_date(commit),
            )
        )
    LastCommit.objects.bulk_create(
        rows,
        batch_size=_BATCH,
        update_conflicts=True,
        unique_fields=["repo", "ref", "parent_path", "name"],
        update_fields=["oid", "title", "committed_at"],
    )
