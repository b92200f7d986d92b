"""Accounts of people: made, described, closed."""

from __future__ import annotations

from typing import Any

from allauth.account.models import EmailAddress
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.db import transaction

from hub.accounts.avatars import delete_avatar_file, store_avatar
from hub.accounts.enums import NamespaceKind
from hub.accounts.models import Organization, User
from hub.accounts.queries import organizations_only_admin
from hub.accounts.services.audit import record
from hub.accounts.services.namespaces import claim_namespace, retire_namespace
from hub.accounts.signals import namespace_closing, rights_changed
from hub.core.errors import Conflict, PermissionDenied


@transaction.atomic
def save_new_user(user: User) -> User:
    """Give an unsaved account its name and write both, or neither.

    Raises:
        BadRequest, Conflict: the name may not be had.
    """
    user.namespace = claim_namespace(user.username, kind=NamespaceKind.USER)
    user.save()
    record("user.create", actor=user, target=user.username)
    return user


@transaction.atomic
def create_user(
    name: str,
    *,
    email: str,
    password: str | None,
    full_name: str = "",
    is_staff: bool = False,
    is_email_verified: bool = True,
) -> User:
    """Make an account without the sign-up page; ``password`` None leaves it without one.

    Raises:
        BadRequest, Conflict: the name or the address may not be had.
        ValidationError: a field is malformed.
    """
    email = email.strip().lower()
    if EmailAddress.objects.filter(email__iexact=email).exists() or User.objects.filter(email__iexact=email).exists():
        raise Conflict("An account with this e-mail address exists.", param="email")
    user = User(username=name, email=email, full_name=full_name, is_staff=is_staff, is_superuser=is_staff)
    user.set_password(password)
    user.clean_fields(exclude=["namespace", "password", "username"])
    save_new_user(user)
    EmailAddress.objects.create(user=user, email=email, primary=True, verified=is_email_verified)
    return user


@transaction.atomic
def ensure_user(user: User, *, email: str, password: str, full_name: str = "", is_staff: bool = False) -> User:
    """Bring an existing account to the given state; what is empty or False is left alone.

    Raises:
        Conflict: the address belongs to another account.
        ValidationError: a field is malformed.
    """
    email = email.strip().lower()
    if EmailAddress.objects.filter(email__iexact=email).exclude(user=user).exists():
        raise Conflict("An account with this e-mail address exists.", param="email")
    user.email, user.full_name = email, full_name or user.full_name
    user.is_staff = user.is_superuser = is_staff or user.is_staff
    if not user.check_password(password):
        user.set_password(password)
    user.clean_fields(exclude=["namespace", "password"])
    user.save()
    EmailAddress.objects.filter(user=user).exclude(email__iexact=email).update(primary=False)
    EmailAddress.objects.update_or_create(user=user, email=email, defaults={"primary": True, "verified": True})
    record("user.update", actor=None, target=user.username)
    return user


_PROFILE_FIELDS = frozenset({"full_name", "bio", "website", "language"})


@transaction.atomic
def update_profile(user: User, **fields: str) -> User:
    """Set ``full_name``, ``bio``, ``website`` or ``language``; nothing else can be set this way (T34).

    Raises:
        ValidationError: a value is malformed.
    """
    if unknown := set(fields) - _PROFILE_FIELDS:
        raise TypeError(f"not a profile field: {sorted(unknown)}")
    for name, value in fields.items():
        setattr(user, name, value)
    user.clean_fields(exclude=[f.name for f in User._meta.fields if f.name not in fields])
    user.save(update_fields=list(fields))
    record("user.update", actor=user, target=user.username, fields=sorted(fields))
    return user


def set_avatar(subject: User | Organization, *, actor: User, upload: Any) -> None:
    """Replace the picture by a checked and re-encoded copy of ``upload`` (T43, T108).

    Raises:
        BadRequest, PayloadTooLarge: not a picture that this hub takes.
    """
    _change_avatar(subject, actor=actor, name=store_avatar(upload))


def clear_avatar(subject: User | Organization, *, actor: User) -> None:
    _change_avatar(subject, actor=actor, name="")


def _change_avatar(subject: User | Organization, *, actor: User, name: str) -> None:
    former = subject.avatar
    with transaction.atomic():
        subject.avatar = name
        subject.save(update_fields=["avatar"])
        record("avatar.update", actor=actor, target=str(subject), is_set=bool(name))
    delete_avatar_file(former)


def delete_account(user: User) -> None:
    """Close an account: its repos, tokens, memberships and rows go; its name is retired for good (T45).

    Raises:
        PermissionDenied: the person is the only admin of an organization.
    """
    avatar = user.avatar
    with transaction.atomic():
        namespace = user.namespace
        # Locked first: a second admin who leaves at the same time must not leave the organization without one.
        list(Organization.objects.select_for_update().filter(memberships__user=user))
        if blocking := organizations_only_admin(user):
            names = ", ".join(organization.name for organization in blocking)
            raise PermissionDenied(
                f"You are the only admin of {names}. Name another admin or delete the organization first.",
                organizations=[organization.name for organization in blocking],
            )
        user_pk, username = user.pk, user.username
        record("user.delete", actor=user, target=username)
        if namespace is not None:
            namespace_closing.send(sender=User, namespace_id=namespace.pk)
            retire_namespace(namespace)
        end_sessions(user)
        user.delete()
        transaction.on_commit(lambda: rights_changed.send(sender=User, user_id=user_pk))
    delete_avatar_file(avatar)


@transaction.atomic
def deactivate(user: User, *, actor: User | None) -> None:
    """Shut every door of an account without deleting anything (T07)."""
    user.is_active = False
    user.save(update_fields=["is_active"])
    end_sessions(user)
    record("user.deactivate", actor=actor, target=user.username)
    user_pk = user.pk
    transaction.on_commit(lambda: rights_changed.send(sender=User, user_id=user_pk))


@transaction.atomic
def reactivate(user: User, *, actor: User | None) -> None:
    """Open the doors again that ``deactivate`` shut; tokens work as before, sessions begin anew."""
    user.is_active = True
    user.save(update_fields=["is_active"])
    record("user.reactivate", actor=actor, target=user.username)
    user_pk = user.pk
    transaction.on_commit(lambda: rights_changed.send(sender=User, user_id=user_pk))


def end_sessions(user: User, *, keep: str = "") -> int:
    """End the sessions of ``user`` on the server, but for the one with key ``keep``; return how many ended."""
    tracked = UserSession.objects.filter(user=user).exclude(session_key=keep)
    keys = list(tracked.values_list("session_key", flat=True))
    Session.objects.filter(session_key__in=keys).delete()
    tracked.delete()
    return len(keys)
