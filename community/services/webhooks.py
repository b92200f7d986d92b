"""Webhooks of a person: make, change, switch on and off, delete, send once more (hub-api §22, T96, T102)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.db import transaction
from django.db.models import Prefetch, QuerySet
from django.utils import timezone

from community.enums import DeliveryState, WatchedKind
from community.models import Delivery, WatchedItem, Webhook
from hub.accounts.auth import Viewer
from hub.accounts.enums import Action
from hub.accounts.models import User
from hub.accounts.permissions import require_user
from hub.accounts.services import audit
from hub.core import sealing
from hub.core.destinations import parse_url
from hub.core.errors import BadRequest, Conflict, NotFound, PayloadTooLarge
from hub.core.ids import fold, split_repo_id
from hub.core.pagination import Page, cut_page, decode_cursor

MAX_WEBHOOKS: Final = 50  # of one person
MAX_WATCHED: Final = 100
MAX_SECRET_LENGTH: Final = 200
DOMAINS: Final = ("repo", "discussion")
#: So long the former secret signs beside the new one (T102).
SECRET_OVERLAP: Final = timedelta(days=1)
_PURPOSE: Final = "webhook"
_ALIASES: Final = {"discussions": "discussion"}  # clients before 2.0
_NAMESPACES: Final = frozenset({WatchedKind.USER, WatchedKind.ORGANIZATION})


@dataclass(frozen=True, slots=True)
class Watched:
    """What is asked to be watched: ``kind`` and ``name``, as they came."""

    kind: str
    name: str


# --- look-up ---------------------------------------------------------------------------------------------------------


def require_owner(viewer: Viewer, action: Action = Action.ACCOUNT_READ) -> User:
    """The person whose webhooks these are. Raises: AuthenticationRequired, InsufficientScope."""
    require_user(viewer, action)
    assert viewer.user is not None  # require_user
    return viewer.user


def webhooks_of(owner: User) -> QuerySet[Webhook]:
    watched = Prefetch("watched", WatchedItem.objects.order_by("pk"))
    return Webhook.objects.filter(owner=owner).prefetch_related(watched).order_by("pk")


def get_webhook(owner: User, object_id: str) -> Webhook:
    """One of the person's own (T33). Raises: NotFound."""
    webhook = webhooks_of(owner).filter(object_id=object_id).first()
    if webhook is None:
        raise NotFound("There is no such webhook.")
    return webhook


def deliveries_of(webhook: Webhook, *, cursor: str = "", limit: int) -> Page[Delivery]:
    """Newest first."""
    rows = Delivery.objects.filter(webhook=webhook).order_by("-pk")
    if cursor:
        rows = rows.filter(pk__lt=decode_cursor(cursor, int)[0])
    return cut_page(list(rows[: limit + 1]), limit, lambda delivery: (delivery.pk,))


# --- changes ---------------------------------------------------------------------------------------------------------


def create_webhook(
    viewer: Viewer, *, url: str, watched: Sequence[Watched], domains: Iterable[str], secret: str = ""
) -> Webhook:
    """Make a webhook of the viewer's person.

    Raises: AuthenticationRequired, InsufficientScope, BadRequest (AddressRefused for the URL), PayloadTooLarge
    """
    owner = require_owner(viewer, Action.ACCOUNT_WRITE)
    parse_url(url)
    items = _checked_watched(watched)
    with transaction.atomic():
        User.objects.select_for_update(of=("self",)).get(pk=owner.pk)
        if Webhook.objects.filter(owner=owner).count() >= MAX_WEBHOOKS:
            raise PayloadTooLarge(f"A person has at most {MAX_WEBHOOKS} webhooks. Delete one first.")
        webhook = Webhook.objects.create(
            owner=owner, url=url, domains=_checked_domains(domains), sealed_secret=_sealed(_checked_secret(secret))
        )
        _watch(webhook, items)
        audit.record("webhook.create", actor=viewer, target=webhook.object_id)
    return get_webhook(owner, webhook.object_id)


def update_webhook(
    viewer: Viewer,
    webhook: Webhook,
    *,
    url: str | None = None,
    watched: Sequence[Watched] | None = None,
    domains: Iterable[str] | None = None,
    secret: str | None = None,
) -> Webhook:
    """Change what is given; a new secret signs beside the former one for a day. Raises: as ``create_webhook``."""
    owner = require_owner(viewer, Action.ACCOUNT_WRITE)
    items = None if watched is None else _checked_watched(watched)
    if url is not None:
        parse_url(url)
    with transaction.atomic():
        changed = Webhook.objects.select_for_update(of=("self",)).get(pk=webhook.pk)
        if url is not None:
            changed.url = url
        if domains is not None:
            changed.domains = _checked_domains(domains)
        if secret is not None and _checked_secret(secret) != secret_of(changed):
            changed.former_sealed_secret, changed.sealed_secret = changed.sealed_secret, _sealed(secret)
            changed.secret_changed_at = timezone.now()
        changed.updated_at = timezone.now()
        changed.save()
        if items is not None:
            changed.watched.all().delete()
            _watch(changed, items)
        audit.record("webhook.update", actor=viewer, target=changed.object_id)
    return get_webhook(owner, changed.object_id)


