"""Locks on files (git-lfs): a path that one person works on is changed by nobody else, by push or by commit (T76).

A lock holds on every branch. Whoever may administer the repo can break the locks of others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from django.db import IntegrityError, transaction

from hub.accounts.auth import Viewer
from hub.accounts.services import audit
from hub.core.errors import AuthenticationRequired, Conflict, EntryNotFound, PayloadTooLarge, PermissionDenied
from hub.repos.models import FileLock, Repo
from hub.repos.permissions import can_admin
from hub.storage.git.paths import validate_path_in_repo

MAX_LOCKS: Final = 10_000


class AlreadyLocked(Conflict):
    """Somebody, perhaps the caller, holds the lock; ``lock`` is it."""

    def __init__(self, lock: FileLock) -> None:
        super().__init__(f"{lock.path} is locked by {lock.owner.username} already.")
        self.lock = lock


@dataclass(frozen=True, slots=True)
class LockPage:
    """Locks in the order in which they were made; ``next_pk`` where there are more."""

    items: list[FileLock]
    next_pk: int | None


def list_locks(
    repo: Repo, *, path: str = "", lock_pk: int | None = None, after_pk: int | None = None, limit: int
) -> LockPage:
    """The locks of a repo, all or those of one path or id. The caller has checked the right to read files."""
    rows = FileLock.objects.filter(repo=repo).select_related("owner").order_by("pk")
    if path:
        rows = rows.filter(path=path)
    if lock_pk is not None:
        rows = rows.filter(pk=lock_pk)
    if after_pk is not None:
        rows = rows.filter(pk__gt=after_pk)
    found = list(rows[: limit + 1])
    return LockPage(found[:limit], found[limit - 1].pk if len(found) > limit else None)


def create_lock(repo: Repo, *, actor: Viewer, path: str) -> FileLock:
    """Lock ``path`` for the actor. The caller has checked the right to write.

    Raises: BadRequest or Unprocessable (path), AlreadyLocked, PayloadTooLarge (too many locks)
    """
    if actor.user is None:
        raise AuthenticationRequired
    validate_path_in_repo(path)
    if FileLock.objects.filter(repo=repo).count() >= MAX_LOCKS:
        raise PayloadTooLarge(f"A repository has at most {MAX_LOCKS} locks. Unlock files that nobody works on.")
    try:
        with transaction.atomic():
            return FileLock.objects.create(repo=repo, path=path, owner=actor.user)
    except IntegrityError as error:
        held = FileLock.objects.select_related("owner").filter(repo=repo, path=path).first()
        if held is None:  # unlocked in this very moment
            raise Conflict("The lock of this file changed meanwhile. Please try again.") from error
        raise AlreadyLocked(held) from error


def unlock(repo: Repo, *, actor: Viewer, lock_pk: int, is_forced: bool) -> FileLock:
    """Give up a lock, or break another's by force. The caller has checked the right to write.

    Raises: EntryNotFound (also for locks of other repos), PermissionDenied
    """
    with transaction.atomic():
        lock = (
            FileLock.objects.select_for_update(of=("self",)).select_related("owner").filter(repo=repo, pk=lock_pk)
        ).first()
        if lock is None:
            raise EntryNotFound("This lock does not exist.")
        if lock.owner_id != actor.user_pk:
            _require_force(repo, actor, lock, is_forced)
            audit.record(
                "repo.unlock", actor=actor, target=repo.repo_id, repo_type=repo.repo_type, path=lock.path[:200]
            )
        # The row goes, its facts stay for the answer.
        FileLock.objects.filter(pk=lock.pk).delete()
    return lock


def _require_force(repo: Repo, actor: Viewer, lock: FileLock, is_forced: bool) -> None:
    if not can_admin(actor, repo):
        raise PermissionDenied(f"{lock.path} is locked by {lock.owner.username}. Ask them or an administrator.")
    if not is_forced:
        raise PermissionDenied(f"{lock.path} is locked by {lock.owner.username}. Use force to break their lock.")


# --- what locks forbid -----------------------------------------------------------------------------------------------


def locked_by_others(repo: Repo, actor: Viewer) -> Mapping[str, str]:
    """Paths that the actor may not change, with the names of those who locked them."""
    rows = FileLock.objects.filter(repo=repo).exclude(owner_id=actor.user_pk)
    return dict(rows.values_list("path", "owner__username"))


def require_unlocked(repo: Repo, *, actor: Viewer, written: Iterable[str], removed: Iterable[str] = ()) -> None:
    """Raises: Conflict when a path that is written, or a file or folder that is removed, is locked by somebody else."""
    locked = locked_by_others(repo, actor)
    if not locked:
        return
    touched = next((path for path in written if path in locked), None)
    folders = [path.strip("/") for path in removed]
    if touched is None:
        touched = next(
            (path for path in locked if any(path == gone or path.startswith(f"{gone}/") for gone in folders)), None
        )
    if touched is not None:
        raise Conflict(refusal(touched, locked[touched]))


def refusal(path: str, owner: str) -> str:
    return f"{path} is locked by {owner}: it cannot be changed until it is unlocked."
