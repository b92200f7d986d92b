"""Settings of a repo for its administrators: address, visibility, gate, protection, deletion."""

from __future__ import annotations

from typing import Any, Final

from allauth.account.decorators import reauthentication_required
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from hub.core.error_words import in_words_of_reader
from hub.core.errors import BadRequest, Conflict, PermissionDenied
from hub.core.ids import RepoType
from hub.repos.cards import CARD_PATH
from hub.repos.enums import Gating, Visibility
from hub.repos.models import Repo
from hub.repos.permissions import get_repo_for_admin
from hub.repos.queries import known_refs, storage_used
from hub.repos.services.repos import delete_repo, move_repo, update_repo_settings
from hub.storage.git.refs import BRANCH_PREFIX
from hub.web.account_pages import session_required
from hub.web.contexts.repos import index_of, list_href, repo_head, repo_url, settings_nav
from hub.web.forms.accounts import TypeNameForm, add_refusal
from hub.web.forms.discussions import TalkSwitchForm
from hub.web.forms.gates import GatingForm
from hub.web.forms.repos import MoveForm, ProtectionForm, VisibilityForm
from hub.web.views.repos import creatable_namespaces

#: What opens, hides or gives away a repo asks for a sign-in of the last minutes (T13).
_SENSITIVE: Final = frozenset({"visibility", "move"})


@require_http_methods(["GET", "HEAD", "POST"])
@session_required
def repo_settings(request: HttpRequest, repo_type: RepoType, namespace: str, name: str) -> HttpResponse:
    repo = get_repo_for_admin(request.viewer, repo_type, namespace, name)
    if request.method == "POST":
        acts = {
            "visibility": _set_visibility,
            "move": _move,
            "protection": _set_protection,
            "gate": _set_gate,
            "discussions": _set_discussions,
        }
        name_of_act = request.POST.get("action", "")
        act = acts.get(name_of_act)
        if act is not None and name_of_act in _SENSITIVE:
            act = reauthentication_required(act)
        return act(request, repo) if act else redirect(repo.urls.settings)
    return _page(request, repo)


def _move_form(request: HttpRequest, repo: Repo, data: Any = None) -> MoveForm:
    owners = creatable_namespaces(request.viewer)
    if repo.namespace.name not in owners:
        owners = [repo.namespace.name, *owners]
    return MoveForm(data, owners=owners, initial={"namespace": repo.namespace.name, "name": repo.name})


def _page(
    request: HttpRequest,
    repo: Repo,
    *,
    move_form: MoveForm | None = None,
    visibility_form: VisibilityForm | None = None,
    protection_form: ProtectionForm | None = None,
    gating_form: GatingForm | None = None,
    status: int = 200,
) -> HttpResponse:
    refs = known_refs(repo)
    context = {
        "repo": repo,
        "repo_head": repo_head(request, repo, "settings", index=index_of(repo)),
        "move_form": move_form or _move_form(request, repo),
        "visibility_form": visibility_form or VisibilityForm(initial={"visibility": repo.visibility}),
        "protection_form": protection_form or ProtectionForm(initial={"protected_refs": _patterns_text(repo)}),
        "gating_form": gating_form or GatingForm(initial={"gated": repo.gated}),
        "talk_form": TalkSwitchForm(initial={"are_on": not repo.are_discussions_disabled}),
        "settings_nav": settings_nav(repo, "repo_settings"),
        "access_href": repo_url(repo, "repo_access"),
        "storage_href": repo_url(repo, "repo_storage"),
        "card_href": repo.urls.edit(repo.default_branch, CARD_PATH),
        "delete_href": repo_url(repo, "repo_delete"),
        "owner_storage_bytes": storage_used(repo.namespace),
        "branch_count": sum(kind == "branch" for _name, kind in refs),
        "tag_count": sum(kind == "tag" for _name, kind in refs),
        "refs_href": f"{repo.urls.page}/refs",
    }
    return render(request, "repos/settings.html", context, status=status)


