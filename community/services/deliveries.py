"""Tell webhooks what happened: at least once, with the same id each time (T38, T97, T98, T103).

signal > record (rows in the outbox, for owners who may see the repo) > wake > send (lease, right asked again, POST)
       > delivered, or later once more, or given up
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import random
import secrets
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Final

import structlog
from django.db import transaction
from django.db.models import Count, F, Q
from django.utils import timezone

from community import webhook_events as events
from community.enums import DeliveryState, WatchedKind
from community.models import Delivery, Discussion, Event, WatchedItem, Webhook
from community.services.threads import Change
from community.services.webhooks import secret_of, signing_secrets
from community.webhook_events import RepoEvent
from hub.accounts.auth import Viewer
from hub.accounts.enums import NamespaceKind
from hub.accounts.services.mail import send_notice
from hub.core.destinations import OutgoingFailed
from hub.core.errors import HubError
from hub.core.ids import fold
from hub.core.outgoing import WEBHOOK, open_session
from hub.core.sealing import SecretLost
from hub.repos.models import Repo
from hub.repos.permissions import can_read

log = structlog.get_logger("community.webhooks")

MAX_BODY_BYTES: Final = 64 * 1024
MAX_PER_DAY: Final = 1_000  # of one webhook
MAX_AT_ONCE: Final = 4  # of one webhook: a slow receiver does not hold all workers
MAX_WOKEN: Final = 500
LEASE: Final = timedelta(seconds=60)
#: Waits before the second try, the third …; ten tries over three days.
RETRY_AFTER: Final = tuple(
    timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 3 * 60, 6 * 60, 12 * 60, 24 * 60, 28 * 60)
)
MAX_ATTEMPTS: Final = len(RETRY_AFTER) + 1
#: An address that answered nothing good for so long is not called any more.
OFF_AFTER: Final = timedelta(days=5)
KEPT: Final = timedelta(days=30)

_COMMENT_ACTIONS: Final = {
    Change.COMMENTED: "create",
    Change.COMMENT_EDITED: "update",
    Change.COMMENT_HIDDEN: "update",
}


# --- record ----------------------------------------------------------------------------------------------------------


def record_repo_event(repo_pk: int, make: Callable[[Repo], RepoEvent]) -> int:
    """Note an event for all who watch the repo and may see it; return how many."""
    repo = (
        Repo.objects.select_related("namespace", "namespace__user", "namespace__organization")
        .filter(pk=repo_pk)
        .first()
    )
    return record(make(repo)) if repo is not None else 0


def record_discussion_event(discussion_pk: int, action: str, comment_pk: int | None) -> int:
    """As ``record_repo_event``. Of a discussion that was removed nothing is left to tell."""
    rows = Discussion.objects.select_related(
        "author", "repo", "repo__namespace", "repo__namespace__user", "repo__namespace__organization"
    )
    discussion = rows.filter(pk=discussion_pk).first()
    if discussion is None:
        return 0
    comment = Event.objects.select_related("author").filter(pk=comment_pk).first() if comment_pk else None
    if action in _COMMENT_ACTIONS:
        done, scope = _COMMENT_ACTIONS[Change(action)], "discussion.comment"
    else:
        done, scope = "create" if action == Change.CREATED else "update", "discussion"
    return record(events.discussion_event(discussion, done, scope, comment))


def record(event: RepoEvent) -> int:
    """Put an event into the outbox, once for each webhook that may hear it; return how many."""
    webhooks = [webhook for webhook in _listening(event) if can_read(Viewer(user=webhook.owner), event.repo)]
    webhooks = _within_limit(webhooks)
    if not webhooks:
        return 0
    payload = event.payload()
    rows = [
        Delivery(webhook=webhook, repo=event.repo, event=event.name, body=_body(payload, webhook))
        for webhook in webhooks
    ]
    Delivery.objects.bulk_create(rows, batch_size=200)
    return len(rows)


def _listening(event: RepoEvent) -> list[Webhook]:
    repo = event.repo
    kinds = {WatchedKind(repo.repo_type)}
    watches = Q()
    for namespace, name in event.addresses:
        here = Q(namespace_folded=fold(namespace))
        watches |= here & Q(repo_name_folded=fold(name), kind__in=kinds)
        watches |= here & Q(repo_name_folded="", kind__in=[WatchedKind.USER, WatchedKind.ORGANIZATION])
    # The kind of a namespace follows from its name, but what calls an organization a person watches nothing.
    is_organization = repo.namespace.kind == NamespaceKind.ORGANIZATION
    wrong = WatchedKind.USER if is_organization else WatchedKind.ORGANIZATION
    watched = WatchedItem.objects.filter(watches).exclude(kind=wrong)
    rows = Webhook.objects.filter(
        pk__in=watched.values("webhook_id"), disabled_at__isnull=True, owner__is_active=True
    ).select_related("owner")
    if repo.is_private:
        # Only members can hear of it: strangers who watch its name cost no question each.
        members = Q(owner__namespace_id=repo.namespace_id)
        members |= Q(owner__memberships__organization__namespace_id=repo.namespace_id)
        rows = rows.filter(members).distinct()
    return [webhook for webhook in rows if event.domain in webhook.domains]


def _within_limit(webhooks: list[Webhook]) -> list[Webhook]:
    since = timezone.now() - timedelta(days=1)
    rows = Delivery.objects.filter(webhook__in=webhooks, created_at__gt=since).order_by()
    counts = dict(rows.values_list("webhook").annotate(Count("pk"))) if webhooks else {}
    over = [webhook.pk for webhook in webhooks if counts.get(webhook.pk, 0) >= MAX_PER_DAY]
    if over:
        log.warning("webhook_limit", webhooks=over)
    return [webhook for webhook in webhooks if webhook.pk not in over]


def _body(payload: dict[str, object], webhook: Webhook) -> str:
    whole = {**payload, "webhook": {"id": webhook.object_id, "version": events.VERSION}}
    return json.dumps(whole, ensure_ascii=False, separators=(",", ":"))


# --- send ------------------------------------------------------------------------------------------------------------


def due() -> list[str]:
    """Ids of deliveries whose time has come and that nobody holds, oldest first."""
    now = timezone.now()
    free = Q(leased_until__isnull=True) | Q(leased_until__lt=now)
    rows = Delivery.objects.filter(free, state=DeliveryState.WAITING, try_at__lte=now).order_by("try_at", "pk")
    return list(rows.values_list("object_id", flat=True)[:MAX_WOKEN])


def send(object_id: str) -> DeliveryState | None:
    """Try one delivery; safe to run twice and at once. None: it is not this one's turn."""
    delivery = _claim(object_id)
    if delivery is None:
        return None
    refusal = _refusal(delivery)
    if refusal:
        return _finish(delivery, DeliveryState.DROPPED, error=refusal)
    try:
        status = _post(delivery)
    except SecretLost:
        _switch_off(delivery.webhook, "Its secret cannot be read any more. Enter it again.")
        return _finish(delivery, DeliveryState.FAILED, error="secret lost")
    except HubError as error:
        # What is there, or not, behind an address is told by one word only (T98).
        reason = error.data.get("reason", "") if isinstance(error, OutgoingFailed) else "address refused"
        return _failed(delivery, 0, str(reason))
    return _settle(delivery, status)


