"""Repos with content, made by the services that the hub itself uses."""

from __future__ import annotations

from itertools import count

from hub.accounts.auth import Viewer
from hub.accounts.models import User
from hub.core.ids import RepoType
from hub.repos.enums import Visibility
from hub.repos.models import Repo
from hub.repos.services import lfs, repos
from hub.repos.services.commits import AddBytes, AddPointer, CommitResult, create_commit
from hub.storage.lfs import transfer
from hub.storage.lfs.objects import put_object
from hub.storage.models import LfsObject, UploadSession
from tests.factories.accounts import make_user

_numbers = count(1)


def make_repo(
    owner: User | None = None,
    name: str = "",
    *,
    namespace: str = "",
    repo_type: RepoType = RepoType.MODEL,
    is_private: bool = False,
    files: dict[str, bytes] | None = None,
) -> Repo:
    """A repo of ``owner`` (a new person); ``files`` come in a second commit."""
    owner = owner or make_user(password=None)
    repo = repos.create_repo(
        Viewer(user=owner),
        namespace=namespace or owner.username,
        name=name or f"repo-{next(_numbers)}",
        repo_type=repo_type,
        visibility=Visibility.PRIVATE if is_private else Visibility.PUBLIC,
    )
    if files:
        commit_files(repo, owner, files)
    return repo


def commit_files(repo: Repo, author: User, files: dict[str, bytes], *, revision: str = "main") -> CommitResult:
    return create_commit(
        repo,
        actor=Viewer(user=author),
        revision=revision,
        operations=[AddBytes(path, data) for path, data in files.items()],
        message="Add files",
    )


def upload_object(repo: Repo, data: bytes) -> LfsObject:
    """Store bytes as a finished upload into ``repo``."""
    stored = put_object([data])
    session: UploadSession = transfer.begin_basic_upload(
        sha256=stored.sha256, size_bytes=len(data), repo_key=lfs.repo_key(repo), owner_key=lfs.owner_key(repo)
    )
    UploadSession.objects.filter(pk=session.pk).update(state="complete")
    return stored


def commit_large_file(repo: Repo, author: User, path: str, data: bytes) -> LfsObject:
    """Upload and commit one large file."""
    stored = upload_object(repo, data)
    create_commit(
        repo,
        actor=Viewer(user=author),
        revision="main",
        operations=[AddPointer(path, stored.sha256, len(data))],
        message=f"Add {path}",
    )
    return stored
