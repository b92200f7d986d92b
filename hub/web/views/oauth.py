"""Where people let programs in: the code of a device, consent, what was allowed, and applications of their own."""

from __future__ import annotations

from typing import Final, cast

from allauth.account.decorators import reauthentication_required
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from hub.accounts.oauth import applications, consent, device
from hub.accounts.oauth.queries import allowed_applications, get_allowed_application
from hub.accounts.oauth.scopes import words_of
from hub.accounts.oauth.tokens import end_access
from hub.accounts.requests import SignedInRequest
from hub.core.error_words import in_words_of_reader
from hub.core.errors import HubError, InsufficientScope, NotFound
from hub.core.middleware import content_security_policy
from hub.core.ratelimit import Bucket, hit
from hub.web.account_pages import session_required
from hub.web.forms.accounts import add_refusal
from hub.web.forms.oauth import ApplicationForm, DeviceCodeForm, NewApplicationForm

_CREATIONS: Final = Bucket("oauth-applications", 20, 3600)


# --- devices ---------------------------------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@session_required
@reauthentication_required
def device_page(request: SignedInRequest) -> HttpResponse:
    """``/device``: type the code, see who asks, allow or refuse.  A code in the address is only filled in."""
    typed = request.POST.get("code") or request.GET.get("code", "")
    if not typed:
        return render(request, "oauth/device_code.html", {"form": DeviceCodeForm()})
    form = DeviceCodeForm({"code": typed})
    if not form.is_valid():
        return render(request, "oauth/device_code.html", {"form": form}, status=422)
    try:
        row = device.find_open(request.user, form.cleaned_data["code"])
        if request.method == "POST" and request.POST.get("action") in {"allow", "refuse"}:
            return _decide(request, row)
    except HubError as error:
        form.add_error("code", in_words_of_reader(error.message))
        status = 422 if isinstance(error, NotFound) else error.status
        return render(request, "oauth/device_code.html", {"form": form}, status=status)
    return render(request, "oauth/device_confirm.html", {"device": row, "permissions": words_of(row.scopes)})


def _decide(request: SignedInRequest, row: device.DeviceCode) -> HttpResponse:
    is_allowed = request.POST["action"] == "allow"
    device.decide(row, user=request.user, is_allowed=is_allowed)
    return render(request, "oauth/device_done.html", {"device": row, "is_allowed": is_allowed})


# --- consent ---------------------------------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def authorize(request: HttpRequest) -> HttpResponse:
    """``/oauth/authorize``: ask once, then send the person back with a code."""
    if request.viewer.token is not None:
        raise InsufficientScope
    try:
        if not request.user.is_authenticated and request.GET.get("prompt") != "none":
            return login_required(lambda request: HttpResponse())(request)
        return _consent(cast(SignedInRequest, request), consent.read_request(request))
    except consent.SendBack as refusal:
        return _send_to(refusal.url)


def _consent(request: SignedInRequest, asked: consent.ConsentRequest) -> HttpResponse:
    if "none" in asked.prompt:  # read_request has seen that nothing needs to be asked
        return _send_to(consent.grant(request, asked, request.user))
    if asked.is_harmless and "login" not in asked.prompt:
        return _decision(request, asked)
    # What can change things is granted from a fresh sign-in only (T13, T17).
    return reauthentication_required(_decision)(request, asked)


def _decision(request: SignedInRequest, asked: consent.ConsentRequest) -> HttpResponse:
    if request.method == "POST":
        if request.POST.get("action") == "allow":
            return _send_to(consent.grant(request, asked, request.user))
        return _send_to(consent.refusal(request, asked))
    if consent.is_granted_before(asked, request.user):
        return _send_to(consent.grant(request, asked, request.user))
    return _consent_page(request, asked)


def _consent_page(request: HttpRequest, asked: consent.ConsentRequest) -> HttpResponse:
    context = {"asked": asked, "application": asked.application, "permissions": words_of(asked.scopes)}
    response = render(request, "oauth/consent.html", context)
    # Browsers hold form-action against the redirect that follows the form, too.
    policy = content_security_policy(settings.HUB_STORAGE_URL)
    response["Content-Security-Policy"] = policy.replace("form-action 'self'", f"form-action 'self' {asked.origin}")
    return response


