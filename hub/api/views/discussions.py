"""Discussions and pull requests (hub-api §18)."""

from __future__ import annotations

from enum import Enum
from typing import TypeVar

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from community.enums import DiscussionType, Sort, Status, StatusFilter
from community.models import Discussion, Event
from community.queries import DiscussionFilter, events_of, get_comment, get_discussion, list_discussions
from community.services import discussions, pulls
from hub.accounts.auth import Viewer
from hub.api.requests import Fields, query_flag
from hub.api.serializers.discussions import details_json, discussion_json, event_json
from hub.api.serializers.history import diff_text
from hub.api.views.common import json_response, page_url, viewer_of
from hub.core.errors import BadRequest, GatedRepo, InsufficientScope, PayloadTooLarge
from hub.core.ids import RepoType
from hub.repos.models import Repo
from hub.repos.permissions import check_files, get_repo_for_read

_MAX_PAGE = 100_000
_MAX_SEARCH = 200
_STATUSES = {"open": Status.OPEN, "closed": Status.CLOSED, "draft": Status.DRAFT}

Choice = TypeVar("Choice", bound=Enum)


def list_of_repo(request: HttpRequest, repo_type: RepoType, namespace: str, name: str) -> HttpResponseBase:
    repo = get_repo_for_read(viewer_of(request), repo_type, namespace, name)
    wanted = DiscussionFilter(
        kind=_choice(request, "type", DiscussionType.ALL),
        status=_choice(request, "status", StatusFilter.ALL),
        author=request.GET.get("author", "")[:100],
        search=request.GET.get("search", "")[:_MAX_SEARCH],
        sort=_choice(request, "sort", Sort.RECENT),
    )
    page = list_discussions(repo, wanted, page=_page(request))
    return json_response(
        {
            "discussions": [discussion_json(discussion, repo) for discussion in page.items],
            "count": page.count,
            "start": page.start,
            "numClosedDiscussions": page.num_closed,
        }
    )


def _choice(request: HttpRequest, name: str, default: Choice) -> Choice:
    text = request.GET.get(name, "")
    kind = type(default)
    try:
        return kind(text) if text else default
    except ValueError as error:
        allowed = ", ".join(str(item.value) for item in kind)
        raise BadRequest(f"{name} must be one of {allowed}.", param=name) from error


def _page(request: HttpRequest) -> int:
    text = request.GET.get("p", "") or "0"
    if not text.isascii() or not text.isdigit() or len(text) > 6 or int(text) > _MAX_PAGE:
        raise BadRequest("p must be a number.", param="p")
    return int(text)


def create(request: HttpRequest, repo_type: RepoType, namespace: str, name: str) -> HttpResponseBase:
    viewer = viewer_of(request)
    repo = get_repo_for_read(viewer, repo_type, namespace, name)
    fields = Fields.of(request)
    title, description = fields.text("title"), fields.text("description", "", max_length=100_000)
    if fields.flag("pullRequest"):
        made = pulls.create_pull_request(viewer, repo, title=title, description=description)
    else:
        made = discussions.create_discussion(viewer, repo, title=title, description=description)
    url = f"{page_url(request, repo)}/discussions/{made.num}"
    return json_response({"num": made.num, "url": url, "pullRequest": made.is_pull_request})


def _find(
    request: HttpRequest, repo_type: RepoType, namespace: str, name: str, num: int
) -> tuple[Viewer, Repo, Discussion]:
    viewer = viewer_of(request)
    repo = get_repo_for_read(viewer, repo_type, namespace, name)
    return viewer, repo, get_discussion(repo, num)


def details(request: HttpRequest, repo_type: RepoType, namespace: str, name: str, num: int) -> HttpResponseBase:
    viewer, repo, discussion = _find(request, repo_type, namespace, name, num)
    conflicts = pulls.find_conflicts(discussion) if discussion.is_pull_request else []
    diff = _diff(viewer, repo, discussion) if query_flag(request, "diff") else None
    return json_response(details_json(discussion, repo, list(events_of(discussion)), conflicts=conflicts, diff=diff))


