"""Reads about people, organizations, invitations and tokens."""

from __future__ import annotations

from dataclasses import dataclass

from allauth.account.models import EmailAddress
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from hub.accounts.auth import digest
from hub.accounts.enums import Role
from hub.accounts.models import AccessToken, Invitation, Membership, Namespace, Organization, User
from hub.core.errors import NamespaceNotFound, NotFound
from hub.core.ids import fold


def get_user(name: str) -> User:
    """An active person by name in any case. Raises NamespaceNotFound."""
    user = User.objects.select_related("namespace").filter(namespace__name_folded=fold(name), is_active=True).first()
    if user is None:
        raise NamespaceNotFound
    return user


def get_user_by_id(object_id: str) -> User:
    """An active person by the ``_id`` that clients see. Raises NamespaceNotFound."""
    user = User.objects.select_related("namespace").filter(object_id=object_id, is_active=True).first()
    if user is None:
        raise NamespaceNotFound
    return user


def memberships_of(user: User) -> QuerySet[Membership]:
    """With organization and number of members, by name."""
    return (
        Membership.objects.filter(user=user)
        .select_related("organization", "organization__namespace")
        .annotate(member_count=Count("organization__memberships"))
        .order_by("organization__namespace__name_folded")
    )


def members_of(organization: Organization) -> QuerySet[Membership]:
    return (
        Membership.objects.filter(organization=organization, user__is_active=True)
        .select_related("user", "user__namespace")
        .order_by("user__namespace__name_folded")
    )


def has_verified_email(user: User) -> bool:
    """Whether the person has shown that mail reaches them; where this hub sends no mail nobody can, and all have."""
    if not settings.IS_MAIL_CONFIGURED:
        return True
    return EmailAddress.objects.filter(user=user, verified=True).exists()


def admins_of(namespace: Namespace, *, limit: int = 50) -> list[User]:
    """The people who decide in a namespace: its person, or the organization's administrators; those who are active."""
    people = User.objects.select_related("namespace").filter(is_active=True)
    in_it = Q(namespace=namespace) | Q(
        memberships__organization__namespace=namespace, memberships__role=Role.ADMIN.value
    )
    return list(people.filter(in_it).distinct().order_by("pk")[:limit])


def members_page(organization: Organization, *, after: str, search: str, limit: int) -> list[Membership]:
    """Up to ``limit`` + 1 members whose name comes after ``after``: the extra one tells that there is more."""
    members = members_of(organization).filter(user__namespace__name_folded__gt=fold(after))
    if search:
        members = members.filter(
            Q(user__namespace__name_folded__contains=fold(search)) | Q(user__full_name__icontains=search)
        )
    return list(members[: limit + 1])


def organizations_only_admin(user: User) -> list[Organization]:
    """Organizations that would have no admin without ``user``."""
    others = Membership.objects.filter(organization=OuterRef("pk"), role=Role.ADMIN, user__is_active=True).exclude(
        user=user
    )
    return list(
        Organization.objects.select_related("namespace")
        .filter(memberships__user=user, memberships__role=Role.ADMIN)
        .filter(~Exists(others))
        .order_by("namespace__name_folded")
    )


def _open_invitations() -> QuerySet[Invitation]:
    return Invitation.objects.filter(
        accepted_at__isnull=True, declined_at__isnull=True, expires_at__gt=timezone.now()
    ).select_related("organization", "organization__namespace", "inviter", "invitee")


def invitations_for(user: User) -> QuerySet[Invitation]:
    """Open invitations that name this person."""
    return _open_invitations().filter(invitee=user).order_by("-created_at")


def invitations_of(organization: Organization) -> QuerySet[Invitation]:
    return _open_invitations().filter(organization=organization).order_by("-created_at")


def find_invitation(secret: str) -> Invitation:
    """The open invitation behind a link. Raises NotFound (one answer for unknown, used and expired)."""
    invitation = _open_invitations().filter(digest=digest(secret)).first()
    if invitation is None:
        raise NotFound("This invitation has expired, was withdrawn or has been used.")
    return invitation


def get_invitation_for(user: User, pk: int) -> Invitation:
    """An open invitation that names this person. Raises NotFound."""
    invitation = invitations_for(user).filter(pk=pk).first()
    if invitation is None:
        raise NotFound("This invitation has expired, was withdrawn or has been used.")
    return invitation


def tokens_of(user: User) -> QuerySet[AccessToken]:
    """Live and expired tokens that the person made, newest first; revoked ones are kept for the audit only."""
    own = AccessToken.objects.filter(user=user, revoked_at__isnull=True, application__isnull=True)
    return own.order_by("-created_at", "-pk")


def get_token(user: User, object_id: str) -> AccessToken:
    """One of the person's own tokens that was not revoked (T33). Raises NotFound."""
    token = tokens_of(user).filter(object_id=object_id).first()
    if token is None:
        raise NotFound
    return token


@dataclass(frozen=True, slots=True)
class AccountPreview:
    """What goes when an account is closed, as far as this package knows."""

    blocking: list[Organization]
    memberships: list[Membership]
    token_count: int
    session_count: int
    invitation_count: int


def preview_account_deletion(user: User) -> AccountPreview:
    return AccountPreview(
        blocking=organizations_only_admin(user),
        memberships=list(memberships_of(user)),
        token_count=tokens_of(user).count(),
        session_count=UserSession.objects.filter(user=user).count(),
        invitation_count=Invitation.objects.filter(Q(invitee=user) | Q(inviter=user)).count(),
    )
