"""The inbox, the number on the bell, what to hear of, and the link that ends mails."""

from __future__ import annotations

from typing import Any, Final

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from community.enums import Digest, NoticeKind
from community.notice_words import target_of
from community.notices import (
    NoticeFilter,
    choices_of,
    count_unread,
    list_notices,
    numbers_of,
    preference_of,
    reason_of,
    watches_of,
)
from community.services import inbox as acts
from community.services.notice_mails import DIGEST, read_unsubscribe
from community.services.notice_mails import unsubscribe as end_mails
from hub.accounts.permissions import get_namespace
from hub.accounts.requests import SignedInRequest
from hub.core.error_words import in_words_of_reader
from hub.core.errors import BadRequest, HubError
from hub.core.ids import RepoType
from hub.repos.permissions import get_repo_for_read
from hub.web.account_pages import session_required
from hub.web.contexts.notices import (
    bell_label,
    inbox_href,
    inbox_tabs,
    notice_rows,
    reason_links,
    watch_rows,
)
from hub.web.forms.notices import NoticeSettingsForm

_PAGE: Final = 30
_WATCHES_SHOWN: Final = 200


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@session_required
def inbox(request: SignedInRequest) -> HttpResponse:
    """What happened, the last first; unread ones unless all are asked for."""
    if request.method == "POST":
        return _change(request)
    is_unread = request.GET.get("show") != "all"
    reason = reason_of(request.GET.get("reason", "")) or ""
    cursor = request.GET.get("cursor", "")
    page = list_notices(request.viewer, NoticeFilter(is_unread=is_unread, reason=reason), cursor=cursor, limit=_PAGE)
    numbers = numbers_of(request.viewer)
    context = {
        "rows": notice_rows(request.viewer, page.items),
        "tabs": inbox_tabs(is_unread=is_unread, reason=reason, unread=numbers.unread),
        "reasons": reason_links(is_unread=is_unread, reason=reason),
        "is_unread": is_unread,
        "reason": reason,
        "numbers": numbers,
        "is_quiet": preference_of(request.user).is_quiet,
        "here": inbox_href(is_unread=is_unread, reason=reason, cursor=cursor),
        "all_href": inbox_href(is_unread=False),
        "first_href": inbox_href(is_unread=is_unread, reason=reason) if cursor else "",
        "next_href": inbox_href(is_unread=is_unread, reason=reason, cursor=page.next_cursor)
        if page.next_cursor
        else "",
    }
    return render(request, "notices/inbox.html", context)


def _next_href(cursor: str | None, *, is_unread: bool, reason: str) -> str:
    return inbox_href(is_unread=is_unread, reason=reason, cursor=cursor) if cursor else ""


def _change(request: SignedInRequest) -> HttpResponse:
    action = request.POST.get("action", "")
    if action == "read_all":
        acts.mark_all(request.viewer)
        messages.success(request, _("Everything is read."))
    elif action in ("read", "unread"):
        acts.mark(request.viewer, request.POST.getlist("id"), is_read=action == "read")
    elif action in ("mute", "unmute"):
        _mute(request, is_muted=action == "mute")
    return redirect(back_to(request, inbox_href(is_unread=True)))


def _mute(request: SignedInRequest, *, is_muted: bool) -> None:
    notice = acts.get_notice(request.viewer, request.POST.get("id", ""))
    if notice.discussion is not None:
        acts.mute(request.viewer, notice.discussion, is_muted=is_muted)
        words = (
            _("You will hear nothing more of “%(title)s”.") if is_muted else _("You will hear of “%(title)s” again.")
        )
        messages.success(request, words % {"title": notice.discussion.title})


def back_to(request: HttpRequest, default: str) -> str:
    """Where the form stood, as long as that is on this hub."""
    given = request.POST.get("next", "")
    is_ours = given.startswith("/") and url_has_allowed_host_and_scheme(given, allowed_hosts=None)
    return given if is_ours else default


@require_safe
@never_cache
@session_required
def open_notice(request: SignedInRequest, object_id: str) -> HttpResponse:
    """Lead to what a notice is about; who follows the link has read it."""
    notice = acts.get_notice(request.viewer, object_id)
    if request.method == "GET":
        acts.mark(request.viewer, [object_id])
    return redirect(target_of(notice))


@require_safe
@never_cache
@session_required
def unread_count(request: SignedInRequest) -> HttpResponse:
    """What the bell asks once a minute (static/js/bell.js)."""
    return JsonResponse({"label": bell_label(count_unread(request.viewer))})


# --- settings --------------------------------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@session_required
def settings_notifications(request: SignedInRequest) -> HttpResponse:
    if request.method == "POST" and request.POST.get("action") == "unwatch":
        return _unwatch(request)
    form = NoticeSettingsForm(
        request.POST or None, choices=choices_of(request.user), preference=preference_of(request.user)
    )
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        acts.choose(request.viewer, form.chosen(), digest=Digest(data["digest"]), is_quiet=data["is_quiet"])
        messages.success(request, _("Saved."))
        return redirect("web:settings_notifications")
    context = {
        "form": form,
        "has_mail": settings.IS_MAIL_CONFIGURED,
        "watches": watch_rows(watches_of(request.viewer, limit=_WATCHES_SHOWN)),
    }
    return render(request, "notices/settings.html", context, status=422 if form.is_bound else 200)


def _unwatch(request: SignedInRequest) -> HttpResponse:
    given = request.POST.get("watch", "")
    for row in watches_of(request.viewer, limit=acts.MAX_WATCHES):
        if str(row.pk) == given:
            subject = row.repo or row.namespace
            assert subject is not None  # one of both, by the table's constraint
            acts.watch(request.viewer, subject, None)
            messages.success(request, _("Saved."))
    return redirect("web:settings_notifications")


# --- watching --------------------------------------------------------------------------------------------------------


@require_POST
def watch_repo(request: HttpRequest, repo_type: RepoType, namespace: str, name: str) -> HttpResponse:
    """Choose what to hear of a repo."""
    repo = get_repo_for_read(request.viewer, repo_type, namespace, name)
    if request.viewer.user is None:
        return redirect_to_login(repo.urls.page)
    return _watch(request, repo, repo.urls.page)


@require_POST
@session_required
def watch_owner(request: SignedInRequest, name: str) -> HttpResponse:
    """Choose what to hear of all that belongs to a person or an organization."""
    namespace = get_namespace(name)
    return _watch(request, namespace, namespace.get_absolute_url())


def _watch(request: HttpRequest, subject: Any, default: str) -> HttpResponse:
    try:
        acts.watch(request.viewer, subject, acts.level_of(request.POST.get("level", "")))
    except HubError as error:
        messages.error(request, in_words_of_reader(error.message))
    else:
        messages.success(request, _("Saved."))
    return redirect(back_to(request, default))


# --- mails -----------------------------------------------------------------------------------------------------------


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """End the mails that a signed link names: by the one click of a mail program (POST, RFC 8058), or a button here.

    The link is the right; there is neither session nor CSRF token in a mail program. Opening it changes nothing, for
    programs that look at links before people do.
    """
    try:
        user, what = read_unsubscribe(token)
        if request.method == "POST":
            end_mails(token)
    except BadRequest as error:
        context = {"refusal": in_words_of_reader(error.message)}
        return render(request, "notices/unsubscribe.html", context, status=400)
    words = _("the digest") if what == DIGEST else str(NoticeKind(what).label)
    shown = {"name": user.username, "what": words, "is_done": request.method == "POST"}
    return render(request, "notices/unsubscribe.html", shown)
