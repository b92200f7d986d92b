"""Webhooks of the caller (hub-api §22). Secrets go in and never come out (T102)."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from community.models import Delivery, Webhook
from community.services import webhooks
from community.services.webhooks import MAX_WATCHED, Watched
from hub.api.requests import Fields
from hub.api.serializers.values import date_text
from hub.api.views.common import json_response, viewer_of
from hub.core.errors import BadRequest
from hub.core.pagination import add_next_link, read_limit


def list_own(request: HttpRequest) -> HttpResponseBase:
    owner = webhooks.require_owner(viewer_of(request))
    return json_response([_shown(webhook) for webhook in webhooks.webhooks_of(owner)])


def create(request: HttpRequest) -> HttpResponseBase:
    viewer = viewer_of(request)
    webhooks.require_owner(viewer)
    fields = Fields.of(request)
    _refuse_jobs(fields)
    webhook = webhooks.create_webhook(
        viewer,
        url=fields.text("url", max_length=2000),
        watched=_watched(fields) or [],
        domains=_domains(fields) or webhooks.DOMAINS,
        secret=fields.text("secret", ""),
    )
    return _answer(webhook)


def show(request: HttpRequest, webhook_id: str) -> HttpResponseBase:
    return _answer(_own(request, webhook_id))


def update(request: HttpRequest, webhook_id: str) -> HttpResponseBase:
    webhook = _own(request, webhook_id)
    fields = Fields.of(request)
    _refuse_jobs(fields)
    changed = webhooks.update_webhook(
        viewer_of(request),
        webhook,
        url=fields.text("url", max_length=2000) if "url" in fields else None,
        watched=_watched(fields),
        domains=_domains(fields),
        secret=fields.text("secret") if "secret" in fields else None,
    )
    return _answer(changed)


def delete(request: HttpRequest, webhook_id: str) -> HttpResponseBase:
    webhooks.delete_webhook(viewer_of(request), _own(request, webhook_id))
    return json_response({})


def enable(request: HttpRequest, webhook_id: str) -> HttpResponseBase:
    return _answer(webhooks.set_enabled(viewer_of(request), _own(request, webhook_id), is_enabled=True))


def disable(request: HttpRequest, webhook_id: str) -> HttpResponseBase:
    return _answer(webhooks.set_enabled(viewer_of(request), _own(request, webhook_id), is_enabled=False))


def deliveries(request: HttpRequest, webhook_id: str) -> HttpResponseBase:
    """What was sent and what came of it, newest first; the ids are those that ``replay`` takes."""
    page = webhooks.deliveries_of(
        _own(request, webhook_id),
        cursor=request.GET.get("cursor", ""),
        limit=read_limit(request, default=50, maximum=200),
    )
    response = json_response([_delivery(item) for item in page.items])
    add_next_link(response, request, page.next_cursor)
    return response


def replay(request: HttpRequest, webhook_id: str, delivery_id: str) -> HttpResponseBase:
    webhook = _own(request, webhook_id)
    return json_response({"delivery": _delivery(webhooks.replay(viewer_of(request), webhook, delivery_id))})


def _own(request: HttpRequest, webhook_id: str) -> Webhook:
    return webhooks.get_webhook(webhooks.require_owner(viewer_of(request)), webhook_id)


def _refuse_jobs(fields: Fields) -> None:
    if "jobSourceId" in fields or "job" in fields:
        raise BadRequest("This hub runs no jobs; give the webhook a url.", param="jobSourceId")


def _watched(fields: Fields) -> list[Watched] | None:
    if "watched" not in fields:
        return None
    items = fields.objects("watched", max_items=MAX_WATCHED)
    return [Watched(item.text("type", max_length=20), item.text("name", max_length=140)) for item in items]


def _domains(fields: Fields) -> list[str] | None:
    if "domains" not in fields:
        return None
    return [str(domain) for domain in fields.items("domains", max_items=10)]


def _answer(webhook: Webhook) -> HttpResponseBase:
    return json_response({"webhook": _shown(webhook)})


def _shown(webhook: Webhook) -> dict[str, Any]:
    shown = {
        "id": webhook.object_id,
        "url": webhook.url,
        "watched": [{"type": item.kind, "name": item.name} for item in webhook.watched.all()],
        "domains": webhook.domains,
        "disabled": webhook.is_disabled,
        "hasSecret": bool(webhook.sealed_secret),
    }
    return {**shown, "disabledReason": webhook.disabled_reason} if webhook.disabled_reason else shown


def _delivery(item: Delivery) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": item.object_id,
        "event": item.event,
        "state": item.state,
        "attempts": item.attempts,
        "createdAt": date_text(item.created_at),
    }
    if item.last_status:
        shown["lastStatus"] = item.last_status
    if item.last_error:
        shown["lastError"] = item.last_error
    if item.finished_at is not None:
        shown["finishedAt"] = date_text(item.finished_at)
    return shown