def _claim(object_id: str) -> Delivery | None:
    """Take the row for a minute and count the try before it is made, so that a crash counts too (T170)."""
    now = timezone.now()
    delivery = Delivery.objects.filter(object_id=object_id).first()
    if delivery is None:
        return None
    held = Delivery.objects.filter(webhook=delivery.webhook_id, state=DeliveryState.WAITING, leased_until__gt=now)
    if held.count() >= MAX_AT_ONCE:
        return None
    free = Q(leased_until__isnull=True) | Q(leased_until__lt=now)
    lease = secrets.token_hex(16)
    taken = Delivery.objects.filter(free, pk=delivery.pk, state=DeliveryState.WAITING, try_at__lte=now).update(
        lease=lease, leased_until=now + LEASE, attempts=F("attempts") + 1
    )
    if not taken:
        return None
    return Delivery.objects.select_related("webhook", "webhook__owner", "repo", "repo__namespace").get(pk=delivery.pk)


def _refusal(delivery: Delivery) -> str:
    """Why it must not be sent any more (T38): in the words of the log."""
    webhook = delivery.webhook
    if webhook.is_disabled:
        return "the webhook is switched off"
    if not webhook.owner.is_active:
        return "the owner is not active"
    if delivery.repo is None or not can_read(Viewer(user=webhook.owner), delivery.repo):
        return "the owner may not see the repository any more"
    return ""


def _post(delivery: Delivery) -> int:
    """The status of the answer; its body is not read. Raises: AddressRefused, OutgoingFailed, SecretLost."""
    body = delivery.body.encode()
    headers = {"Content-Type": "application/json", **signature_headers(delivery, body)}
    url = delivery.webhook.url
    with open_session(WEBHOOK) as session, session.stream(url, method="POST", body=body, headers=headers) as answer:
        return answer.status


