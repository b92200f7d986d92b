"""Locks that live as long as a database transaction."""

from __future__ import annotations

import hashlib

from django.db import connection


def lock_owner(owner_key: str) -> None:
    """Serialise reservations of one owner (T75). SQLite's IMMEDIATE transactions do so by themselves."""
    if connection.vendor == "postgresql":
        number = int.from_bytes(hashlib.sha256(b"upload:" + owner_key.encode()).digest()[:8], "big", signed=True)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [number])
