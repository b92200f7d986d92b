"""Git over HTTP: who may fetch and push, and what follows a push.  The protocol is ``hub.storage.git.transport``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from hub.accounts.auth import ANONYMOUS, Viewer, authenticate_header
from hub.core.errors import AuthenticationRequired, GatedRepo, NotFound, RepoNotFound
from hub.core.ids import RepoType
from hub.repos.models import Repo
from hub.repos.permissions import RepoMoved, check_files, get_repo_for_read, get_repo_for_write
from hub.repos.services import pushes
from hub.storage.dataplane.threads import in_records_thread
from hub.storage.git.pktline import RefCommand
from hub.storage.git.refs import PULL_PREFIX
from hub.storage.git.transport import GitAccess, GitHttpApp, GitRequest

_PREFIXES: Final = {repo_type.web_prefix: repo_type for repo_type in RepoType if repo_type.web_prefix}


@dataclass(frozen=True, slots=True)
class PushContext:
    """What ``after_push`` needs of the decision that let the push in."""

    repo_pk: int
    actor_pk: int | None


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

    return GitAccess(
        repo_path=repo.git_path,
        caller_key=f"user:{viewer.user_pk}" if viewer.user_pk else f"address:{request.client_address}",
        judge_refs=_judge_refs,
        missing_lfs=missing_lfs,
        protected_refs=frozenset(),
        context=PushContext(repo.pk, viewer.user_pk),
    )


def _find_repo(request: GitRequest, viewer: Viewer) -> Repo:
    repo_type, namespace, name = _address(request.repo_name)
    try:
        if viewer.service is not None:
            raise RepoNotFound  # a worker's token is for single files of one commit
        if request.is_write:
            return get_repo_for_write(viewer, repo_type, namespace, name)
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


def _at_former_address(request: GitRequest, viewer: Viewer, repo: Repo) -> Repo:
    """Clones of a renamed repo go on working: git follows no redirect of a POST, so both names serve (T46)."""
    owner = repo.namespace.name
    if request.is_write:
        return get_repo_for_write(viewer, repo.type, owner, repo.name)
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


async def _judge_refs(commands: Sequence[RefCommand]) -> Mapping[str, str]:
    """Writers move branches and tags; pull request heads belong to the pages that open them."""
    return {
        command.ref: "pull requests cannot be pushed to on this hub yet"
        for command in commands
        if command.ref.startswith(PULL_PREFIX)
    }


async def after_push(access: GitAccess, moved: Sequence[RefCommand]) -> None:
    """Make rows follow the refs that moved."""
    context: PushContext = access.context
    refs = [command.ref for command in moved]
    await in_records_thread(pushes.after_push, context.repo_pk, refs=refs, actor_pk=context.actor_pk)


application = GitHttpApp(authorise, after_push)
