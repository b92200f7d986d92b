"""Notices of the caller, what they watch, and where they hear of it (hub-api §23)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from community.enums import Digest, MailChoice, NoticeKind
from community.models import Notification, Watch
from community.notice_words import words_of
from community.notices import (
    Choice,
    NoticeFilter,
    choices_of,
    find_watchable,
    numbers_of,
    preference_of,
    reader,
    slice_notices,
    watches_of,
)
from community.services import inbox
from hub.api.requests import Fields, query_flag
from hub.api.serializers.values import date_text
from hub.api.views.common import json_response, repo_type_of, viewer_of
from hub.core.errors import BadRequest

PAGE: Final = 50
MAX_PAGE: Final = 10_000


def list_own(request: HttpRequest) -> HttpResponseBase:
    viewer = viewer_of(request)
    reader(viewer)
    start = _page(request) * PAGE
    found, count = slice_notices(viewer, _filter(request), start=start, limit=PAGE)
    numbers = numbers_of(viewer)
    return json_response(
        {
            "notifications": [_shown(notice) for notice in found],
            "count": {"all": numbers.total, "unread": numbers.unread, "view": count},
            "start": start,
        }
    )


def _page(request: HttpRequest) -> int:
    text = request.GET.get("p", "0")
    if not text.isascii() or not text.isdigit() or len(text) > 5 or int(text) > MAX_PAGE:
        raise BadRequest("p must be a page number.", param="p")
    return int(text)


def _filter(request: HttpRequest) -> NoticeFilter:
    status = request.GET.get("readStatus") or "all"
    if status not in ("all", "unread"):
        raise BadRequest("readStatus must be all or unread.", param="readStatus")
    repo_type = request.GET.get("repoType", "")
    return NoticeFilter(
        is_unread=status == "unread",
        reason="mention" if query_flag(request, "mention") else "",
        repo_type=repo_type_of(repo_type).value if repo_type else "",
        repo_id=request.GET.get("repoName", "")[:140],
        since=_moment(request.GET.get("lastUpdate", "")),
    )


def _moment(text: str) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadRequest("lastUpdate must be a date.", param="lastUpdate") from error
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise BadRequest("lastUpdate must be a date.", param="lastUpdate") from error


def mark(request: HttpRequest) -> HttpResponseBase:
    """``{discussionIds?, notificationIds?, read?}``; all of them with ``?applyToAll=true``."""
    viewer = viewer_of(request)
    inbox.person(viewer)
    fields = Fields.of(request)
    is_read = fields.flag("read", True)
    if query_flag(request, "applyToAll"):
        return json_response({"changed": inbox.mark_all(viewer, is_read=is_read)})
    changed = inbox.mark_threads(viewer, _ids(fields, "discussionIds"), is_read=is_read)
    changed += inbox.mark(viewer, _ids(fields, "notificationIds"), is_read=is_read)
    return json_response({"changed": changed})


def delete(request: HttpRequest) -> HttpResponseBase:
    viewer = viewer_of(request)
    inbox.person(viewer)
    return json_response({"deleted": inbox.delete_threads(viewer, _ids(Fields.of(request), "discussionIds"))})


def _ids(fields: Fields, name: str) -> list[str]:
    found = fields.items(name, max_items=inbox.MAX_AT_ONCE)
    if not all(isinstance(item, str) for item in found):
        raise BadRequest(f"{name} must be strings.", param=name)
    return found


# --- settings --------------------------------------------------------------------------------------------------------


def show_settings(request: HttpRequest) -> HttpResponseBase:
    return json_response(_settings(request))


def _settings(request: HttpRequest) -> dict[str, Any]:
    user = reader(viewer_of(request))
    preference = preference_of(user)
    types = {kind: {"web": item.is_shown, "mail": item.mail.value} for kind, item in choices_of(user).items()}
    return {"digest": preference.digest, "quiet": preference.is_quiet, "types": types}


def change_settings(request: HttpRequest) -> HttpResponseBase:
    """``{digest?, quiet?, types?: {mention: {web?, mail?}, …}}``; what is not named stays."""
    viewer = viewer_of(request)
    user = inbox.person(viewer)
    fields = Fields.of(request)
    types = Fields.from_value(fields.raw("types")).values() if "types" in fields else {}
    before = choices_of(user)
    choices = {kind: _choice(before, kind, value) for kind, value in types.items()}
    digest = fields.text("digest") if "digest" in fields else None
    if digest is not None and digest not in Digest.values:
        raise BadRequest("digest must be off, daily or weekly.", param="digest")
    inbox.choose(
        viewer,
        choices,
        digest=Digest(digest) if digest is not None else None,
        is_quiet=fields.flag("quiet") if "quiet" in fields else None,
    )
    return json_response(_settings(request))


def _choice(before: dict[str, Choice], kind: str, value: Any) -> Choice:
    if kind not in NoticeKind.values:
        raise BadRequest(f"types must be some of {', '.join(NoticeKind.values)}.", param="types")
    given = Fields.from_value(value)
    mail = given.text("mail", before[kind].mail.value)
    if mail not in MailChoice.values:
        raise BadRequest("mail must be off, digest or once.", param="mail")
    return Choice(given.flag("web", before[kind].is_shown), MailChoice(mail))


def list_watched(request: HttpRequest) -> HttpResponseBase:
    viewer = viewer_of(request)
    reader(viewer)
    return json_response([_watched(row) for row in watches_of(viewer, limit=inbox.MAX_WATCHES)])


def change_watched(request: HttpRequest) -> HttpResponseBase:
    """``{add: [{type, id, level?}], delete: [{type, id}]}``: all of what is added unless a level says otherwise."""
    viewer = viewer_of(request)
    inbox.person(viewer)
    fields = Fields.of(request)
    add = [(_subject(request, item), item.text("level", "all")) for item in fields.objects("add", max_items=100)]
    remove = [_subject(request, item) for item in fields.objects("delete", max_items=100)]
    levels = [(subject, inbox.level_of(level)) for subject, level in add]
    for subject, level in levels:
        inbox.watch(viewer, subject, level)
    for subject in remove:
        inbox.watch(viewer, subject, None)
    return list_watched(request)


def _subject(request: HttpRequest, item: Fields) -> Any:
    return find_watchable(viewer_of(request), item.text("type", max_length=10), item.text("id", max_length=160))


# --- as they travel --------------------------------------------------------------------------------------------------


def _watched(row: Watch) -> dict[str, Any]:
    if row.repo is not None:
        shown = {"type": "repo", "id": row.repo.object_id, "name": f"{row.repo.type.plural}/{row.repo.repo_id}"}
    else:
        assert row.namespace is not None  # one of both
        owner = row.namespace.organization if row.namespace.is_organization else row.namespace.user
        kind = "org" if row.namespace.is_organization else "user"
        shown = {"type": kind, "id": owner.object_id, "name": row.namespace.name}
    return {**shown, "level": row.level}


def _shown(notice: Notification) -> dict[str, Any]:
    words = words_of(notice)
    shown: dict[str, Any] = {
        "id": notice.object_id,
        "type": notice.kind,
        "reason": notice.reason,
        "read": not notice.is_unread,
        "numUnread": notice.num_unread,
        "updatedAt": date_text(notice.updated_at),
        "createdAt": date_text(notice.created_at),
        "text": words.sentence,
        "url": f"{settings.HUB_URL}{words.href}",
    }
    if notice.actor is not None:
        shown["actor"] = {"_id": notice.actor.object_id, "name": notice.actor.username}
    if notice.repo is not None:
        shown["repo"] = {"name": notice.repo.repo_id, "type": notice.repo.repo_type}
    if notice.discussion is not None:
        shown["discussion"] = {
            "id": notice.discussion.object_id,
            "num": notice.discussion.num,
            "title": notice.discussion.title,
            "status": notice.discussion.status,
            "isPullRequest": notice.discussion.is_pull_request,
        }
    return shown
