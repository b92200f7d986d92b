"""Ratings and reviews."""

from __future__ import annotations

from community.enums import Outcome, ReviewSort
from hub.api.schema.operations import (
    PAGED,
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
from hub.api.views import reviews

_GROUP = "Reviews"
_VERSION = Query("revision", "A branch, a tag or a commit; the default branch without it.")
_WORDS = shape("ReviewText", raw=text("Markdown."), html=text())
_REPLY = shape(
    "ReviewReply",
    text=_WORDS,
    createdAt=moment(),
    editedAt=moment(optional=True),
    author=anything("Absent once the account is gone.", optional=True),
)
_FIELDS = {
    "id": text(),
    "stars": number("1 to 5."),
    "text": _WORDS,
    "facts": anything("task, language, hardware, outcome: those that are stated."),
    "version": shape("ReviewedVersion", commitId=text(), revision=text("Branch or tag."), isHead=flag()),
    "createdAt": moment(),
    "editedAt": moment(optional=True),
    "author": anything("Absent once the account is gone.", optional=True),
    "helpful": number("Votes."),
    "isHelpfulToYou": flag(),
    "evidence": shape(
        "ReviewEvidence",
        runs=number("Calls of this version that this hub answered for the author."),
        runsOfOtherVersions=number(),
        downloadedOn=text("Last day on which weights of the repository reached the author whole, or null."),
    ),
    "reply": anything("The owner's.", optional=True),
}
_REVIEW = shape("Review", **_FIELDS)
_DETAILS = shape("ReviewDetails", history=anything("What it said before, latest first."), **_FIELDS)
_RATING = {
    "count": number("People; of each the latest review."),
    "mean": anything("1 to 5; 0 without reviews."),
    "lowerBound": anything("The lower limit of the mean at this confidence: what lists are ordered by."),
    "distribution": anything("Stars to people."),
}

describe(
    reviews.list_of_repo,
    "List reviews, with the rating",
    _GROUP,
    query=(
        Query("revision", "Of this branch, tag or commit only."),
        Query("stars", "With so many stars only.", "integer"),
        Query("proven", "By people who used it here only.", "boolean"),
        Query("sort", "Order.", choices=tuple(item.value for item in ReviewSort)),
        *PAGED,
    ),
    answer=shape(
        "Reviews",
        summary=shape(
            "RatingSummary",
            confidence=anything(),
            formula=text(),
            versions=many(shape("VersionRating", commitId=text(), revision=text(), **_RATING)),
            **_RATING,
        ),
        reviews=many(_REVIEW),
    ),
)
describe(
    reviews.save,
    "Write or rewrite your review of a version",
    _GROUP,
    access="person",
    description="One for each person and version. What it said before is kept in its history.",
    request=shape(
        "SaveReview",
        stars=number("1 to 5."),
        text=text("Markdown.", optional=True),
        revision=text("A branch, a tag or a commit; the default branch without it.", optional=True),
        task=text("A pipeline tag.", optional=True),
        language=text("A code such as en.", optional=True),
        hardware=text("One line.", optional=True),
        outcome=choice(Outcome.values, optional=True),
    ),
    answer=_DETAILS,
)
describe(reviews.delete, "Delete your review of a version", _GROUP, access="person", query=(_VERSION,))
describe(reviews.details, "Show a review with its history", _GROUP, answer=_DETAILS)
describe(
    reviews.reply,
    "Reply in the owner's name",
    _GROUP,
    access="person",
    request=shape("SaveReviewReply", text=text("Markdown.")),
    answer=_REPLY,
)
describe(reviews.delete_reply, "Delete the owner's reply", _GROUP, access="person")
_VOTES = shape("HelpfulVotes", helpful=number())
describe(reviews.vote, "Call a review helpful", _GROUP, access="person", answer=_VOTES)
describe(reviews.unvote, "Take your vote back", _GROUP, access="person", answer=_VOTES)
