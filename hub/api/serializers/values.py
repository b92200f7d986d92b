"""Values as they travel."""

from __future__ import annotations

from datetime import UTC, datetime


def date_text(value: datetime) -> str:
    """ISO 8601 in UTC ending in ``Z``: clients refuse ``+00:00`` (hub-api §1.4)."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{value.microsecond // 1000:03d}Z"
