"""Discussions in the browser: the list, a thread, new ones, and everything that is done in a thread.

Every act is one of ``community.services``; a refusal is shown where it was asked for, with the words that were typed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from community.enums import Status
from community.models import Discussion, Event
from community.notices import is_muted
from community.permissions import require_discuss
from community.queries import get_comment, get_discussion, list_discussions, pinned_discussions
from community.services import discussions, inbox, pulls
from community.services.reactions import set_reaction
from community.thread_windows import window_of
from hub.accounts.auth import Viewer
from hub.core.error_words import in_words_of_reader
from hub.core.errors import AuthenticationRequired, Conflict, HubError, NotFound
from hub.core.ids import RepoType
from hub.repos.models import Repo
from hub.repos.permissions import can_admin, get_repo_for_read
from hub.web.account_pages import session_required
from hub.web.contexts.discussions import (
    comment_html,
    discussion_rows,
    entries_of,
    page_links,
    quote_of,
    refusal_of,
    rights_in,
    state_mark,
    status_tabs,
    wanted_of,
)
from hub.web.contexts.pulls import lines_of, pull_tabs, pull_view
from hub.web.contexts.repos import index_of, repo_head
from hub.web.forms.accounts import add_refusal
from hub.web.forms.discussions import CommentForm, FilterForm, NewDiscussionForm, TitleForm

_MAX_PAGE: Final = 100_000


def _base(request: HttpRequest, repo: Repo) -> dict[str, Any]:
    return {
        "repo": repo,
        "repo_head": repo_head(request, repo, "discussions", index=index_of(repo)),
        "list_href": f"{repo.urls.page}/discussions",
        "preview_href": f"{repo.urls.page}/discussions/preview",
    }


def _find(
    request: HttpRequest, repo_type: RepoType, namespace: str, name: str, num: int
) -> tuple[Viewer, Repo, Discussion]:
    repo = get_repo_for_read(request.viewer, repo_type, namespace, name)
    discussion = get_discussion(repo, num)
    discussion.repo = repo
    return request.viewer, repo, discussion


# --- the list --------------------------------------------------------------------------------------------------------


@require_safe
def discussion_list(request: HttpRequest, repo_type: RepoType, namespace: str, name: str) -> HttpResponse:
    """Discussions and pull requests of a repo; open ones, pinned first, unless the address asks for others."""
    repo = get_repo_for_read(request.viewer, repo_type, namespace, name)
    wanted, number = wanted_of(request.GET), _page_number(request)
    page = list_discussions(repo, wanted, page=number)
    is_plain = not number and wanted == wanted_of(request.GET.__class__())
    pinned = pinned_discussions(repo) if is_plain else []
    pinned_pks = {item.pk for item in pinned}
    needs_sign_in, why_not = refusal_of(request.viewer, repo)
    context = {
        **_base(request, repo),
        "pinned": discussion_rows(repo, pinned),
        "rows": discussion_rows(repo, [item for item in page.items if item.pk not in pinned_pks]),
        "tabs": status_tabs(repo, wanted, page),
        "filter_form": FilterForm(
            initial={
                "search": wanted.search,
                "author": wanted.author,
                "type": wanted.kind.value,
                "sort": wanted.sort.value,
                "status": wanted.status.value,
            }
        ),
        "is_filtered": bool(wanted.search or wanted.author) or wanted.kind.value != "all",
        "has_any": bool(repo.last_discussion_num),
        "needs_sign_in": needs_sign_in,
        "why_not": why_not,
        "can_admin": can_admin(request.viewer, repo),
        **page_links(repo, wanted, page, number),
    }
    return render(request, "community/discussions.html", context)


def _page_number(request: HttpRequest) -> int:
    text = request.GET.get("p", "0")
    return min(int(text), _MAX_PAGE) if text.isdecimal() and len(text) < 8 else 0


@require_http_methods(["GET", "HEAD", "POST"])
def discussion_new(request: HttpRequest, repo_type: RepoType, namespace: str, name: str) -> HttpResponse:
    """Open a discussion; without a sign-in, that comes first."""
    repo = get_repo_for_read(request.viewer, repo_type, namespace, name)
    return _new(request, repo)


@session_required
def _new(request: HttpRequest, repo: Repo) -> HttpResponse:
    require_discuss(request.viewer, repo)
    form = NewDiscussionForm(request.POST or None, initial={"title": request.GET.get("title", "")[:200]})
    preview = None
    if request.method == "POST" and "preview" in request.POST:
        preview = comment_html(request.viewer, repo, request.POST.get("comment", ""))
        form = NewDiscussionForm(initial={key: request.POST.get(key, "") for key in ("title", "comment")})
    elif request.method == "POST" and form.is_valid():
        try:
            made = discussions.create_discussion(
                request.viewer, repo, title=form.cleaned_data["title"], description=form.cleaned_data["comment"]
            )
        except HubError as error:
            add_refusal(form, error)
        else:
            return redirect(made.page)
    context = {**_base(request, repo), "form": form, "preview": preview}
    return render(request, "community/discussion_new.html", context, status=422 if form.errors else 200)


@require_POST
def discussion_preview(request: HttpRequest, repo_type: RepoType, namespace: str, name: str) -> HttpResponse:
    """A comment that is being written, as its readers would see it; for htmx."""
    repo = get_repo_for_read(request.viewer, repo_type, namespace, name)
    require_discuss(request.viewer, repo)
    text = request.POST.get("comment", "")
    return render(request, "community/_preview.html", {"html": comment_html(request.viewer, repo, text)})


# --- a thread --------------------------------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
def discussion(request: HttpRequest, repo_type: RepoType, namespace: str, name: str, num: int) -> HttpResponse:
    """A thread; its forms come back here and say in ``action`` what to do."""
    viewer, repo, found = _find(request, repo_type, namespace, name, num)
    if request.method == "GET":
        inbox.mark_thread_seen(viewer, found)
    if request.method != "POST":
        return _thread(request, repo, found, CommentForm(initial={"comment": _quoted(request, found)}))
    if viewer.user is None:
        return redirect_to_login(found.page)
    if "preview" in request.POST:
        text = request.POST.get("comment", "")
        return _thread(request, repo, found, CommentForm(initial={"comment": text}), is_preview=True)
    act = _ACTS.get(request.POST.get("action", "comment"))
    if act is None:
        raise NotFound
    form = CommentForm(request.POST)
    form.is_valid()
    try:
        anchor = act(request, viewer, found)
    except HubError as error:
        return _refused(request, repo, found, form, error)
    return redirect(f"{found.page}{anchor}")


def _quoted(request: HttpRequest, found: Discussion) -> str:
    """The start of an answer to a comment that the address names; of a hidden one there is nothing to quote."""
    object_id = request.GET.get("quote", "")
    if not object_id:
        return ""
    try:
        event = get_comment(found, object_id[:24].lower())
    except NotFound:
        return ""
    return "" if event.is_hidden else quote_of(event)


def _refused(request: HttpRequest, repo: Repo, found: Discussion, form: CommentForm, error: HubError) -> HttpResponse:
    """The thread as it is now, with what was typed and why it was not done."""
    found = get_discussion(repo, found.num)
    found.repo = repo
    typed = request.POST.get("comment", "")
    if request.POST.get("action", "comment") != "comment":
        messages.error(request, in_words_of_reader(error.message))
        form = CommentForm(initial={"comment": typed})
    else:
        add_refusal(form, error)
    response = _thread(request, repo, found, form)
    response.status_code = error.status if error.status in (403, 409, 413, 429) else 422
    return response


def _thread(
    request: HttpRequest, repo: Repo, found: Discussion, form: CommentForm, *, is_preview: bool = False
) -> HttpResponse:
    viewer: Viewer = request.viewer
    rights = rights_in(viewer, found)
    window = window_of(found, request.GET.get("at", "")[:24].lower())
    events = window.events
    entries = entries_of(viewer, found, events, rights, lines_of(viewer, found, events))
    context = {
        **_base(request, repo),
        "discussion": found,
        "state": state_mark(found.status),
        "rights": rights,
        "entries": entries,
        "window": window,
        "form": form,
        "title_form": TitleForm(initial={"title": found.title}),
        "preview": comment_html(viewer, repo, str(form["comment"].value() or "")) if is_preview else None,
        "pull": pull_view(viewer, found) if found.is_pull_request else None,
        "tabs": pull_tabs(found, "thread"),
        "is_muted": is_muted(viewer, found),
    }
    return render(request, "community/discussion.html", context)


# --- acts ------------------------------------------------------------------------------------------------------------
# Each returns where on the page its result is.


def _comment(request: HttpRequest, viewer: Viewer, found: Discussion) -> str:
    event = discussions.comment_discussion(viewer, found, comment=request.POST.get("comment", ""))
    return f"#{event.object_id}"


def _change_status(request: HttpRequest, viewer: Viewer, found: Discussion) -> str:
    new_status = {"close": Status.CLOSED, "open": Status.OPEN, "draft": Status.DRAFT}[request.POST["action"]]
    text = request.POST.get("comment", "").strip() and request.POST["comment"]
    discussions.change_discussion_status(viewer, found, new_status=new_status, comment=text)
    return "#end"


def _rename(request: HttpRequest, viewer: Viewer, found: Discussion) -> str:
    discussions.rename_discussion(viewer, found, new_title=request.POST.get("title", ""))
    return ""


def _pin(request: HttpRequest, viewer: Viewer, found: Discussion) -> str:
    discussions.pin_discussion(viewer, found, is_pinned=request.POST["action"] == "pin")
    return ""


def _lock(request: HttpRequest, viewer: Viewer, found: Discussion) -> str:
    discussions.lock_discussion(viewer, found, is_locked=request.POST["action"] == "lock")
    return ""


def _mute(request: HttpRequest, viewer: Viewer, found: Discussion) -> str:
    inbox.mute(viewer, found, is_muted=request.POST["action"] == "mute")
    return ""


def _merge(request: HttpRequest, viewer: Viewer, found: Discussion) -> str:
    text = request.POST.get("comment", "").strip() and request.POST["comment"]
    pulls.merge_pull_request(viewer, found, comment=text)
    messages.success(request, _("Merged. The branch holds the change now."))
    return "#end"


def _remove_files(request: HttpRequest, viewer: Viewer, found: Discussion) -> str:
    pulls.delete_pull_request_ref(viewer, found)
    messages.success(request, _("The files of the pull request were removed; the thread stays."))
    return "#end"


_ACTS: Final[dict[str, Callable[[HttpRequest, Viewer, Discussion], str]]] = {
    "comment": _comment,
    "close": _change_status,
    "open": _change_status,
    "draft": _change_status,
    "rename": _rename,
    "pin": _pin,
    "unpin": _pin,
    "lock": _lock,
    "unlock": _lock,
    "mute": _mute,
    "unmute": _mute,
    "merge": _merge,
    "remove-files": _remove_files,
}


@require_http_methods(["GET", "HEAD", "POST"])
def discussion_delete(request: HttpRequest, repo_type: RepoType, namespace: str, name: str, num: int) -> HttpResponse:
    """Ask, then remove a thread for good."""
    viewer, repo, found = _find(request, repo_type, namespace, name, num)
    rights = rights_in(viewer, found)
    if request.method == "POST":
        pulls.delete_discussion(viewer, found)
        messages.success(request, _("#%(number)s was deleted.") % {"number": found.num})
        return redirect(f"{repo.urls.page}/discussions")
    if not rights.can_delete:
        return redirect(found.page)
    context = {**_base(request, repo), "discussion": found, "state": state_mark(found.status)}
    return render(request, "community/discussion_delete.html", context)


# --- one comment -----------------------------------------------------------------------------------------------------


def _find_comment(
    request: HttpRequest, repo_type: RepoType, namespace: str, name: str, num: int, comment_id: str
) -> tuple[Viewer, Discussion, Event]:
    viewer, _repo, found = _find(request, repo_type, namespace, name, num)
    event = get_comment(found, comment_id.lower())
    event.discussion = found
    return viewer, found, event


@require_http_methods(["GET", "HEAD", "POST"])
def comment_edit(
    request: HttpRequest, repo_type: RepoType, namespace: str, name: str, num: int, comment_id: str
) -> HttpResponse:
    """Rewrite one's own comment; what it said before stays in its history."""
    viewer, found, event = _find_comment(request, repo_type, namespace, name, num, comment_id)
    if viewer.user is None:
        return redirect_to_login(found.page)
    if viewer.user_pk != event.author_id or event.is_hidden:
        return redirect(f"{found.page}#{event.object_id}")
    form = CommentForm(request.POST or None, initial={"comment": event.body})
    preview = None
    if request.method == "POST" and "preview" in request.POST:
        preview = comment_html(viewer, found.repo, request.POST.get("comment", ""))
        form = CommentForm(initial={"comment": request.POST.get("comment", "")})
    elif request.method == "POST" and form.is_valid():
        try:
            discussions.edit_discussion_comment(viewer, found, event, new_content=form.cleaned_data["comment"])
        except HubError as error:
            add_refusal(form, error)
        else:
            return redirect(f"{found.page}#{event.object_id}")
    context = {
        **_base(request, found.repo),
        "discussion": found,
        "event": event,
        "form": form,
        "preview": preview,
    }
    return render(request, "community/comment_edit.html", context, status=422 if form.errors else 200)


