"""People, organizations and tokens (hub-api §4, §21)."""

from __future__ import annotations

from hub.accounts.enums import Role
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
    texts,
)
from hub.api.views import people, whoami

_GROUP = "People and organizations"
_COUNTS = {
    name: number(optional=True) for name in ("numModels", "numDatasets", "numSpaces", "numLikes", "numFollowers")
}
_ORGANIZATION = shape(
    "OrganizationBrief",
    type=text(),
    id=text(),
    name=text(),
    fullname=text(),
    avatarUrl=text(),
    roleInOrg=choice(Role.values, optional=True),
)
PERSON = shape(
    "UserBrief",
    _id=text(),
    type=text(),
    user=text(),
    fullname=text(),
    avatarUrl=text(),
    role=choice(Role.values, "For admins of the organization.", optional=True),
)

describe(
    whoami.whoami,
    "Show whose token this is",
    _GROUP,
    access="person",
    answer=shape(
        "WhoAmI",
        type=text(),
        id=text(),
        name=text("User name."),
        fullname=text(),
        email=text(optional=True),
        emailVerified=flag(optional=True),
        avatarUrl=text(),
        orgs=many(_ORGANIZATION),
        auth=anything("Kind, name and rights of the token."),
    ),
)
describe(
    whoami.user_overview,
    "Show a person",
    _GROUP,
    answer=shape(
        "UserOverview",
        _id=text(),
        user=text(),
        fullname=text(),
        avatarUrl=text(),
        details=text(),
        createdAt=moment(),
        orgs=many(_ORGANIZATION),
        **_COUNTS,
    ),
)
describe(
    whoami.organization_overview,
    "Show an organization",
    _GROUP,
    answer=shape(
        "OrganizationOverview",
        _id=text(),
        name=text(),
        fullname=text(),
        avatarUrl=text(),
        details=text(),
        numUsers=number(),
        createdAt=moment(),
        **_COUNTS,
    ),
)
describe(
    whoami.organization_members,
    "List the members of an organization",
    _GROUP,
    query=(Query("search", "Part of a name."), *PAGED),
    answer=PERSON,
    many=True,
)
describe(
    whoami.member_role,
    "Give a member another role, or take them out",
    _GROUP,
    access="person",
    request=shape("MemberRole", role=choice([*Role.values, "no_access"])),
)
describe(
    whoami.avatar,
    "Show where the picture is",
    _GROUP,
    access="anybody",
    query=(Query("redirect", "Lead to the picture instead.", "boolean"),),
    answer=shape("Avatar", avatarUrl=text()),
)
describe(
    whoami.avatar_redirect, "Lead to the picture of a person or organization", _GROUP, access="anybody", status=302
)
describe(
    whoami.revoke_credentials,
    "Revoke leaked tokens",
    _GROUP,
    access="anybody",
    status=202,
    description="Whoever finds tokens can report them. The answer is always the same.",
    request=shape("RevokeCredentials", credentials=texts("At most 1,000 tokens.")),
)
describe(people.followers, "List who follows", _GROUP, query=PAGED, answer=PERSON, many=True)
describe(people.following, "List who is followed", _GROUP, query=PAGED, answer=PERSON, many=True)
describe(
    people.follow,
    "Follow, or stop following",
    _GROUP,
    access="person",
    answer=shape("Following", isFollowing=flag()),
)
describe(
    people.socials,
    "Show where else they are found",
    _GROUP,
    access="anybody",
    answer=shape("Socials", socialHandles=anything(), website=text()),
)
