"""Tell people what happened: at most once each, and only what they may see then (T38).

act > ``notify`` or a signal > Happening (a row, in the outbox) > wake > ``spread`` > a Notification for each person

Whether somebody may see what it is about is asked when the notices are written, whenever one is shown
(``community.notices``), and before a mail leaves (``community.services.notice_mails``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from itertools import islice
from typing import Final, NamedTuple

import structlog
from django.db import IntegrityError, transaction
from django.db.models import F, Q
from django.utils import timezone
from kombu.exceptions import OperationalError

from community import tasks
from community.enums import EventKind, MailChoice, NoticeKind, Reason, WatchLevel
from community.mentions import mentioned_users
from community.models import Block, CommentRevision, Discussion, Event, Happening, Notification, Watch
from community.notices import Choice, choices_for
from community.services.threads import Change
from hub.accounts.enums import Role
from hub.accounts.models import Membership, User
from hub.repos.enums import AccessState
from hub.repos.models import AccessRequest, Repo
from hub.repos.permissions import readers_among

log = structlog.get_logger("community.notices")

MAX_ATTEMPTS: Final = 5
MAX_WOKEN: Final = 500
KEPT_READ: Final = timedelta(days=90)
KEPT: Final = timedelta(days=365)
_BATCH: Final = 500
_STRENGTH: Final = {reason.value: len(Reason) - place for place, reason in enumerate(Reason)}
#: Heard of by those who want to hear nothing else of a repo.
_NOT_IGNORED: Final = frozenset({NoticeKind.MODERATION, NoticeKind.ACCESS_DECISION})
_REASONS: Final = {
    NoticeKind.MENTION: Reason.MENTION,
    NoticeKind.REVIEW: Reason.REVIEW,
    NoticeKind.ACCESS_REQUEST: Reason.ACCESS,
    NoticeKind.ACCESS_DECISION: Reason.ACCESS,
    NoticeKind.FOLLOWER: Reason.FOLLOW,
    NoticeKind.LIKE: Reason.LIKE,
    NoticeKind.MODERATION: Reason.MODERATION,
}


class Told(NamedTuple):
    kind: NoticeKind
    reason: Reason


# --- record ----------------------------------------------------------------------------------------------------------


def notify(
    recipients: Iterable[User],
    kind: NoticeKind,
    *,
    actor: User | None = None,
    repo: Repo | None = None,
    discussion: Discussion | None = None,
    event: Event | None = None,
    title: str = "",
    text: str = "",
    href: str = "",
    group: str = "",
) -> None:
    """Tell these people of something, once the transaction that it belongs to is done; nobody hears of own acts.

    Args:
        repo: what it is about: who may not see it (any more) is not told.
        discussion: the thread it belongs to: all that happens there is one notice.
        title, text: in English, as refusals are; shown as text (``hub.core.error_words`` translates what it knows).
        href: where to read on, a path of this hub.
        group: what shares it is one notice, which becomes unread again.

    Raises: ValueError unless ``href`` is a path
    """
    if href and (not href.startswith("/") or href.startswith("//")):
        raise ValueError("href must be a path of this hub")
    told = sorted({user.pk for user in recipients if actor is None or user.pk != actor.pk})
    if not told:
        return
    Happening.objects.create(
        kind=kind,
        actor=actor,
        repo=discussion.repo if discussion is not None else repo,
        discussion=discussion,
        event=event,
        recipients=told,
        group=group,
        title=" ".join(title.split())[:200],
        text=text[:500],
        href=href[:300],
    )
    transaction.on_commit(wake)


def record_access(request_pk: int, actor_pk: int | None) -> None:
    """Tell a repo's admins who asks for access, and who asked what was decided."""
    request = AccessRequest.objects.select_related("repo__namespace", "user").filter(pk=request_pk).first()
    if request is None:
        return
    repo, is_own_act = request.repo, actor_pk == request.user_id
    if is_own_act and request.state == AccessState.PENDING:
        notify(
            admins_of(repo),
            NoticeKind.ACCESS_REQUEST,
            actor=request.user,
            repo=repo,
            href=f"{repo.urls.settings}/access",
            group=f"asked:{repo.pk}",
        )
    elif not is_own_act and request.state != AccessState.PENDING:
        notify(
            [request.user],
            NoticeKind.ACCESS_DECISION,
            actor=User.objects.filter(pk=actor_pk or 0).first(),
            repo=repo,
            text=request.state,
            href=repo.urls.page,
            group=f"decided:{repo.pk}",
        )


def record_thread(discussion_pk: int, action: str, comment_pk: int | None, actor_pk: int | None) -> None:
    """Note what happened in a thread, for all who watch it or take part; changes that nobody waits for are left out."""
    discussion = Discussion.objects.select_related("repo").filter(pk=discussion_pk).first()
    if discussion is None:
        return
    kind = _kind_of(discussion, action)
    if kind is None:
        return
    event = Event.objects.filter(pk=comment_pk).first() if comment_pk else None
    status = ""
    if kind is NoticeKind.STATUS:
        status = discussion.status
        event = Event.objects.filter(discussion=discussion, kind=EventKind.STATUS_CHANGE).order_by("-pk").first()
    # An edit tells only those whom it newly names.
    recipients = _newly_named(event) if kind is NoticeKind.MENTION and event is not None else None
    if recipients == []:
        return
    Happening.objects.create(
        kind=kind,
        actor_id=actor_pk,
        repo=discussion.repo,
        discussion=discussion,
        event=event,
        text=status,
        recipients=recipients,
    )
    transaction.on_commit(wake)


