"""The one rule for repos, asked by every door: pages, API, git, LFS, signed URLs, inference, search.

Hidden and missing repos give the same answer; the surfaces keep it byte-identical (T28–T41).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Q
from django.utils import timezone

from hub.accounts.auth import Viewer
from hub.accounts.enums import Action, Role
from hub.accounts.models import User
from hub.accounts.permissions import role_in, roles_of
from hub.core.errors import (
    AuthenticationRequired,
    GatedRepo,
    InsufficientScope,
    PermissionDenied,
    RepoDisabled,
    RepoNotFound,
)
from hub.core.ids import RepoType, fold
from hub.repos.enums import AccessState, Visibility
from hub.repos.models import AccessRequest, Repo, RepoRedirect


@dataclass(frozen=True, slots=True)
class RepoMoved(Exception):
    """The address is a former one of a repo that the viewer may see; surfaces answer 307 (T46)."""

    repo: Repo


def visible_to(viewer: Viewer, prefix: str = "") -> Q:
    """Filter for ``Repo`` querysets (or, with ``prefix`` such as ``"repo__"``, related ones)."""
    alive = Q(**{f"{prefix}deleted_at__isnull": True})
    if viewer.service is not None:
        return alive & Q(**{f"{prefix}pk": viewer.service.repo_pk})
    public = Q(**{f"{prefix}visibility": Visibility.PUBLIC})
    namespaces = _readable_namespaces(viewer)
    if not namespaces:
        return alive & public
    return alive & (public | Q(**{f"{prefix}namespace_id__in": namespaces}))


def _readable_namespaces(viewer: Viewer) -> list[int]:
    """Namespaces whose private repos a *list* may show: a token without that right sees public ones only."""
    if viewer.token is not None and not viewer.allows(Action.REPO_READ):
        return []
    return list(roles_of(viewer))


def can_read(viewer: Viewer, repo: Repo) -> bool:
    if viewer.service is not None:
        return viewer.service.repo_pk == repo.pk
    if repo.visibility == Visibility.PUBLIC:
        return True
    return role_in(viewer, repo.namespace_id) is not None and _token_allows(viewer, Action.REPO_READ, repo)


def readers_among(repo: Repo, user_pks: Iterable[int]) -> set[int]:
    """Which of these people are active and may read the repo: ``can_read`` for many, in one query."""
    people = User.objects.filter(pk__in=list(user_pks), is_active=True)
    if repo.visibility != Visibility.PUBLIC:
        own = Q(namespace_id=repo.namespace_id)
        people = people.filter(own | Q(memberships__organization__namespace_id=repo.namespace_id))
    return set(people.values_list("pk", flat=True))


def has_write_role(viewer: Viewer, repo: Repo) -> bool:
    """Whether the viewer's person may write to the repo, whatever their token allows."""
    role = role_in(viewer, repo.namespace_id)
    if role is None:
        return False
    if role.includes(Role.WRITE):
        return True
    # A contributor writes what they created themselves.
    return role is Role.CONTRIBUTOR and repo.created_by_id == viewer.user_pk


def can_write(viewer: Viewer, repo: Repo) -> bool:
    return not repo.is_disabled and has_write_role(viewer, repo) and _token_allows(viewer, Action.REPO_WRITE, repo)


def can_admin(viewer: Viewer, repo: Repo) -> bool:
    role = role_in(viewer, repo.namespace_id)
    return role is Role.ADMIN and _token_allows(viewer, Action.REPO_WRITE, repo)


def _token_allows(viewer: Viewer, action: Action, repo: Repo) -> bool:
    return viewer.allows(action, namespace=repo.namespace.name, repo_type=repo.repo_type, name=repo.name)


def find_repo(viewer: Viewer, repo_type: RepoType, namespace: str, name: str) -> Repo:
    """A repo that the viewer may know of, by its address in any case.

    Raises:
        RepoNotFound: missing or hidden.
        RepoMoved: it has another address now.
    """
    repo = (
        Repo.objects.select_related("namespace")
        .filter(
            namespace__name_folded=fold(namespace),
            repo_type=repo_type.value,
            name_folded=fold(name),
            deleted_at__isnull=True,
        )
        .first()
    )
    if repo is not None and can_read(viewer, repo):
        return repo
    # Hidden repos ask this in vain, for their answer must take as long as that for missing ones (T29).
    roles_of(viewer)
    _raise_if_moved(viewer, repo_type, namespace, name)
    raise RepoNotFound


def _raise_if_moved(viewer: Viewer, repo_type: RepoType, namespace: str, name: str) -> None:
    redirect = (
        RepoRedirect.objects.select_related("repo", "repo__namespace")
        .filter(
            namespace__name_folded=fold(namespace),
            repo_type=repo_type.value,
            name_folded=fold(name),
            repo__deleted_at__isnull=True,
        )
        .first()
    )
    if redirect is not None and can_read(viewer, redirect.repo):
        raise RepoMoved(redirect.repo)


def get_repo_for_read(viewer: Viewer, repo_type: RepoType, namespace: str, name: str) -> Repo:
    """A repo whose card and metadata the viewer may read.

    Raises:
        RepoNotFound, RepoMoved, RepoDisabled
    """
    repo = find_repo(viewer, repo_type, namespace, name)
    if repo.is_disabled:
        raise RepoDisabled
    return repo


