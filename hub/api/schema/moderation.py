"""Reports and blocks."""

from __future__ import annotations

from community.enums import CaseState, ReportCategory, TargetKind
from hub.api.schema.operations import choice, describe, flag, moment, shape, text
from hub.api.schema.people import PERSON
from hub.api.views import moderation

_GROUP = "Reports and blocks"
_REPORT = shape(
    "Report",
    id=text(),
    kind=choice(TargetKind.values),
    targetId=text(),
    name=text("What it was called then."),
    category=choice(ReportCategory.values),
    text=text(),
    state=choice(CaseState.values),
    createdAt=moment(),
)

describe(moderation.list_reports, "List what you reported", _GROUP, access="person", answer=_REPORT, many=True)
describe(
    moderation.create_report,
    "Report something to the moderators",
    _GROUP,
    access="person",
    status=201,
    description="404 for what you may not see; 409 while your report of it waits.",
    request=shape(
        "CreateReport",
        kind=choice(TargetKind.values),
        id=text("Of the thing, as the API shows it in _id or id."),
        category=choice(ReportCategory.values),
        text=text("For the moderators.", optional=True),
    ),
    answer=_REPORT,
)
_BLOCKED = shape("Blocked", isBlocked=flag())
describe(moderation.list_blocks, "List whom you block", _GROUP, access="person", answer=PERSON, many=True)
describe(moderation.block, "Block a person", _GROUP, access="person", answer=_BLOCKED)
describe(moderation.unblock, "Unblock a person", _GROUP, access="person", answer=_BLOCKED)
