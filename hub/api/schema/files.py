"""Files: trees, downloads, commits, branches and tags (hub-api §10–§13, §16)."""

from __future__ import annotations

from hub.api.schema.operations import (
    BYTES,
    CURSOR,
    FORM,
    JSON,
    LIMIT,
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
    texts,
)
from hub.api.views import commit, refs, resolve, tree

_GROUP = "Files"

_REF = shape("Ref", name=text(), ref=text("Full name: refs/heads/main."), targetCommit=text())
_ENTRY = shape(
    "TreeEntry",
    type=choice(["file", "directory"]),
    oid=text("Git's hash."),
    size=number("Bytes."),
    path=text(),
    lfs=anything("oid (sha256), size and pointerSize of a large file.", optional=True),
    xetHash=text(optional=True),
    lastCommit=anything("id, title and date; with expand.", optional=True),
)
_COMMIT = shape(
    "Commit",
    id=text(),
    title=text(),
    message=text(),
    authors=many(shape("CommitAuthor", user=text())),
    date=moment(),
    pullRequest=number("Number of the pull request that holds it.", optional=True),
)
_EXPAND = Query("expand", "The last commit of each entry too.", "boolean")
_CREATE_PR = Query("create_pr", "Open a pull request with it instead.", "boolean")

describe(
    refs.list_refs,
    "List branches and tags",
    _GROUP,
    query=(Query("include_prs", "Pull requests too.", "boolean"),),
    answer=shape(
        "Refs", branches=many(_REF), tags=many(_REF), converts=many(_REF), pullRequests=many(_REF, optional=True)
    ),
)
describe(
    refs.create_branch,
    "Create a branch",
    _GROUP,
    access="person",
    status=201,
    request=shape(
        "CreateBranch",
        startingPoint=text("Revision; the head of the default branch without it.", optional=True),
        overwrite=flag(optional=True),
        emptyBranch=flag(optional=True),
    ),
)
describe(refs.delete_branch, "Delete a branch", _GROUP, access="person")
describe(
    refs.create_tag,
    "Tag a revision",
    _GROUP,
    access="person",
    status=201,
    request=shape("CreateTag", tag=text("Its name."), message=text(optional=True)),
)
describe(refs.delete_tag, "Delete a tag", _GROUP, access="person", description="The last part of the path is the tag.")
describe(
    refs.super_squash,
    "Replace a branch's history by one commit",
    _GROUP,
    access="person",
    description="The former commits cannot be brought back.",
    request=shape("SuperSquash", message=text(optional=True)),
    answer=shape("Squashed", commitId=text()),
)
describe(
    tree.tree,
    "List a folder",
    _GROUP,
    query=(Query("recursive", "All below it.", "boolean"), _EXPAND, *PAGED),
    answer=_ENTRY,
    many=True,
)
_PATHS = shape("PathsInfo", paths=texts("At most 2,000."), expand=flag(optional=True))
describe(
    tree.paths_info,
    "Show some paths; those that do not exist are left out",
    _GROUP,
    request=(Body(_PATHS, JSON), Body(_PATHS, FORM)),
    answer=_ENTRY,
    many=True,
)
describe(
    tree.commits,
    "List commits",
    _GROUP,
    query=(
        Query("p", "Page, counted from 0; the Link header is surer.", "integer"),
        Query("expand", "formatted: title and message as HTML too.", choices=("formatted",), is_list=True),
        CURSOR,
        LIMIT,
    ),
    answer=_COMMIT,
    many=True,
)
_DIFF_FILE = shape(
    "DiffFile",
    path=text(),
    oldPath=text(),
    status=text(),
    additions=number(),
    deletions=number(),
    isBinary=flag(),
    isTruncated=flag(),
)
describe(
    tree.compare,
    "Compare two revisions",
    _GROUP,
    query=(Query("raw", "A unified diff as text.", "boolean"),),
    answer=shape("Diff", files=many(_DIFF_FILE), totalFiles=number(), isTruncated=flag()),
)
describe(
    commit.preupload,
    "Ask how files should be sent: in the commit or apart",
    _GROUP,
    access="person",
    query=(_CREATE_PR,),
    request=shape(
        "Preupload",
        files=many(
            shape("PreuploadFile", path=text(), size=number("Bytes."), sample=text("First 512 bytes in base64."))
        ),
        gitAttributes=text(optional=True),
        gitIgnore=text(optional=True),
    ),
    answer=shape(
        "UploadModes",
        commitOid=text("The head that this holds for."),
        files=many(
            shape(
                "UploadMode",
                path=text(),
                uploadMode=choice(["regular", "lfs"]),
                shouldIgnore=flag(),
                oid=text(optional=True),
            )
        ),
    ),
)
describe(
    commit.commit,
    "Commit files",
    _GROUP,
    access="person",
    query=(_CREATE_PR,),
    description=(
        'One JSON object a line, each {"key": …, "value": …}. First header {summary, description?, parentCommit?}; '
        "then file {path, content, encoding: utf-8 or base64}, lfsFile {path, algo: sha256, oid, size}, "
        "deletedFile {path}, deletedFolder {path}, copyFile {path, srcPath, srcRevision}. All of it is committed, or "
        "nothing: 412 when parentCommit is no longer the head."
    ),
    request=(
        Body(None, "application/x-ndjson", description="Lines as described."),
        Body(
            shape(
                "LegacyCommit",
                summary=text(),
                description=text(optional=True),
                parentCommit=text(optional=True),
                files=anything("path, content and encoding of each.", optional=True),
                lfsFiles=anything(optional=True),
                deletedFiles=anything(optional=True),
            ),
            JSON,
        ),
    ),
    answer=shape(
        "Committed",
        success=flag(),
        commitOid=text(),
        commitUrl=text(),
        hookOutput=text(),
        pullRequestUrl=text(optional=True),
    ),
)
_RANGE = "Honours Range, If-Range and If-None-Match; HEAD answers the same headers."
describe(
    resolve.resolve,
    "Download a file",
    _GROUP,
    description=(
        f"{_RANGE} Large files are answered by a redirect to a signed address. X-Repo-Commit names the commit, ETag "
        "and X-Linked-Size the content."
    ),
    query=(Query("download", "Offer it for saving.", "boolean"),),
    answer=Body(None, BYTES, description="The file."),
)
describe(
    resolve.raw,
    "Read a file as git holds it",
    _GROUP,
    description=f"{_RANGE} A large file is its pointer.",
    answer=Body(None, TEXT, description="The content."),
)
