"""Who may read the files of a gated repo: the page on which its administrators decide (T39)."""

from __future__ import annotations

from typing import Final

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from hub.accounts.queries import get_user
from hub.core.error_words import in_words_of_reader
from hub.core.errors import BadRequest, Conflict, NotFound
from hub.core.ids import RepoType
from hub.repos.enums import AccessState
from hub.repos.gates import answer_time, count_requests, requests_of
from hub.repos.models import Repo
from hub.repos.permissions import get_repo_for_admin
from hub.repos.services import access
from hub.repos.services.repos import update_repo_settings
from hub.web.account_pages import session_required
from hub.web.contexts.gates import in_days, request_rows, state_tabs
from hub.web.contexts.repos import index_of, repo_head, repo_url, settings_nav
from hub.web.forms.accounts import add_refusal
from hub.web.forms.gates import DecisionForm, GrantForm, TermsForm

_PAGE: Final = 50


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@session_required
def repo_access(request: HttpRequest, repo_type: RepoType, namespace: str, name: str) -> HttpResponse:
    repo = get_repo_for_admin(request.viewer, repo_type, namespace, name)
    if request.method == "POST":
        access.require_gated(repo)
        act = {"grant": _grant, "decide": _decide, "terms": _set_terms}.get(request.POST.get("action", ""))
        return act(request, repo) if act else redirect(_address(repo, AccessState.PENDING))
    return _page(request, repo, GrantForm())


def _page(
    request: HttpRequest, repo: Repo, grant_form: GrantForm, *, terms_form: TermsForm | None = None, status: int = 200
) -> HttpResponse:
    state, cursor = _state_of(request.GET.get("state", "")), request.GET.get("cursor", "")
    found = requests_of(repo, state, cursor=cursor, limit=_PAGE)
    counts = count_requests(repo)
    address = _address(repo, state)
    context = {
        "repo": repo,
        "repo_head": repo_head(request, repo, "settings", index=index_of(repo)),
        "settings_nav": settings_nav(repo, "repo_access"),
        "state": state,
        "tabs": state_tabs(repo, state, counts),
        "total": sum(counts.values()),
        "rows": request_rows(found.items),
        "grant_form": grant_form,
        "terms_form": terms_form or TermsForm.of(repo),
        "answer_time": in_days(answer_time(repo)) if repo.gated else "",
        "report_href": f"{repo.urls.page}/user-access-report",
        "next_href": f"{address}&cursor={found.next_cursor}" if found.next_cursor else "",
        "first_href": address if cursor else "",
    }
    return render(request, "repos/access.html", context, status=status)


def _state_of(text: str) -> AccessState:
    return AccessState(text) if text in AccessState.values else AccessState.PENDING


def _address(repo: Repo, state: AccessState) -> str:
    return f"{repo_url(repo, 'repo_access')}?state={state.value}"


def _grant(request: HttpRequest, repo: Repo) -> HttpResponse:
    form = GrantForm(request.POST)
    if form.is_valid():
        try:
            user = get_user(form.cleaned_data["user"].strip())
            access.grant_access(request.viewer, repo, user)
        except (Conflict, NotFound) as error:
            form.add_error("user", in_words_of_reader(error.message))
        except BadRequest as error:
            add_refusal(form, error)
        else:
            messages.success(request, _("%(name)s may read the files now.") % {"name": user.username})
            return redirect(_address(repo, AccessState.ACCEPTED))
    return _page(request, repo, form, status=422)


def _set_terms(request: HttpRequest, repo: Repo) -> HttpResponse:
    form = TermsForm(request.POST)
    if not form.is_valid():
        return _page(request, repo, GrantForm(), terms_form=form, status=422)
    update_repo_settings(request.viewer, repo, gate_terms=form.terms)
    messages.success(request, _("The terms of the gate were saved."))
    return redirect(_address(repo, AccessState.PENDING))


def _decide(request: HttpRequest, repo: Repo) -> HttpResponse:
    """Accept, reject, or let wait again; what another administrator has decided meanwhile is told, not repeated."""
    form = DecisionForm(request.POST)
    here = _address(repo, _state_of(request.GET.get("state", "")))
    if not form.is_valid() or form.cleaned_data["state"] not in AccessState.values:
        return redirect(here)
    state = AccessState(form.cleaned_data["state"])
    reason = form.cleaned_data["rejection_reason"].strip() if state is AccessState.REJECTED else ""
    try:
        found = access.find_request(repo, object_id=form.cleaned_data["request_id"])
        access.handle_access_request(request.viewer, found, state, rejection_reason=reason)
    except (BadRequest, NotFound) as error:
        messages.error(request, in_words_of_reader(error.message))
        return redirect(here)
    words = {
        AccessState.ACCEPTED: _("%(name)s may read the files now."),
        AccessState.REJECTED: _("%(name)s cannot read the files."),
        AccessState.PENDING: _("The request of %(name)s waits for a decision again."),
    }
    messages.success(request, words[state] % {"name": found.user.username})
    return redirect(here)
