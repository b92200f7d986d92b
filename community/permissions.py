"""Who may talk about a repo, propose changes to it, and keep order there.  Builds on ``hub.repos.permissions``.

Whoever may see a repo and is signed in may talk; whoever may read its files may open pull requests; writers keep order.
Whoever may read the files and is no member of the owner may review a version.
The caller has found the repo through ``get_repo_for_read``.
"""

from __future__ import annotations

from community.enums import MeasureKind, TargetKind
from community.models import Block, Discussion, Event, ModerationAction, Review
from hub.accounts.auth import Viewer
from hub.accounts.enums import Action
from hub.accounts.permissions import role_in
from hub.accounts.queries import has_verified_email
from hub.core.errors import AuthenticationRequired, HubError, InsufficientScope, PermissionDenied
from hub.repos.models import Repo
from hub.repos.permissions import can_write, check_files, has_write_role


def require_discuss(viewer: Viewer, repo: Repo) -> None:
    """May open discussions.

    Raises: AuthenticationRequired, InsufficientScope, PermissionDenied where discussions are off, or to the blocked
    """
    if viewer.user is None:
        raise AuthenticationRequired
    if not _token_allows(viewer, repo):
        raise InsufficientScope
    if repo.are_discussions_disabled:
        raise PermissionDenied("Discussions and pull requests are disabled for this repository.")
    if Block.objects.filter(blocker__namespace=repo.namespace_id, blocked=viewer.user).exists():
        raise PermissionDenied("The owner of this repository has blocked you.")


def require_contribute(viewer: Viewer, repo: Repo) -> None:
    """May open pull requests, and send the files for them. Raises: as ``require_discuss``, and GatedRepo"""
    require_discuss(viewer, repo)
    check_files(viewer, repo)


def can_contribute(viewer: Viewer, repo: Repo) -> bool:
    try:
        require_contribute(viewer, repo)
    except HubError:
        return False
    return True


def require_comment(viewer: Viewer, discussion: Discussion) -> None:
    """Raises: as ``require_discuss``, and PermissionDenied in a locked thread, but for those who keep order."""
    require_discuss(viewer, discussion.repo)
    if discussion.is_locked and not can_moderate(viewer, discussion.repo):
        raise PermissionDenied("This discussion is locked.")


def can_moderate(viewer: Viewer, repo: Repo) -> bool:
    """May close, rename, pin and lock, and hide what others wrote."""
    return not repo.is_disabled and has_write_role(viewer, repo) and _token_allows(viewer, repo)


def require_moderate(viewer: Viewer, repo: Repo) -> None:
    """Raises: AuthenticationRequired, InsufficientScope, PermissionDenied"""
    if viewer.user is None:
        raise AuthenticationRequired
    if not has_write_role(viewer, repo):
        raise PermissionDenied("Only people who may write to this repository can do this.")
    if not can_moderate(viewer, repo):
        raise InsufficientScope


def is_author(viewer: Viewer, item: Discussion | Event | Review) -> bool:
    return viewer.user is not None and item.author_id == viewer.user_pk


def can_hide(viewer: Viewer, event: Event) -> bool:
    """May take a comment out of sight: its author, and those who keep order."""
    return is_author(viewer, event) or can_moderate(viewer, event.discussion.repo)


def require_change(viewer: Viewer, discussion: Discussion) -> None:
    """May close, reopen and rename: the author, unless the thread is locked, and those who keep order.

    Raises: as ``require_moderate``
    """
    if is_author(viewer, discussion) and not discussion.is_locked:
        require_discuss(viewer, discussion.repo)
    else:
        require_moderate(viewer, discussion.repo)


def can_push(viewer: Viewer, discussion: Discussion) -> bool:
    """May add commits to a pull request: its author and the writers of the repo. Its state is another question."""
    if can_write(viewer, discussion.repo):
        return True
    if not is_author(viewer, discussion):
        return False
    try:
        require_contribute(viewer, discussion.repo)
    except PermissionDenied:
        return False
    return True


def require_push(viewer: Viewer, discussion: Discussion) -> None:
    """Raises: AuthenticationRequired, PermissionDenied"""
    if viewer.user is None:
        raise AuthenticationRequired
    if not can_push(viewer, discussion):
        raise PermissionDenied(
            "Only the author of this pull request and people who may write to the repository can add commits to it."
        )


def require_unlock(discussion: Discussion) -> None:
    """What the hub's moderators locked, those of the repo do not unlock. Raises: PermissionDenied"""
    locks = ModerationAction.objects.filter(
        kind=MeasureKind.LOCK,
        target_kind=TargetKind.DISCUSSION,
        target_id=discussion.object_id,
        reverted_at__isnull=True,
    )
    if locks.exists():
        raise PermissionDenied("The moderators of this hub have locked this discussion.")


def require_merge(viewer: Viewer, repo: Repo) -> None:
    """Raises: AuthenticationRequired, InsufficientScope, PermissionDenied"""
    require_moderate(viewer, repo)
    if not can_write(viewer, repo):
        raise InsufficientScope


# --- reviews ---------------------------------------------------------------------------------------------------------


def require_review(viewer: Viewer, repo: Repo) -> None:
    """May say what they think of a version: who may read the files, is known by mail, and does not speak for the owner.

    Raises: AuthenticationRequired, InsufficientScope, PermissionDenied, GatedRepo
    """
    require_opinion(viewer, repo)
    check_files(viewer, repo)


def require_vote(viewer: Viewer, review: Review) -> None:
    """May call a review helpful: not its author, nor those whom it is about. Raises: as ``require_opinion``."""
    require_opinion(viewer, review.repo)
    if is_author(viewer, review):
        raise PermissionDenied("Nobody votes for their own review.")


def require_opinion(viewer: Viewer, repo: Repo) -> None:
    """Raises: AuthenticationRequired, InsufficientScope, PermissionDenied"""
    if viewer.user is None:
        raise AuthenticationRequired
    if not _token_allows(viewer, repo):
        raise InsufficientScope
    if role_in(viewer, repo.namespace_id) is not None:
        raise PermissionDenied("Members of the owner do not judge their own repository.")
    require_verified_mail(viewer)


def require_verified_mail(viewer: Viewer) -> None:
    """Where this hub sends mail, opinions count from people with a confirmed address only (T50).

    Raises: PermissionDenied
    """
    if viewer.user is not None and not has_verified_email(viewer.user):
        raise PermissionDenied("Please confirm your e-mail address first: only then do reviews and votes count.")


def can_reply(viewer: Viewer, repo: Repo) -> bool:
    """May answer reviews in the owner's name: those who keep order."""
    return can_moderate(viewer, repo)


def _token_allows(viewer: Viewer, repo: Repo) -> bool:
    return viewer.allows(
        Action.DISCUSSION_WRITE, namespace=repo.namespace.name, repo_type=repo.repo_type, name=repo.name
    )
