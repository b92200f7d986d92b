"""What a person does with moderation: report, read what was decided about them, appeal, block."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from community.moderation import held_of, measures_against, reports_by
from community.services import blocks as block_service
from community.services import moderation
from community.targets import find_target
from hub.accounts.closed import user_of_link
from hub.accounts.models import User
from hub.accounts.queries import get_user
from hub.accounts.requests import SignedInRequest
from hub.core.error_words import in_words_of_reader
from hub.core.errors import BadRequest, Conflict, HubError, NotFound
from hub.web.account_pages import session_required
from hub.web.contexts.moderation import CasesContext, cases_context
from hub.web.forms.accounts import add_refusal
from hub.web.forms.moderation import AppealForm, ReportForm


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@session_required
def report(request: SignedInRequest) -> HttpResponse:
    """Report what ``kind`` and ``id`` name; what the viewer may not see is not there (T35)."""
    kind, object_id = request.GET.get("kind", ""), request.GET.get("id", "")
    found = find_target(request.viewer, kind, object_id)
    form = ReportForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            moderation.report(request.viewer, kind, object_id, **form.cleaned_data)
        except (BadRequest, Conflict) as error:
            add_refusal(form, error)
        else:
            messages.success(request, _("Thank you. The moderators read it; what they decide is shown here."))
            return redirect("web:settings_moderation")
    context = {"form": form, "found": found}
    return render(request, "moderation/report.html", context, status=422 if form.is_bound else 200)


# --- decided about me ------------------------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD"])
@never_cache
@session_required
def own(request: SignedInRequest) -> HttpResponse:
    return _own_page(request, AppealForm())


def _own_page(request: SignedInRequest, form: AppealForm, measure_id: str = "") -> HttpResponse:
    cursor = request.GET.get("cursor", "")
    context = cases_context(measures_against(request.user, cursor=cursor), form, measure_id, cursor)
    more = {"held": held_of(request.user), "reports": reports_by(request.user)}
    return _render(request, "moderation/own.html", context, more, form)


def _render(
    request: HttpRequest, template: str, context: CasesContext, more: dict[str, object], form: AppealForm
) -> HttpResponse:
    return render(request, template, {"cases": context, **more}, status=422 if form.is_bound else 200)


@require_POST
@session_required
def appeal(request: SignedInRequest, measure_id: str) -> HttpResponse:
    form = AppealForm(request.POST)
    if not _appeal(request, request.user, measure_id, form):
        return _own_page(request, form, measure_id)
    return redirect("web:settings_moderation")


def _appeal(request: HttpRequest, author: User, measure_id: str, form: AppealForm) -> bool:
    """Whether it was made; the form says why not. Raises: NotFound for what does not concern them (T33)."""
    measure = moderation.find_measure(measure_id)
    if not moderation.concerns(author, measure):
        raise NotFound
    if not form.is_valid():
        return False
    try:
        moderation.appeal(author, measure, text=form.cleaned_data["text"])
    except (BadRequest, Conflict) as error:
        add_refusal(form, error)
        return False
    messages.success(request, _("Your appeal was sent to the moderators."))
    return True


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def closed_account(request: HttpRequest, token: str) -> HttpResponse:
    """The same for who cannot sign in: the link was given after a right password, or sent to the account's address."""
    person = user_of_link(token)
    form = AppealForm(request.POST or None)
    measure_id = request.POST.get("measure_id", "")
    if request.method == "POST" and _appeal(request, person, measure_id, form):
        return redirect("web:closed_account", token)
    cursor = request.GET.get("cursor", "")
    context = cases_context(measures_against(person, cursor=cursor), form, measure_id, cursor)
    more = {"person": person, "is_closed": not person.is_active}
    response = _render(request, "moderation/closed.html", context, more, form)
    response["Referrer-Policy"] = "no-referrer"  # the address opens it (T05)
    return response


# --- blocks ----------------------------------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@session_required
def blocks(request: SignedInRequest) -> HttpResponse:
    if request.method == "POST":
        return _change_block(request)
    return render(request, "moderation/blocks.html", {"blocks": block_service.blocks_of(request.viewer)})


def _change_block(request: SignedInRequest) -> HttpResponse:
    try:
        user = get_user(request.POST.get("user", "").strip())
        if request.POST.get("action") == "unblock":
            block_service.unblock(request.viewer, user)
            messages.success(request, _("%(name)s is not blocked any more.") % {"name": user.username})
        else:
            block_service.block(request.viewer, user)
            messages.success(request, _("%(name)s is blocked.") % {"name": user.username})
    except HubError as error:
        messages.error(request, in_words_of_reader(error.message))
    following = request.POST.get("next", "")
    if url_has_allowed_host_and_scheme(
        following, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    ):
        return redirect(following)
    return redirect("web:settings_blocks")
