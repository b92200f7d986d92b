"""Which repo an upload goes to, and by which right: a branch by its writers, a pull request by whoever may read.

Preupload, commit, LFS and Xet ask here, so that one rule holds for the parts of one upload.
"""

from __future__ import annotations

from django.http import HttpRequest

from community.permissions import require_contribute
from community.services.pulls import require_open_head
from hub.accounts.auth import Viewer
from hub.api.requests import query_flag
from hub.api.views.common import viewer_of
from hub.core.ids import RepoType
from hub.repos.models import Repo
from hub.repos.permissions import get_repo_for_files, get_repo_for_read, get_repo_for_write, has_write_role
from hub.storage.git.refs import PULL_PREFIX


def repo_for_upload(request: HttpRequest, repo_type: RepoType, namespace: str, name: str, revision: str) -> Repo:
    """The repo that files for ``revision`` may be sent to; ``create_pr=1`` in the query opens a pull request there.

    Raises: RepoNotFound, RepoMoved, RepoDisabled, GatedRepo, AuthenticationRequired, InsufficientScope,
        PermissionDenied, RevisionNotFound (no such pull request), Conflict (it is merged or closed)
    """
    viewer = viewer_of(request)
    if query_flag(request, "create_pr"):
        return repo_for_pull_request(viewer, repo_type, namespace, name)
    if revision.startswith(PULL_PREFIX):
        repo = get_repo_for_files(viewer, repo_type, namespace, name)
        require_open_head(viewer, repo, revision)
        return repo
    return get_repo_for_write(viewer, repo_type, namespace, name)


def repo_for_pull_request(viewer: Viewer, repo_type: RepoType, namespace: str, name: str) -> Repo:
    """A repo whose files the viewer may read and to which they may propose changes. Raises: as ``repo_for_upload``"""
    repo = get_repo_for_files(viewer, repo_type, namespace, name)
    require_contribute(viewer, repo)
    return repo


def repo_for_objects(viewer: Viewer, repo_type: RepoType, namespace: str, name: str, ref: str = "") -> Repo:
    """A repo that large files may be sent to, where the caller may not say for what: ``ref`` is often missing (§14.2).

    Raises: as ``repo_for_upload``
    """
    repo = get_repo_for_read(viewer, repo_type, namespace, name)
    is_proposal = not ref or ref.startswith(PULL_PREFIX)
    if is_proposal and viewer.user is not None and not has_write_role(viewer, repo):
        return repo_for_pull_request(viewer, repo_type, namespace, name)
    return get_repo_for_write(viewer, repo_type, namespace, name)
