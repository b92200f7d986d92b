"""Webhooks of a person: list, new, change, on and off, what was sent."""

from __future__ import annotations

from typing import Final

from allauth.account.decorators import reauthentication_required
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from community.models import Webhook
from community.services import webhooks
from hub.accounts.requests import SignedInRequest
from hub.core.destinations import AddressRefused
from hub.core.error_words import in_words_of_reader
from hub.core.errors import Conflict, HubError
from hub.web.account_pages import session_required
from hub.web.contexts.webhooks import delivery_rows
from hub.web.forms.accounts import add_refusal
from hub.web.forms.webhooks import WebhookForm, read_watched, watched_lines

_PAGE: Final = 20


@require_safe
@never_cache
@session_required
def settings_webhooks(request: SignedInRequest) -> HttpResponse:
    rows = [(webhook, watched_lines(webhook.watched.all())) for webhook in webhooks.webhooks_of(request.user)]
    return render(request, "community/webhooks.html", {"rows": rows})


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@session_required
@reauthentication_required
def webhook_new(request: SignedInRequest) -> HttpResponse:
    """An address that is to hear of private repos, too: from a fresh sign-in only (T13)."""
    form = WebhookForm(request.POST or None, initial={"watched": request.user.username, "domains": webhooks.DOMAINS})
    if request.method == "POST" and form.is_valid():
        try:
            webhook = webhooks.create_webhook(
                request.viewer,
                url=form.cleaned_data["url"],
                watched=read_watched(form.cleaned_data["watched"]),
                domains=form.cleaned_data["domains"],
                secret=form.cleaned_data["secret"],
            )
        except HubError as error:
            _add_refusal(form, error)
        else:
            messages.success(request, _("The webhook is on. Its next event is sent by itself."))
            return redirect("web:webhook_detail", webhook.object_id)
    return render(request, "community/webhook_new.html", {"form": form}, status=422 if form.is_bound else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@session_required
@reauthentication_required(allow_get=True)
def webhook_detail(request: SignedInRequest, webhook_id: str) -> HttpResponse:
    webhook = webhooks.get_webhook(request.user, webhook_id)
    if request.method == "POST":
        return _change(request, webhook)
    watched = watched_lines(webhook.watched.all())
    initial = {"url": webhook.url, "watched": "\n".join(watched), "domains": webhook.domains}
    return _detail_page(request, webhook, WebhookForm(webhook=webhook, initial=initial))


def _add_refusal(form: WebhookForm, error: HubError) -> None:
    if isinstance(error, AddressRefused):
        form.add_error("url", in_words_of_reader(error.message))
    else:
        add_refusal(form, error)


def _change(request: SignedInRequest, webhook: Webhook) -> HttpResponse:
    form = WebhookForm(request.POST, webhook=webhook)
    if form.is_valid():
        try:
            webhooks.update_webhook(
                request.viewer,
                webhook,
                url=form.cleaned_data["url"],
                watched=read_watched(form.cleaned_data["watched"], webhook.watched.all()),
                domains=form.cleaned_data["domains"],
                secret=form.new_secret(),
            )
        except HubError as error:
            _add_refusal(form, error)
        else:
            messages.success(request, _("Saved."))
            return redirect("web:webhook_detail", webhook.object_id)
    return _detail_page(request, webhook, form, status=422)


def _detail_page(request: SignedInRequest, webhook: Webhook, form: WebhookForm, status: int = 200) -> HttpResponse:
    cursor = request.GET.get("cursor", "")
    sent = webhooks.deliveries_of(webhook, cursor=cursor, limit=_PAGE)
    context = {
        "webhook": webhook,
        "form": form,
        "disabled_reason": in_words_of_reader(webhook.disabled_reason),
        "rows": delivery_rows(sent.items),
        "next_href": f"?cursor={sent.next_cursor}" if sent.next_cursor else "",
        "first_href": "?" if cursor else "",
    }
    return render(request, "community/webhook_detail.html", context, status=status)


@require_POST
@session_required
def webhook_switch(request: SignedInRequest, webhook_id: str) -> HttpResponse:
    is_enabled = request.POST.get("action") == "on"
    webhooks.set_enabled(request.viewer, webhooks.get_webhook(request.user, webhook_id), is_enabled=is_enabled)
    messages.success(request, _("The webhook is on.") if is_enabled else _("The webhook is off."))
    return redirect("web:webhook_detail", webhook_id)


@require_POST
@session_required
def webhook_delete(request: SignedInRequest, webhook_id: str) -> HttpResponse:
    webhooks.delete_webhook(request.viewer, webhooks.get_webhook(request.user, webhook_id))
    messages.success(request, _("The webhook was deleted."))
    return redirect("web:settings_webhooks")


@require_POST
@session_required
def webhook_replay(request: SignedInRequest, webhook_id: str, delivery_id: str) -> HttpResponse:
    try:
        webhooks.replay(request.viewer, webhooks.get_webhook(request.user, webhook_id), delivery_id)
    except Conflict as error:
        messages.error(request, in_words_of_reader(error.message))
    else:
        messages.success(request, _("The event is sent once more, under the same id."))
    return redirect("web:webhook_detail", webhook_id)
