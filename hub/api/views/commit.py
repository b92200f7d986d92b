"""Preupload and commit (hub-api §12, §13)."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from hub.api.ndjson import CommitPayload, read_legacy_payload, read_payload
from hub.api.requests import Fields, query_flag, read_body
from hub.api.views.common import json_response, page_url, viewer_of
from hub.core.errors import BadRequest
from hub.core.ids import RepoType
from hub.repos import content
from hub.repos.permissions import get_repo_for_write
from hub.repos.services.commits import create_commit
from hub.repos.services.uploads import MAX_PLANNED_FILES, FilePlan, WantedFile, plan_uploads

_MAX_LEGACY_BYTES = 16 * 1024 * 1024
_NO_PULL_REQUESTS = "Pull requests cannot be opened on this hub yet. Commit without create_pr."


def preupload(request: HttpRequest, repo_type: RepoType, namespace: str, name: str, revision: str) -> HttpResponseBase:
    viewer = viewer_of(request)
    repo = get_repo_for_write(viewer, repo_type, namespace, name)
    _refuse_pull_request(request)
    snapshot = content.at_revision(repo, revision, viewer=viewer)
    fields = Fields.of(request)
    plans = plan_uploads(
        snapshot,
        [_wanted_file(file) for file in fields.objects("files", max_items=MAX_PLANNED_FILES)],
        git_attributes=_optional_text(fields, "gitAttributes"),
        git_ignore=_optional_text(fields, "gitIgnore"),
    )
    return json_response({"files": [_plan_json(plan) for plan in plans], "commitOid": snapshot.oid})


def _refuse_pull_request(request: HttpRequest) -> None:
    if query_flag(request, "create_pr"):
        raise BadRequest(_NO_PULL_REQUESTS)


def _optional_text(fields: Fields, name: str) -> str | None:
    return fields.text(name, max_length=1_000_000) if name in fields else None


def _wanted_file(fields: Fields) -> WantedFile:
    size = fields.integer("size") if "size" in fields else 0
    if size < 0:
        raise BadRequest("size must not be negative.", param="size")
    sample: bytes | None = None
    if "sample" in fields:
        try:
            sample = base64.b64decode(fields.text("sample", max_length=4096), validate=True)
        except (binascii.Error, ValueError) as error:
            raise BadRequest("sample is not valid base64.", param="sample") from error
    return WantedFile(fields.text("path"), size, sample)


def _plan_json(plan: FilePlan) -> dict[str, object]:
    shown: dict[str, object] = {"path": plan.path, "uploadMode": plan.mode, "shouldIgnore": plan.is_ignored}
    if plan.oid is not None:
        shown["oid"] = plan.oid
    return shown


def commit(request: HttpRequest, repo_type: RepoType, namespace: str, name: str, revision: str) -> HttpResponseBase:
    viewer = viewer_of(request)
    repo = get_repo_for_write(viewer, repo_type, namespace, name)
    _refuse_pull_request(request)
    with _payload(request) as payload:
        result = create_commit(
            repo,
            actor=viewer,
            revision=revision,
            operations=payload.operations,
            message=payload.summary,
            description=payload.description,
            parent_oid=payload.parent_oid,
        )
    return json_response(
        {
            "success": True,
            "commitOid": result.oid,
            "commitUrl": f"{page_url(request, repo)}/commit/{result.oid}",
            "hookOutput": "",
        }
    )


def _payload(request: HttpRequest) -> CommitPayload:
    if request.content_type == "application/json":
        return read_legacy_payload(read_body(request, _MAX_LEGACY_BYTES))
    spool_dir = Path(settings.HUB_DATA_DIR) / "tmp"
    spool_dir.mkdir(parents=True, exist_ok=True)
    return read_payload(request, spool_dir=spool_dir)  # type: ignore[arg-type]  # reads line by line, as a file does
