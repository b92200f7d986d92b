"""What people do with their notices: read, mute, watch, choose.  Nobody reaches those of others (T33)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from community.enums import Digest, WatchLevel
from community.models import Discussion, Notification, NotificationPreference, NotificationSetting, Watch
from community.notices import DEFAULTS, Choice, choices_of, visible_notices
from hub.accounts.auth import Viewer
from hub.accounts.enums import Action
from hub.accounts.models import Namespace, User
from hub.accounts.permissions import require_user
from hub.core.errors import BadRequest, NotFound, PayloadTooLarge
from hub.core.ratelimit import Bucket, hit
from hub.repos.models import Repo

MAX_AT_ONCE: Final = 500
MAX_WATCHES: Final = 5_000
_WATCHING: Final = Bucket("watches", 1_000, 3600)


def person(viewer: Viewer) -> User:
    """Whose inbox it is, where they may change it. Raises: AuthenticationRequired, InsufficientScope."""
    require_user(viewer, Action.DISCUSSION_WRITE)
    assert viewer.user is not None  # require_user
    return viewer.user


# --- read ------------------------------------------------------------------------------------------------------------


def get_notice(viewer: Viewer, object_id: str) -> Notification:
    """One of the person's own that they may see. Raises: NotFound."""
    rows = visible_notices(viewer).select_related("repo__namespace", "discussion", "event", "actor")
    found = rows.filter(object_id=object_id).first()
    if found is None:
        raise NotFound("There is no such notification.")
    return found


def mark(viewer: Viewer, object_ids: Iterable[str], *, is_read: bool = True) -> int:
    """Mark some as read, or as unread again; return how many there were. Raises: as ``person``, PayloadTooLarge."""
    person(viewer)
    return _mark(visible_notices(viewer).filter(object_id__in=_bounded(object_ids)), is_read=is_read)


def mark_threads(viewer: Viewer, discussion_ids: Iterable[str], *, is_read: bool = True) -> int:
    """The same by the ids of discussions."""
    person(viewer)
    rows = visible_notices(viewer).filter(discussion__object_id__in=_bounded(discussion_ids))
    return _mark(rows, is_read=is_read)


def mark_all(viewer: Viewer, *, is_read: bool = True) -> int:
    """All that are there, hidden ones too: what comes back to light later is not news."""
    return _mark(Notification.objects.filter(user=person(viewer)), is_read=is_read)


def mark_thread_seen(viewer: Viewer, discussion: Discussion) -> None:
    """A person who has the thread before their eyes need not be told of it; nothing happens for others."""
    if viewer.user is not None and viewer.token is None:
        _mark(Notification.objects.filter(user=viewer.user, discussion=discussion), is_read=True)


def delete_threads(viewer: Viewer, discussion_ids: Iterable[str]) -> int:
    """Take notices out of the inbox for good; what happens next in a thread makes a new one."""
    person(viewer)
    rows = visible_notices(viewer).filter(discussion__object_id__in=_bounded(discussion_ids))
    deleted, _ = Notification.objects.filter(pk__in=list(rows.values_list("pk", flat=True))).delete()
    return deleted


def _bounded(ids: Iterable[str]) -> list[str]:
    found = list(dict.fromkeys(ids))
    if len(found) > MAX_AT_ONCE:
        raise PayloadTooLarge(f"At most {MAX_AT_ONCE} notifications can be changed at once.")
    return found


def _mark(rows: QuerySet[Notification], *, is_read: bool) -> int:
    wanted = rows.filter(read_at__isnull=is_read).order_by().values("pk")
    changes = {"read_at": timezone.now(), "num_unread": 0} if is_read else {"read_at": None, "num_unread": 1}
    return Notification.objects.filter(pk__in=wanted).update(**changes)


# --- watch -----------------------------------------------------------------------------------------------------------


def watch(viewer: Viewer, subject: Repo | Namespace | Discussion, level: WatchLevel | None) -> None:
    """Choose what to hear of a repo, an owner or a thread, which the caller has found; None goes back to the default.

    Raises: AuthenticationRequired, InsufficientScope, RateLimited, PayloadTooLarge
    """
    user = person(viewer)
    hit(_WATCHING, f"user:{user.pk}")
    where: dict[str, Any] = {_FIELD[type(subject)]: subject}
    if level is None:
        Watch.objects.filter(user=user, **where).delete()
        return
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)
        others = Watch.objects.filter(user=user).exclude(**where)
        if others.count() >= MAX_WATCHES:
            raise PayloadTooLarge(f"At most {MAX_WATCHES} things can be watched.")
        Watch.objects.update_or_create(user=user, **where, defaults={"level": level})


_FIELD: Final[dict[type, str]] = {Repo: "repo", Namespace: "namespace", Discussion: "discussion"}


def mute(viewer: Viewer, discussion: Discussion, *, is_muted: bool) -> None:
    """Hear nothing more of a thread, or hear of it again as of any other. Raises: as ``watch``."""
    watch(viewer, discussion, WatchLevel.IGNORE if is_muted else None)
    if is_muted:
        _mark(Notification.objects.filter(user=person(viewer), discussion=discussion), is_read=True)


def level_of(text: str) -> WatchLevel | None:
    """A level by its word; ``default`` or nothing is no choice. Raises: BadRequest."""
    if text in ("", "default"):
        return None
    if text not in WatchLevel.values:
        raise BadRequest(f"level must be one of {', '.join(WatchLevel.values)}.", param="level")
    return WatchLevel(text)


# --- choose ----------------------------------------------------------------------------------------------------------


def choose(
    viewer: Viewer,
    choices: Mapping[str, Choice],
    *,
    digest: Digest | None = None,
    is_quiet: bool | None = None,
) -> None:
    """Change where a person hears of the kinds given, and what holds for all. Raises: as ``person``."""
    user = person(viewer)
    with transaction.atomic():
        before = choices_of(user)
        for kind, choice in choices.items():
            if before[kind] != choice:
                _set_choice(user, kind, choice)
        preference, _ = NotificationPreference.objects.get_or_create(user=user)
        if digest is not None and preference.digest != digest:
            # The first digest tells of what happens from now on.
            preference.digest, preference.digest_at = digest, timezone.now()
        if is_quiet is not None:
            preference.is_quiet = is_quiet
        preference.save()


def _set_choice(user: User, kind: str, choice: Choice) -> None:
    rows = NotificationSetting.objects.filter(user=user, kind=kind)
    if choice == DEFAULTS[kind]:
        rows.delete()
        return
    chosen = {"is_shown": choice.is_shown, "mail": choice.mail}
    NotificationSetting.objects.update_or_create(user=user, kind=kind, defaults=chosen)
