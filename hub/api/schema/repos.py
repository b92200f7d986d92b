"""Repositories: life-cycle, info, lists (hub-api §6–§9, §17)."""

from __future__ import annotations

from hub.api.schema.operations import (
    CURSOR,
    JSON,
    LIMIT,
    PAGED,
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
    texts,
)
from hub.api.views import info, likes, listing, metadata, repos, summaries
from hub.core.ids import RepoType
from hub.repos.enums import Visibility

_GROUP = "Repositories"
_TYPES = [repo_type.value for repo_type in RepoType]

REPO_ADDRESS = shape("RepoAddress", url=text("Its page."), name=text("namespace/name"), id=text(optional=True))
LIKES = shape("Likes", likes=number("How many like it now."))
SIBLING = shape(
    "Sibling",
    rfilename=text("Path in the repository."),
    size=number("Bytes; with blobs=true.", optional=True),
    blobId=text(optional=True),
    lfs=anything("sha256, size and pointerSize of a large file.", optional=True),
)
REPO_INFO = shape(
    "RepoInfo",
    _id=text(),
    id=text("namespace/name"),
    modelId=text("As id; models only.", optional=True),
    author=text(optional=True),
    sha=text("Commit that this describes.", optional=True),
    private=flag(optional=True),
    gated=anything("false, auto or manual.", optional=True),
    disabled=flag(optional=True),
    createdAt=moment(optional=True),
    lastModified=moment(optional=True),
    likes=number(optional=True),
    downloads=number("In the last 30 days.", optional=True),
    tags=texts(optional=True),
    pipeline_tag=text(optional=True),
    library_name=text(optional=True),
    cardData=anything("The card's metadata.", optional=True),
    config=anything(optional=True),
    safetensors=anything("Parameters by type, and in total.", optional=True),
    siblings=many(SIBLING, optional=True),
    usedStorage=number("Bytes.", optional=True),
)
_EXPAND = Query("expand", "Only these fields; may be repeated.", is_list=True)
_VISIBILITY = {
    "visibility": choice(Visibility.values, "Who sees it; without, as the owner has settled.", optional=True),
    "private": flag("The older form of visibility.", optional=True),
}

