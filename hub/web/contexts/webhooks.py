"""What the page of a webhook says of its deliveries."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from community.enums import DeliveryState
from community.models import Delivery

_TONES = {DeliveryState.DELIVERED: "success", DeliveryState.FAILED: "danger", DeliveryState.DROPPED: "warning"}

#: The one word that a delivery keeps of a failure (``hub.core.outgoing``), for people.
_REASONS: Final[dict[str, Promise]] = {
    "name": gettext_lazy("no server of this name"),
    "time": gettext_lazy("no answer in time"),
    "connection": gettext_lazy("could not be reached"),
    "tls": gettext_lazy("certificate not valid"),
    "http": gettext_lazy("no HTTP answer"),
    "cut": gettext_lazy("answer cut off"),
    "length": gettext_lazy("answer too long"),
    "address refused": gettext_lazy("address not allowed here"),
    "secret lost": gettext_lazy("secret unreadable"),
}


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """``outcome`` is what the last try came to, empty before it."""

    delivery: Delivery
    tone: str
    outcome: str
    can_replay: bool


def delivery_rows(deliveries: Iterable[Delivery]) -> list[DeliveryRow]:
    return [_row(delivery) for delivery in deliveries]


def _row(delivery: Delivery) -> DeliveryRow:
    state = DeliveryState(delivery.state)
    return DeliveryRow(delivery, _TONES.get(state, ""), _outcome(delivery), state is not DeliveryState.WAITING)


def _outcome(delivery: Delivery) -> str:
    if delivery.last_error:
        return str(_REASONS.get(delivery.last_error, delivery.last_error))
    return _("status %(status)s") % {"status": delivery.last_status} if delivery.last_status else ""