def _send_to(url: str) -> HttpResponse:
    # Not Django's redirect: a program's own scheme is allowed here, and the client expects 303.
    return HttpResponse(status=303, headers={"Location": url})


# --- what was allowed, and one's own ---------------------------------------------------------------------------------


@require_safe
@never_cache
@session_required
def settings_applications(request: SignedInRequest) -> HttpResponse:
    context = {"allowed": allowed_applications(request.user), "own": applications.applications_of(request.user)}
    return render(request, "oauth/applications.html", context)


@require_POST
@session_required
def application_withdraw(request: SignedInRequest, client_id: str) -> HttpResponse:
    """Closing a door needs no fresh sign-in."""
    application = get_allowed_application(request.user, client_id)
    end_access(request.user, application)
    messages.success(request, _("%(name)s no longer has access to your account.") % {"name": application.name})
    return redirect("web:settings_applications")


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@session_required
@reauthentication_required
def application_new(request: SignedInRequest) -> HttpResponse:
    if request.method != "POST":
        return render(request, "oauth/application_new.html", {"form": NewApplicationForm()})
    form = NewApplicationForm(request.POST)
    if not form.is_valid():
        return render(request, "oauth/application_new.html", {"form": form}, status=422)
    try:
        hit(_CREATIONS, str(request.user.pk))
        application, secret = applications.create_application(
            request.user,
            name=form.cleaned_data["name"],
            redirect_uris=form.redirects(),
            scopes=form.cleaned_data["scopes"],
            is_public=form.cleaned_data["kind"] == "public",
        )
    except HubError as error:
        add_refusal(form, error)
        return render(request, "oauth/application_new.html", {"form": form}, status=error.status)
    return _shown_once(request, application, secret)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@session_required
@reauthentication_required(allow_get=True)
def application_detail(request: SignedInRequest, client_id: str) -> HttpResponse:
    application = applications.get_own_application(request.user, client_id)
    if request.method == "POST":
        return _change(request, application)
    initial = {
        "name": application.name,
        "redirect_uris": "\n".join(application.get_redirect_uris()),
        "scopes": application.get_scopes(),
    }
    return _detail_page(request, application, ApplicationForm(initial=initial))


def _detail_page(
    request: SignedInRequest, application: applications.Client, form: ApplicationForm, status: int = 200
) -> HttpResponse:
    context = {"application": application, "form": form, "configuration_url": _configuration_url()}
    return render(request, "oauth/application_detail.html", context, status=status)


def _shown_once(request: SignedInRequest, application: applications.Client, secret: str) -> HttpResponse:
    context = {"application": application, "secret": secret, "configuration_url": _configuration_url()}
    return render(request, "oauth/application_created.html", context)


def _configuration_url() -> str:
    return f"{settings.HUB_URL}/.well-known/openid-configuration"


def _change(request: SignedInRequest, application: applications.Client) -> HttpResponse:
    form = ApplicationForm(request.POST)
    status = 422
    if form.is_valid():
        try:
            applications.change_application(
                application,
                name=form.cleaned_data["name"],
                redirect_uris=form.redirects(),
                scopes=form.cleaned_data["scopes"],
            )
        except HubError as error:
            add_refusal(form, error)
            status = error.status
        else:
            messages.success(request, _("Saved."))
            return redirect("web:application_detail", application.id)
    return _detail_page(request, application, form, status)


@require_POST
@never_cache
@session_required
@reauthentication_required
def application_secret(request: SignedInRequest, client_id: str) -> HttpResponse:
    application = applications.get_own_application(request.user, client_id)
    secret = applications.renew_secret(application)
    return _shown_once(request, application, secret)


@require_POST
@session_required
@reauthentication_required
def application_delete(request: SignedInRequest, client_id: str) -> HttpResponse:
    application = applications.get_own_application(request.user, client_id)
    applications.delete_application(application)
    messages.success(request, _("%(name)s was deleted.") % {"name": application.name})
    return redirect("web:settings_applications")