describe(
    repos.create,
    "Create a repository",
    _GROUP,
    access="person",
    request=shape(
        "CreateRepo",
        name=text("Without the namespace."),
        organization=text("Namespace; your own without it.", optional=True),
        type=choice(_TYPES, "model without it.", optional=True),
        license=text("Such as apache-2.0.", optional=True),
        sdk=text("Spaces only.", optional=True),
        files=many(
            shape(
                "InitialFile",
                path=text(),
                content=text(),
                encoding=choice(["utf-8", "base64"], optional=True),
            ),
            optional=True,
        ),
        **_VISIBILITY,
    ),
    answer=REPO_ADDRESS,
)
describe(
    repos.delete,
    "Delete a repository",
    _GROUP,
    access="person",
    description="It can be restored for seven days.",
    request=shape("DeleteRepo", name=text(), organization=text(optional=True), type=choice(_TYPES, optional=True)),
)
describe(
    repos.move,
    "Rename a repository, or move it to another namespace",
    _GROUP,
    access="person",
    description="The former address leads to the new one.",
    request=shape(
        "MoveRepo", fromRepo=text("namespace/name"), toRepo=text("namespace/name"), type=choice(_TYPES, optional=True)
    ),
    answer=REPO_ADDRESS,
)
describe(
    repos.settings,
    "Change settings",
    _GROUP,
    access="person",
    request=shape(
        "RepoSettings",
        gated=anything("false, auto or manual.", optional=True),
        protectedRefs=texts("Patterns of branches and tags whose history stays.", optional=True),
        discussionsDisabled=flag(optional=True),
        **_VISIBILITY,
    ),
    answer=shape(
        "RepoSettingsNow",
        private=flag(),
        visibility=choice(Visibility.values),
        gated=anything(),
        protectedRefs=texts(),
        discussionsDisabled=flag(),
    ),
)
describe(
    repos.duplicate,
    "Copy a repository's files into a new one",
    _GROUP,
    access="person",
    request=shape("DuplicateRepo", repository=text("namespace/name of the copy"), **_VISIBILITY),
    answer=REPO_ADDRESS,
)
describe(repos.auth_check, "Ask whether you may read the files", _GROUP)
describe(repos.auth_check_write, "Ask whether you may write", _GROUP, access="person")
describe(
    info.info,
    "Show a repository, at a revision or at its head",
    _GROUP,
    query=(
        _EXPAND,
        Query("blobs", "Sizes and hashes of the files too.", "boolean"),
        Query("securityStatus", "The state of scans too.", "boolean"),
    ),
    answer=REPO_INFO,
)
describe(
    info.unnamed,
    "Ids of one part: there are none on this hub",
    _GROUP,
    description="Always refused as missing: ids here are namespace/name.",
    answer=None,
    status=404,
)
describe(
    listing.list_of_type,
    "List and search",
    _GROUP,
    query=(
        Query("search", "Words in the id."),
        Query("author", "A user or organization."),
        Query("filter", "A tag that must be there; may be repeated.", is_list=True),
        Query("pipeline_tag", "What the model does."),
        Query("library", "Such as transformers."),
        Query("license", "Such as apache-2.0."),
        Query("language", "Such as en."),
        Query("gated", "Only gated ones, or only others.", "boolean"),
        Query("inference", "Only models that this hub runs.", choices=("warm",)),
        Query("sort", "Order, the first being the largest or latest."),
        Query("full", "More fields.", "boolean"),
        Query("cardData", "The card's metadata too.", "boolean"),
        Query("config", "The model's configuration too.", "boolean"),
        _EXPAND,
        *PAGED,
    ),
    answer=REPO_INFO,
    many=True,
)
_STORAGE = shape(
    "RepoStorage",
    id=text("namespace/name"),
    type=choice(_TYPES),
    updatedAt=moment(),
    visibility=choice(Visibility.values),
    storage=number("Bytes."),
)
describe(
    info.own_repositories,
    "List your repositories with their storage",
    _GROUP,
    access="person",
    query=PAGED,
    answer=_STORAGE,
    many=True,
)
describe(
    info.organization_repositories,
    "List an organization's repositories with their storage",
    _GROUP,
    access="person",
    query=PAGED,
    answer=_STORAGE,
    many=True,
)
describe(likes.like, "Like", _GROUP, access="person", answer=LIKES)
describe(likes.unlike, "Take a like back", _GROUP, access="person", answer=LIKES)
describe(
    likes.likers,
    "List who likes it",
    _GROUP,
    query=PAGED,
    answer=shape("Liker", _id=text(), user=text(), fullname=text(), avatarUrl=text(), type=text(), isPro=flag()),
    many=True,
)
describe(
    likes.liked,
    "List what a person likes",
    _GROUP,
    query=(CURSOR, LIMIT),
    answer=shape("Liked", createdAt=moment(), repo=shape("LikedRepo", name=text(), type=choice(_TYPES))),
    many=True,
)
_MESSAGE = shape("CardMessage", message=text())
describe(
    metadata.validate_yaml,
    "Check the metadata of a card",
    _GROUP,
    access="anybody",
    description="Answers 400 with the same body when there are errors.",
    request=shape("ValidateYaml", content=text("The README."), repoType=choice(_TYPES, optional=True)),
    answer=Body(shape("CardFindings", errors=many(_MESSAGE), warnings=many(_MESSAGE)), JSON),
)
describe(
    metadata.tags_by_type,
    "List the tags that filters know",
    _GROUP,
    access="anybody",
    query=(Query("type", "Only this kind, such as license."),),
    answer=Body(None, JSON, description="By kind: id, label and type of each tag."),
)
describe(
    metadata.tasks,
    "List what models can do",
    _GROUP,
    access="anybody",
    answer=Body(None, JSON, description="By task: id, label and summary."),
)
describe(
    summaries.tree_size,
    "Tell how large a folder is",
    _GROUP,
    answer=shape("TreeSize", path=text(), size=number("Bytes, large files at their full size.")),
)
describe(
    summaries.scan,
    "Tell what scanning found",
    _GROUP,
    answer=shape("ScanState", scansDone=flag(), filesWithIssues=many(shape("FileIssue", path=text(), level=text()))),
)
describe(
    summaries.trending,
    "List what is trending",
    _GROUP,
    access="anybody",
    query=(Query("type", "model, dataset, space, or all."), LIMIT),
    answer=shape(
        "Trending", recentlyTrending=many(shape("TrendingRepo", repoType=choice(_TYPES), repoData=anything()))
    ),
)
