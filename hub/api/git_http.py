"""Git over HTTP: who may fetch and push, and what follows a push.  The protocol is ``hub.storage.git.transport``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from community.permissions import require_contribute
from community.queries import has_open_pull_request
from community.services.pulls import count_pushed, push_problem
from hub.accounts.auth import ANONYMOUS, Viewer, authenticate_header
from hub.core.errors import AuthenticationRequired, GatedRepo, NotFound, RepoNotFound
from hub.core.ids import RepoType
from hub.repos.models import Repo
from hub.repos.permissions import (
    RepoMoved,
    can_write,
    check_files,
    get_repo_for_read,
    get_repo_for_write,
    has_write_role,
)
from hub.repos.protection import is_default_branch, protection_of
from hub.repos.services import pushes
from hub.storage.git.pktline import RefCommand, UpdateKind
from hub.storage.git.refs import PULL_PREFIX
from hub.storage.git.transport import GitAccess, GitHttpApp, GitRequest
from hub.storage.threads import in_records_thread

_PREFIXES: Final = {repo_type.web_prefix: repo_type for repo_type in RepoType if repo_type.web_prefix}


@dataclass(frozen=True, slots=True)
class PushContext:
    """What ``after_push`` needs of the decision that let the push in."""

    repo: Repo
    actor: Viewer


async def authorise(request: GitRequest) -> GitAccess:
    """Decide on one request.

    Raises: RepoNotFound (401 for strangers, 404 for the signed-in), AuthenticationRequired, InvalidCredentials,
        PermissionDenied, GatedRepo, RepoDisabled
    """
    return await in_records_thread(_authorise, request)


def _authorise(request: GitRequest) -> GitAccess:
    header = request.headers.get("authorization", "")
    viewer = ANONYMOUS
    if header:
        viewer = authenticate_header(
            header, client=request.headers.get("user-agent", ""), address=request.client_address
        )
    repo = _find_repo(request, viewer)

    async def missing_lfs(sha256s: Sequence[str]) -> set[str]:
        return await in_records_thread(pushes.missing_objects, repo, actor=viewer, sha256s=list(sha256s))

    async def judge_refs(commands: Sequence[RefCommand]) -> Mapping[str, str]:
        return await in_records_thread(_judge_refs, repo, viewer, commands)

    async def locked_paths() -> Mapping[str, str]:
        return await in_records_thread(pushes.locked_paths, repo, actor=viewer)

    return GitAccess(
        repo_path=repo.git_path,
        caller_key=f"user:{viewer.user_pk}" if viewer.user_pk else f"address:{request.client_address}",
        judge_refs=judge_refs,
        missing_lfs=missing_lfs,
        locked_paths=locked_paths,
        protected_refs=protection_of(repo),
        max_pack_bytes=pushes.max_pack_bytes(repo, viewer) if request.is_write else None,
        context=PushContext(repo, viewer),
    )


def _find_repo(request: GitRequest, viewer: Viewer) -> Repo:
    repo_type, namespace, name = _address(request.repo_name)
    try:
        if viewer.service is not None:
            raise RepoNotFound  # a worker's token is for single files of one commit
        if request.is_write:
            return _repo_for_push(viewer, repo_type, namespace, name)
        repo = get_repo_for_read(viewer, repo_type, namespace, name)
        check_files(viewer, repo)
        return repo
    except RepoMoved as moved:
        return _at_former_address(request, viewer, moved.repo)
    except (RepoNotFound, GatedRepo) as error:
        if viewer.user is None:
            # git asks for a password on 401 alone; the answer is the same for hidden and missing (T29).
            raise AuthenticationRequired(error.message) from error
        raise


def _repo_for_push(viewer: Viewer, repo_type: RepoType, namespace: str, name: str) -> Repo:
    """A repo to push to: its writers', or one where the viewer has an open pull request, which is all they may move.

    Which reference a push moves is known, and judged, only later (T59).
    """
    repo = get_repo_for_read(viewer, repo_type, namespace, name)
    if not has_write_role(viewer, repo) and has_open_pull_request(viewer, repo):
        require_contribute(viewer, repo)
        return repo
    return get_repo_for_write(viewer, repo_type, namespace, name)


def _at_former_address(request: GitRequest, viewer: Viewer, repo: Repo) -> Repo:
    """Clones of a renamed repo go on working: git follows no redirect of a POST, so both names serve (T46)."""
    owner = repo.namespace.name
    if request.is_write:
        return _repo_for_push(viewer, repo.type, owner, repo.name)
    check_files(viewer, repo)
    return get_repo_for_read(viewer, repo.type, owner, repo.name)


def _address(repo_name: str) -> tuple[RepoType, str, str]:
    """``ns/name`` or ``datasets/ns/name``. Raises: NotFound."""
    repo_type = RepoType.MODEL
    for prefix, prefixed_type in _PREFIXES.items():
        if repo_name.startswith(prefix) and repo_name.count("/") == 2:
            repo_type, repo_name = prefixed_type, repo_name.removeprefix(prefix)
    namespace, separator, name = repo_name.partition("/")
    if not separator or not namespace or not name or "/" in name:
        raise NotFound
    return repo_type, namespace, name


def _judge_refs(repo: Repo, viewer: Viewer, commands: Sequence[RefCommand]) -> Mapping[str, str]:
    """A reason for each reference that the viewer may not move this way (T58, T59)."""
    is_full, is_writer = pushes.is_over_quota(repo, viewer), can_write(viewer, repo)
    judged = {command.ref: _problem(repo, viewer, command, is_full, is_writer) for command in commands}
    return {ref: reason for ref, reason in judged.items() if reason}


def _problem(repo: Repo, viewer: Viewer, command: RefCommand, is_full: bool, is_writer: bool) -> str:
    """Writers move branches and tags; heads of open pull requests their author too. Nobody makes or deletes heads."""
    is_deletion = command.kind is UpdateKind.DELETE
    if command.ref.startswith(PULL_PREFIX):
        if command.kind is not UpdateKind.UPDATE:
            return "pull requests are opened and removed on the hub, not by a push"
        if problem := push_problem(viewer, repo, command.ref):
            return problem
    elif not is_writer:
        return "you may push to your own pull requests only"
    if is_deletion and is_default_branch(repo, command.ref):
        return "the default branch cannot be deleted"
    return "" if is_deletion or not is_full else "the storage quota of whoever pays for this push is used up"


async def after_push(access: GitAccess, moved: Sequence[RefCommand]) -> None:
    """Make rows follow the refs that moved."""
    await in_records_thread(_follow, access.context, moved)


def _follow(context: PushContext, moved: Sequence[RefCommand]) -> None:
    for command in moved:
        if command.ref.startswith(PULL_PREFIX):
            count_pushed(context.actor, context.repo, command.ref, command.old_oid, command.new_oid)
    pushes.after_push(context.repo.pk, refs=[command.ref for command in moved], actor_pk=context.actor.user_pk)


application = GitHttpApp(authorise, after_push)
