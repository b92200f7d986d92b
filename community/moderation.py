"""What moderators and those whom it concerns read of reports, measures, appeals and held posts.

Lists are by keyset; rows bring along all that a page shows of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from django.db.models import Model, Q, QuerySet

from community.enums import CaseState, HeldState
from community.models import Appeal, Block, HeldPost, ModerationAction, Report
from community.targets import Found, find_for_staff
from hub.accounts.enums import Role
from hub.accounts.models import Membership, User
from hub.core.pagination import Page, cut_page, decode_cursor

PER_PAGE: Final = 30
_SHOWN: Final = 50
Row = TypeVar("Row", bound=Model)


@dataclass(frozen=True, slots=True)
class ReportFilter:
    """Empty fields take everything."""

    state: str = CaseState.OPEN
    kind: str = ""
    category: str = ""


def _page(rows: QuerySet[Row], cursor: str) -> Page[Row]:
    if cursor:
        rows = rows.filter(pk__lt=decode_cursor(cursor, int)[0])
    return cut_page(list(rows.order_by("-pk")[: PER_PAGE + 1]), PER_PAGE, lambda row: (row.pk,))


def list_reports(wanted: ReportFilter, *, cursor: str = "") -> Page[Report]:
    rows = Report.objects.select_related("reporter", "subject", "handled_by")
    given = {"state": wanted.state, "target_kind": wanted.kind, "category": wanted.category}
    return _page(rows.filter(**{name: value for name, value in given.items() if value}), cursor)


def list_measures(*, cursor: str = "") -> Page[ModerationAction]:
    return _page(ModerationAction.objects.select_related("subject", "actor", "reverted_by", "appeal"), cursor)


def list_appeals(state: str, *, cursor: str = "") -> Page[Appeal]:
    rows = Appeal.objects.select_related("author", "decided_by", "action", "action__actor", "action__subject")
    return _page(rows.filter(state=state), cursor)


def list_held(state: str, *, cursor: str = "") -> Page[HeldPost]:
    rows = HeldPost.objects.select_related("author", "repo", "repo__namespace", "discussion", "decided_by")
    return _page(rows.filter(state=state), cursor)


@dataclass(frozen=True, slots=True)
class Waiting:
    """How much there is to do, for the tabs."""

    reports: int
    appeals: int
    held: int


def count_waiting() -> Waiting:
    return Waiting(
        reports=Report.objects.filter(state=CaseState.OPEN).count(),
        appeals=Appeal.objects.filter(state=CaseState.OPEN).count(),
        held=HeldPost.objects.filter(state=HeldState.WAITING).count(),
    )


@dataclass(frozen=True, slots=True)
class Case:
    """All about one thing: ``found`` is None when it is gone; the history is that of the person behind it."""

    kind: str
    object_id: str
    name: str
    found: Found | None
    subject: User | None
    reports: list[Report]
    measures: list[ModerationAction]
    history: list[ModerationAction]
    reports_against: int
    upheld_against: int


def get_case(kind: str, object_id: str) -> Case | None:
    """None where there never was anything of that kind."""
    found = find_for_staff(kind, object_id)
    mine = Q(target_kind=kind, target_id=object_id)
    reports = list(Report.objects.filter(mine).select_related("reporter", "handled_by").order_by("-pk")[:_SHOWN])
    measures = list(_measures(mine))
    if found is None and not reports and not measures:
        return None
    kept: Any = (reports or measures or [None])[0]
    subject = found.subject if found else kept.subject
    against = Report.objects.filter(subject=subject) if subject else Report.objects.none()
    return Case(
        kind=kind,
        object_id=object_id,
        name=found.name if found else kept.target_name,
        found=found,
        subject=subject,
        reports=reports,
        measures=measures,
        history=list(_measures(Q(subject=subject) & ~mine)) if subject else [],
        reports_against=against.count(),
        upheld_against=against.filter(state=CaseState.ACCEPTED).count(),
    )


def _measures(which: Q) -> QuerySet[ModerationAction]:
    rows = ModerationAction.objects.select_related("actor", "reverted_by", "subject", "appeal")
    return rows.filter(which).order_by("-pk")[:_SHOWN]


# --- for the person concerned ----------------------------------------------------------------------------------------


def measures_against(user: User, *, cursor: str = "") -> Page[ModerationAction]:
    """What moderators did about a person, their things, and those of organizations that they administer."""
    administered = Membership.objects.filter(user=user, role=Role.ADMIN).values("organization__namespace_id")
    rows = ModerationAction.objects.select_related("appeal")
    return _page(rows.filter(Q(subject=user) | Q(namespace_id__in=administered)), cursor)


def held_of(user: User) -> list[HeldPost]:
    """What the person wrote and was not published, newest first."""
    rows = HeldPost.objects.select_related("repo", "repo__namespace", "discussion").filter(author=user)
    return list(rows.exclude(state=HeldState.RELEASED).order_by("-pk")[:_SHOWN])


def reports_by(user: User) -> list[Report]:
    return list(Report.objects.filter(reporter=user).order_by("-pk")[:_SHOWN])


def without_blockers(people: Iterable[User], actor: User | None) -> list[User]:
    """Those among ``people`` who want to hear of ``actor``; one query."""
    asked = list(people)
    if actor is None or not asked:
        return asked
    blockers = set(
        Block.objects.filter(blocked=actor, blocker__in=[person.pk for person in asked]).values_list(
            "blocker_id", flat=True
        )
    )
    return [person for person in asked if person.pk not in blockers]
