"""Where an edit in the browser goes: onto the branch, onto a pull request's own head, or into a new pull request.

Who may write to the repo chooses between the first and the last; everybody else who may read its files proposes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from community.permissions import can_contribute, require_contribute
from community.services import pulls
from hub.accounts.auth import Viewer
from hub.core.errors import PermissionDenied
from hub.core.ids import RepoType
from hub.repos.content import Snapshot
from hub.repos.models import Repo
from hub.repos.permissions import can_write, get_repo_for_read
from hub.repos.services.commits import Operation, create_commit
from hub.storage.git.refs import PULL_PREFIX

#: What the second button of an editor sends.
PROPOSE = "pull"


@dataclass(frozen=True, slots=True)
class EditWays:
    """What the reader may do with an edit of this revision; nothing where both are False."""

    can_commit: bool
    can_propose: bool
    is_pull: bool = False

    def __bool__(self) -> bool:
        return self.can_commit or self.can_propose


def get_repo_for_edit(viewer: Viewer, repo_type: RepoType, namespace: str, name: str) -> Repo:
    """A repo whose files the viewer may change or propose to change.

    Raises: as ``get_repo_for_read``; AuthenticationRequired, InsufficientScope, PermissionDenied, GatedRepo
    """
    repo = get_repo_for_read(viewer, repo_type, namespace, name)
    if not can_write(viewer, repo):
        require_contribute(viewer, repo)
    return repo


def ways_of(viewer: Viewer, snapshot: Snapshot) -> EditWays:
    repo, revision = snapshot.repo, snapshot.revision
    if revision.startswith(PULL_PREFIX):
        return EditWays(viewer.user is not None and not pulls.push_problem(viewer, repo, revision), False, is_pull=True)
    if not repo.refs.filter(name=f"refs/heads/{revision}").exists():
        return EditWays(False, False)
    return EditWays(can_write(viewer, repo), can_contribute(viewer, repo))


def require_ways(viewer: Viewer, snapshot: Snapshot) -> EditWays:
    """Raises: PermissionDenied where the revision is nothing that this viewer can change."""
    ways = ways_of(viewer, snapshot)
    if not ways:
        raise PermissionDenied(_("Only branches can be edited. Choose a branch first."))
    return ways


def save_edit(
    request: HttpRequest,
    snapshot: Snapshot,
    operations: Sequence[Operation],
    *,
    message: str,
    page: str,
    words: str,
    parent_oid: str | None = None,
) -> HttpResponse:
    """Commit or propose, as the form's button says; go to ``page`` with ``words``, or to the new pull request.

    Raises: as ``create_commit`` and ``create_pull_request_with_commit``
    """
    viewer, repo = request.viewer, snapshot.repo
    ways = require_ways(viewer, snapshot)
    if ways.can_propose and (not ways.can_commit or request.POST.get("target") == PROPOSE):
        opened, _result = pulls.create_pull_request_with_commit(
            viewer,
            repo,
            branch=snapshot.revision,
            operations=operations,
            message=message,
            description=request.POST.get("description", ""),
            parent_oid=parent_oid,
        )
        messages.success(request, _("Your change is proposed. Those who may write here can merge it."))
        return redirect(opened.page)
    if ways.is_pull:
        pulls.commit_to_pull_request(
            viewer, repo, snapshot.revision, operations=operations, message=message, parent_oid=parent_oid
        )
    else:
        create_commit(
            repo,
            actor=viewer,
            revision=snapshot.revision,
            operations=operations,
            message=message,
            parent_oid=parent_oid,
        )
    messages.success(request, words)
    return redirect(page)
