"""Discussions, pull requests, attachments and gates (hub-api §18, §19)."""

from __future__ import annotations

from community.enums import DiscussionType, Sort, StatusFilter
from hub.api.schema.operations import (
    BYTES,
    FORM,
    JSON,
    PAGED,
    TEXT,
    Body,
    Query,
    anything,
    choice,
    describe,
    flag,
    many,
    moment,
    number,
    shape,
    text,
)
from hub.api.views import access_requests, attachments, discussions
from hub.repos.enums import AccessState

_GROUP = "Discussions and pull requests"
_GATES = "Gated access"
_STATES = AccessState.values

_PERSON = shape("Author", _id=text(), name=text(), fullname=text(), avatarUrl=text(), type=text())
_EVENT = shape(
    "DiscussionEvent",
    id=text(),
    type=text("comment, status-change, title-change, commit and others."),
    createdAt=moment(),
    author=anything("Absent once the account is gone.", optional=True),
    data=anything("For a comment: latest, history, hidden, edited."),
)
_FIELDS = {
    "num": number(),
    "title": text(),
    "status": choice(["open", "closed", "merged", "draft"]),
    "isPullRequest": flag(),
    "createdAt": moment(),
    "author": anything("Absent once the account is gone.", optional=True),
    "repo": anything("name and type."),
    "pinned": flag(),
    "locked": flag(),
    "numComments": number(),
}
_DISCUSSION = shape("Discussion", **_FIELDS)

describe(
    discussions.list_of_repo,
    "List discussions and pull requests",
    _GROUP,
    query=(
        Query("type", "Which kind.", choices=tuple(item.value for item in DiscussionType)),
        Query("status", "Which state.", choices=tuple(item.value for item in StatusFilter)),
        Query("author", "By whom."),
        Query("search", "Words in the title."),
        Query("sort", "Order.", choices=tuple(item.value for item in Sort)),
        Query("p", "Page, counted from 0.", "integer"),
    ),
    answer=shape(
        "Discussions",
        discussions=many(_DISCUSSION),
        count=number("Of all pages."),
        start=number(),
        numClosedDiscussions=number(),
    ),
)
describe(
    discussions.create,
    "Open a discussion or a draft pull request",
    _GROUP,
    access="person",
    request=shape(
        "CreateDiscussion", title=text(), description=text("Markdown.", optional=True), pullRequest=flag(optional=True)
    ),
    answer=shape("DiscussionAddress", num=number(), url=text(), pullRequest=flag()),
)
describe(
    discussions.details,
    "Show a discussion with its events",
    _GROUP,
    query=(Query("diff", "A pull request's changes as a unified diff.", "boolean"),),
    answer=shape(
        "DiscussionDetails",
        events=many(_EVENT),
        diff=text(optional=True),
        changes=anything("base, and mergeCommitId once merged.", optional=True),
        filesWithConflicts=anything("Paths, or whether there are any.", optional=True),
        **_FIELDS,
    ),
)
describe(discussions.delete, "Delete a discussion", _GROUP, access="person")
describe(discussions.delete_ref, "Delete the commits of a closed pull request", _GROUP, access="person")
_COMMENT = {"comment": text("Markdown.", optional=True)}
describe(
    discussions.comment,
    "Comment",
    _GROUP,
    access="person",
    request=shape("Comment", comment=text("Markdown.")),
    answer=shape("NewMessage", newMessage=_EVENT),
)
describe(
    discussions.status,
    "Open or close",
    _GROUP,
    access="person",
    request=shape("ChangeStatus", status=choice(["open", "closed", "draft"]), **_COMMENT),
    answer=shape("NewStatus", newStatus=_EVENT),
)
describe(
    discussions.title,
    "Rename",
    _GROUP,
    access="person",
    request=shape("ChangeTitle", title=text()),
    answer=shape("NewTitle", newTitle=_EVENT),
)
describe(
    discussions.merge,
    "Merge a pull request",
    _GROUP,
    access="person",
    description="409 with the paths when it conflicts.",
    request=shape("Merge", **_COMMENT),
    answer=shape("Merged", status=text(), mergeCommitId=text()),
)
describe(
    discussions.pin,
    "Pin, or no longer",
    _GROUP,
    access="person",
    request=shape("Pin", pinned=flag(optional=True)),
    answer=shape("NewPin", newPin=_EVENT),
)
describe(
    discussions.lock,
    "Lock, or no longer",
    _GROUP,
    access="person",
    request=shape("LockDiscussion", locked=flag(optional=True)),
    answer=shape("NewLock", newLock=_EVENT),
)
_UPDATED = shape("UpdatedComment", updatedComment=_EVENT)
describe(
    discussions.edit_comment,
    "Edit a comment",
    _GROUP,
    access="person",
    request=shape("EditComment", content=text("Markdown.")),
    answer=_UPDATED,
)
describe(discussions.hide_comment, "Hide a comment", _GROUP, access="person", answer=_UPDATED)
describe(
    attachments.upload,
    "Attach a picture, film or sound to a comment",
    _GROUP,
    access="person",
    description="The body is the file, with its media type. Answers the address to use in the comment.",
    request=Body(None, BYTES, description="The file."),
    answer=Body(None, TEXT, description="Its address."),
)
describe(
    attachments.show, "Show an attachment", _GROUP, access="anybody", answer=Body(None, BYTES, description="The file.")
)

# --- gates -----------------------------------------------------------------------------------------------------------

_REQUEST = shape(
    "AccessRequest",
    requestId=text(),
    status=choice(_STATES),
    timestamp=moment(),
    user=anything("The person; their e-mail address where the gate asks for it."),
    fields=anything("What they answered."),
    rejectionReason=text(optional=True),
    expiresAt=text("When the access ends, where it does.", optional=True),
    decidedAt=moment(optional=True),
)
_WHOM = {
    "user": text("User name; or userId or requestId.", optional=True),
    "userId": text(optional=True),
}
_DECISION = {"status": choice(_STATES), "rejectionReason": text(optional=True)}
describe(
    access_requests.ask,
    "Ask for access",
    _GATES,
    access="person",
    status=303,
    description="Fields are those of the repository's own form. Leads to the repository's page.",
    request=(Body(None, JSON, description="One value for each field."), Body(None, FORM)),
)
describe(access_requests.cancel, "Take your request back", _GATES, access="person")
describe(
    access_requests.list_requests, "List requests", _GATES, access="person", query=PAGED, answer=_REQUEST, many=True
)
describe(
    access_requests.handle,
    "Accept or reject a request",
    _GATES,
    access="person",
    request=shape("HandleAccess", requestId=text(optional=True), **_WHOM, **_DECISION),
)
describe(
    access_requests.grant,
    "Give access without a request",
    _GATES,
    access="person",
    request=shape("GrantAccess", **_WHOM),
)
describe(
    access_requests.batch,
    "Accept or reject many requests",
    _GATES,
    access="person",
    request=shape(
        "HandleAccessBatch",
        requests=many(shape("WhoseAccess", requestId=text(optional=True), **_WHOM)),
        **_DECISION,
    ),
    answer=Body(None, JSON, description="One outcome for each, in the order asked."),
)
describe(
    access_requests.report,
    "Download all requests as a table",
    _GATES,
    access="person",
    answer=Body(None, "text/csv", description="One line for each person."),
)
