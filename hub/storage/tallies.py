"""Say that content has left, after its last byte: the sender never waits for the books, and they undo no download."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from hub.core.ranges import ByteRange
from hub.storage.signals import content_sent
from hub.storage.threads import in_records_thread

log = structlog.get_logger("hub.storage")


async def tell(tally: str, content: str, spans: Sequence[ByteRange]) -> None:
    """Send ``content_sent`` from a thread that may use the database."""
    await in_records_thread(tell_now, tally, content, spans)


def tell_now(tally: str, content: str, spans: Sequence[ByteRange]) -> None:
    """Send ``content_sent``; what a receiver raises is logged."""
    for receiver, outcome in content_sent.send_robust(sender=None, tally=tally, content=content, spans=spans):
        if isinstance(outcome, Exception):
            log.warning("tally_failed", receiver=getattr(receiver, "__name__", ""), reason=str(outcome)[:200])