def set_enabled(viewer: Viewer, webhook: Webhook, *, is_enabled: bool) -> Webhook:
    """Switch it on or off; what waits for one that is switched off is dropped when its turn comes."""
    owner = require_owner(viewer, Action.ACCOUNT_WRITE)
    with transaction.atomic():
        Webhook.objects.filter(pk=webhook.pk).update(
            disabled_at=None if is_enabled else timezone.now(), disabled_reason="", failing_since=None
        )
        audit.record(f"webhook.{'enable' if is_enabled else 'disable'}", actor=viewer, target=webhook.object_id)
    return get_webhook(owner, webhook.object_id)


def delete_webhook(viewer: Viewer, webhook: Webhook) -> None:
    require_owner(viewer, Action.ACCOUNT_WRITE)
    with transaction.atomic():
        audit.record("webhook.delete", actor=viewer, target=webhook.object_id)
        webhook.delete()


def replay(viewer: Viewer, webhook: Webhook, delivery_id: str) -> Delivery:
    """Send an event once more, under the same id, so that a receiver knows what it has seen.

    Raises: NotFound (no such delivery of this webhook), Conflict (it waits already, or the webhook is switched off)
    """
    require_owner(viewer, Action.ACCOUNT_WRITE)
    delivery = Delivery.objects.filter(webhook=webhook, object_id=delivery_id).first()
    if delivery is None:
        raise NotFound("There is no such delivery of this webhook.")
    if webhook.is_disabled:
        raise Conflict("This webhook is switched off. Switch it on first.")
    changed = Delivery.objects.filter(pk=delivery.pk).exclude(state=DeliveryState.WAITING)
    fresh = {"attempts": 0, "try_at": timezone.now(), "finished_at": None}
    if not changed.update(state=DeliveryState.WAITING, **fresh):
        raise Conflict("This delivery waits for its turn already.")
    delivery.refresh_from_db()
    return delivery


# --- checks ----------------------------------------------------------------------------------------------------------


def _checked_domains(domains: Iterable[str]) -> list[str]:
    named = {_ALIASES.get(domain, domain) for domain in domains}
    if not named or not named <= set(DOMAINS):
        raise BadRequest("domains must hold repo, discussion, or both.", param="domains")
    return [domain for domain in DOMAINS if domain in named]


def _checked_secret(secret: str) -> str:
    if len(secret) > MAX_SECRET_LENGTH or not secret.isascii() or not secret.isprintable() or secret != secret.strip():
        raise BadRequest(
            f"A secret has at most {MAX_SECRET_LENGTH} printable ASCII characters, and no space at its ends.",
            param="secret",
        )
    return secret


def _checked_watched(watched: Sequence[Watched]) -> list[WatchedItem]:
    if not watched or len(watched) > MAX_WATCHED:
        raise BadRequest(f"A webhook watches 1 to {MAX_WATCHED} things.", param="watched")
    return [_checked_item(item) for item in watched]


def _checked_item(item: Watched) -> WatchedItem:
    if item.kind not in WatchedKind.values:
        raise BadRequest(f"watched.type must be one of {', '.join(WatchedKind.values)}.", param="watched")
    kind = WatchedKind(item.kind)
    namespace, name = (item.name, "") if kind in _NAMESPACES else split_repo_id(item.name)
    if not 1 <= len(namespace) <= 42 or len(name) > 96 or "/" in namespace:
        raise BadRequest("watched.name is not a name that anything here could have.", param="watched")
    return WatchedItem(kind=kind, name=item.name, namespace_folded=fold(namespace), repo_name_folded=fold(name))


def _watch(webhook: Webhook, items: list[WatchedItem]) -> None:
    for item in items:
        item.webhook = webhook
    WatchedItem.objects.bulk_create(items)


# --- secrets ---------------------------------------------------------------------------------------------------------


def _sealed(secret: str) -> str:
    return sealing.seal(secret, purpose=_PURPOSE)


def secret_of(webhook: Webhook) -> str:
    """Raises: SecretLost."""
    return sealing.unseal(webhook.sealed_secret, purpose=_PURPOSE)


def signing_secrets(webhook: Webhook) -> list[str]:
    """What a delivery is signed with: the secret, and for a day the one before. Raises: SecretLost."""
    secrets = [secret_of(webhook)]
    changed_at = webhook.secret_changed_at
    if changed_at is not None and timezone.now() - changed_at < SECRET_OVERLAP:
        secrets.append(sealing.unseal(webhook.former_sealed_secret, purpose=_PURPOSE))
    return [secret for secret in secrets if secret]
