"""What shows that somebody used a repo here: hosted calls, counted by the inference package above us, and downloads.

Both are read from records that their own acts have left; nobody can state them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import date

from hub.repos.services.downloads import last_downloads

#: ``(repo, people) → (person, commit oid) → successful calls``
RunCounter = Callable[[int, Collection[int]], Mapping[tuple[int, str], int]]

_counters: list[RunCounter] = []


@dataclass(slots=True)
class Use:
    """One person's use of a repo: successful hosted calls by commit, and the last day of a whole download (UTC)."""

    runs: dict[str, int] = field(default_factory=dict)
    downloaded_on: date | None = None


def register(counter: RunCounter) -> None:
    """Count calls by ``counter`` from now on; the latest wins."""
    _counters[:] = [counter]


def use_of(repo_pk: int, user_pks: Collection[int]) -> dict[int, Use]:
    """What each of these people did with the repo, in two queries; those who did nothing are left out."""
    found: dict[int, Use] = defaultdict(Use)
    if not user_pks:
        return found
    runs = _counters[0](repo_pk, user_pks) if _counters else {}
    for (user_pk, oid), count in runs.items():
        found[user_pk].runs[oid] = count
    for user_pk, day in last_downloads(repo_pk, user_pks).items():
        found[user_pk].downloaded_on = day
    return dict(found)
