"""Gated repos: ask for access, take it back, decide, let in (hub-api §19, T39).

One row per person and repo. The gate itself is judged by ``hub.repos.permissions``, which reads these rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from django.db import transaction
from django.utils import timezone

from hub.accounts.auth import Viewer
from hub.accounts.enums import Action
from hub.accounts.models import User
from hub.accounts.permissions import require_user, role_in
from hub.accounts.queries import admins_of
from hub.accounts.services import audit
from hub.accounts.services.mail import send_notice
from hub.core.errors import BadRequest, Conflict, NotFound, PermissionDenied
from hub.core.ratelimit import Bucket, hit
from hub.repos.enums import AccessState, Gating
from hub.repos.gates import read_answers, read_gate_form
from hub.repos.models import AccessRequest, Repo
from hub.repos.signals import access_changed

MAX_REASON_LENGTH: Final = 200
MAX_TERM_DAYS: Final = 3650
_MAX_REMINDED: Final = 200
_ASKING: Final = Bucket("access-requests", 60, 3600)


def require_gated(repo: Repo) -> None:
    """Raises: BadRequest."""
    if not repo.gated:
        raise BadRequest("This repository is not gated: everybody who sees it may read its files.")


def ask_access(viewer: Viewer, repo: Repo, answers: Mapping[str, Any]) -> AccessRequest | None:
    """Ask to be let in, with answers to the card's questions; None for members, who are in.

    Asking again while it waits replaces the answers. Where approval is automatic the person is in at once. A grant that
    has run out may be asked for anew; so may a rejection be, where and when the owner's terms say so.

    Raises: AuthenticationRequired, InsufficientScope, BadRequest (not gated, or a question is open), RateLimited
        PermissionDenied: the request was rejected, and the repo's admins have not allowed to ask again by now (T39).
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
        if request.state == AccessState.REJECTED and not is_retry_open(repo, request):
            raise PermissionDenied("The authors of this repository have rejected your request.")
        if request.state == AccessState.ACCEPTED and not request.is_expired:
            return request
        # Other answers to a request that waits are no news.
        is_new = request.pk is None or request.state != AccessState.PENDING
        if is_new:
            _start_anew(request)
        request.answers = said
        request.is_email_shared = True
        if repo.gated == Gating.AUTO:
            request.state, request.decided_at = AccessState.ACCEPTED, timezone.now()
            request.expires_at = _end_of_grant(repo)
        request.save()
        _record("access.ask", viewer, repo, state=request.state)
        if is_new:
            _tell(viewer, request)
    return request


def is_retry_open(repo: Repo, request: AccessRequest) -> bool:
    """Whether a rejected person may ask again by the terms of the gate."""
    opens = retry_opens_at(repo, request)
    return opens is not None and opens <= timezone.now()


def retry_opens_at(repo: Repo, request: AccessRequest) -> datetime | None:
    """When a rejected person may ask again; None for never."""
    if not repo.gate_retry_days or request.decided_at is None:
        return None
    return request.decided_at + timedelta(days=repo.gate_retry_days)


def _start_anew(request: AccessRequest) -> None:
    request.state = AccessState.PENDING
    request.created_at = timezone.now()
    request.decided_at = request.decided_by = request.expires_at = request.reminded_at = None
    request.rejection_reason = ""


def _end_of_grant(repo: Repo) -> datetime | None:
    return timezone.now() + timedelta(days=repo.gate_grant_days) if repo.gate_grant_days else None


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
        if request.state == state and not request.is_expired:
            raise NotFound(f"The request is {state} already.")
        _decide(viewer, request, state, rejection_reason)
    return request


def grant_access(viewer: Viewer, repo: Repo, user: User) -> AccessRequest:
    """Let somebody in who has not asked, or whose request waits or was rejected. Raises: Conflict."""
    with transaction.atomic():
        repo = Repo.objects.select_for_update(of=("self",)).select_related("namespace").get(pk=repo.pk)
        request = AccessRequest.objects.filter(repo=repo, user=user).first() or AccessRequest(repo=repo, user=user)
        if request.state == AccessState.ACCEPTED and not request.is_expired:
            raise Conflict(f"{user.username} has access already.")
        _decide(viewer, request, AccessState.ACCEPTED, "")
    return request


def _decide(viewer: Viewer, request: AccessRequest, state: AccessState, reason: str) -> None:
    request.state = state
    request.rejection_reason = reason
    is_open = state == AccessState.PENDING
    request.decided_at = None if is_open else timezone.now()
    request.decided_by = None if is_open else viewer.user
    request.expires_at = _end_of_grant(request.repo) if state == AccessState.ACCEPTED else None
    request.save()
    _record("access.decide", viewer, request.repo, user=request.user_id, state=state)
    _tell(viewer, request)


def _tell(viewer: Viewer, request: AccessRequest) -> None:
    send = partial(access_changed.send_robust, sender=AccessRequest, request_pk=request.pk, actor_pk=viewer.user_pk)
    transaction.on_commit(send)


# --- the owner's side of the promise ---------------------------------------------------------------------------------


def remind_owners() -> int:
    """Tell owners, once for each request, of people who wait longer than the gate's terms say; return how many wait."""
    waiting = AccessRequest.objects.filter(
        state=AccessState.PENDING,
        reminded_at__isnull=True,
        user__is_active=True,
        repo__gate_answer_days__gt=0,
        repo__deleted_at__isnull=True,
        repo__gated=Gating.MANUAL,
    )
    repos = Repo.objects.select_related("namespace").filter(pk__in=waiting.order_by().values("repo")).order_by("pk")
    return sum(_remind_owner(repo) for repo in repos.iterator())


def _remind_owner(repo: Repo) -> int:
    latest = timezone.now() - timedelta(days=repo.gate_answer_days)
    with transaction.atomic():
        overdue = AccessRequest.objects.select_for_update(of=("self",)).select_related("user")
        rows = list(
            overdue.filter(
                repo=repo,
                state=AccessState.PENDING,
                reminded_at__isnull=True,
                created_at__lte=latest,
                user__is_active=True,
            ).order_by("pk")[:_MAX_REMINDED]
        )
        if not rows:
            return 0
        AccessRequest.objects.filter(pk__in=[row.pk for row in rows]).update(reminded_at=timezone.now())
        context = {"repo": repo, "names": [row.user.username for row in rows], "url": _decisions_url(repo)}
        for admin in admins_of(repo.namespace):
            send_notice(admin, "email/access_overdue", {**context, "count": len(rows)})
    return len(rows)


def _decisions_url(repo: Repo) -> str:
    return f"{repo.urls.absolute}/settings/access"


def _record(action: str, viewer: Viewer, repo: Repo, **data: Any) -> None:
    audit.record(action, actor=viewer, target=repo.repo_id, repo_type=repo.repo_type, **data)
