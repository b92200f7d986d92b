"""Gated repos: ask for access, take it back, decide, let in (hub-api §19, T39).

One row per person and repo. The gate itself is judged by ``hub.repos.permissions``, which reads these rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from django.db import transaction
from django.utils import timezone

from hub.accounts.auth import Viewer
from hub.accounts.enums import Action
from hub.accounts.models import User
from hub.accounts.permissions import require_user, role_in
from hub.accounts.services import audit
from hub.core.errors import BadRequest, Conflict, NotFound, PermissionDenied
from hub.core.ratelimit import Bucket, hit
from hub.repos.enums import AccessState, Gating
from hub.repos.gates import read_answers, read_gate_form
from hub.repos.models import AccessRequest, Repo
from hub.repos.signals import access_changed

MAX_REASON_LENGTH: Final = 200
_ASKING: Final = Bucket("access-requests", 60, 3600)


def require_gated(repo: Repo) -> None:
    """Raises: BadRequest."""
    if not repo.gated:
        raise BadRequest("This repository is not gated: everybody who sees it may read its files.")


def ask_access(viewer: Viewer, repo: Repo, answers: Mapping[str, Any]) -> AccessRequest | None:
    """Ask to be let in, with answers to the card's questions; None for members, who are in.

    Asking again while it waits replaces the answers. Where approval is automatic the person is in at once.

    Raises: AuthenticationRequired, InsufficientScope, BadRequest (not gated, or a question is open), RateLimited
        PermissionDenied: the request was rejected; only the repo's admins can change that (T39).
    """
    require_user(viewer, Action.DISCUSSION_WRITE)
    assert viewer.user is not None  # require_user
    require_gated(repo)
    if role_in(viewer, repo.namespace_id) is not None:
        return None
    hit(_ASKING, f"user:{viewer.user_pk}")
    said = read_answers(read_gate_form(repo), answers)
    with transaction.atomic():
        # The mode as it is now, and one asker of a repo at a time.
        repo = Repo.objects.select_for_update(of=("self",)).select_related("namespace").get(pk=repo.pk)
        request = AccessRequest.objects.filter(repo=repo, user=viewer.user).first()
        if request is None:
            request = AccessRequest(repo=repo, user=viewer.user)
        if request.state == AccessState.REJECTED:
            raise PermissionDenied("The authors of this repository have rejected your request.")
        if request.state == AccessState.ACCEPTED:
            return request
        request.answers = said
        request.is_email_shared = True
        if repo.gated == Gating.AUTO:
            request.state, request.decided_at = AccessState.ACCEPTED, timezone.now()
        request.save()
        _record("access.ask", viewer, repo, state=request.state)
        _tell(viewer, request)
    return request


def cancel_access_request(viewer: Viewer, repo: Repo) -> None:
    """Take one's own waiting request back; a decision stands.

    Raises: AuthenticationRequired, InsufficientScope, NotFound
    """
    require_user(viewer, Action.DISCUSSION_WRITE)
    assert viewer.user is not None  # require_user
    with transaction.atomic():
        waiting = AccessRequest.objects.filter(repo=repo, user=viewer.user, state=AccessState.PENDING)
        deleted, _ = waiting.delete()
        if not deleted:
            raise NotFound("You have no request that waits for a decision here.")
        _record("access.cancel", viewer, repo)


# --- for admins: the caller has checked that the viewer administers the repo ------------------------------------------


def find_request(repo: Repo, *, user: User | None = None, object_id: str = "") -> AccessRequest:
    """A request at this repo, by person or by its id (T33). Raises: NotFound."""
    rows = AccessRequest.objects.filter(repo=repo)
    found = (rows.filter(user=user) if user is not None else rows.filter(object_id=object_id)).first()
    if found is None:
        raise NotFound("There is no such access request.")
    return found


def handle_access_request(
    viewer: Viewer, request: AccessRequest, state: AccessState, *, rejection_reason: str = ""
) -> AccessRequest:
    """Accept, reject, or put back to waiting; what somebody said stays, and who decided is kept.

    Raises: NotFound when it is in that state already (so the Hub says it); BadRequest for a reason where none belongs.
    """
    if rejection_reason and state != AccessState.REJECTED:
        raise BadRequest("A reason can be given when rejecting only.", param="rejectionReason")
    if len(rejection_reason) > MAX_REASON_LENGTH:
        raise BadRequest(f"A reason has at most {MAX_REASON_LENGTH} characters.", param="rejectionReason")
    with transaction.atomic():
        request = (
            AccessRequest.objects.select_for_update(of=("self",)).select_related("repo__namespace").get(pk=request.pk)
        )
        if request.state == state:
            raise NotFound(f"The request is {state} already.")
        _decide(viewer, request, state, rejection_reason)
    return request


def grant_access(viewer: Viewer, repo: Repo, user: User) -> AccessRequest:
    """Let somebody in who has not asked, or whose request waits or was rejected. Raises: Conflict."""
    with transaction.atomic():
        repo = Repo.objects.select_for_update(of=("self",)).select_related("namespace").get(pk=repo.pk)
        request = AccessRequest.objects.filter(repo=repo, user=user).first() or AccessRequest(repo=repo, user=user)
        if request.state == AccessState.ACCEPTED:
            raise Conflict(f"{user.username} has access already.")
        _decide(viewer, request, AccessState.ACCEPTED, "")
    return request


def _decide(viewer: Viewer, request: AccessRequest, state: AccessState, reason: str) -> None:
    request.state = state
    request.rejection_reason = reason
    is_open = state == AccessState.PENDING
    request.decided_at = None if is_open else timezone.now()
    request.decided_by = None if is_open else viewer.user
    request.save()
    _record("access.decide", viewer, request.repo, user=request.user_id, state=state)
    _tell(viewer, request)


def _tell(viewer: Viewer, request: AccessRequest) -> None:
    send = partial(access_changed.send_robust, sender=AccessRequest, request_pk=request.pk, actor_pk=viewer.user_pk)
    transaction.on_commit(send)


def _record(action: str, viewer: Viewer, repo: Repo, **data: Any) -> None:
    audit.record(action, actor=viewer, target=repo.repo_id, repo_type=repo.repo_type, **data)
