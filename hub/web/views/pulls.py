"""Pull requests in the browser: their commits, and what they change, with comments on lines."""

from __future__ import annotations

import re
from typing import Any, Final

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from community.models import Discussion
from community.queries import events_of, get_discussion
from community.services import pulls
from community.services.reviews import comment_line
from hub.core.error_words import in_words_of_reader
from hub.core.errors import Conflict, HubError, NotFound, PayloadTooLarge
from hub.core.ids import RepoType
from hub.repos.models import Repo
from hub.repos.permissions import get_repo_for_files
from hub.storage.git.diffs import TreeDiff
from hub.web.contexts.discussions import comment_html, entries_of, rights_in, state_mark
from hub.web.contexts.file_changes import change_inside
from hub.web.contexts.pulls import DiffTalk, diff_rows, lines_of, pull_tabs, pull_view
from hub.web.contexts.repos import index_of, repo_head
from hub.web.forms.accounts import add_refusal
from hub.web.forms.discussions import CommentForm
from hub.web.views.history import commits_by_day, file_view, people_of

_AT: Final = re.compile(r"(\d{1,4})-(old|new)-(\d{1,9})")


def _find(request: HttpRequest, repo_type: RepoType, namespace: str, name: str, num: int) -> tuple[Repo, Discussion]:
    repo = get_repo_for_files(request.viewer, repo_type, namespace, name)
    discussion = get_discussion(repo, num)
    if not discussion.is_pull_request:
        raise NotFound("This discussion is not a pull request.")
    discussion.repo = repo
    return repo, discussion


def _base(request: HttpRequest, repo: Repo, discussion: Discussion, tab: str) -> dict[str, Any]:
    return {
        "repo": repo,
        "repo_head": repo_head(request, repo, "discussions", index=index_of(repo)),
        "discussion": discussion,
        "state": state_mark(discussion.status),
        "pull": pull_view(request.viewer, discussion),
        "tabs": pull_tabs(discussion, tab),
        "list_href": f"{repo.urls.page}/discussions",
        "preview_href": f"{repo.urls.page}/discussions/preview",
    }


@require_safe
def pull_commits(request: HttpRequest, repo_type: RepoType, namespace: str, name: str, num: int) -> HttpResponse:
    """The commits of a pull request, oldest first."""
    repo, discussion = _find(request, repo_type, namespace, name, num)
    found = pulls.list_pull_request_commits(discussion)
    context = {
        **_base(request, repo, discussion, "commits"),
        "days": commits_by_day(found),
        "people": people_of(found),
    }
    return render(request, "community/pull_commits.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def pull_files(request: HttpRequest, repo_type: RepoType, namespace: str, name: str, num: int) -> HttpResponse:
    """What a pull request changes, side by side, with what is said about its lines; POST says something."""
    repo, discussion = _find(request, repo_type, namespace, name, num)
    if request.method != "POST":
        return _files(request, repo, discussion, CommentForm())
    if request.viewer.user is None:
        return redirect_to_login(f"{discussion.page}/files")
    text = request.POST.get("comment", "")
    if "preview" in request.POST:
        return _files(request, repo, discussion, CommentForm(initial={"comment": text}), is_preview=True)
    form = CommentForm(request.POST)
    form.is_valid()
    line = request.POST.get("line", "")
    try:
        event = comment_line(
            request.viewer,
            discussion,
            path=request.POST.get("path", ""),
            side=request.POST.get("side", ""),
            line=int(line) if line.isdecimal() and len(line) < 10 else 0,
            head_oid=request.POST.get("head_oid", ""),
            comment=text,
        )
    except HubError as error:
        add_refusal(form, error)
        status = error.status if isinstance(error, Conflict) else 422
        return _files(request, repo, discussion, form, status=status)
    return redirect(f"{discussion.page}/files{_kept(request)}#{event.object_id}")


def _kept(request: HttpRequest) -> str:
    return "?view=unified" if request.GET.get("view") == "unified" else ""


def _files(
    request: HttpRequest,
    repo: Repo,
    discussion: Discussion,
    form: CommentForm,
    *,
    is_preview: bool = False,
    status: int = 200,
) -> HttpResponse:
    viewer = request.viewer
    problem, diff = "", None
    try:
        diff = pulls.get_diff(discussion)
    except PayloadTooLarge as error:
        problem = in_words_of_reader(error.message)
    sides = pulls.get_sides(discussion)
    rights = rights_in(viewer, discussion)
    events = [event for event in events_of(discussion) if hasattr(event, "anchor")]
    entries = entries_of(viewer, discussion, events, rights, lines_of(viewer, discussion, events))
    is_unified = request.GET.get("view") == "unified"
    match = _AT.fullmatch(request.GET.get("at", "") or request.POST.get("at", ""))
    talk = DiffTalk(
        entries,
        can_write=rights.can_comment,
        writing=(int(match[1]), match[2], int(match[3])) if match and rights.can_comment else None,
        query=(("view", "unified"),) if is_unified else (),
    )
    context = {
        **_base(request, repo, discussion, "files"),
        "rights": rights,
        "diff": diff,
        "problem": problem,
        "head_oid": sides[1] if sides else "",
        "files": _file_views(repo, diff, sides, talk, is_paired=not is_unified) if diff and sides else [],
        "additions": sum(file.additions for file in diff.files) if diff else 0,
        "deletions": sum(file.deletions for file in diff.files) if diff else 0,
        "outdated": [entry for entry in entries if entry.line and entry.line.is_outdated and not entry.event.is_hidden],
        "is_unified": is_unified,
        "at": match[0] if match else "",
        "form": form,
        "preview": comment_html(viewer, repo, str(form["comment"].value() or "")) if is_preview else None,
    }
    return render(request, "community/pull_files.html", context, status=status)


def _file_views(
    repo: Repo, diff: TreeDiff, sides: tuple[str, str], talk: DiffTalk, *, is_paired: bool
) -> list[dict[str, Any]]:
    views = []
    for number, file in enumerate(diff.files):
        rows, elsewhere = diff_rows(file, number, talk, is_paired=is_paired)
        view = file_view(file, number, repo.urls, sides[1])
        # A line that is written about must not hide in a fold.
        is_spoken_of = any(row.comments or row.written for row in rows)
        views.append(
            {
                **view,
                "is_folded": view["is_folded"] and not is_spoken_of,
                "rows": rows,
                "elsewhere": elsewhere,
                "inside": change_inside(repo, file, *sides),
            }
        )
    return views
