"""Git LFS and Xet's tokens (hub-api §14, §15)."""

from __future__ import annotations

from hub.api.schema.operations import (
    CURSOR,
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
from hub.api.views import lfs, lfs_files, locks, xet_tokens

_GROUP = "Large files"
_LFS = "application/vnd.git-lfs+json"

_POINTER = shape("LfsPointer", oid=text("sha256"), size=number("Bytes."))
_LOCK = shape("Lock", id=text(), path=text(), locked_at=moment(), owner=shape("LockOwner", name=text()))
_ONE_LOCK = Body(shape("OneLock", lock=_LOCK), _LFS)

describe(
    lfs.batch,
    "Ask where to send or fetch large files",
    _GROUP,
    request=Body(
        shape(
            "LfsBatch",
            operation=choice(["upload", "download"]),
            objects=many(_POINTER),
            transfers=texts("basic, multipart", optional=True),
            hash_algo=choice(["sha256"], optional=True),
            ref=anything('{"name": "refs/heads/main"}', optional=True),
        ),
        _LFS,
    ),
    answer=Body(
        shape(
            "LfsActions",
            transfer=choice(["basic", "multipart"]),
            hash_algo=text(),
            objects=many(
                shape(
                    "LfsAction",
                    oid=text(),
                    size=number(),
                    authenticated=flag(optional=True),
                    actions=anything("href and header of each step; none if the file is here already.", optional=True),
                    error=anything("code and message.", optional=True),
                )
            ),
        ),
        _LFS,
    ),
)
describe(lfs.verify, "Confirm that a large file has arrived", _GROUP, access="person", request=Body(_POINTER, _LFS))
describe(
    lfs_files.list_files,
    "List large files",
    _GROUP,
    access="person",
    query=PAGED,
    answer=shape(
        "LfsFile",
        fileOid=text(),
        oid=text("sha256"),
        filename=text(),
        pushedAt=moment(),
        size=number("Bytes."),
        ref=text(optional=True),
    ),
    many=True,
)
_DELETED = shape("DeletedFiles", deleted=number("Files that the repository had."))
describe(
    lfs_files.delete_many,
    "Delete large files for good, out of all history",
    _GROUP,
    access="person",
    request=shape(
        "DeleteFiles",
        deletions=shape(
            "Deletions",
            sha=texts("Their fileOid, at most 1,000."),
            rewriteHistory=flag("Take their names out of all commits; true unless said otherwise.", optional=True),
        ),
    ),
    answer=_DELETED,
)
describe(
    lfs_files.delete_one,
    "Delete a large file for good",
    _GROUP,
    access="person",
    query=(Query("rewriteHistory", "Take its name out of all commits.", "boolean"),),
    answer=_DELETED,
)
describe(
    lfs_files.duplicate,
    "Ask which large files a commit to another repository may name",
    _GROUP,
    access="person",
    request=shape(
        "DuplicateFiles",
        target=shape("DuplicateTarget", type=text(optional=True), name=text("ns/name")),
        files=many(shape("DuplicateFile", sha256=text(), xetHash=text(optional=True), filename=text(optional=True))),
    ),
    answer=shape("DuplicateOutcome", failed=many(shape("DuplicateFailure", sha256=text(), error=text()))),
)
describe(
    locks.show,
    "List locks",
    _GROUP,
    query=(Query("path", "Only of this file."), Query("id", "Only this one."), CURSOR, LIMIT),
    answer=Body(shape("Locks", locks=many(_LOCK), next_cursor=text(optional=True)), _LFS),
)
describe(
    locks.create,
    "Lock a file",
    _GROUP,
    access="person",
    status=201,
    request=Body(shape("CreateLock", path=text(), ref=anything(optional=True)), _LFS),
    answer=_ONE_LOCK,
)
describe(
    locks.verify,
    "List locks before a push: one's own and others'",
    _GROUP,
    access="person",
    request=Body(shape("VerifyLocks", cursor=text(optional=True), limit=number(optional=True)), _LFS),
    answer=Body(shape("LocksByOwner", ours=many(_LOCK), theirs=many(_LOCK), next_cursor=text(optional=True)), _LFS),
)
describe(
    locks.unlock,
    "Unlock a file",
    _GROUP,
    access="person",
    request=Body(shape("Unlock", force=flag("Somebody else's too.", optional=True)), _LFS),
    answer=_ONE_LOCK,
)
XET_TOKEN = shape("XetToken", casUrl=text(), accessToken=text(), exp=number("Unix seconds."))
describe(xet_tokens.read_token, "Get a token to download by Xet", _GROUP, answer=XET_TOKEN)
describe(
    xet_tokens.write_token,
    "Get a token to upload by Xet",
    _GROUP,
    access="person",
    query=(Query("create_pr", "For files of a pull request that will be opened.", "boolean"),),
    answer=XET_TOKEN,
)
