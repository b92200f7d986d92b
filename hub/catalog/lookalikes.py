"""Look-alikes (T49): addresses that are easily taken for those of well-known repos.

    every scoring of trending > find (against what is well known now) > LookAlike rows > no place in trending
    an operator > review > the name is cleared for good, or confirmed

Only names of others are compared, younger than what they resemble: who was first imitates nobody. The same name under
another owner is no look-alike but the custom (a fine-tune keeps its base's name); nor is another version number.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from hub.accounts.models import User
from hub.accounts.services import audit
from hub.catalog.models import LookAlike, LookAlikeVerdict, RepoIndex
from hub.repos.enums import Visibility

#: What is worth imitating: the first of each kind by use and by likes, from so many on.
_TOP: Final = 200
_KNOWN_DOWNLOADS: Final = 100
_KNOWN_LIKES: Final = 10
#: Shorter names are one letter away from too many others.
_MIN_LENGTH: Final = 5
_SEPARATORS: Final = re.compile(r"[-_.]")
_DIGITS: Final = re.compile(r"\d")
#: Read as the same at a glance; pairs first.
_CONFUSED: Final = (("rn", "m"), ("vv", "w"), ("cl", "d"), ("0", "o"), ("1", "l"), ("i", "l"), ("5", "s"), ("8", "b"))


@dataclass(frozen=True, slots=True)
class _Known:
    """A name that people know, of a namespace or of a repo in one."""

    name: str
    namespace_pk: int
    full_id: str
    created_at: datetime


def skeleton(name: str) -> str:
    """What a hasty eye sees: ``0penAI``, ``openai`` and ``open-ai`` have the same."""
    seen = _plain(name)
    for written, read in _CONFUSED:
        seen = seen.replace(written, read)
    return seen


def is_like(name: str, known: str) -> bool:
    """Whether a name differs from a known one and is easily taken for it."""
    plain, other = _plain(name), _plain(known)
    if name.lower() == known.lower():
        return False
    if skeleton(name) == skeleton(known):
        return not _is_other_version(plain, other) or plain == other
    return min(len(plain), len(other)) >= _MIN_LENGTH and not _is_other_version(plain, other) and _is_near(plain, other)


def _plain(name: str) -> str:
    return _SEPARATORS.sub("", name.lower())


def _is_other_version(one: str, other: str) -> bool:
    """``qwen7b`` and ``qwen8b``: they differ in digits alone, on both sides."""
    return len(_DIGITS.findall(one)) == len(_DIGITS.findall(other)) and _DIGITS.sub("#", one) == _DIGITS.sub("#", other)


def _is_near(one: str, other: str) -> bool:
    """One letter more, less, other, or two changed places."""
    if abs(len(one) - len(other)) > 1 or one == other:
        return False
    first = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    a, b = one[first:], other[first:]
    if len(a) == len(b):
        return a[1:] == b[1:] or (a[:2] == b[:2][::-1] and a[2:] == b[2:])
    return a[1:] == b if len(a) > len(b) else a == b[1:]


class KnownNames:
    """What is well known now, arranged so that a name is compared with few."""

    def __init__(self, rows: Iterable[tuple[str, int, datetime]]) -> None:
        self._namespaces: dict[str, list[_Known]] = defaultdict(list)
        self._repos: dict[str, list[_Known]] = defaultdict(list)
        for full_id, namespace_pk, created_at in rows:
            namespace, _, name = full_id.partition("/")
            self._add(self._namespaces, _Known(namespace, namespace_pk, full_id, created_at))
            self._add(self._repos, _Known(name, namespace_pk, full_id, created_at))

    @staticmethod
    def _add(table: dict[str, list[_Known]], known: _Known) -> None:
        for key in _keys(known.name):
            table[key].append(known)

    def resembled_by(self, full_id: str, namespace_pk: int, created_at: datetime) -> str:
        """The address that one is easily taken for; "" for none."""
        namespace, _, name = full_id.partition("/")
        for table, part in ((self._namespaces, namespace), (self._repos, name)):
            for key in _keys(part):
                for known in table.get(key, ()):
                    is_elder = known.created_at < created_at and known.namespace_pk != namespace_pk
                    if is_elder and is_like(part, known.name):
                        return known.full_id
        return ""


def _keys(name: str) -> Iterator[str]:
    """Names that are alike share one of these: the skeleton, or the name without one letter."""
    plain = _plain(name)
    yield f"={skeleton(name)}"
    yield plain
    for place in range(len(plain)):
        yield plain[:place] + plain[place + 1 :]


def known_names() -> KnownNames:
    """Public repos that are much used or liked."""
    listed = RepoIndex.objects.filter(visibility=Visibility.PUBLIC, is_listed=True, repo__deleted_at__isnull=True)
    listed = listed.filter(Q(repo__look_alike__isnull=True) | Q(repo__look_alike__verdict=LookAlikeVerdict.CLEARED))
    rows: dict[int, tuple[str, int, datetime]] = {}
    for column, key, least in (("downloads", "s_downloads", _KNOWN_DOWNLOADS), ("likes", "s_likes", _KNOWN_LIKES)):
        top = listed.filter(**{f"{column}__gte": least}).order_by(f"-{key}")[:_TOP]
        for row in top.values_list("pk", "full_id", "namespace_id", "created_at"):
            rows[row[0]] = (row[1], row[2], row[3])
    return KnownNames(rows.values())


def find(rows: Sequence[RepoIndex], known: KnownNames) -> frozenset[int]:
    """Write down which of ``rows`` are look-alikes; return the ids of those that are kept from trending."""
    present = {found.repo_id: found for found in LookAlike.objects.filter(repo_id__in=[row.pk for row in rows])}
    held, fresh, gone = set(), [], []
    for row in rows:
        found = present.get(row.pk)
        if found is not None and found.name == row.full_id:
            if found.verdict != LookAlikeVerdict.CLEARED:
                held.add(row.pk)
            continue
        if found is not None:
            gone.append(found.pk)  # it has another name now
        resembled = known.resembled_by(row.full_id, row.namespace_id, row.created_at)
        if resembled:
            fresh.append(LookAlike(repo_id=row.pk, name=row.full_id, resembles=resembled))
            held.add(row.pk)
    if gone:
        LookAlike.objects.filter(pk__in=gone).delete()
    if fresh:
        LookAlike.objects.bulk_create(fresh)
    return frozenset(held)


def review(found: LookAlike, *, reviewer: User, verdict: LookAlikeVerdict) -> None:
    """Clear a name, confirm that it is a look-alike, or open the question again. Trending follows with its next run."""
    with transaction.atomic():
        found.verdict = verdict
        is_open = verdict == LookAlikeVerdict.OPEN
        found.reviewed_at, found.reviewed_by = (None, None) if is_open else (timezone.now(), reviewer)
        found.save(update_fields=["verdict", "reviewed_at", "reviewed_by"])
        audit.record("lookalike.review", actor=reviewer, target=found.name, verdict=str(verdict))
