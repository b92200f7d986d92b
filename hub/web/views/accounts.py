"""Account pages: overview, language, closing the account, live check of names."""

from __future__ import annotations

from allauth.account.decorators import reauthentication_required
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils import translation
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from hub.accounts.permissions import get_namespace_for_create
from hub.accounts.requests import SignedInRequest
from hub.accounts.services.namespaces import check_name
from hub.accounts.services.users import delete_account, update_profile
from hub.core.error_words import in_words_of_reader
from hub.core.errors import Conflict, HubError, PermissionDenied
from hub.core.ids import RepoType, validate_repo_name
from hub.core.ratelimit import NAME_CHECKS, hit
from hub.web.account_pages import deletion_preview, is_repo_name_free, session_required
from hub.web.forms.accounts import LanguageForm, TypeNameForm, add_refusal


@require_safe
def settings_home(request: HttpRequest) -> HttpResponse:
    return redirect("web:settings_profile")


@require_safe
@session_required
def settings_account(request: SignedInRequest) -> HttpResponse:
    form = LanguageForm(initial={"language": request.user.language})
    return render(request, "accounts/account.html", {"form": form, "is_mail_configured": settings.IS_MAIL_CONFIGURED})


@require_POST
@session_required
def set_language(request: SignedInRequest) -> HttpResponse:
    """Keep the choice on the account and, for pages before sign-in, in the language cookie."""
    form = LanguageForm(request.POST)
    response = redirect("web:settings_account")
    if not form.is_valid():
        return response
    language = form.cleaned_data["language"]
    update_profile(request.user, language=language)
    if not language:
        response.delete_cookie(settings.LANGUAGE_COOKIE_NAME, samesite="Lax")
        return response
    response.set_cookie(
        settings.LANGUAGE_COOKIE_NAME,
        language,
        max_age=365 * 24 * 3600,
        secure=settings.LANGUAGE_COOKIE_SECURE,
        samesite="Lax",
    )
    with translation.override(language):
        messages.success(request, _("Language saved."))
    return response


@require_http_methods(["GET", "HEAD", "POST"])
@session_required
@reauthentication_required(allow_get=True)
def account_delete(request: SignedInRequest) -> HttpResponse:
    """Show exactly what goes; do it once the name is typed and the person has shown that it is them."""
    form = TypeNameForm(request.POST or None, expected=request.user.username)
    if request.method == "POST" and form.is_valid():
        try:
            delete_account(request.user)
        except PermissionDenied as error:
            add_refusal(form, error)
        else:
            logout(request)
            messages.success(request, _("Your account was deleted."))
            return redirect("web:home")
    return render(
        request,
        "accounts/account_delete.html",
        {"form": form, "preview": deletion_preview(request.user)},
        status=422 if form.is_bound else 200,
    )


@require_safe
def name_check(request: HttpRequest) -> JsonResponse:
    """Say whether a name can be had: of a user or organization, or (``kind=repo``) of a repo in one's namespace.

    Answer: ``{"name", "available", "message"}``; a refused namespace is told the same whatever exists there (T35).
    """
    viewer = request.viewer
    hit(NAME_CHECKS, f"u{viewer.user_pk}" if viewer.user_pk else request.META.get("REMOTE_ADDR", ""))
    name = request.GET.get("name", "")[:200].strip()
    try:
        if request.GET.get("kind") == "repo":
            _check_repo_name(request, name)
        else:
            check_name(name)
    except HubError as error:
        message = in_words_of_reader(error.message)
        return JsonResponse({"name": name, "available": False, "message": message})
    return JsonResponse({"name": name, "available": True, "message": _("This name is free.")})


def _check_repo_name(request: HttpRequest, name: str) -> None:
    repo_type = RepoType(request.GET["type"]) if request.GET.get("type") in set(RepoType) else RepoType.MODEL
    namespace = get_namespace_for_create(request.viewer, request.GET.get("namespace", ""))
    validate_repo_name(name)
    if not is_repo_name_free(namespace, repo_type.value, name):
        raise Conflict("You have a repository with this name.")
