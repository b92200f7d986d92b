"""What a person is told, watches and has chosen; what they may not see any more is in no answer (T36, T38)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from django.db.models import Count, Q, QuerySet

from community.enums import MailChoice, NoticeKind, Reason, WatchLevel
from community.models import Discussion, Notification, NotificationPreference, NotificationSetting, Watch
from hub.accounts.auth import Viewer
from hub.accounts.enums import Action, Role
from hub.accounts.models import Namespace, User
from hub.accounts.permissions import require_user, role_in
from hub.core.errors import BadRequest, NamespaceNotFound, RepoNotFound
from hub.core.ids import RepoType, fold, split_repo_id
from hub.core.pagination import Page, cut_page, decode_cursor
from hub.repos.models import Repo
from hub.repos.permissions import get_repo_for_read, visible_to

#: The bell counts to here and says "99+" then.
MAX_COUNT: Final = 100
#: What people hear of a closed repo: why it was closed.
_OF_CLOSED: Final = (NoticeKind.MODERATION,)


@dataclass(frozen=True, slots=True)
class Choice:
    """Where a person hears of one kind."""

    is_shown: bool = True
    mail: MailChoice = MailChoice.DIGEST

    @property
    def is_off(self) -> bool:
        return not self.is_shown and self.mail == MailChoice.OFF


#: Before a person chooses. Digests are off until asked for, so nobody gets mail but of what concerns them alone.
DEFAULTS: Final[dict[str, Choice]] = {kind.value: Choice() for kind in NoticeKind} | {
    NoticeKind.LIKE.value: Choice(is_shown=False, mail=MailChoice.OFF),
    NoticeKind.ACCESS_DECISION.value: Choice(mail=MailChoice.ONCE),
    NoticeKind.MODERATION.value: Choice(mail=MailChoice.ONCE),
}


@dataclass(frozen=True, slots=True)
class NoticeFilter:
    """Which notices a list shows."""

    is_unread: bool = False
    reason: str = ""
    repo_type: str = ""
    repo_id: str = ""
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Numbers:
    total: int
    unread: int


def reader(viewer: Viewer) -> User:
    """The person whose notices these are; a token must be one that reads repos.

    Raises: AuthenticationRequired, InsufficientScope
    """
    require_user(viewer, Action.REPO_READ)
    assert viewer.user is not None  # require_user
    return viewer.user


def visible_notices(viewer: Viewer) -> QuerySet[Notification]:
    """All that a person is told in the hub and may still see; nobody's is empty."""
    return Notification.objects.filter(still_visible(viewer), user_id=viewer.user_pk or 0, is_shown=True)


def still_visible(viewer: Viewer) -> Q:
    """Filter for ``Notification``: what it speaks of may be seen by its reader now (T38)."""
    is_open = Q(repo__disabled_at__isnull=True) | Q(kind__in=_OF_CLOSED)
    is_shown = Q(discussion__isnull=True) | Q(discussion__hidden_at__isnull=True)
    return Q(repo__isnull=True) | (visible_to(viewer, "repo__") & is_open & is_shown)


def count_unread(viewer: Viewer) -> int:
    """The number on the bell, counted up to ``MAX_COUNT``; none while the person wants quiet."""
    if viewer.user is None:
        return 0
    rows = visible_notices(viewer).filter(read_at__isnull=True)
    rows = rows.exclude(user__notification_preference__is_quiet=True)
    return rows.order_by()[:MAX_COUNT].count()


def list_notices(viewer: Viewer, wanted: NoticeFilter, *, cursor: str = "", limit: int) -> Page[Notification]:
    """One page, what happened last first. Raises: BadRequest (cursor)."""
    rows = _matching(viewer, wanted)
    if cursor:
        text, pk = decode_cursor(cursor, str, int)
        at = _date(text)
        rows = rows.filter(Q(updated_at__lt=at) | Q(updated_at=at, pk__lt=pk))
    found = with_subjects(rows).order_by("-updated_at", "-pk")[: limit + 1]
    return cut_page(list(found), limit, lambda item: (item.updated_at.astimezone(UTC).isoformat(), item.pk))


def slice_notices(viewer: Viewer, wanted: NoticeFilter, *, start: int, limit: int) -> tuple[list[Notification], int]:
    """Some notices from place ``start``, and how many there are, as the Hub pages its own (hub-api §23)."""
    rows = _matching(viewer, wanted)
    found = with_subjects(rows).order_by("-updated_at", "-pk")[start : start + limit]
    return list(found), rows.order_by().count()


def numbers_of(viewer: Viewer) -> Numbers:
    counts = visible_notices(viewer).aggregate(total=Count("pk"), unread=Count("pk", filter=Q(read_at__isnull=True)))
    return Numbers(counts["total"], counts["unread"])


def with_subjects(rows: QuerySet[Notification]) -> QuerySet[Notification]:
    """With all that a line about a notice names."""
    return rows.select_related("actor", "repo", "repo__namespace", "discussion", "event", "mail_event")