def get_repo_for_files(viewer: Viewer, repo_type: RepoType, namespace: str, name: str) -> Repo:
    """A repo whose file contents the viewer may read.

    Raises:
        RepoNotFound, RepoMoved, RepoDisabled, GatedRepo
        InsufficientScope: an inference token asks for files of a private repo (T24).
    """
    repo = get_repo_for_read(viewer, repo_type, namespace, name)
    check_files(viewer, repo)
    return repo


def check_files(viewer: Viewer, repo: Repo) -> None:
    """Raises GatedRepo or InsufficientScope where file contents are closed to this viewer."""
    if viewer.service is not None:
        return
    if repo.gated and not _is_gate_open(viewer, repo):
        raise GatedRepo(_gate_text(viewer, repo), anonymous=viewer.user is None)
    if viewer.token is not None and repo.is_private and not _token_allows(viewer, Action.REPO_READ, repo):
        raise InsufficientScope


def are_files_open(viewer: Viewer, repo: Repo) -> bool:
    """Whether ``check_files`` lets this viewer pass: for pages that show files beside what everybody may see."""
    try:
        check_files(viewer, repo)
    except (GatedRepo, InsufficientScope):
        return False
    return True


def _is_gate_open(viewer: Viewer, repo: Repo) -> bool:
    """Members pass, others with a grant; by a token that may read repos, for one for inference opens no files (T24)."""
    if not _token_allows(viewer, Action.REPO_READ, repo):
        return False
    return role_in(viewer, repo.namespace_id) is not None or _has_grant(viewer, repo)


def _has_grant(viewer: Viewer, repo: Repo) -> bool:
    """Whether the owner let this person in; asked anew each time, for a grant may end (T37)."""
    if viewer.user is None:
        return False
    granted = AccessRequest.objects.filter(repo=repo, user=viewer.user, state=AccessState.ACCEPTED)
    return granted.filter(Q(expires_at__isnull=True) | Q(expires_at__gt=timezone.now())).exists()


def _gate_text(viewer: Viewer, repo: Repo) -> str:
    subject = f"Access to {repo.repo_type} {repo.repo_id} is restricted"
    if viewer.user is None:
        return f"{subject}. You must have access to it and be authenticated to access it. Please log in."
    return f"{subject} and you are not in the authorized list. Visit {repo.urls.absolute} to ask for access."


def get_repo_for_write(viewer: Viewer, repo_type: RepoType, namespace: str, name: str) -> Repo:
    """A repo that the viewer may commit to.

    Raises:
        RepoNotFound, RepoMoved, RepoDisabled
        AuthenticationRequired, InsufficientScope, PermissionDenied: visible, but not theirs to write.
    """
    repo = get_repo_for_read(viewer, repo_type, namespace, name)
    refusal = PermissionDenied(
        f"You do not have the rights to write to {repo.repo_id}. Propose your change as a pull request: "
        "pass create_pr=1 as a query parameter (create_pr=True in Python)."
    )
    _require(viewer, repo, None if has_write_role(viewer, repo) else refusal)
    return repo


def get_repo_for_admin(viewer: Viewer, repo_type: RepoType, namespace: str, name: str) -> Repo:
    """A repo whose settings the viewer may change, that they may move or delete; disabled ones too.

    Raises:
        RepoNotFound, RepoMoved, AuthenticationRequired, InsufficientScope, PermissionDenied
    """
    repo = find_repo(viewer, repo_type, namespace, name)
    is_admin = role_in(viewer, repo.namespace_id) is Role.ADMIN
    refusal = PermissionDenied("Only people who administer this repository can do this.")
    _require(viewer, repo, None if is_admin else refusal)
    return repo


def _require(viewer: Viewer, repo: Repo, refusal: PermissionDenied | None) -> None:
    if viewer.user is None:
        raise AuthenticationRequired
    if refusal is not None:
        raise refusal
    if not _token_allows(viewer, Action.REPO_WRITE, repo):
        raise InsufficientScope


def get_repo_for_inference(viewer: Viewer, namespace: str, name: str) -> Repo:
    """A model that the viewer may call: read right and inference right, gates included (T24, T137).

    Raises:
        AuthenticationRequired, InsufficientScope, RepoNotFound, RepoMoved, RepoDisabled, GatedRepo
    """
    if viewer.user is None:
        raise AuthenticationRequired
    repo = _find_for_inference(viewer, namespace, name)
    if not _token_allows(viewer, Action.INFERENCE, repo):
        raise InsufficientScope
    if repo.is_disabled:
        raise RepoDisabled
    if repo.gated and role_in(viewer, repo.namespace_id) is None and not _has_grant(viewer, repo):
        raise GatedRepo(_gate_text(viewer, repo), anonymous=False)
    return repo


def _find_for_inference(viewer: Viewer, namespace: str, name: str) -> Repo:
    """Like find_repo, but an inference token may name the private models of its person (T24)."""
    person = Viewer(user=viewer.user)
    repo = find_repo(person, RepoType.MODEL, namespace, name)
    if repo.is_private and not (
        _token_allows(viewer, Action.INFERENCE, repo) or _token_allows(viewer, Action.REPO_READ, repo)
    ):
        raise RepoNotFound
    return repo