def _kind_of(discussion: Discussion, action: str) -> NoticeKind | None:
    if action == Change.CREATED:
        return NoticeKind.PULL_REQUEST if discussion.is_pull_request else NoticeKind.DISCUSSION
    kinds = {
        Change.COMMENTED: NoticeKind.COMMENT,
        Change.STATUS: NoticeKind.STATUS,
        Change.COMMENT_EDITED: NoticeKind.MENTION,
    }
    return kinds.get(Change(action)) if action in set(Change) else None


def _newly_named(comment: Event) -> list[int]:
    before = CommentRevision.objects.filter(event=comment).order_by("-pk").values_list("body", flat=True).first()
    known = {user.pk for user in mentioned_users(before or "")}
    return [user.pk for user in mentioned_users(comment.body) if user.pk not in known]


def wake() -> None:
    """A broker that is away must not fail the act that is done already: the sweep finds the rows (T166)."""
    try:
        tasks.wake_notices_task.delay()
    except OperationalError as error:
        log.warning("not_enqueued", task="community.wake_notices", reason=str(error)[:200])


# --- spread ----------------------------------------------------------------------------------------------------------


def spread_all() -> int:
    """Write the notices of what has happened, oldest first; return how many happenings were dealt with."""
    waiting = Happening.objects.order_by("pk").values_list("pk", flat=True)[:MAX_WOKEN]
    return sum(spread(pk) for pk in list(waiting))


def spread(happening_pk: int) -> bool:
    """Write the notices of one; safe to run twice and at once, for its row goes in the same transaction."""
    # Counted before it is tried: what kills its worker is not tried for ever (T170).
    Happening.objects.filter(pk=happening_pk).update(attempts=F("attempts") + 1)
    try:
        with transaction.atomic():
            return _spread(happening_pk)
    except IntegrityError:  # another worker has begun the same notice for somebody: tried again with what it wrote
        log.info("notices_raced", happening=happening_pk)
        return False


def _spread(happening_pk: int) -> bool:
    happening = (
        Happening.objects.select_for_update(skip_locked=True, of=("self",))
        .select_related("repo", "repo__namespace", "discussion", "event")
        .filter(pk=happening_pk)
        .first()
    )
    if happening is None:
        return False
    if happening.attempts > MAX_ATTEMPTS:
        log.error("notices_given_up", happening=happening.pk, kind=happening.kind)
    else:
        told = iter(_audience(happening).items())
        while batch := dict(islice(told, _BATCH)):
            _write(happening, batch)
    happening.delete()
    return True


def _audience(happening: Happening) -> dict[int, Told]:
    """Whom it concerns, why, and who may see it now."""
    repo = happening.repo
    kind = NoticeKind(happening.kind)
    if repo is not None and (repo.deleted_at is not None or (repo.is_disabled and kind is not NoticeKind.MODERATION)):
        return {}
    if happening.recipients is not None:
        told = dict.fromkeys(happening.recipients, Told(kind, _REASONS.get(kind, Reason.WATCHING)))
        levels = _levels(happening) if kind not in _NOT_IGNORED else {}
    else:
        levels = _levels(happening)
        told = _listeners(happening, kind, levels)
    silent = {pk for pk, level in levels.items() if level == WatchLevel.IGNORE} | {happening.actor_id}
    allowed = _allowed(repo, (pk for pk in told if pk not in silent))
    if allowed and happening.actor_id is not None and kind not in _NOT_IGNORED:
        blockers = Block.objects.filter(blocked=happening.actor_id, blocker__in=allowed)
        allowed -= set(blockers.values_list("blocker_id", flat=True))
    return {pk: why for pk, why in told.items() if pk in allowed}


def _allowed(repo: Repo | None, pks: Iterable[int]) -> set[int]:
    found: set[int] = set()
    for batch in _batches(pks):
        if repo is not None:
            found |= readers_among(repo, batch)
        else:
            found |= set(User.objects.filter(pk__in=batch, is_active=True).values_list("pk", flat=True))
    return found


def _batches(pks: Iterable[int]) -> Iterator[list[int]]:
    rest = iter(pks)
    while batch := list(islice(rest, _BATCH)):
        yield batch


def _levels(happening: Happening) -> dict[int, str]:
    """Person → what they want to hear: the thread's choice before the repo's, that before the owner's."""
    repo = happening.repo
    if repo is None:
        return {}
    here = Q(repo=repo) | Q(namespace_id=repo.namespace_id)
    if happening.discussion_id is not None:
        here |= Q(discussion_id=happening.discussion_id)
    rows = Watch.objects.filter(here).values_list("user_id", "level", "discussion_id", "repo_id")
    found: dict[int, tuple[int, str]] = {}
    for pk, level, discussion_pk, repo_pk in rows:
        nearness = 2 if discussion_pk else 1 if repo_pk else 0
        if pk not in found or found[pk][0] < nearness:
            found[pk] = (nearness, level)
    return {pk: level for pk, (_nearness, level) in found.items()}


