"""History of a repo: commits, one commit with its changes, branches and tags."""

from __future__ import annotations

from typing import Any, Final

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from hub.accounts.models import User
from hub.core.error_words import in_words_of_reader
from hub.core.errors import BadRequest, Conflict, PermissionDenied, RevisionNotFound
from hub.core.ids import RepoType
from hub.repos.content import (
    at_revision,
    at_revision_and_path,
    commit_date,
    count_commits,
    diff_to_parent,
    get_commit,
    list_commits,
    list_refs,
)
from hub.repos.models import Repo
from hub.repos.permissions import get_repo_for_files, get_repo_for_read, get_repo_for_write
from hub.repos.services import refs as ref_services
from hub.repos.urls import RepoUrls
from hub.storage.git.diffs import FileDiff
from hub.storage.git.objects import CommitInfo, RefInfo
from hub.web.contexts.repos import index_of, pull_link, repo_head
from hub.web.forms.repos import RefForm, TagForm
from hub.web.views.files import breadcrumb, ref_choices

PAGE_COMMITS: Final = 50
MAX_OFFSET: Final = 100_000
MAX_DIFF_FILES: Final = 100
MAX_DIFF_LINES: Final = 3_000
#: A file with more changed lines than this is folded.
FOLD_LINES: Final = 300


@require_safe
def commits(request: HttpRequest, repo_type: RepoType, namespace: str, name: str, rest: str = "") -> HttpResponse:
    """Commits of a revision, newest first; with a path those that changed it."""
    repo = get_repo_for_read(request.viewer, repo_type, namespace, name)
    context: dict[str, Any] = {"repo": repo, "repo_head": repo_head(request, repo, "history", index=index_of(repo))}
    try:
        snapshot, path = at_revision_and_path(repo, rest or repo.default_branch)
    except RevisionNotFound:
        if rest and rest != repo.default_branch:
            raise
        return render(request, "repos/commits.html", {**context, "is_empty": True})
    page = _page_number(request)
    found = list_commits(snapshot, offset=page * PAGE_COMMITS, limit=PAGE_COMMITS + 1, path=path)
    here = repo.urls.commits(snapshot.revision, path)
    context |= {
        "snapshot": snapshot,
        "path": path,
        "from_pull": pull_link(snapshot),
        "days": commits_by_day(found[:PAGE_COMMITS]),
        "people": people_of(found[:PAGE_COMMITS]),
        "total": count_commits(snapshot) if not path else None,
        "crumbs": breadcrumb(repo, snapshot.revision, path),
        "refs": ref_choices(repo, "commits", snapshot.revision, path),
        "refs_href": f"{repo.urls.page}/refs",
        "previous_href": f"{here}?{urlencode({'p': page - 1})}" if page else "",
        "next_href": f"{here}?{urlencode({'p': page + 1})}" if len(found) > PAGE_COMMITS else "",
    }
    return render(request, "repos/commits.html", context)


