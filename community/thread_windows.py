"""The part of a long thread that one page shows: how it began, and some of what came since."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from community.models import Discussion, Event
from community.queries import events_of

#: So many entries are shown whole; a longer thread is shown in parts of ``PART``.
WHOLE: Final = 80
PART: Final = 50


@dataclass(frozen=True, slots=True)
class ThreadWindow:
    """``events``: the opening one, then those of the part; what lies around has a count and an entry to go to."""

    events: list[Event]
    num_earlier: int = 0
    num_later: int = 0
    earlier: str = ""
    later: str = ""


def window_of(discussion: Discussion, at: str = "") -> ThreadWindow:
    """The newest part of a thread, or that from the entry ``at`` (an object id; unknown ones are ignored) on."""
    known = list(Event.objects.filter(discussion=discussion).order_by("pk").values_list("pk", "object_id"))
    if len(known) <= WHOLE:
        return ThreadWindow(list(events_of(discussion)))
    last_start = len(known) - PART
    places = {object_id: place for place, (_pk, object_id) in enumerate(known)}
    start = min(max(places.get(at, last_start), 1), last_start)
    end = start + PART
    shown = [known[0][0], *(pk for pk, _object_id in known[start:end])]
    return ThreadWindow(
        list(events_of(discussion).filter(pk__in=shown)),
        num_earlier=start - 1,
        num_later=len(known) - end,
        earlier=known[max(start - PART, 1)][1] if start > 1 else "",
        later=known[end][1] if end < len(known) else "",
    )