def _matching(viewer: Viewer, wanted: NoticeFilter) -> QuerySet[Notification]:
    rows = visible_notices(viewer)
    if wanted.is_unread:
        rows = rows.filter(read_at__isnull=True)
    if wanted.reason:
        rows = rows.filter(reason=wanted.reason)
    if wanted.repo_type:
        rows = rows.filter(repo__repo_type=wanted.repo_type)
    if wanted.repo_id:
        namespace, _, name = wanted.repo_id.partition("/")
        rows = rows.filter(repo__namespace__name_folded=fold(namespace), repo__name_folded=fold(name))
    if wanted.since is not None:
        rows = rows.filter(updated_at__gte=wanted.since)
    return rows


def _date(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise BadRequest("Invalid cursor", param="cursor") from error


def reason_of(text: str) -> Reason | None:
    return Reason(text) if text in Reason.values else None


# --- what is watched -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WatchState:
    """How a viewer watches a repo; ``is_own_choice`` is false where the level follows from the owner or from a role."""

    level: WatchLevel
    is_own_choice: bool


def watch_state(viewer: Viewer, repo: Repo) -> WatchState:
    """What the viewer hears of a repo: chosen for it, else for its owner, else by whether they answer for it."""
    here = Q(repo=repo) | Q(namespace_id=repo.namespace_id)
    chosen = Watch.objects.filter(here, user_id=viewer.user_pk or 0).values_list("repo_id", "level")
    rows: dict[int | None, str] = dict(chosen)
    if repo.pk in rows:
        return WatchState(WatchLevel(rows[repo.pk]), is_own_choice=True)
    if None in rows:
        return WatchState(WatchLevel(rows[None]), is_own_choice=False)
    role = role_in(viewer, repo.namespace_id)
    answers = role is Role.ADMIN or (role is not None and repo.created_by_id == viewer.user_pk)
    return WatchState(WatchLevel.ALL if answers else WatchLevel.PARTICIPATING, is_own_choice=False)


def namespace_level(viewer: Viewer, namespace: Namespace) -> WatchLevel | None:
    """How the viewer watches all of an owner; None where they have not chosen."""
    if viewer.user is None:
        return None
    rows = Watch.objects.filter(user=viewer.user, namespace=namespace).values_list("level", flat=True)
    level = rows.first()
    return WatchLevel(level) if level else None


def is_muted(viewer: Viewer, discussion: Discussion) -> bool:
    rows = Watch.objects.filter(user_id=viewer.user_pk or 0, discussion=discussion, level=WatchLevel.IGNORE)
    return viewer.user is not None and rows.exists()


def muted_pks(viewer: Viewer, discussion_pks: Iterable[int]) -> set[int]:
    """Which of the threads of a list the viewer has muted, in one query."""
    pks = list(discussion_pks)
    if viewer.user is None or not pks:
        return set()
    rows = Watch.objects.filter(user=viewer.user, discussion_id__in=pks, level=WatchLevel.IGNORE)
    return {pk for pk in rows.values_list("discussion_id", flat=True) if pk is not None}


def watches_of(viewer: Viewer, *, limit: int) -> list[Watch]:
    """The repos and owners that a person has chosen a level for and may see."""
    repos = Q(repo__isnull=False) & visible_to(viewer, "repo__")
    owners = Q(namespace__isnull=False, namespace__retired_at__isnull=True)
    rows = Watch.objects.select_related(
        "repo", "repo__namespace", "namespace", "namespace__user", "namespace__organization"
    ).filter(repos | owners, user_id=viewer.user_pk or 0)
    return list(rows.order_by("-pk")[:limit])


def find_watchable(viewer: Viewer, kind: str, name: str) -> Repo | Namespace:
    """What the API may watch: a repo by its id or as ``models/ns/x``, a person or organization by id or name.

    Raises: NotFound (missing, or hidden from the viewer), BadRequest
    """
    if kind == "repo":
        return _watchable_repo(viewer, name)
    if kind not in ("user", "org"):
        raise BadRequest("type must be repo, user or org.", param="type")
    owner = "organization" if kind == "org" else "user"
    rows = Namespace.objects.filter(retired_at__isnull=True, **{f"{owner}__isnull": False})
    found = rows.filter(Q(**{f"{owner}__object_id": name}) | Q(name_folded=fold(name))).first()
    if found is None:
        raise NamespaceNotFound
    return found


def _watchable_repo(viewer: Viewer, name: str) -> Repo:
    if "/" not in name:
        rows = Repo.objects.select_related("namespace").filter(visible_to(viewer), disabled_at__isnull=True)
        found = rows.filter(object_id=name).first()
        if found is None:
            raise RepoNotFound
        return found
    plural, _, repo_id = name.partition("/")
    return get_repo_for_read(viewer, RepoType.from_plural(plural), *split_repo_id(repo_id))


# --- what is chosen --------------------------------------------------------------------------------------------------


def choices_of(user: User) -> dict[str, Choice]:
    """Where a person hears of each kind."""
    return choices_for([user.pk])[user.pk]


def choices_for(user_pks: Iterable[int]) -> dict[int, dict[str, Choice]]:
    """The same for many people, in one query."""
    found = {pk: dict(DEFAULTS) for pk in user_pks}
    for row in NotificationSetting.objects.filter(user_id__in=found):
        found[row.user_id][row.kind] = Choice(row.is_shown, MailChoice(row.mail))
    return found


def preference_of(user: User) -> NotificationPreference:
    """What holds for all kinds; not saved where nothing was chosen yet."""
    return NotificationPreference.objects.filter(user=user).first() or NotificationPreference(user=user)
