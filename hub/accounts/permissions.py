"""Who may do what in a namespace.  Repos add their own rules in ``hub.repos.permissions``."""

from __future__ import annotations

from allauth.mfa.utils import is_mfa_enabled

from hub.accounts.auth import Viewer
from hub.accounts.enums import Action, Role
from hub.accounts.models import Membership, Namespace, Organization, User
from hub.core.errors import AuthenticationRequired, InsufficientScope, NamespaceNotFound, PermissionDenied
from hub.core.ids import fold


def roles_of(viewer: Viewer) -> dict[int, Role]:
    """Namespace id → role of the viewer's person, their own namespace included; one query per request."""
    if viewer.user is None:
        return {}
    if "roles" not in viewer._cache:
        memberships = Membership.objects.filter(user_id=viewer.user.pk).values_list(
            "organization__namespace_id", "role"
        )
        roles = {namespace_id: Role(role) for namespace_id, role in memberships}
        if viewer.user.namespace_id:
            roles[viewer.user.namespace_id] = Role.ADMIN
        viewer._cache["roles"] = roles
    return viewer._cache["roles"]


def role_in(viewer: Viewer, namespace_id: int) -> Role | None:
    return roles_of(viewer).get(namespace_id)


def require_user(viewer: Viewer, action: Action = Action.ACCOUNT_READ) -> None:
    """Raises AuthenticationRequired without a person, InsufficientScope when the token is too narrow."""
    if viewer.user is None:
        raise AuthenticationRequired
    if not viewer.allows(action):
        raise InsufficientScope


def may_administer(user: User) -> bool:
    """Staff with a second factor: what they open reaches every account (T153)."""
    return user.is_active and user.is_staff and is_mfa_enabled(user)


def require_staff(viewer: Viewer) -> User:
    """The member of staff who acts, in a browser: tokens moderate nothing (T17).

    Raises: AuthenticationRequired, InsufficientScope, PermissionDenied
    """
    if viewer.user is None:
        raise AuthenticationRequired
    if viewer.token is not None:
        raise InsufficientScope
    if not may_administer(viewer.user):
        raise PermissionDenied
    return viewer.user


def get_namespace(name: str) -> Namespace:
    """A live namespace by name in any case. Raises NamespaceNotFound."""
    namespace = (
        Namespace.objects.select_related("user", "organization", "renamed_to")
        .filter(name_folded=fold(name), retired_at__isnull=True)
        .first()
    )
    if namespace is None:
        raise NamespaceNotFound
    return namespace


def get_namespace_or_successor(name: str) -> Namespace:
    """As ``get_namespace``; a former name leads to the namespace that bears another one now."""
    row = Namespace.objects.select_related("renamed_to").filter(name_folded=fold(name)).first()
    if row is not None and row.renamed_to is not None:
        return get_namespace(row.renamed_to.name)
    return get_namespace(name)


def get_namespace_for_create(viewer: Viewer, name: str) -> Namespace:
    """The namespace in which the viewer may create a repo.

    The answer does not depend on what exists there (T35).

    Raises:
        AuthenticationRequired: nobody is signed in.
        PermissionDenied: not theirs (or no such namespace), or the role or token is too narrow.
    """
    if viewer.user is None:
        raise AuthenticationRequired
    refusal = PermissionDenied(f"You do not have the rights to create a repository under the namespace {name[:60]!r}.")
    namespace = Namespace.objects.filter(name_folded=fold(name), retired_at__isnull=True).first()
    if namespace is None:
        raise refusal
    role = role_in(viewer, namespace.pk)
    if role is None or not role.includes(Role.CONTRIBUTOR):
        raise refusal
    if not (
        viewer.allows(Action.REPO_WRITE, namespace=namespace.name)
        or viewer.allows(Action.REPO_CREATE, namespace=namespace.name)
    ):
        raise InsufficientScope
    return namespace


def get_organization(viewer: Viewer, name: str, *, at_least: Role | None = None) -> Organization:
    """An organization by name, with a role check where one is asked for.

    Raises:
        NamespaceNotFound, PermissionDenied, InsufficientScope
    """
    organization = (
        Organization.objects.select_related("namespace")
        .filter(namespace__name_folded=fold(name), namespace__retired_at__isnull=True)
        .first()
    )
    if organization is None:
        raise NamespaceNotFound
    if at_least is None:
        return organization
    role = role_in(viewer, organization.namespace_id)
    if role is None or not role.includes(at_least):
        raise PermissionDenied
    if not viewer.allows(Action.ORG_WRITE if at_least is not Role.READ else Action.ORG_READ, namespace=name):
        raise InsufficientScope
    return organization
