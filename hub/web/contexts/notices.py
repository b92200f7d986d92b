"""What the pages of notices are given, and the number on the bell."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db import DatabaseError
from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from community.enums import Reason, WatchLevel
from community.models import Notification, Watch
from community.notice_words import NoticeWords, words_of
from community.notices import MAX_COUNT, count_unread, muted_pks, namespace_level, watch_state
from hub.accounts.auth import ANONYMOUS, Viewer
from hub.accounts.models import Namespace
from hub.accounts.permissions import role_in
from hub.repos.models import Repo


def bell_label(count: int) -> str:
    """``99+`` where there are more than the bell counts; nothing for none."""
    if count >= MAX_COUNT:
        return f"{MAX_COUNT - 1}+"
    return str(count) if count else ""


class Bell:
    """The number on every page's bell, asked for when the header is drawn; pages without a header ask nothing."""

    def __init__(self, request: HttpRequest) -> None:
        self._request = request

    @property
    def label(self) -> str:
        try:
            return bell_label(count_unread(getattr(self._request, "viewer", ANONYMOUS)))
        except DatabaseError:  # the page that says so has a header too
            return ""


# --- inbox -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NoticeRow:
    notice: Notification
    words: NoticeWords
    reason: str
    href: str
    is_muted: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the links that narrow the inbox."""

    label: str
    href: str
    current: bool
    icon: str = ""
    count: int | None = None


def notice_rows(viewer: Viewer, notices: Iterable[Notification]) -> list[NoticeRow]:
    found = list(notices)
    muted = muted_pks(viewer, [notice.discussion_id for notice in found if notice.discussion_id])
    return [
        NoticeRow(
            notice,
            words_of(notice),
            str(Reason(notice.reason).label),
            reverse("web:open_notice", args=[notice.object_id]),
            notice.discussion_id in muted,
        )
        for notice in found
    ]


def inbox_href(*, is_unread: bool, reason: str = "", cursor: str = "") -> str:
    """The address of the inbox with these filters; unread ones are what it shows by itself."""
    query = {"show": "" if is_unread else "all", "reason": reason, "cursor": cursor}
    text = urlencode({key: value for key, value in query.items() if value})
    return f"{reverse('web:notifications')}{'?' if text else ''}{text}"


def inbox_tabs(*, is_unread: bool, reason: str, unread: int) -> list[Choice]:
    return [
        Choice(_("Unread"), inbox_href(is_unread=True, reason=reason), is_unread, "bell", unread),
        Choice(_("All"), inbox_href(is_unread=False, reason=reason), not is_unread, "list"),
    ]


def reason_links(*, is_unread: bool, reason: str) -> list[Choice]:
    every = Choice(_("Every reason"), inbox_href(is_unread=is_unread), not reason)
    return [every, *(_reason_link(item, reason, is_unread=is_unread) for item in Reason)]


def _reason_link(item: Reason, reason: str, *, is_unread: bool) -> Choice:
    return Choice(str(item.label), inbox_href(is_unread=is_unread, reason=item.value), reason == item.value)


# --- watching --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LevelOption:
    value: str
    label: str
    words: str
    current: bool


@dataclass(frozen=True, slots=True)
class WatchControl:
    """The menu on a repo's page."""

    url: str
    label: str
    icon: str
    options: list[LevelOption]


def watch_control(viewer: Viewer, repo: Repo, url: str) -> WatchControl | None:
    """None for strangers: they are asked to sign in by what they want to say, not by what they want to hear."""
    if viewer.user is None:
        return None
    state = watch_state(viewer, repo)
    label, icon = _level_labels()[state.level]
    return WatchControl(url, label, icon, level_options(state.level))


def _level_labels() -> dict[WatchLevel, tuple[str, str]]:
    return {
        WatchLevel.PARTICIPATING: (_("Watch"), "bell"),
        WatchLevel.ALL: (_("Watching"), "bell"),
        WatchLevel.IGNORE: (_("Ignored"), "bell-off"),
    }


def owner_watch_control(viewer: Viewer, namespace: Namespace) -> WatchControl | None:
    """The same for all repos of an owner, on their page; None for strangers and for the owner."""
    if viewer.user is None or role_in(viewer, namespace.pk) is not None:
        return None
    level = namespace_level(viewer, namespace) or WatchLevel.PARTICIPATING
    label, icon = _level_labels()[level]
    return WatchControl(reverse("web:watch_owner", args=[namespace.name]), label, icon, level_options(level))


def level_options(level: WatchLevel) -> list[LevelOption]:
    words = {
        WatchLevel.PARTICIPATING: _("Threads that you take part in, and where you are mentioned."),
        WatchLevel.ALL: _("All discussions, pull requests and comments."),
        WatchLevel.IGNORE: _("Not even mentions."),
    }
    return [LevelOption(item.value, str(item.label), words[item], item is level) for item in WatchLevel]


def watch_rows(watches: Iterable[Watch]) -> list[dict[str, Any]]:
    """What a person has chosen a level for, in the settings."""
    return [
        {
            "pk": watch.pk,
            "name": watch.repo.repo_id if watch.repo is not None else _owner_name(watch),
            "href": watch.repo.urls.page
            if watch.repo is not None
            else reverse("web:profile", args=[_owner_name(watch)]),
            "is_owner": watch.repo is None,
            "level": str(WatchLevel(watch.level).label),
        }
        for watch in watches
    ]


def _owner_name(watch: Watch) -> str:
    assert watch.namespace is not None  # community.notices.watches_of: one or the other
    return watch.namespace.name
