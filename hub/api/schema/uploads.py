"""What the upload page's script calls (hub.api.views.uploads)."""

from __future__ import annotations

from rest_framework import serializers

from hub.api.schema.operations import anything, choice, describe, flag, many, moment, number, shape, text
from hub.api.views import uploads

_GROUP = "Uploads by the web form"
_IDS = shape("DraftFileIds", files=serializers.ListField(child=serializers.IntegerField(), help_text="At most 100."))
_FILE = shape(
    "DraftFile",
    id=number(),
    path=text(),
    size=number("Bytes."),
    sha256=text(),
    uploadMode=choice(["regular", "lfs"]),
    isStored=flag(),
    arrivedBytes=number(optional=True),
)
_DRAFT = shape(
    "Draft",
    id=text(),
    revision=text(),
    state=text(),
    commitOid=text(optional=True, allow_null=True),
    createdAt=moment(),
    files=many(_FILE),
)
_EACH = shape("DraftOutcomes", files=anything("For each file what happened, or error and status."))

describe(
    uploads.create,
    "Begin an upload",
    _GROUP,
    access="person",
    status=201,
    request=shape("CreateDraft", revision=text(optional=True)),
    answer=_DRAFT,
)
describe(uploads.list_open, "List open uploads", _GROUP, access="person", answer=_DRAFT, many=True)
describe(uploads.show, "Show an upload", _GROUP, access="person", answer=_DRAFT)
describe(uploads.abandon, "Give an upload up", _GROUP, access="person")
describe(
    uploads.check,
    "Check files before they are sent",
    _GROUP,
    access="person",
    request=shape(
        "CheckUpload",
        revision=text(optional=True),
        totalBytes=number(optional=True),
        files=many(shape("CheckedFile", path=text(), size=number("Bytes."))),
    ),
    answer=shape("UploadFindings", headOid=text(), problem=text(), files=anything("path, uploadMode and problem.")),
)
describe(
    uploads.put_files,
    "Name files of an upload",
    _GROUP,
    access="person",
    request=shape(
        "NameFiles",
        files=many(
            shape(
                "NamedFile",
                path=text(),
                size=number("Bytes."),
                sha256=text(optional=True),
                sample=text("First bytes in base64.", optional=True),
            )
        ),
    ),
    answer=shape("NamedFiles", files=many(_FILE)),
)
describe(uploads.begin, "Ask where to send files", _GROUP, access="person", request=_IDS, answer=_EACH)
describe(uploads.complete, "Say that files were sent", _GROUP, access="person", request=_IDS, answer=_EACH)
describe(uploads.remove, "Take files out of an upload", _GROUP, access="person", request=_IDS)
describe(
    uploads.commit,
    "Commit an upload",
    _GROUP,
    access="person",
    request=shape(
        "CommitDraft",
        message=text(),
        description=text(optional=True),
        parentCommit=text(optional=True),
        files=many(shape("InlineFile", path=text(), content=text()), optional=True),
    ),
    answer=shape("DraftCommitted", commitOid=text(), commitUrl=text(), treeUrl=text()),
)