def _listeners(happening: Happening, kind: NoticeKind, levels: Mapping[int, str]) -> dict[int, Told]:
    """All that a thread concerns; the strongest reason wins."""
    repo, discussion = happening.repo, happening.discussion
    assert repo is not None  # record_thread
    assert discussion is not None
    told = {pk: Told(kind, Reason.WATCHING) for pk in answering_for(repo) if pk not in levels}
    told |= {pk: Told(kind, Reason.WATCHING) for pk, level in levels.items() if level == WatchLevel.ALL}
    authors = Event.objects.filter(discussion=discussion, author__isnull=False).order_by()
    for pk in authors.values_list("author_id", flat=True).distinct():
        assert pk is not None  # filter
        told[pk] = Told(kind, Reason.PARTICIPATING)
    if discussion.author_id is not None:
        told[discussion.author_id] = Told(kind, Reason.AUTHOR)
    # Asked for now: what is hidden meanwhile mentions nobody.
    if happening.event is not None and not happening.event.is_hidden:
        for user in mentioned_users(happening.event.body):
            told[user.pk] = Told(NoticeKind.MENTION, Reason.MENTION)
    return told


def answering_for(repo: Repo) -> set[int]:
    """Who hears of a repo unless they choose otherwise: its admins, and the member who made it."""
    if not repo.namespace.is_organization:
        return set(User.objects.filter(namespace_id=repo.namespace_id).values_list("pk", flat=True))
    members = Membership.objects.filter(organization__namespace_id=repo.namespace_id)
    wanted = Q(role=Role.ADMIN) | Q(user_id=repo.created_by_id)
    return set(members.filter(wanted).values_list("user_id", flat=True))


def admins_of(repo: Repo) -> list[User]:
    """Who decides about a repo."""
    people = User.objects.filter(is_active=True)
    if not repo.namespace.is_organization:
        return list(people.filter(namespace_id=repo.namespace_id))
    here = {"memberships__organization__namespace_id": repo.namespace_id, "memberships__role": Role.ADMIN}
    return list(people.filter(**here))


# --- write -----------------------------------------------------------------------------------------------------------


def _write(happening: Happening, told: Mapping[int, Told]) -> None:
    group = _group_of(happening)
    chosen = choices_for(told)
    rows = Notification.objects.select_for_update(of=("self",)).filter(group=group, user_id__in=told)
    present = {row.user_id: row for row in rows}
    fresh: list[Notification] = []
    for pk, why in told.items():
        choice = chosen[pk][why.kind]
        if choice.is_off:
            continue
        if pk in present:
            _renew(present[pk], happening, why, choice)
            present[pk].save()
        else:
            fresh.append(_new(pk, group, happening, why, choice))
    Notification.objects.bulk_create(fresh, batch_size=_BATCH)


def _group_of(happening: Happening) -> str:
    if happening.group:
        return happening.group
    return f"thread:{happening.discussion_id}" if happening.discussion_id else f"one:{happening.pk}"


def _new(user_pk: int, group: str, happening: Happening, why: Told, choice: Choice) -> Notification:
    now = timezone.now()
    row = Notification(user_id=user_pk, group=group, created_at=now, reason=why.reason, event=happening.event)
    _fill(row, happening, why, choice)
    row.is_shown = choice.is_shown
    return row


def _renew(row: Notification, happening: Happening, why: Told, choice: Choice) -> None:
    """What was read becomes unread; what was not yet read counts one more, and keeps the stronger reason."""
    if not row.is_unread:
        row.read_at, row.num_unread = None, 1
        row.reason, row.event, row.is_shown = why.reason, happening.event, choice.is_shown
    else:
        row.num_unread += 1
        row.is_shown = row.is_shown or choice.is_shown
        if _STRENGTH[why.reason] > _STRENGTH[row.reason]:
            row.reason, row.event = why.reason, happening.event
    _fill(row, happening, why, choice)


def _fill(row: Notification, happening: Happening, why: Told, choice: Choice) -> None:
    now = timezone.now()
    row.kind, row.actor_id = why.kind, happening.actor_id
    row.repo, row.discussion = happening.repo, happening.discussion
    row.title, row.text, row.href = happening.title, happening.text, happening.href
    row.updated_at = now
    row.is_for_digest = choice.mail == MailChoice.DIGEST
    if choice.mail == MailChoice.ONCE:
        row.mail_at, row.mail_event = now, happening.event


# --- afterwards ------------------------------------------------------------------------------------------------------


def forget_old() -> None:
    """Drop what was read long ago, and what nobody will read any more."""
    now = timezone.now()
    Notification.objects.filter(read_at__lt=now - KEPT_READ, updated_at__lt=now - KEPT_READ).delete()
    Notification.objects.filter(updated_at__lt=now - KEPT).delete()
