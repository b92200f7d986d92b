"""Where a commit comes from: the repo's own branches and tags, or only somebody's pull request (T196).

A pull request's commits lie in the owner's repo and can be read by their id, under a name that people trust. Every
surface that shows a commit asks here, and says so.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import pygit2
from pygit2.enums import SortMode

from hub.repos.content import Snapshot
from hub.repos.models import Ref, Repo
from hub.storage.git.refs import PULL_PREFIX
from hub.storage.git.repository import open_repository

# Commits of a pull request that are told apart in a list.
MAX_FOREIGN: Final = 10_000

Heads = tuple[tuple[str, str], ...]


def pull_request_of(snapshot: Snapshot) -> int | None:
    """The pull request that alone holds the commit, the lowest number of several; None for the repo's own."""
    if not _may_be_foreign(snapshot) or _is_own_head(snapshot):
        return None
    own, pulls = _heads(snapshot.repo)
    if not pulls:
        return None
    return _holder(str(snapshot.repo.git_path), snapshot.oid, own, pulls)


def _may_be_foreign(snapshot: Snapshot) -> bool:
    """Repos without pull requests need no look, nor do names of branches and tags: what they lead to is the repo's."""
    revision = snapshot.revision
    return snapshot.repo.last_discussion_num > 0 and (
        revision.startswith(PULL_PREFIX) or snapshot.oid.startswith(revision.lower())
    )


def _is_own_head(snapshot: Snapshot) -> bool:
    """Downloads name the head of a branch by its id: one small query answers for them."""
    heads = Ref.objects.filter(repo=snapshot.repo, oid=snapshot.oid)
    return heads.exclude(name__startswith=PULL_PREFIX).exists()


def foreign_commits(snapshot: Snapshot) -> frozenset[str]:
    """Ids of the commits in the snapshot's history that no branch or tag holds."""
    if pull_request_of(snapshot) is None:
        return frozenset()
    own, _pulls = _heads(snapshot.repo)
    return _foreign(str(snapshot.repo.git_path), snapshot.oid, own)


def _heads(repo: Repo) -> tuple[Heads, Heads]:
    """(branches, tags and the like; pull requests), each with its commit, in order."""
    rows = list(Ref.objects.filter(repo=repo).order_by("name").values_list("name", "oid"))
    pulls = tuple(row for row in rows if row[0].startswith(PULL_PREFIX))
    return tuple(row for row in rows if not row[0].startswith(PULL_PREFIX)), pulls


@lru_cache(maxsize=1024)
def _holder(path: str, oid: str, own: Heads, pulls: Heads) -> int | None:
    git = open_repository(path)
    if next(_walk(git, oid, own), None) is None:
        return None
    numbers = sorted(
        int(name.removeprefix(PULL_PREFIX)) for name, head in pulls if head == oid or _descends(git, head, oid)
    )
    return numbers[0] if numbers else None


@lru_cache(maxsize=256)
def _foreign(path: str, oid: str, own: Heads) -> frozenset[str]:
    found = set()
    for commit in _walk(open_repository(path), oid, own):
        found.add(str(commit.id))
        if len(found) >= MAX_FOREIGN:
            break
    return frozenset(found)


def _walk(git: pygit2.Repository, oid: str, own: Heads) -> pygit2.Walker:
    """Commits from ``oid`` back that none of ``own`` holds."""
    walker = git.walk(oid, SortMode.TOPOLOGICAL)
    for _name, head in own:
        if head in git:
            walker.hide(head)
    return walker


def _descends(git: pygit2.Repository, head: str, oid: str) -> bool:
    try:
        return bool(git.descendant_of(head, oid))
    except (KeyError, ValueError, pygit2.GitError):
        return False
