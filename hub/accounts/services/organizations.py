"""Organizations, their members and invitations (T32)."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Final

from allauth.account.models import EmailAddress
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.utils import timezone

from hub.accounts.auth import digest
from hub.accounts.avatars import delete_avatar_file
from hub.accounts.enums import NamespaceKind, Role
from hub.accounts.models import Invitation, Membership, Organization, User
from hub.accounts.services.audit import record
from hub.accounts.services.mail import send_mail, send_notice
from hub.accounts.services.namespaces import claim_namespace, retire_namespace
from hub.accounts.signals import namespace_closing, rights_changed
from hub.core.errors import BadRequest, Conflict, NotFound, PermissionDenied

INVITATION_LIFE: Final = timedelta(days=7)
MAX_OPEN_INVITATIONS: Final = 200
_LAST_ADMIN: Final = "An organization needs at least one admin. Name another one first."


@transaction.atomic
def create_organization(
    name: str,
    *,
    creator: User,
    full_name: str = "",
    description: str = "",
    website: str = "",
    is_private_by_default: bool = False,
    allows_underscores: bool = False,
) -> Organization:
    """Make an organization with ``creator`` as its first admin; ``allows_underscores`` is for operators.

    Raises:
        BadRequest, Conflict: the name may not be had.
        ValidationError: a field is malformed.
    """
    namespace = claim_namespace(name, kind=NamespaceKind.ORGANIZATION, allows_underscores=allows_underscores)
    organization = Organization(
        namespace=namespace,
        full_name=full_name,
        description=description,
        website=website,
        is_private_by_default=is_private_by_default,
    )
    organization.full_clean()
    organization.save()
    Membership.objects.create(organization=organization, user=creator, role=Role.ADMIN)
    record("organization.create", actor=creator, target=name)
    _tell_rights(creator.pk)
    return organization


_FIELDS: Final = frozenset({"full_name", "description", "website", "is_private_by_default"})


@transaction.atomic
def update_organization(organization: Organization, *, actor: User, **fields: str | bool) -> Organization:
    """Set ``full_name``, ``description``, ``website`` or ``is_private_by_default`` (T34).

    Raises:
        PermissionDenied: ``actor`` is no admin.
        ValidationError: a value is malformed.
    """
    if unknown := set(fields) - _FIELDS:
        raise TypeError(f"not a field that can be set: {sorted(unknown)}")
    _require_admin(organization, actor)
    for name, value in fields.items():
        setattr(organization, name, value)
    organization.full_clean()
    organization.save(update_fields=list(fields))
    record("organization.update", actor=actor, target=organization.name, fields=sorted(fields))
    return organization


def delete_organization(organization: Organization, *, actor: User) -> None:
    """Close an organization with its repos; its name is retired for good (T45).

    Raises:
        PermissionDenied: ``actor`` is no admin.
    """
    avatar = organization.avatar
    with transaction.atomic():
        _lock(organization)
        _require_admin(organization, actor)
        namespace = organization.namespace
        member_pks = list(organization.memberships.values_list("user_id", flat=True))
        record("organization.delete", actor=actor, target=namespace.name)
        namespace_closing.send(sender=Organization, namespace_id=namespace.pk)
        retire_namespace(namespace)
        organization.delete()
        for user_pk in member_pks:
            _tell_rights(user_pk)
    delete_avatar_file(avatar)


# --- members ---------------------------------------------------------------------------------------------------------


@transaction.atomic
def set_member(organization: Organization, *, user: User, role: Role | str) -> Membership:
    """Make ``user`` a member with ``role``, or give a member that role: for commands and factories, asks nobody.

    Raises:
        PermissionDenied: it would leave the organization without an admin.
    """
    _lock(organization)
    role = _parse_role(role)
    membership = Membership.objects.filter(organization=organization, user=user).first()
    if membership is None:
        membership = Membership.objects.create(organization=organization, user=user, role=role)
    else:
        _change(membership, role)
    record("member.set", actor=None, target=organization.name, member=user.username, role=role.value)
    _tell_rights(user.pk)
    return membership


@transaction.atomic
def change_role(organization: Organization, *, actor: User, member: User, role: Role | str) -> Membership:
    """Raises PermissionDenied (actor is no admin; last admin), NotFound (not a member), BadRequest (no such role)."""
    _lock(organization)
    _require_admin(organization, actor)
    membership = _membership(organization, member)
    former = membership.role
    _change(membership, _parse_role(role))
    record(
        "member.change_role",
        actor=actor,
        target=organization.name,
        member=member.username,
        former=former,
        role=membership.role,
    )
    _tell_rights(member.pk)
    return membership


@transaction.atomic
def remove_member(organization: Organization, *, actor: User, member: User) -> None:
    """Take a member out; people may also take themselves out.

    Raises:
        PermissionDenied: actor is neither admin nor the member; or it is the last admin.
        NotFound: not a member.
    """
    _lock(organization)
    if actor.pk != member.pk:
        _require_admin(organization, actor)
    membership = _membership(organization, member)
    _require_other_admin(membership)
    membership.delete()
    # What they offered in the organization's name goes with them.
    Invitation.objects.filter(organization=organization, inviter=member, accepted_at__isnull=True).delete()
    act = "member.leave" if actor.pk == member.pk else "member.remove"
    record(act, actor=actor, target=organization.name, member=member.username)
    _tell_rights(member.pk)


def leave_organization(organization: Organization, *, user: User) -> None:
    """Raises PermissionDenied: the last admin cannot leave; NotFound: not a member."""
    remove_member(organization, actor=user, member=user)


def _lock(organization: Organization) -> None:
    """Roles of one organization change one at a time, so that the last-admin rule holds under races."""
    Organization.objects.select_for_update().get(pk=organization.pk)


def _membership(organization: Organization, user: User) -> Membership:
    membership = Membership.objects.filter(organization=organization, user=user).first()
    if membership is None:
        raise NotFound("This person is not a member of the organization.")
    return membership


def _role_of(organization: Organization, user: User) -> Role | None:
    role = Membership.objects.filter(organization=organization, user=user).values_list("role", flat=True).first()
    return Role(role) if role else None


def _require_admin(organization: Organization, actor: User) -> None:
    if _role_of(organization, actor) is not Role.ADMIN:
        raise PermissionDenied("Only admins of the organization can do this.")


def _require_other_admin(membership: Membership) -> None:
    if membership.role != Role.ADMIN:
        return
    others = Membership.objects.filter(
        organization_id=membership.organization_id, role=Role.ADMIN, user__is_active=True
    ).exclude(pk=membership.pk)
    if not others.exists():
        raise PermissionDenied(_LAST_ADMIN)


def _change(membership: Membership, role: Role) -> None:
    if role is not Role.ADMIN:
        _require_other_admin(membership)
    membership.role = role
    membership.save(update_fields=["role"])


def _parse_role(role: Role | str) -> Role:
    try:
        return Role(role)
    except ValueError as error:
        raise BadRequest("Unknown role.", param="role") from error


def _tell_rights(user_pk: int) -> None:
    transaction.on_commit(lambda: rights_changed.send(sender=Membership, user_id=user_pk))


# --- invitations -----------------------------------------------------------------------------------------------------


def invitation_url(secret: str) -> str:
    return f"{settings.HUB_URL}/join/{secret}"


@transaction.atomic
def invite_member(
    organization: Organization, *, inviter: User, role: Role | str, invitee: User | None = None, email: str = ""
) -> tuple[Invitation, str]:
    """Invite a person by account or by address; a newer invitation voids an older one to the same.

    An address gets the same answer whether it has an account or not (T01). Returns the invitation and the secret of
    its link, of which only a hash is kept.

    Raises:
        PermissionDenied: ``inviter`` is no admin, or offers more than they have.
        Conflict: a member already, or too many open invitations.
        BadRequest: neither or both of ``invitee`` and ``email``, a bad address, or mail is not set up.
    """
    _lock(organization)
    role = _parse_role(role)
    _require_admin(organization, inviter)
    own = _role_of(organization, inviter)
    if own is None or not own.includes(role):
        raise PermissionDenied("You cannot give a role above your own.")
    email = email.strip().lower()
    if (invitee is None) == (not email):
        raise BadRequest("Name one person or one e-mail address.", param="invitee")
    if email:
        _check_address(email)
    if invitee is not None and _role_of(organization, invitee) is not None:
        raise Conflict("This person is a member already.", param="invitee")
    open_ones = Invitation.objects.filter(
        organization=organization, accepted_at__isnull=True, declined_at__isnull=True, expires_at__gt=timezone.now()
    )
    open_ones.filter(invitee=invitee, email=email).delete()
    if open_ones.count() >= MAX_OPEN_INVITATIONS:
        raise Conflict("This organization has too many open invitations.")
    secret = secrets.token_urlsafe(32)
    invitation = Invitation.objects.create(
        organization=organization,
        inviter=inviter,
        invitee=invitee,
        email=email,
        role=role,
        digest=digest(secret),
        expires_at=timezone.now() + INVITATION_LIFE,
    )
    record(
        "invitation.create",
        actor=inviter,
        target=organization.name,
        invitee=invitee.username if invitee else "",
        role=role.value,
    )
    context = {"invitation": invitation, "organization": organization, "url": invitation_url(secret)}
    if invitee is not None:
        send_notice(invitee, "email/invitation", context)
    else:
        send_mail(email, "email/invitation", context)
    return invitation, secret


def _check_address(email: str) -> None:
    if not settings.IS_MAIL_CONFIGURED:
        raise BadRequest("This hub sends no mail. Invite people by their user name.", param="email")
    try:
        validate_email(email)
    except ValidationError as error:
        raise BadRequest("This is not an e-mail address.", param="email") from error


@transaction.atomic
def accept_invitation(invitation: Invitation, *, user: User) -> Membership:
    """Join; whether the invitation still holds is asked again under the lock.

    Raises:
        NotFound: used, declined, expired or withdrawn; or the inviter may no longer give this role.
        PermissionDenied: it is for somebody else, or for an address that ``user`` has not verified (T06).
    """
    _lock(invitation.organization)
    invitation = _still_open(invitation)
    _require_addressee(invitation, user)
    role = Role(invitation.role)
    given_by = _role_of(invitation.organization, invitation.inviter)
    if given_by is not Role.ADMIN or not invitation.inviter.is_active:
        raise NotFound("This invitation is no longer valid.")
    membership = Membership.objects.filter(organization=invitation.organization, user=user).first()
    if membership is None:
        membership = Membership.objects.create(organization=invitation.organization, user=user, role=role)
    elif not Role(membership.role).includes(role):
        membership.role = role
        membership.save(update_fields=["role"])
    invitation.accepted_at = timezone.now()
    invitation.save(update_fields=["accepted_at"])
    record("invitation.accept", actor=user, target=invitation.organization.name, role=role.value)
    _tell_rights(user.pk)
    return membership


@transaction.atomic
def decline_invitation(invitation: Invitation, *, user: User) -> None:
    """Raises NotFound, PermissionDenied: as ``accept_invitation``."""
    _lock(invitation.organization)
    invitation = _still_open(invitation)
    _require_addressee(invitation, user)
    invitation.declined_at = timezone.now()
    invitation.save(update_fields=["declined_at"])
    record("invitation.decline", actor=user, target=invitation.organization.name)


@transaction.atomic
def withdraw_invitation(organization: Organization, *, invitation_pk: int, actor: User) -> None:
    """Raises PermissionDenied (actor is no admin), NotFound (not one of this organization, T33)."""
    _require_admin(organization, actor)
    deleted, _per_model = Invitation.objects.filter(
        organization=organization, pk=invitation_pk, accepted_at__isnull=True
    ).delete()
    if not deleted:
        raise NotFound
    record("invitation.withdraw", actor=actor, target=organization.name)


def _still_open(invitation: Invitation) -> Invitation:
    current = (
        Invitation.objects.select_related("organization", "organization__namespace", "inviter")
        .filter(pk=invitation.pk, accepted_at__isnull=True, declined_at__isnull=True, expires_at__gt=timezone.now())
        .first()
    )
    if current is None:
        raise NotFound("This invitation has expired, was withdrawn or has been used.")
    return current


def _require_addressee(invitation: Invitation, user: User) -> None:
    if invitation.invitee_id is not None:
        if invitation.invitee_id != user.pk:
            raise PermissionDenied("This invitation is for another account.")
        return
    if not EmailAddress.objects.filter(user=user, email__iexact=invitation.email, verified=True).exists():
        raise PermissionDenied("This invitation was sent to an e-mail address that is not verified on your account.")
