"""Webhooks (hub-api §22)."""

from __future__ import annotations

from hub.api.schema.operations import PAGED, anything, describe, flag, many, moment, number, shape, text, texts
from hub.api.views import webhooks

_GROUP = "Webhooks"
_WATCHED = shape("Watched", type=text("model, dataset, space, user or org."), name=text())
_WEBHOOK = shape(
    "Webhook",
    id=text(),
    url=text(),
    watched=many(_WATCHED),
    domains=texts("repo, discussion."),
    disabled=flag(),
    disabledReason=text(optional=True),
    hasSecret=flag("The secret itself is never shown."),
)
_ONE = shape("OneWebhook", webhook=_WEBHOOK)
_DELIVERY = shape(
    "Delivery",
    id=text(),
    event=anything(),
    state=text(),
    attempts=number(),
    createdAt=moment(),
    lastStatus=number(optional=True),
    lastError=text(optional=True),
    finishedAt=moment(optional=True),
)
_MORE = {
    "domains": texts("repo, discussion; all without it.", optional=True),
    "secret": text("Signs what is sent.", optional=True),
}

describe(webhooks.list_own, "List your webhooks", _GROUP, access="person", answer=_WEBHOOK, many=True)
describe(
    webhooks.create,
    "Create a webhook",
    _GROUP,
    access="person",
    request=shape("CreateWebhook", url=text(), watched=many(_WATCHED), **_MORE),
    answer=_ONE,
)
describe(webhooks.show, "Show a webhook", _GROUP, access="person", answer=_ONE)
describe(
    webhooks.update,
    "Change a webhook",
    _GROUP,
    access="person",
    request=shape("UpdateWebhook", url=text(optional=True), watched=many(_WATCHED, optional=True), **_MORE),
    answer=_ONE,
)
describe(webhooks.delete, "Delete a webhook", _GROUP, access="person")
describe(webhooks.enable, "Switch a webhook on", _GROUP, access="person", answer=_ONE)
describe(webhooks.disable, "Switch a webhook off", _GROUP, access="person", answer=_ONE)
describe(
    webhooks.deliveries,
    "List what was sent and what came of it",
    _GROUP,
    access="person",
    query=PAGED,
    answer=_DELIVERY,
    many=True,
)
describe(
    webhooks.replay,
    "Send something again",
    _GROUP,
    access="person",
    answer=shape("Replayed", delivery=_DELIVERY),
)
