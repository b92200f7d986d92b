"""The moderators' pages: reports, one case, measures with undo, appeals, held posts (T153)."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from allauth.account.decorators import reauthentication_required
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from community import moderation as queries
from community.enums import CaseState, HeldState, ReportCategory, TargetKind
from community.services import held_posts, moderation
from hub.accounts.permissions import may_administer
from hub.accounts.requests import SignedInRequest
from hub.core.error_words import in_words_of_reader
from hub.core.errors import HubError, NotFound, PermissionDenied
from hub.core.pagination import Page
from hub.web.account_pages import session_required
from hub.web.contexts.moderation import (
    held_rows,
    measure_lines,
    queue_tabs,
    read_report_filter,
    read_state,
    report_query,
    state_links,
)
from hub.web.forms.accounts import add_refusal
from hub.web.forms.moderation import DecisionForm, MeasureForm

View = Callable[..., HttpResponse]


def staff_required(view: View) -> View:
    """Staff with a second factor, by a recent sign-in where something is sent; as for Django's admin (T153)."""

    @wraps(view)
    @never_cache
    @session_required
    def wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.user.is_staff:
            raise PermissionDenied
        if not may_administer(request.user):
            messages.warning(request, _("The administration needs an account with two-factor authentication."))
            return redirect("mfa_index")
        return reauthentication_required(allow_get=True)(view)(request, *args, **kwargs)

    return wrapper


def _queue(request: HttpRequest, name: str, page: Page[Any], query: str, context: dict[str, Any]) -> HttpResponse:
    """A page of one of the queues, with what the tabs count."""
    here = reverse(f"web:{name}")
    cursor = request.GET.get("cursor", "")
    shared = {
        "tabs": queue_tabs(name, queries.count_waiting()),
        "next_href": f"{here}?{query}&cursor={page.next_cursor}" if page.next_cursor else "",
        "first_href": f"{here}?{query}" if cursor else "",
    }
    return render(request, f"moderation/{name.removeprefix('moderation_')}.html", {**shared, **context})


@require_safe
@staff_required
def reports(request: SignedInRequest) -> HttpResponse:
    wanted = read_report_filter(request.GET)
    page = queries.list_reports(wanted, cursor=request.GET.get("cursor", ""))
    context = {
        "reports": page.items,
        "wanted": wanted,
        "states": [("", _("All")), *CaseState.choices],
        "kinds": [("", _("Everything")), *TargetKind.choices],
        "categories": [("", _("Any reason")), *ReportCategory.choices],
    }
    return _queue(request, "moderation", page, report_query(wanted), context)


@require_http_methods(["GET", "HEAD", "POST"])
@staff_required
def case(request: SignedInRequest, kind: str, target_id: str) -> HttpResponse:
    """All about one thing, and what to do about it."""
    shown = queries.get_case(kind, target_id)
    if shown is None:
        raise NotFound
    measures = [measure.value for measure in shown.found.measures] if shown.found else []
    form = MeasureForm(request.POST if request.POST.get("action") == "measure" else None, measures=measures)
    if request.POST.get("action") == "dismiss":
        moderation.dismiss_reports(request.viewer, kind, target_id)
        messages.success(request, _("The reports are closed: nothing was done."))
        return redirect("web:moderation_case", kind, target_id)
    if form.is_bound and form.is_valid():
        data = form.cleaned_data
        try:
            moderation.take_measure(
                request.viewer, data["measure"], kind, target_id, reason=data["reason"], note=data["note"]
            )
        except HubError as error:
            add_refusal(form, error)
        else:
            messages.success(request, _("Done. The person concerned is told, with your reason."))
            return redirect("web:moderation_case", kind, target_id)
    context = {
        "case": shown,
        "kind_label": TargetKind(kind).label,
        "form": form,
        "open_reports": [item for item in shown.reports if item.state == CaseState.OPEN],
        "measures": measure_lines(shown.measures),
        "history": measure_lines(shown.history),
        "tabs": queue_tabs("moderation", queries.count_waiting()),
    }
    return render(request, "moderation/case.html", context, status=422 if form.is_bound else 200)


@require_safe
@staff_required
def measures(request: SignedInRequest) -> HttpResponse:
    page = queries.list_measures(cursor=request.GET.get("cursor", ""))
    return _queue(request, "moderation_measures", page, "", {"lines": measure_lines(page.items)})


@require_POST
@staff_required
def undo(request: SignedInRequest, measure_id: str) -> HttpResponse:
    measure = moderation.find_measure(measure_id)
    _try(request, lambda: moderation.revert_measure(request.viewer, measure), _("Undone. The person is told."))
    return redirect("web:moderation_case", measure.target_kind, measure.target_id)


def _try(request: SignedInRequest, act: Callable[[], object], done: str) -> None:
    """Say what came of it on the next page; a refusal by the service is told, not raised."""
    try:
        act()
    except HubError as error:
        messages.error(request, in_words_of_reader(error.message))
    else:
        messages.success(request, done)


@require_safe
@staff_required
def appeals(request: SignedInRequest) -> HttpResponse:
    state = read_state(request.GET.get("state", ""), CaseState)
    page = queries.list_appeals(state, cursor=request.GET.get("cursor", ""))
    links = state_links(reverse("web:moderation_appeals"), CaseState, state)
    return _queue(
        request,
        "moderation_appeals",
        page,
        f"state={state}",
        {"appeals": page.items, "states": links, "me": request.user.pk},
    )


@require_POST
@staff_required
def decide(request: SignedInRequest, appeal_id: str) -> HttpResponse:
    asked = moderation.find_appeal(appeal_id)
    form = DecisionForm(request.POST)
    if form.is_valid():
        is_accepted = form.cleaned_data["decision"] == "accept"
        _try(
            request,
            lambda: moderation.decide_appeal(
                request.viewer, asked, is_accepted=is_accepted, answer=form.cleaned_data["answer"]
            ),
            _("The measure is undone.") if is_accepted else _("The decision stands. The person is told why."),
        )
    return redirect("web:moderation_appeals")


@require_safe
@staff_required
def held(request: SignedInRequest) -> HttpResponse:
    state = read_state(request.GET.get("state", ""), HeldState)
    page = queries.list_held(state, cursor=request.GET.get("cursor", ""))
    links = state_links(reverse("web:moderation_held"), HeldState, state)
    return _queue(
        request,
        "moderation_held",
        page,
        f"state={state}",
        {"rows": held_rows(page.items), "states": links, "state": state},
    )


@require_POST
@staff_required
def held_decide(request: SignedInRequest, held_id: str) -> HttpResponse:
    post = held_posts.find_held(held_id)
    form = DecisionForm(request.POST)
    if form.is_valid():
        if form.cleaned_data["decision"] == "accept":
            _try(request, lambda: held_posts.release(request.viewer, post), _("The post is published."))
        else:
            reason = form.cleaned_data["answer"]
            _try(request, lambda: held_posts.refuse(request.viewer, post, reason=reason), _("The post is refused."))
    return redirect("web:moderation_held")