@require_safe
def comment_history(
    request: HttpRequest, repo_type: RepoType, namespace: str, name: str, num: int, comment_id: str
) -> HttpResponse:
    """What a comment said before each edit; of a hidden one there is nothing to see."""
    viewer, found, event = _find_comment(request, repo_type, namespace, name, num, comment_id)
    if event.is_hidden:
        raise NotFound("This comment does not exist.")
    context = {
        **_base(request, found.repo),
        "discussion": found,
        "event": event,
        "versions": _versions(viewer, found, event),
    }
    return render(request, "community/comment_history.html", context)


def _versions(viewer: Viewer, found: Discussion, event: Event) -> list[dict[str, Any]]:
    """Newest first: the present text, then each that it replaced."""
    now = {
        "html": comment_html(viewer, found.repo, event.body),
        "author": event.edited_by if event.edited_at else event.author,
        "date": event.edited_at or event.created_at,
    }
    earlier = [
        {
            "html": comment_html(viewer, found.repo, revision.body),
            "author": revision.author,
            "date": revision.created_at,
        }
        for revision in event.revisions.select_related("author").order_by("-pk")
    ]
    return [now, *earlier]


@require_POST
def comment_hide(
    request: HttpRequest, repo_type: RepoType, namespace: str, name: str, num: int, comment_id: str
) -> HttpResponse:
    """Take a comment out of sight."""
    viewer, found, event = _find_comment(request, repo_type, namespace, name, num, comment_id)
    if viewer.user is None:
        return redirect_to_login(found.page)
    discussions.hide_discussion_comment(viewer, found, event)
    return redirect(f"{found.page}#{event.object_id}")


@require_POST
def comment_react(
    request: HttpRequest, repo_type: RepoType, namespace: str, name: str, num: int, comment_id: str
) -> HttpResponse:
    """Put an emoji at a comment or take it back; htmx gets the row of them, a plain form the thread."""
    viewer, found, event = _find_comment(request, repo_type, namespace, name, num, comment_id)
    if viewer.user is None:
        return _to_sign_in(request, found)
    is_on = request.POST.get("on", "1") == "1"
    try:
        set_reaction(viewer, found, event, emoji=request.POST.get("emoji", ""), is_on=is_on)
    except (Conflict, AuthenticationRequired) as error:
        messages.error(request, in_words_of_reader(error.message))
    if "hx-request" not in request.headers:
        return redirect(f"{found.page}#{event.object_id}")
    entries = entries_of(viewer, found, [get_comment(found, event.object_id)], rights_in(viewer, found), {})
    return render(request, "community/_reactions.html", {"entry": entries[0], "can_react": True})


def _to_sign_in(request: HttpRequest, found: Discussion) -> HttpResponse:
    response = redirect_to_login(found.page)
    if "hx-request" in request.headers:
        moved = HttpResponse(status=204)
        moved["HX-Redirect"] = response.url
        return moved
    return response