def _diff(viewer: Viewer, repo: Repo, discussion: Discussion) -> str | None:
    """The unified diff, for those who may read files."""
    if not discussion.is_pull_request:
        return None
    try:
        check_files(viewer, repo)
        found = pulls.get_diff(discussion)
    except (GatedRepo, InsufficientScope):
        return None
    except PayloadTooLarge as error:
        return f"# {error.message}\n"
    return "" if found is None else diff_text(found)


def delete(request: HttpRequest, repo_type: RepoType, namespace: str, name: str, num: int) -> HttpResponseBase:
    viewer, _repo, discussion = _find(request, repo_type, namespace, name, num)
    pulls.delete_discussion(viewer, discussion)
    return json_response({})


def delete_ref(request: HttpRequest, repo_type: RepoType, namespace: str, name: str, num: int) -> HttpResponseBase:
    viewer, _repo, discussion = _find(request, repo_type, namespace, name, num)
    pulls.delete_pull_request_ref(viewer, discussion)
    return json_response({})


# --- changes ---------------------------------------------------------------------------------------------------------


def _answer(key: str, event: Event | None) -> HttpResponseBase:
    return json_response({} if event is None else {key: event_json(event)})


def comment(request: HttpRequest, repo_type: RepoType, namespace: str, name: str, num: int) -> HttpResponseBase:
    viewer, _repo, discussion = _find(request, repo_type, namespace, name, num)
    text = Fields.of(request).text("comment", max_length=100_000)
    return _answer("newMessage", discussions.comment_discussion(viewer, discussion, comment=text))


def status(request: HttpRequest, repo_type: RepoType, namespace: str, name: str, num: int) -> HttpResponseBase:
    viewer, _repo, discussion = _find(request, repo_type, namespace, name, num)
    fields = Fields.of(request)
    new_status = _STATUSES.get(fields.text("status"))
    if new_status is None:
        raise BadRequest("The status of a discussion is open or closed.", param="status")
    event = discussions.change_discussion_status(
        viewer, discussion, new_status=new_status, comment=fields.text("comment", "", max_length=100_000)
    )
    return _answer("newStatus", event)


def title(request: HttpRequest, repo_type: RepoType, namespace: str, name: str, num: int) -> HttpResponseBase:
    viewer, _repo, discussion = _find(request, repo_type, namespace, name, num)
    new_title = Fields.of(request).text("title")
    return _answer("newTitle", discussions.rename_discussion(viewer, discussion, new_title=new_title))


def merge(request: HttpRequest, repo_type: RepoType, namespace: str, name: str, num: int) -> HttpResponseBase:
    viewer, _repo, discussion = _find(request, repo_type, namespace, name, num)
    text = Fields.of(request).text("comment", "", max_length=100_000)
    merged = pulls.merge_pull_request(viewer, discussion, comment=text)
    return json_response({"status": merged.status, "mergeCommitId": merged.merge_oid})


def edit_comment(
    request: HttpRequest, repo_type: RepoType, namespace: str, name: str, num: int, comment_id: str
) -> HttpResponseBase:
    viewer, _repo, discussion = _find(request, repo_type, namespace, name, num)
    event = get_comment(discussion, comment_id.lower())
    text = Fields.of(request).text("content", max_length=100_000)
    edited = discussions.edit_discussion_comment(viewer, discussion, event, new_content=text)
    return _answer("updatedComment", edited)


def hide_comment(
    request: HttpRequest, repo_type: RepoType, namespace: str, name: str, num: int, comment_id: str
) -> HttpResponseBase:
    viewer, _repo, discussion = _find(request, repo_type, namespace, name, num)
    event = get_comment(discussion, comment_id.lower())
    return _answer("updatedComment", discussions.hide_discussion_comment(viewer, discussion, event))


def pin(request: HttpRequest, repo_type: RepoType, namespace: str, name: str, num: int) -> HttpResponseBase:
    viewer, _repo, discussion = _find(request, repo_type, namespace, name, num)
    is_pinned = Fields.of(request).flag("pinned", True)
    return _answer("newPin", discussions.pin_discussion(viewer, discussion, is_pinned=is_pinned))


def lock(request: HttpRequest, repo_type: RepoType, namespace: str, name: str, num: int) -> HttpResponseBase:
    viewer, _repo, discussion = _find(request, repo_type, namespace, name, num)
    is_locked = Fields.of(request).flag("locked", True)
    return _answer("newLock", discussions.lock_discussion(viewer, discussion, is_locked=is_locked))
