"""The upload page.  Bytes go from the browser to the data plane; this module serves the page, its last word, and
small files of browsers without script."""

from __future__ import annotations

from dataclasses import asdict

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from hub.core.errors import HubError, PermissionDenied, RepoDisabled
from hub.core.ids import RepoType
from hub.repos.content import Snapshot, at_revision, list_refs
from hub.repos.models import Repo
from hub.repos.permissions import get_repo_for_read, get_repo_for_write
from hub.repos.services.uploads import commit_uploaded_files
from hub.web.account_pages import session_required
from hub.web.contexts.upload import crumbs_of, upload_context, upload_result
from hub.web.forms.accounts import add_refusal
from hub.web.forms.upload import PlainUploadForm


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@session_required
def upload(request: HttpRequest, repo_type: RepoType, namespace: str, name: str, revision: str) -> HttpResponse:
    try:
        repo = get_repo_for_write(request.viewer, repo_type, namespace, name)
    except RepoDisabled:
        raise
    except PermissionDenied:
        return _not_yours(request, get_repo_for_read(request.viewer, repo_type, namespace, name))
    branches = sorted(ref.name for ref in list_refs(repo).branches)
    if revision not in branches:
        return _no_branch(request, repo, revision, branches)
    snapshot = at_revision(repo, revision)
    if request.method == "POST":
        return _commit_plain(request, snapshot)
    return _page(request, snapshot)


def _page(
    request: HttpRequest, snapshot: Snapshot, form: PlainUploadForm | None = None, status: int = 200
) -> HttpResponse:
    context = upload_context(request.viewer, snapshot, plain_form=form)
    return render(request, "upload/upload.html", {"page": context}, status=status)


def _not_yours(request: HttpRequest, repo: Repo) -> HttpResponse:
    return render(request, "upload/not_yours.html", {"repo": repo, "crumbs": crumbs_of(repo)}, status=403)


def _no_branch(request: HttpRequest, repo: Repo, revision: str, branches: list[str]) -> HttpResponse:
    """Tags and commits do not move; only a branch can take files."""
    links = [(branch, repo.urls.upload_to(branch)) for branch in branches]
    context = {"repo": repo, "crumbs": crumbs_of(repo), "revision": revision, "branches": links}
    return render(request, "upload/no_branch.html", context, status=404)


def _commit_plain(request: HttpRequest, snapshot: Snapshot) -> HttpResponse:
    form = PlainUploadForm(request.POST, request.FILES, auto_id="plain_%s")
    if not form.is_valid():
        return _page(request, snapshot, form, status=422)
    files = form.small_files()
    try:
        result = commit_uploaded_files(
            snapshot.repo,
            files,
            actor=request.viewer,
            revision=snapshot.revision,
            message=form.cleaned_data["message"] or _("Upload %(count)d files") % {"count": len(files)},
            description=form.cleaned_data["description"],
        )
    except HubError as error:
        add_refusal(form, error)
        return _page(request, snapshot, form, status=error.status)
    messages.success(request, _("Committed as %(oid)s.") % {"oid": result.oid[:8]})
    return redirect(snapshot.repo.urls.tree(snapshot.revision))


@never_cache
@require_safe
@session_required
def result(request: HttpRequest, repo_type: RepoType, namespace: str, name: str) -> JsonResponse:
    """JSON for the page: what inspection made of ``?commit=``."""
    repo = get_repo_for_write(request.viewer, repo_type, namespace, name)
    return JsonResponse(asdict(upload_result(repo, request.GET.get("commit", ""))))
