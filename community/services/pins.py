"""What an owner shows first on their page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from django.db import transaction

from community.models import Pin
from hub.accounts.auth import Viewer
from hub.accounts.enums import Action, Role
from hub.accounts.models import Namespace
from hub.accounts.permissions import require_user, role_in
from hub.core.errors import BadRequest, PermissionDenied
from hub.repos.models import Repo

MAX_PINS: Final = 6


def require_pins(viewer: Viewer, namespace: Namespace) -> None:
    """Raises: AuthenticationRequired, InsufficientScope, PermissionDenied unless the viewer administers the owner."""
    require_user(viewer, Action.REPO_WRITE)
    if role_in(viewer, namespace.pk) is not Role.ADMIN:
        raise PermissionDenied("Only the owner chooses what is pinned.")


def set_pins(viewer: Viewer, namespace: Namespace, repo_pks: Sequence[int]) -> None:
    """Pin these repos of the owner, in this order, and no others. Raises: as ``require_pins``, BadRequest."""
    require_pins(viewer, namespace)
    wanted = list(dict.fromkeys(repo_pks))
    if len(wanted) > MAX_PINS:
        raise BadRequest(f"At most {MAX_PINS} repositories can be pinned.")
    own = Repo.objects.filter(namespace=namespace, deleted_at__isnull=True, pk__in=wanted)
    if own.count() != len(wanted):
        raise BadRequest("Only repositories of this owner can be pinned.")
    with transaction.atomic():
        Namespace.objects.select_for_update().get(pk=namespace.pk)
        Pin.objects.filter(namespace=namespace).delete()
        # A repo that has moved here may still be pinned where it was.
        Pin.objects.filter(repo_id__in=wanted).delete()
        Pin.objects.bulk_create(Pin(namespace=namespace, repo_id=pk, position=place) for place, pk in enumerate(wanted))
