"""Access tokens: list, new, rename, rotate, revoke."""

from __future__ import annotations

from typing import Final

from allauth.account.decorators import reauthentication_required
from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from hub.accounts.models import AccessToken
from hub.accounts.queries import get_token, tokens_of
from hub.accounts.requests import SignedInRequest
from hub.accounts.services import tokens as services
from hub.core.errors import HubError
from hub.core.ratelimit import Bucket, hit
from hub.web.account_pages import session_required, token_targets
from hub.web.forms.accounts import add_refusal
from hub.web.forms.tokens import ScopeFormSet, TokenForm, TokenNameForm, grants_from, initial_from_link

TOKEN_CREATIONS: Final = Bucket("token-creations", 10, 3600)


@require_safe
@never_cache
@session_required
def settings_tokens(request: SignedInRequest) -> HttpResponse:
    return render(request, "accounts/tokens.html", {"tokens": list(tokens_of(request.user))})


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@session_required
@reauthentication_required
def token_new(request: SignedInRequest) -> HttpResponse:
    """The form; its query pre-fills it.  A created token is shown in this one answer and never again (T18)."""
    if request.method != "POST":
        initial, rows = initial_from_link(request.GET, request.user.username)
        form = TokenForm(initial={"name": "", "expiry": "90", **initial})
        return _form_page(request, form, ScopeFormSet(initial=rows, prefix="scope"))
    form, scopes = TokenForm(request.POST), ScopeFormSet(request.POST, prefix="scope")
    # Rows of the grid count only where the grid is used.
    is_valid = form.is_valid() and (form.cleaned_data["role"] != "fineGrained" or scopes.is_valid())
    if not is_valid:
        return _form_page(request, form, scopes, status=422)
    try:
        hit(TOKEN_CREATIONS, str(request.user.pk))
        token, secret = services.create_token(
            request.user,
            name=form.cleaned_data["name"],
            role=form.cleaned_data["role"],
            grants=grants_from(form, scopes),
            expires_at=form.expires_at(),
        )
    except HubError as error:
        add_refusal(form, error)
        return _form_page(request, form, scopes, status=error.status)
    return _secret_page(request, token, secret)


def _form_page(request: SignedInRequest, form: TokenForm, scopes: object, status: int = 200) -> HttpResponse:
    context = {"form": form, "scopes": scopes, "targets": token_targets(request.viewer)}
    return render(request, "accounts/token_new.html", context, status=status)


def _secret_page(request: SignedInRequest, token: AccessToken, secret: str) -> HttpResponse:
    url = settings.HUB_URL
    snippets = [
        (".env", f"HF_ENDPOINT={url}\nHF_TOKEN={secret}"),
        (_("Command line"), f"export HF_ENDPOINT={url}\nhf auth login --token {secret}"),
        (
            _("OpenAI client"),
            f'from openai import OpenAI\n\nclient = OpenAI(base_url="{url}/v1", api_key="{secret}")',
        ),
    ]
    context = {"token": token, "secret": secret, "snippets": snippets}
    return render(request, "accounts/token_created.html", context)


@require_safe
@never_cache
@session_required
def token_detail(request: SignedInRequest, object_id: str) -> HttpResponse:
    token = get_token(request.user, object_id)
    form = TokenNameForm(initial={"name": token.name})
    return render(request, "accounts/token_detail.html", {"token": token, "form": form})


@require_POST
@never_cache
@session_required
@reauthentication_required
def token_rotate(request: SignedInRequest, object_id: str) -> HttpResponse:
    token, secret = services.rotate_token(get_token(request.user, object_id))
    return _secret_page(request, token, secret)


@require_POST
@session_required
def token_rename(request: SignedInRequest, object_id: str) -> HttpResponse:
    token = get_token(request.user, object_id)
    form = TokenNameForm(request.POST)
    if form.is_valid():
        services.rename_token(token, name=form.cleaned_data["name"])
        messages.success(request, _("Token renamed."))
    else:
        messages.error(request, _("Give the token a name of 1 to 100 characters."))
    return redirect("web:settings_tokens")


@require_POST
@session_required
def token_revoke(request: SignedInRequest, object_id: str) -> HttpResponse:
    """Revoking needs no fresh sign-in: whoever wants to close a door should not be kept waiting."""
    token = get_token(request.user, object_id)
    services.revoke_token(token, actor=request.user)
    messages.success(request, _("%(token)s was revoked.") % {"token": token})
    return redirect("web:settings_tokens")
