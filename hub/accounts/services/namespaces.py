"""Taking and retiring names in the one namespace of users and organizations (T45)."""

from __future__ import annotations

from django.db import IntegrityError, transaction
from django.utils import timezone

from hub.accounts.enums import NamespaceKind
from hub.accounts.models import Namespace
from hub.core.errors import Conflict
from hub.core.ids import fold, validate_namespace_name

# Live, retired and renamed names get one answer: which of them it is, is nobody's business.
TAKEN = "This name is taken."


def is_taken(name: str) -> bool:
    return Namespace.objects.filter(name_folded=fold(name)).exists()


def check_name(name: str, *, allows_underscores: bool = False) -> None:
    """Raises BadRequest (not a valid name, or reserved) or Conflict (taken now or once)."""
    validate_namespace_name(name, allows_underscores=allows_underscores)
    if is_taken(name):
        raise Conflict(TAKEN, param="name")


def claim_namespace(name: str, *, kind: NamespaceKind, allows_underscores: bool = False) -> Namespace:
    """Take ``name``; the unique index decides between two who ask at once.

    Raises:
        BadRequest, Conflict: see ``check_name``.
    """
    check_name(name, allows_underscores=allows_underscores)
    try:
        with transaction.atomic():
            return Namespace.objects.create(name=name, kind=kind)
    except IntegrityError as error:
        raise Conflict(TAKEN, param="name") from error


def retire_namespace(namespace: Namespace) -> None:
    """The name stays in the table for good, so that nobody can slip into the links that point at it."""
    namespace.retired_at = timezone.now()
    namespace.save(update_fields=["retired_at"])
