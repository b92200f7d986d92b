"""Reports and what the hub's moderators do about them: warn, hide, lock, suspend, quarantine; undo; appeals.

report → case (all reports of one thing) → measure, with a reason → told to whom it concerns → appeal → upheld or undone

Every act is one transaction with its audit event (T148); every measure but a warning has its way back.  Moderators
are staff with a second factor, in a browser (``hub.accounts.permissions.require_staff``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from community.enums import CaseState, EventKind, MeasureKind, NoticeKind, ReportCategory, TargetKind
from community.models import Appeal, Collection, Discussion, Event, ModerationAction, Report
from community.services import ratings, threads
from community.services.notices import notify
from community.services.threads import Change
from community.targets import Found, find_for_staff, find_target
from hub.accounts.auth import Viewer
from hub.accounts.closed import closed_account_url
from hub.accounts.enums import Action, Role
from hub.accounts.models import Membership, User
from hub.accounts.permissions import require_staff, require_user
from hub.accounts.services import audit
from hub.accounts.services.mail import send_notice
from hub.accounts.services.users import deactivate, reactivate
from hub.core.errors import BadRequest, Conflict, NotFound, PermissionDenied
from hub.core.ratelimit import Bucket, hit
from hub.repos.models import Repo
from hub.repos.services.repos import clear_disabled, set_disabled

MAX_REPORT: Final = 2_000
MAX_REASON: Final = 1_000
MAX_APPEAL: Final = 4_000


# --- reports ---------------------------------------------------------------------------------------------------------


def report(viewer: Viewer, kind: str, object_id: str, *, category: str, text: str = "") -> Report:
    """Tell the moderators of something that the viewer may see.

    Raises: AuthenticationRequired, InsufficientScope, NotFound, BadRequest, RateLimited,
        Conflict: their report of it waits already.
    """
    require_user(viewer, Action.DISCUSSION_WRITE)
    found = find_target(viewer, kind, object_id)
    if category not in ReportCategory.values:
        raise BadRequest("Choose what is wrong.", param="category")
    text = _clean(text, MAX_REPORT, "text")
    if category == ReportCategory.OTHER and not text:
        raise BadRequest("Say in a few words what is wrong.", param="text")
    hit(Bucket("reports", settings.HUB_RATE_REPORTS, 3600), f"user:{viewer.user_pk}")
    try:
        with transaction.atomic():
            made = Report.objects.create(reporter=viewer.user, category=category, text=text, **_facts(found))
            audit.record("report.create", actor=viewer, target=found.name, kind=kind, report=made.object_id)
    except IntegrityError as error:
        raise Conflict("You have reported this already. The moderators have not decided yet.") from error
    return made


def dismiss_reports(viewer: Viewer, kind: str, object_id: str) -> int:
    """Decide that the open reports of a thing call for nothing; return how many. Raises: as ``require_staff``."""
    require_staff(viewer)
    with transaction.atomic():
        return _close_reports(viewer, kind, object_id, CaseState.REJECTED)


def _close_reports(viewer: Viewer, kind: str, object_id: str, state: CaseState) -> int:
    waiting = Report.objects.filter(target_kind=kind, target_id=object_id, state=CaseState.OPEN)
    names = list(waiting.values_list("object_id", "target_name"))
    waiting.update(state=state, handled_by=viewer.user, handled_at=timezone.now())
    for report_id, name in names:
        audit.record("report.handle", actor=viewer, target=name, report=report_id, state=state.value)
    return len(names)


def _facts(found: Found) -> dict[str, Any]:
    return {
        "target_kind": found.kind,
        "target_id": found.object_id,
        "target_name": found.name[:200],
        "subject": found.subject,
        "namespace": found.namespace,
    }


def _clean(text: str, limit: int, param: str) -> str:
    text = text.strip()
    if len(text) > limit:
        raise BadRequest(f"At most {limit} characters.", param=param)
    return text


# --- measures --------------------------------------------------------------------------------------------------------


def take_measure(
    viewer: Viewer, measure: str, kind: str, object_id: str, *, reason: str, note: str = ""
) -> ModerationAction:
    """Do it, tell whom it concerns why, and close the reports that asked for it.

    Raises: AuthenticationRequired, InsufficientScope, PermissionDenied (no moderator, or staff is meant),
        NotFound, BadRequest, Conflict (it is in force already)
    """
    staff = require_staff(viewer)
    reason, note = _clean(reason, MAX_REASON, "reason"), _clean(note, MAX_REASON, "note")
    if not reason:
        raise BadRequest("Give the reason: the person reads it.", param="reason")
    with transaction.atomic():
        found = find_for_staff(kind, object_id)
        if found is None:
            raise NotFound("It is gone.")
        if measure not in found.measures:
            raise BadRequest("This cannot be done to it.", param="measure")
        action = ModerationAction(
            kind=measure, reason=reason, note=note, excerpt=found.excerpt, actor=staff, **_facts(found)
        )
        if action.kind in _APPLY:
            _APPLY[action.kind](viewer, found, reason)
        _insert(action)
        _close_reports(viewer, kind, object_id, CaseState.ACCEPTED)
        audit.record(
            f"moderation.{measure}", actor=viewer, target=found.name, kind=kind, measure=action.object_id, reason=reason
        )
        _tell(action, reason)
    return action


def _insert(action: ModerationAction) -> None:
    try:
        with transaction.atomic():
            action.save(force_insert=True)
    except IntegrityError as error:
        raise Conflict("This is in force already.") from error


def revert_measure(viewer: Viewer, action: ModerationAction) -> ModerationAction:
    """Undo it, and tell whom it concerned. Raises: as ``require_staff``; Conflict when it is undone already."""
    require_staff(viewer)
    with transaction.atomic():
        locked = ModerationAction.objects.select_for_update(of=("self",)).get(pk=action.pk)
        if not locked.is_active:
            raise Conflict("This was undone already.")
        if locked.kind in _UNDO:
            found = find_for_staff(locked.target_kind, locked.target_id)
            if found is not None:  # what is gone needs nothing undone
                _UNDO[locked.kind](viewer, found)
        locked.reverted_at, locked.reverted_by = timezone.now(), viewer.user
        locked.save(update_fields=["reverted_at", "reverted_by"])
        audit.record("moderation.revert", actor=viewer, target=locked.target_name, measure=locked.object_id)
        _tell(locked, "This was undone.")
    return locked


def find_measure(object_id: str) -> ModerationAction:
    """For moderators. Raises: NotFound."""
    found = ModerationAction.objects.select_related("subject", "namespace").filter(object_id=object_id).first()
    if found is None:
        raise NotFound
    return found


# --- each measure and its way back -----------------------------------------------------------------------------------


def _hide(viewer: Viewer, found: Found, reason: str) -> None:
    _set_hidden(viewer, found, is_hidden=True)


def _show(viewer: Viewer, found: Found) -> None:
    _set_hidden(viewer, found, is_hidden=False)


def _set_hidden(viewer: Viewer, found: Found, *, is_hidden: bool) -> None:
    if found.kind is TargetKind.COLLECTION:
        Collection.objects.filter(pk=found.thing.pk).update(hidden_at=timezone.now() if is_hidden else None)
    elif found.kind is TargetKind.REVIEW:
        ratings.set_hidden(found.thing, is_hidden=is_hidden)
    elif found.kind is TargetKind.DISCUSSION:
        _hide_thread(viewer, found.thing, is_hidden=is_hidden)
    else:
        _hide_comment(viewer, found.thing, is_hidden=is_hidden)


def _hide_thread(viewer: Viewer, discussion: Discussion, *, is_hidden: bool) -> None:
    with threads.changing(discussion) as locked:
        locked.hidden_at = timezone.now() if is_hidden else None
        locked.save(update_fields=["hidden_at"])
        threads.recount(locked.repo_id)


def _hide_comment(viewer: Viewer, event: Event, *, is_hidden: bool) -> None:
    with threads.changing(event.discussion) as locked:
        now = Event.objects.get(pk=event.pk)
        if is_hidden and now.is_hidden:
            raise Conflict("This is hidden already.")
        now.hidden_at = timezone.now() if is_hidden else None
        now.hidden_by = viewer.user if is_hidden else None
        now.save(update_fields=["hidden_at", "hidden_by"])
        if is_hidden:
            threads.announce(locked, Change.COMMENT_HIDDEN, actor_pk=viewer.user_pk, comment_pk=now.pk)


def _lock(viewer: Viewer, found: Found, reason: str) -> None:
    _set_locked(viewer, found.thing, is_locked=True)


def _unlock(viewer: Viewer, found: Found) -> None:
    _set_locked(viewer, found.thing, is_locked=False)


def _set_locked(viewer: Viewer, discussion: Discussion, *, is_locked: bool) -> None:
    with threads.changing(discussion) as locked:
        if locked.is_locked == is_locked:
            return  # those of the repo did the same
        locked.locked_at = timezone.now() if is_locked else None
        locked.save(update_fields=["locked_at"])
        threads.add_event(locked, EventKind.LOCK, viewer.user, data={"locked": is_locked})
        threads.announce(locked, Change.LOCKED, actor_pk=viewer.user_pk)


def _suspend(viewer: Viewer, found: Found, reason: str) -> None:
    user: User = found.thing
    if user.is_staff or user.pk == viewer.user_pk:
        raise PermissionDenied("Accounts of staff are not suspended here.")
    if not user.is_active:
        raise Conflict("This account is closed already.")
    deactivate(user, actor=viewer.user)


def _readmit(viewer: Viewer, found: Found) -> None:
    reactivate(found.thing, actor=viewer.user)


def _quarantine(viewer: Viewer, found: Found, reason: str) -> None:
    repo: Repo = found.thing
    if repo.is_disabled:
        raise Conflict("This repository is disabled already.")
    set_disabled(repo, actor=viewer, reason=reason[:300])


def _release(viewer: Viewer, found: Found) -> None:
    clear_disabled(found.thing, actor=viewer)


_APPLY: Final[dict[str, Callable[[Viewer, Found, str], None]]] = {
    MeasureKind.HIDE: _hide,
    MeasureKind.LOCK: _lock,
    MeasureKind.SUSPEND: _suspend,
    MeasureKind.QUARANTINE: _quarantine,
}
_UNDO: Final[dict[str, Callable[[Viewer, Found], None]]] = {
    MeasureKind.HIDE: _show,
    MeasureKind.LOCK: _unlock,
    MeasureKind.SUSPEND: _readmit,
    MeasureKind.QUARANTINE: _release,
}


# --- whom it concerns ------------------------------------------------------------------------------------------------


def concerns(user: User, action: ModerationAction) -> bool:
    """Whether a measure is about this person, or about what an organization owns that they administer."""
    if action.subject_id == user.pk:
        return True
    return (
        action.namespace_id is not None
        and Membership.objects.filter(
            user=user, role=Role.ADMIN, organization__namespace_id=action.namespace_id
        ).exists()
    )


def _people_of(action: ModerationAction) -> list[User]:
    people = {
        user.pk: user for user in User.objects.filter(pk=action.subject_id or 0)
    }  # as they are now: closed or not
    if action.namespace_id is not None:
        admins = Membership.objects.select_related("user").filter(
            organization__namespace_id=action.namespace_id, role=Role.ADMIN, user__is_active=True
        )
        people |= {membership.user.pk: membership.user for membership in admins}
    return list(people.values())


def _tell(action: ModerationAction, text: str) -> None:
    """By a notice, which a mail follows; whoever cannot sign in gets a mail, with a link to a page of their own."""
    people = _people_of(action)
    notify(
        (person for person in people if person.is_active),
        NoticeKind.MODERATION,
        title=action.target_name,
        text=text,
        href="/settings/moderation",
        group=f"measure:{action.object_id}",
    )
    for person in people:
        if not person.is_active:
            link = settings.HUB_URL + closed_account_url(person)
            send_notice(person, "email/account_closed", {"text": text, "link": link})


# --- appeals ---------------------------------------------------------------------------------------------------------


def appeal(author: User, action: ModerationAction, *, text: str) -> Appeal:
    """Ask the moderators to look again. The caller knows who ``author`` is, by session or by a closed account's link.

    Raises: NotFound (it does not concern them), BadRequest, Conflict (undone, or appealed already)
    """
    if not concerns(author, action):
        raise NotFound
    text = _clean(text, MAX_APPEAL, "text")
    if not text:
        raise BadRequest("Say why this should be looked at again.", param="text")
    if not action.is_active:
        raise Conflict("This was undone already.")
    try:
        with transaction.atomic():
            made = Appeal.objects.create(action=action, author=author, text=text)
            audit.record("appeal.create", actor=author, target=action.target_name, measure=action.object_id)
    except IntegrityError as error:
        raise Conflict("An appeal was made already.") from error
    return made


def find_appeal(object_id: str) -> Appeal:
    """For moderators. Raises: NotFound."""
    found = Appeal.objects.select_related("action", "author").filter(object_id=object_id).first()
    if found is None:
        raise NotFound
    return found


def decide_appeal(viewer: Viewer, asked: Appeal, *, is_accepted: bool, answer: str) -> Appeal:
    """Undo the measure, or let it stand and say why.

    Raises: as ``require_staff``; BadRequest (no answer to a refusal), Conflict (decided already)
    """
    require_staff(viewer)
    answer = _clean(answer, MAX_REASON, "answer")
    if not is_accepted and not answer:
        raise BadRequest("Say why the decision stands.", param="answer")
    with transaction.atomic():
        locked = Appeal.objects.select_for_update(of=("self",)).select_related("action").get(pk=asked.pk)
        if locked.state != CaseState.OPEN:
            raise Conflict("This appeal is decided already.")
        locked.state = CaseState.ACCEPTED if is_accepted else CaseState.REJECTED
        locked.answer, locked.decided_by, locked.decided_at = answer, viewer.user, timezone.now()
        locked.save(update_fields=["state", "answer", "decided_by", "decided_at"])
        audit.record("appeal.decide", actor=viewer, target=locked.action.target_name, state=locked.state)
        if is_accepted and locked.action.is_active:
            revert_measure(viewer, locked.action)
        elif not is_accepted:
            _tell(locked.action, answer)
    return locked
