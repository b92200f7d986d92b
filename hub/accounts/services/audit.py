"""The append-only record of who did what to what (T148)."""

from __future__ import annotations

from typing import Any

from hub.accounts.auth import Viewer
from hub.accounts.context import current_origin
from hub.accounts.models import AuditEvent, User


def record(action: str, *, actor: User | Viewer | None, target: str = "", **data: Any) -> AuditEvent:
    """Write one event in the caller's transaction: the act and its record stand or fall together.

    ``action`` is ``subject.verb`` (``token.revoke``); ``data`` holds facts that serialise to JSON, never secrets.
    """
    user = actor.user if isinstance(actor, Viewer) else actor
    token_pk = actor.token.pk if isinstance(actor, Viewer) and actor.token else current_origin().token_pk
    return AuditEvent.objects.create(
        actor=user,
        actor_name=user.username if user else "",
        token_id=token_pk,
        address=current_origin().address,
        action=action,
        target=target[:200],
        data=data,
    )