def _set_visibility(request: HttpRequest, repo: Repo) -> HttpResponse:
    form = VisibilityForm(request.POST)
    if not form.is_valid():
        return _page(request, repo, visibility_form=form, status=422)
    changed = update_repo_settings(request.viewer, repo, visibility=Visibility(form.cleaned_data["visibility"]))
    messages.success(
        request,
        _("This repository is private now.") if changed.is_private else _("This repository is public now."),
    )
    return redirect(repo.urls.settings)


def _set_gate(request: HttpRequest, repo: Repo) -> HttpResponse:
    form = GatingForm(request.POST)
    if not form.is_valid():
        return _page(request, repo, gating_form=form, status=422)
    changed = update_repo_settings(request.viewer, repo, gated=Gating(form.cleaned_data["gated"]))
    messages.success(
        request,
        _("The files are open to those who were let in.") if changed.gated else _("The files are open now."),
    )
    return redirect(repo.urls.settings)


def _set_discussions(request: HttpRequest, repo: Repo) -> HttpResponse:
    form = TalkSwitchForm(request.POST)
    form.is_valid()
    is_off = not form.cleaned_data["are_on"]
    update_repo_settings(request.viewer, repo, are_discussions_disabled=is_off)
    messages.success(request, _("Discussions are switched off.") if is_off else _("Discussions are open."))
    return redirect(repo.urls.settings)


def _patterns_text(repo: Repo) -> str:
    """Branches by their short names, as people type them."""
    return "\n".join(pattern.removeprefix(BRANCH_PREFIX) for pattern in repo.protected_refs)


def _set_protection(request: HttpRequest, repo: Repo) -> HttpResponse:
    form = ProtectionForm(request.POST)
    if form.is_valid():
        try:
            update_repo_settings(request.viewer, repo, protected_refs=form.cleaned_data["protected_refs"])
        except BadRequest as error:
            add_refusal(form, error)
        else:
            messages.success(request, _("The list of protected branches and tags was saved."))
            return redirect(repo.urls.settings)
    return _page(request, repo, protection_form=form, status=422)


def _move(request: HttpRequest, repo: Repo) -> HttpResponse:
    form = _move_form(request, repo, request.POST)
    if form.is_valid():
        data = form.cleaned_data
        try:
            moved = move_repo(request.viewer, repo, to_namespace=data["namespace"], to_name=data["name"])
        except Conflict as error:
            form.add_error("name", in_words_of_reader(error.message))
        except (BadRequest, PermissionDenied) as error:
            add_refusal(form, error)
        else:
            messages.success(request, _("The repository is now %(repo_id)s.") % {"repo_id": moved.repo_id})
            return redirect(moved.urls.settings)
    return _page(request, repo, move_form=form, status=422)


@require_http_methods(["GET", "HEAD", "POST"])
@session_required
@reauthentication_required(allow_get=True)
def repo_delete(request: HttpRequest, repo_type: RepoType, namespace: str, name: str) -> HttpResponse:
    """Delete after the name was typed and the person has shown that it is them."""
    repo = get_repo_for_admin(request.viewer, repo_type, namespace, name)
    form = TypeNameForm(request.POST or None, expected=repo.repo_id)
    if request.method == "POST" and form.is_valid():
        delete_repo(request.viewer, repo)
        messages.success(request, _("%(repo_id)s was deleted.") % {"repo_id": repo.repo_id})
        return redirect(list_href(repo.type, author=repo.namespace.name))
    context = {
        "repo": repo,
        "repo_head": repo_head(request, repo, "settings", index=index_of(repo)),
        "form": form,
        "file_count": getattr(index_of(repo), "file_count", 0),
        "cancel_href": repo.urls.settings,
    }
    return render(request, "repos/delete.html", context, status=422 if form.is_bound else 200)
