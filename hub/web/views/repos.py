"""The page of a repo, likes, and the form for a new one."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from community.queries import repo_summary
from community.services.likes import like as add_like
from community.services.likes import unlike as take_like
from hub.accounts.auth import Viewer
from hub.accounts.enums import Role
from hub.accounts.models import Namespace
from hub.accounts.permissions import roles_of
from hub.core.errors import BadRequest, Conflict, RateLimited, RepoDisabled, RevisionNotFound
from hub.core.ids import RepoType
from hub.core.markdown import RenderedMarkdown
from hub.core.taxonomy import LICENSES
from hub.repos.cards import CARD_PATH, MAX_CARD_BYTES, Card, card_template, read_card, render_card
from hub.repos.content import Snapshot, at_revision, list_tree, read_text
from hub.repos.enums import Visibility
from hub.repos.models import Repo
from hub.repos.permissions import can_admin, find_repo, get_repo_for_read
from hub.repos.services.repos import InitialFile, create_repo
from hub.repos.upload_mode import ATTRIBUTES_PATH
from hub.storage.git.objects import EntryType
from hub.web.account_pages import session_required
from hub.web.contexts.gates import gate_of
from hub.web.contexts.repos import (
    download_trend,
    facts_of,
    index_of,
    repo_head,
    repo_url,
)
from hub.web.forms.accounts import add_refusal
from hub.web.forms.repos import NewRepoForm
from hub.web.snippets import snippets_for, upload_commands
from inference.playground import playground_for
from inference.queries import LiveState


@require_safe
def repo_page(request: HttpRequest, repo_type: RepoType, namespace: str, name: str) -> HttpResponse:
    """The card with facts and snippets; an empty repo says how to fill it."""
    try:
        repo = get_repo_for_read(request.viewer, repo_type, namespace, name)
    except RepoDisabled:
        return _disabled(request, repo_type, namespace, name)
    index = index_of(repo)
    card = _card_context(repo)
    # What has no files is not "unavailable": it says how to get files instead.
    playground = None if card.get("is_empty") else playground_for(request.viewer, repo)
    live = playground.state if playground else None
    context = {
        "repo": repo,
        "index": index,
        "repo_head": repo_head(request, repo, "card", index=index, live=live, show_tags=True),
        "playground": playground,
        "gate": gate_of(request, repo),
        "reviews_href": repo_url(repo, "reviews"),
        "card_edit_href": repo_url(repo, "card_edit"),
        "stats_href": repo_url(repo, "repo_stats"),
        "readme_edit_href": repo.urls.edit(repo.default_branch, CARD_PATH),
        **card,
        **_aside_context(repo, index, live),
    }
    return render(request, "repos/repo.html", context)


def _card_context(repo: Repo) -> dict[str, Any]:
    try:
        snapshot = at_revision(repo)
    except RevisionNotFound:
        return {"is_empty": True, "upload_commands": upload_commands(repo)}
    text = read_text(snapshot, CARD_PATH, MAX_CARD_BYTES)
    card = read_card(text) if text is not None else Card()
    context: dict[str, Any] = {"card": card, "head": snapshot, "head_href": repo.urls.commit(snapshot.oid)}
    if card.body.strip():
        rendered = render_card(card.body, urls=repo.urls, revision=snapshot.revision)
        context |= {"card_html": rendered.html, "is_plain": rendered.is_plain, "toc": _toc(rendered)}
    if not _has_content(snapshot):
        context |= {"is_empty": True, "upload_commands": upload_commands(repo)}
    return context


def _toc(rendered: RenderedMarkdown) -> list[dict[str, object]]:
    """A contents list is of use from the third heading on."""
    return rendered.toc if len(rendered.toc) > 2 else []


def _has_content(snapshot: Snapshot) -> bool:
    """Whether there is more than what a new repo begins with."""
    page = list_tree(snapshot, limit=3)
    return any(
        entry.type is EntryType.DIRECTORY or entry.path not in (ATTRIBUTES_PATH, CARD_PATH) for entry in page.entries
    )


def _aside_context(repo: Repo, index: Any, live: LiveState | None) -> dict[str, Any]:
    is_servable = live is not None and bool(index) and index.is_servable and live.state != "unavailable"
    trend = download_trend(repo)
    return {
        "facts": facts_of(repo, index),
        "trend": trend if any(trend) else [],
        "snippets": snippets_for(repo, index, is_servable=is_servable or _is_resting(live)),
    }


def _is_resting(live: LiveState | None) -> bool:
    """The model could run here, only not this minute: its snippets stay."""
    return live is not None and live.reason_code in {"no_worker", "broker_down"}


def _disabled(request: HttpRequest, repo_type: RepoType, namespace: str, name: str) -> HttpResponse:
    """Say that a repo is closed, and to those who see it, why."""
    repo = find_repo(request.viewer, repo_type, namespace, name)
    context = {"repo": repo, "is_admin": can_admin(request.viewer, repo)}
    return render(request, "repos/disabled.html", context, status=403)


# --- likes -----------------------------------------------------------------------------------------------------------


@require_POST
def like(request: HttpRequest, repo_type: RepoType, namespace: str, name: str) -> HttpResponse:
    """Like or unlike; htmx gets the button back, a plain form the page."""
    repo = get_repo_for_read(request.viewer, repo_type, namespace, name)
    if request.viewer.user is None:
        return _to_sign_in(request, repo)
    if repo_summary(request.viewer, repo).is_liked:
        likes, is_liked = take_like(request.viewer, repo), False
    else:
        likes, is_liked = add_like(request.viewer, repo), True
    if "hx-request" not in request.headers:
        return redirect(repo.urls.page)
    context = {"action": repo_url(repo, "like"), "likes": likes, "liked": is_liked}
    return HttpResponse(render_to_string("components/like_button.html", context, request=request))


def _to_sign_in(request: HttpRequest, repo: Repo) -> HttpResponse:
    response = redirect_to_login(repo.urls.page)
    if "hx-request" in request.headers:
        moved = HttpResponse(status=204)
        moved["HX-Redirect"] = response.url
        return moved
    return response


# --- new repo --------------------------------------------------------------------------------------------------------


def creatable_namespaces(viewer: Viewer) -> list[str]:
    """Names of the namespaces in which the person may create: their own first."""
    wanted = [pk for pk, role in roles_of(viewer).items() if role.includes(Role.CONTRIBUTOR)]
    own = viewer.user.namespace_id if viewer.user else None
    rows = Namespace.objects.filter(pk__in=wanted, retired_at__isnull=True).values_list("pk", "name")
    return [name for _pk, name in sorted(rows, key=lambda row: (row[0] != own, row[1].lower()))]


@require_http_methods(["GET", "HEAD", "POST"])
@session_required
def repo_new(request: HttpRequest) -> HttpResponse:
    """The first step of publishing: name, terms and task; then the files."""
    owners = creatable_namespaces(request.viewer)
    initial = {
        "repo_type": request.GET.get("type", RepoType.MODEL.value),
        "namespace": request.GET.get("owner", owners[0] if owners else ""),
        "base_model": request.GET.get("base_model", "")[:140],
        "visibility": Visibility.PUBLIC.value,
    }
    form = NewRepoForm(request.POST or None, owners=owners, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            repo = _create(request.viewer, form.cleaned_data)
        except Conflict:
            form.add_error("name", _("This owner has a repository of that name already."))
        except (BadRequest, RateLimited) as error:
            add_refusal(form, error)
        else:
            return redirect(repo.urls.upload_to(repo.default_branch))
    context = {"form": form, "licenses": list(LICENSES.values()), "kind": form["repo_type"].value(), "steps": _steps()}
    return render(request, "repos/new.html", context, status=422 if form.is_bound else 200)


def _steps() -> list[dict[str, str]]:
    return [
        {"label": _("Describe"), "state": "current"},
        {"label": _("Files"), "state": "todo"},
        {"label": _("Publish"), "state": "todo"},
    ]


def _create(viewer: Viewer, data: dict[str, Any]) -> Repo:
    """Create the repo with its generated card. Raises: as ``create_repo``."""
    repo_type = RepoType(data["repo_type"])
    card = card_template(
        name=data["name"],
        repo_type=repo_type,
        summary=data["summary"],
        license=data["license"],
        pipeline_tag=data["task"],
        base_model=data["base_model"] if repo_type is RepoType.MODEL else "",
    )
    return create_repo(
        viewer,
        namespace=data["namespace"],
        name=data["name"],
        repo_type=repo_type,
        visibility=Visibility(data["visibility"]),
        files=[InitialFile(CARD_PATH, card.encode())],
    )