def signature_headers(delivery: Delivery, body: bytes) -> dict[str, str]:
    """What tells a receiver who sent it, when, and whether it is new (docs/webhooks.md). Raises: SecretLost."""
    timestamp = str(int(time.time()))
    headers = {"webhook-id": delivery.object_id, "webhook-timestamp": timestamp}
    plain = secret_of(delivery.webhook)
    if plain:
        headers["X-Webhook-Secret"] = plain
    signed = b".".join((delivery.object_id.encode(), timestamp.encode(), body))
    signatures = [_signature(secret, signed) for secret in signing_secrets(delivery.webhook)]
    return headers | ({"webhook-signature": " ".join(signatures)} if signatures else {})


def _signature(secret: str, signed: bytes) -> str:
    digest = hmac.new(secret.encode(), signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


# --- afterwards ------------------------------------------------------------------------------------------------------


def _settle(delivery: Delivery, status: int) -> DeliveryState:
    if 200 <= status < 300:
        Webhook.objects.filter(pk=delivery.webhook_id, failing_since__isnull=False).update(failing_since=None)
        return _finish(delivery, DeliveryState.DELIVERED, status=status)
    if status == 410:
        _switch_off(delivery.webhook, "Its address answered that it is gone (410).")
        return _finish(delivery, DeliveryState.FAILED, status=status)
    return _failed(delivery, status, "")  # redirects too: they are not followed (T97)


def _failed(delivery: Delivery, status: int, error: str) -> DeliveryState:
    webhook = delivery.webhook
    now = timezone.now()
    Webhook.objects.filter(pk=webhook.pk, failing_since__isnull=True).update(failing_since=now)
    if webhook.failing_since is not None and now - webhook.failing_since > OFF_AFTER:
        _switch_off(webhook, "Nothing could be delivered for five days.")
    if delivery.attempts >= MAX_ATTEMPTS:
        return _finish(delivery, DeliveryState.FAILED, status=status, error=error)
    wait = RETRY_AFTER[delivery.attempts - 1] * random.uniform(0.9, 1.1)
    return _finish(delivery, DeliveryState.WAITING, status=status, error=error, try_at=now + wait)


def _finish(
    delivery: Delivery, state: DeliveryState, *, status: int = 0, error: str = "", try_at: object = None
) -> DeliveryState:
    """Write the outcome, unless another worker has taken the row over meanwhile."""
    is_over = state != DeliveryState.WAITING
    Delivery.objects.filter(pk=delivery.pk, lease=delivery.lease).update(
        state=state,
        last_status=status,
        last_error=error[:200],
        lease="",
        leased_until=None,
        try_at=try_at or delivery.try_at,
        finished_at=timezone.now() if is_over else None,
    )
    log.info("webhook_tried", delivery=delivery.object_id, state=str(state), status=status, attempt=delivery.attempts)
    return state


def _switch_off(webhook: Webhook, reason: str) -> None:
    """Call an address no more, and tell its owner by mail."""
    with transaction.atomic():
        changed = Webhook.objects.filter(pk=webhook.pk, disabled_at__isnull=True).update(
            disabled_at=timezone.now(), disabled_reason=reason
        )
        if changed:
            send_notice(webhook.owner, "email/webhook_off", {"url": webhook.url, "reason": reason})


def forget_old() -> None:
    """Drop what is over and past its time."""
    Delivery.objects.filter(created_at__lt=timezone.now() - KEPT).exclude(state=DeliveryState.WAITING).delete()


# --- names -----------------------------------------------------------------------------------------------------------


def follow_move(repo_pk: int, former_id: str) -> None:
    """Let webhooks that watch a repo by name watch it under its new one, where their owner may see it there."""
    repo = Repo.objects.select_related("namespace").get(pk=repo_pk)
    namespace, _, name = former_id.partition("/")
    rows = WatchedItem.objects.filter(
        kind=repo.repo_type, namespace_folded=fold(namespace), repo_name_folded=fold(name)
    ).select_related("webhook__owner")
    visible = [item.pk for item in rows if can_read(Viewer(user=item.webhook.owner), repo)]
    WatchedItem.objects.filter(pk__in=visible).update(
        name=repo.repo_id, namespace_folded=repo.namespace.name_folded, repo_name_folded=repo.name_folded
    )
