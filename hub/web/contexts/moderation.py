"""What the pages of moderation say of reports, measures, appeals and held posts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from community.enums import CaseState, HeldState, MeasureKind, ReportCategory, TargetKind
from community.models import Appeal, HeldPost, ModerationAction
from community.moderation import ReportFilter, Waiting
from community.spam import Sign
from hub.core.pagination import Page
from hub.web.forms.moderation import AppealForm

_TONES = {
    CaseState.OPEN: "accent",
    CaseState.ACCEPTED: "success",
    CaseState.REJECTED: "",
}


def appeal_of(measure: ModerationAction) -> Appeal | None:
    return getattr(measure, "appeal", None)


@dataclass(frozen=True, slots=True)
class MeasureRow:
    """A measure as the person concerned reads it, with the form to appeal where that is open."""

    measure: ModerationAction
    appeal: Appeal | None
    form: AppealForm | None
    is_refused: bool


@dataclass(frozen=True, slots=True)
class CasesContext:
    rows: list[MeasureRow]
    first_href: str
    next_href: str


def cases_context(page: Page[ModerationAction], form: AppealForm, measure_id: str, cursor: str) -> CasesContext:
    """``form`` is shown, with its refusals, at the measure that it was sent for; the others get fresh ones."""
    return CasesContext(
        rows=[_row(measure, form if measure.object_id == measure_id else None) for measure in page.items],
        first_href="?" if cursor else "",
        next_href=f"?cursor={page.next_cursor}" if page.next_cursor else "",
    )


def _row(measure: ModerationAction, sent: AppealForm | None) -> MeasureRow:
    appeal = appeal_of(measure)
    is_open = measure.is_active and appeal is None
    fresh = AppealForm(initial={"measure_id": measure.object_id}, auto_id=f"appeal-{measure.object_id}-%s")
    if sent is not None:
        sent.auto_id = f"appeal-{measure.object_id}-%s"
    return MeasureRow(measure, appeal, (sent or fresh) if is_open else None, sent is not None and sent.is_bound)


# --- for moderators --------------------------------------------------------------------------------------------------


def queue_tabs(here: str, waiting: Waiting) -> list[dict[str, Any]]:
    tabs = [
        ("moderation", _("Reports"), waiting.reports),
        ("moderation_appeals", _("Appeals"), waiting.appeals),
        ("moderation_held", _("Held posts"), waiting.held),
        ("moderation_measures", _("Measures"), None),
    ]
    return [
        {"label": label, "href": reverse(f"web:{name}"), "current": name == here, "count": count}
        for name, label, count in tabs
    ]


def state_links(here: str, states: type[CaseState] | type[HeldState], state: str) -> list[dict[str, Any]]:
    return [
        {"label": item.label, "href": f"{here}?state={item.value}", "current": item.value == state} for item in states
    ]


def report_query(wanted: ReportFilter) -> str:
    return urlencode({"state": wanted.state, "kind": wanted.kind, "category": wanted.category})


def read_report_filter(query: Any) -> ReportFilter:
    """Unknown words are as none at all."""

    def known(name: str, values: list[str], default: str) -> str:
        text = query.get(name, default)
        return text if text in values or text == "" else default

    return ReportFilter(
        state=known("state", CaseState.values, CaseState.OPEN.value),
        kind=known("kind", TargetKind.values, ""),
        category=known("category", ReportCategory.values, ""),
    )


def read_state(text: str, kind: type[CaseState] | type[HeldState]) -> str:
    first = next(iter(kind)).value
    return text if text in kind.values else first


@dataclass(frozen=True, slots=True)
class HeldRow:
    held: HeldPost
    signs: list[str]


def held_rows(posts: Iterable[HeldPost]) -> list[HeldRow]:
    return [HeldRow(held, [str(Sign(sign).label) for sign in held.signs if sign in Sign.values]) for held in posts]


@dataclass(frozen=True, slots=True)
class MeasureLine:
    measure: ModerationAction
    appeal: Appeal | None
    can_undo: bool


def measure_lines(measures: Iterable[ModerationAction]) -> list[MeasureLine]:
    return [
        MeasureLine(measure, appeal_of(measure), measure.is_active and measure.kind != MeasureKind.WARN)
        for measure in measures
    ]
