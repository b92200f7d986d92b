"""Sort keys: value and repo id in one unique number, so that a page is one range clause (platform §3.3)."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Final

ID_BITS: Final = 24
ID_MASK: Final = (1 << ID_BITS) - 1
_MAX_VALUE: Final = (1 << (63 - ID_BITS)) - 1
_SCORE_SCALE: Final = 1000


class Sort(StrEnum):
    """Orders of a list; all descending."""

    TRENDING = "trending"
    LIKES = "likes"
    DOWNLOADS = "downloads"
    UPDATED = "updated"
    CREATED = "created"
    PARAMETERS = "parameters"
    RATING = "rating"  # by its lower bound

    @property
    def column(self) -> str:
        return f"s_{self.value}"


def pack(value: float, repo_pk: int) -> int:
    """Raises OverflowError for a repo id beyond 2**24: the keys must be widened then."""
    if repo_pk > ID_MASK:
        raise OverflowError(f"Repo id {repo_pk} does not fit a sort key")
    return max(0, min(int(value), _MAX_VALUE)) << ID_BITS | repo_pk


def repo_pk_of(key: int) -> int:
    return key & ID_MASK


def pack_score(score: float, repo_pk: int) -> int:
    return pack(score * _SCORE_SCALE, repo_pk)


def sort_keys(
    *,
    repo_pk: int,
    trending_score: float,
    likes: int,
    downloads: int,
    updated_at: datetime,
    created_at: datetime,
    parameters: int | None,
    rating_bound: float,
) -> dict[str, Any]:
    """All ``s_*`` columns of a row."""
    return {
        "s_trending": pack_score(trending_score, repo_pk),
        "s_likes": pack(likes, repo_pk),
        "s_downloads": pack(downloads, repo_pk),
        "s_updated": pack(updated_at.timestamp(), repo_pk),
        "s_created": pack(created_at.timestamp(), repo_pk),
        # In thousands: 39 bits would end at 549 B parameters.
        "s_parameters": pack((parameters or 0) // 1000, repo_pk),
        "s_rating": pack_score(rating_bound, repo_pk),
    }
