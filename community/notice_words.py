"""Notices in words, for pages and mails: what happened, what it is about, and where to read on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from django.urls import reverse
from django.utils.translation import gettext as _

from community.enums import NoticeKind, Status
from community.models import Notification
from community.thread_windows import PART
from hub.core.error_words import in_words_of_reader
from hub.repos.enums import AccessState

MAX_EXCERPT: Final = 600
#: The ``text`` of a notice about the answer to a review.
REPLY: Final = "reply"
#: In the others ``text`` is the word of a state.
_WITH_TEXT: Final = (NoticeKind.MODERATION,)


@dataclass(frozen=True, slots=True)
class NoticeWords:
    """``sentence`` says what happened, ``subject`` names the thread or repo, ``place`` the repo of a thread."""

    sentence: str
    subject: str
    place: str
    text: str
    href: str


def words_of(notice: Notification) -> NoticeWords:
    """Of a notice with its subjects (``community.notices.with_subjects``); its reader may see them."""
    kind = NoticeKind(notice.kind)
    sentence = _SENTENCES[kind](notice)
    repo_id = notice.repo.repo_id if notice.repo is not None else ""
    title = in_words_of_reader(notice.title)
    if notice.discussion is not None and not title:
        subject, place = notice.discussion.title, f"{repo_id} #{notice.discussion.num}"
    else:
        subject, place = title or repo_id, repo_id if title else ""
    text = in_words_of_reader(notice.text) if kind in _WITH_TEXT else ""
    return NoticeWords(sentence, subject, place, text, target_of(notice))


def target_of(notice: Notification) -> str:
    """The path to read on at."""
    if notice.href:
        return notice.href
    if notice.discussion is not None:
        # ``repo`` came with the notice; that of the discussion would be asked for again.
        assert notice.repo is not None  # a thread's notice has both
        anchor = ""
        if notice.event is not None:
            anchor = f"#{notice.event.object_id}"
            if notice.discussion.num_comments > PART:  # the page of a long thread shows only a part of it
                anchor = f"?at={notice.event.object_id}{anchor}"
        return f"{notice.repo.urls.page}/discussions/{notice.discussion.num}{anchor}"
    return notice.repo.urls.page if notice.repo is not None else reverse("web:notifications")


def excerpt_of(notice: Notification) -> str:
    """What was said, for a mail about it; nothing of what is hidden."""
    event = notice.mail_event
    if event is None or event.is_hidden:
        return ""
    text = event.body.strip()
    return text if len(text) <= MAX_EXCERPT else f"{text[:MAX_EXCERPT].rstrip()} …"


def _actor(notice: Notification) -> str:
    return notice.actor.username if notice.actor is not None else _("Somebody who left")


def _with_actor(template: Callable[[], str]) -> Callable[[Notification], str]:
    return lambda notice: template() % {"name": _actor(notice)}


def _status(notice: Notification) -> str:
    is_pull = notice.discussion is not None and notice.discussion.is_pull_request
    words = {
        Status.MERGED: _("%(name)s merged this pull request"),
        Status.CLOSED: _("%(name)s closed this pull request") if is_pull else _("%(name)s closed this discussion"),
        Status.OPEN: _("%(name)s opened this pull request") if is_pull else _("%(name)s reopened this discussion"),
        Status.DRAFT: _("%(name)s made this pull request a draft"),
    }
    status = Status(notice.text) if notice.text in Status.values else Status.OPEN
    return words[status] % {"name": _actor(notice)}


def _decision(notice: Notification) -> str:
    if notice.text == AccessState.ACCEPTED:
        return _("You were let in: you may read the files now")
    return _("Your request for access was rejected")


def _review(notice: Notification) -> str:
    words = _("%(name)s answered your review") if notice.text == REPLY else _("%(name)s wrote a review")
    return words % {"name": _actor(notice)}


def _follower(notice: Notification) -> str:
    if notice.title:
        return _("%(name)s follows your organization") % {"name": _actor(notice)}
    return _("%(name)s follows you") % {"name": _actor(notice)}


_SENTENCES: Final[dict[NoticeKind, Callable[[Notification], str]]] = {
    NoticeKind.MENTION: _with_actor(lambda: _("%(name)s mentioned you")),
    NoticeKind.COMMENT: _with_actor(lambda: _("%(name)s commented")),
    NoticeKind.DISCUSSION: _with_actor(lambda: _("%(name)s opened a discussion")),
    NoticeKind.PULL_REQUEST: _with_actor(lambda: _("%(name)s opened a pull request")),
    NoticeKind.STATUS: _status,
    NoticeKind.REVIEW: _review,
    NoticeKind.ACCESS_REQUEST: _with_actor(lambda: _("%(name)s asks for access")),
    NoticeKind.ACCESS_DECISION: _decision,
    NoticeKind.FOLLOWER: _follower,
    NoticeKind.LIKE: _with_actor(lambda: _("%(name)s likes your repository")),
    NoticeKind.MODERATION: lambda _notice: _("A moderator decided"),
}
