"""Imports from other hubs."""

from __future__ import annotations

from hub.api.schema.operations import PAGED, anything, choice, describe, moment, shape, text
from hub.api.views import imports
from hub.core.ids import RepoType
from hub.repos.enums import Visibility

_GROUP = "Imports"
_IMPORT = shape(
    "Import",
    id=text(),
    state=text(),
    url=text(),
    source=anything("endpoint, name, type, revision and commit."),
    target=anything("name and type."),
    files=anything("done and total."),
    bytes=anything("done, total and perSecond."),
    currentFile=text(optional=True, allow_null=True),
    error=text(optional=True, allow_null=True),
    commitOid=text(optional=True, allow_null=True),
    createdAt=moment(),
    finishedAt=moment(optional=True),
)
_TOKEN = text("Of the other hub; forgotten when the import ends.", optional=True)

describe(
    imports.create,
    "Copy a repository from another hub",
    _GROUP,
    access="person",
    status=202,
    request=shape(
        "CreateImport",
        endpoint=text("Address of the other hub."),
        source=text("namespace/name there."),
        target=text("namespace/name here."),
        type=choice([repo_type.value for repo_type in RepoType], optional=True),
        revision=text(optional=True),
        token=_TOKEN,
        visibility=choice(Visibility.values, optional=True),
    ),
    answer=_IMPORT,
)
describe(imports.list_own, "List your imports", _GROUP, access="person", query=PAGED, answer=_IMPORT, many=True)
describe(imports.show, "Show an import's progress", _GROUP, access="person", answer=_IMPORT)
describe(imports.cancel, "Stop an import", _GROUP, access="person", answer=_IMPORT)
describe(
    imports.retry,
    "Try an import again; what has arrived is kept",
    _GROUP,
    access="person",
    status=202,
    request=shape("RetryImport", token=_TOKEN),
    answer=_IMPORT,
)