def _page_number(request: HttpRequest) -> int:
    text = request.GET.get("p", "0")
    return min(int(text), MAX_OFFSET // PAGE_COMMITS) if text.isdecimal() and len(text) < 8 else 0


def commits_by_day(found: list[CommitInfo]) -> list[tuple[Any, list[dict[str, Any]]]]:
    """Commits under the day of their date, in order."""
    days: list[tuple[Any, list[dict[str, Any]]]] = []
    for commit in found:
        moment = commit_date(commit)
        if not days or days[-1][0] != moment.date():
            days.append((moment.date(), []))
        days[-1][1].append({"commit": commit, "date": moment})
    return days


def people_of(found: list[CommitInfo]) -> dict[str, User]:
    """Accounts by the names that commits bear, where the address is the hub's own for that name."""
    names = {commit.author.name for commit in found if "@users.noreply." in commit.author.email}
    return {user.username: user for user in User.objects.filter(username__in=names, is_active=True)}


@require_safe
def commit(request: HttpRequest, repo_type: RepoType, namespace: str, name: str, oid: str) -> HttpResponse:
    """One commit: its message and what it changed against its first parent."""
    repo = get_repo_for_files(request.viewer, repo_type, namespace, name)
    snapshot = at_revision(repo, oid)
    if snapshot.oid != oid:
        return redirect(repo.urls.commit(snapshot.oid))
    info = get_commit(snapshot)
    diff = diff_to_parent(snapshot, max_files=MAX_DIFF_FILES, max_lines=MAX_DIFF_LINES)
    context = {
        "repo": repo,
        "repo_head": repo_head(request, repo, "history", index=index_of(repo)),
        "snapshot": snapshot,
        "commit": info,
        "from_pull": pull_link(snapshot),
        "date": commit_date(info),
        "author": people_of([info]).get(info.author.name),
        "parents": [(parent, repo.urls.commit(parent)) for parent in info.parents],
        "diff": diff,
        "files": [file_view(file, index, repo.urls, snapshot.oid) for index, file in enumerate(diff.files)],
        "additions": sum(file.additions for file in diff.files),
        "deletions": sum(file.deletions for file in diff.files),
        "tree_href": repo.urls.tree(snapshot.oid),
    }
    return render(request, "repos/commit.html", context)


def file_view(file: FileDiff, number: int, urls: RepoUrls, oid: str) -> dict[str, Any]:
    count = sum(len(hunk.lines) for hunk in file.hunks)
    return {
        "file": file,
        "id": f"file-{number + 1}",
        "status": _status_word(file.status),
        "is_folded": count > FOLD_LINES,
        "is_lfs": file.old_lfs is not None or file.new_lfs is not None,
        "href": urls.blob(oid, file.path) if file.new_oid else "",
        "growth": file.new_size - file.old_size,
    }


def _status_word(status: str) -> str:
    return {
        "added": _("added"),
        "deleted": _("deleted"),
        "renamed": _("renamed"),
        "modified": _("changed"),
        "type changed": _("type changed"),
    }.get(status, status)


# --- branches and tags -----------------------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
def refs(request: HttpRequest, repo_type: RepoType, namespace: str, name: str) -> HttpResponse:
    """Branches and tags; writers create and delete them here."""
    if request.method == "POST":
        return _change_ref(request, repo_type, namespace, name)
    repo = get_repo_for_read(request.viewer, repo_type, namespace, name)
    return _refs_page(request, repo)


def _refs_page(
    request: HttpRequest,
    repo: Repo,
    *,
    branch_form: RefForm | None = None,
    tag_form: TagForm | None = None,
    status: int = 200,
) -> HttpResponse:
    found = list_refs(repo)
    start = {"start": repo.default_branch}
    context = {
        "repo": repo,
        "repo_head": repo_head(request, repo, "history", index=index_of(repo)),
        "branches": [_ref_row(repo, ref) for ref in found.branches],
        "tags": [_ref_row(repo, ref) for ref in found.tags],
        "branch_form": branch_form or RefForm(prefix="branch", initial=start),
        "tag_form": tag_form or TagForm(prefix="tag", initial=start),
    }
    return render(request, "repos/refs.html", context, status=status)


def _ref_row(repo: Repo, ref: RefInfo) -> dict[str, Any]:
    info = get_commit(at_revision(repo, ref.target_commit))
    return {
        "name": ref.name,
        "commit": info,
        "date": commit_date(info),
        "tree_href": repo.urls.tree(ref.name),
        "commit_href": repo.urls.commit(info.oid),
        "is_default": ref.name == repo.default_branch,
    }


def _change_ref(request: HttpRequest, repo_type: RepoType, namespace: str, name: str) -> HttpResponse:
    repo = get_repo_for_write(request.viewer, repo_type, namespace, name)
    action = request.POST.get("action", "")
    try:
        if action == "create_branch":
            return _create_branch(request, repo)
        if action == "create_tag":
            return _create_tag(request, repo)
        _delete_ref(request, repo, action)
    except (RevisionNotFound, PermissionDenied) as error:
        messages.error(request, in_words_of_reader(error.message))
    return redirect(f"{repo.urls.page}/refs")


def _create_branch(request: HttpRequest, repo: Repo) -> HttpResponse:
    form = RefForm(request.POST, prefix="branch")
    if form.is_valid():
        data = form.cleaned_data
        try:
            ref_services.create_branch(
                repo, actor=request.viewer, name=data["name"], starting_point=data["start"] or None
            )
        except RevisionNotFound:
            form.add_error("start", _("There is no such branch, tag or commit."))
        except (BadRequest, Conflict) as error:
            form.add_error("name", in_words_of_reader(error.message))
        else:
            messages.success(request, _("Branch %(name)s was created.") % {"name": data["name"]})
            return redirect(repo.urls.tree(data["name"]))
    return _refs_page(request, repo, branch_form=form, status=422)


def _create_tag(request: HttpRequest, repo: Repo) -> HttpResponse:
    form = TagForm(request.POST, prefix="tag")
    if form.is_valid():
        data = form.cleaned_data
        try:
            ref_services.create_tag(
                repo,
                actor=request.viewer,
                name=data["name"],
                revision=data["start"] or repo.default_branch,
                message=data["message"],
            )
        except RevisionNotFound:
            form.add_error("start", _("There is no such branch, tag or commit."))
        except (BadRequest, Conflict) as error:
            form.add_error("name", in_words_of_reader(error.message))
        else:
            messages.success(request, _("Tag %(name)s was created.") % {"name": data["name"]})
            return redirect(f"{repo.urls.page}/refs")
    return _refs_page(request, repo, tag_form=form, status=422)


def _delete_ref(request: HttpRequest, repo: Repo, action: str) -> None:
    ref_name = request.POST.get("name", "")[:200]
    if action == "delete_branch":
        ref_services.delete_branch(repo, actor=request.viewer, name=ref_name)
        messages.success(request, _("Branch %(name)s was deleted.") % {"name": ref_name})
    elif action == "delete_tag":
        ref_services.delete_tag(repo, actor=request.viewer, name=ref_name)
        messages.success(request, _("Tag %(name)s was deleted.") % {"name": ref_name})
