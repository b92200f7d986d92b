"""Preupload and commit (hub-api §12, §13)."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from community.models import Discussion
from community.services.pulls import commit_to_pull_request, create_pull_request_with_commit
from hub.api.ndjson import CommitPayload, read_legacy_payload, read_payload
from hub.api.requests import Fields, query_flag, read_body
from hub.api.views.common import json_response, page_url, viewer_of
from hub.api.views.targets import repo_for_upload
from hub.core.errors import BadRequest
from hub.core.ids import RepoType
from hub.repos import content
from hub.repos.models import Repo
from hub.repos.services.commits import CommitResult, create_commit
from hub.repos.services.pull_heads import branch_tip
from hub.repos.services.uploads import MAX_PLANNED_FILES, FilePlan, WantedFile, plan_uploads
from hub.storage.git.refs import PULL_PREFIX

_MAX_LEGACY_BYTES = 16 * 1024 * 1024


def preupload(request: HttpRequest, repo_type: RepoType, namespace: str, name: str, revision: str) -> HttpResponseBase:
    viewer = viewer_of(request)
    repo = repo_for_upload(request, repo_type, namespace, name, revision)
    if query_flag(request, "create_pr"):
        branch_tip(repo, revision)  # a pull request goes to a branch, not to a commit
    snapshot = content.at_revision(repo, revision, viewer=viewer)
    fields = Fields.of(request)
    plans = plan_uploads(
        snapshot,
        [_wanted_file(file) for file in fields.objects("files", max_items=MAX_PLANNED_FILES)],
        git_attributes=_optional_text(fields, "gitAttributes"),
        git_ignore=_optional_text(fields, "gitIgnore"),
    )
    return json_response({"files": [_plan_json(plan) for plan in plans], "commitOid": snapshot.oid})


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
    repo = repo_for_upload(request, repo_type, namespace, name, revision)
    with _payload(request) as payload:
        result, pull_request = _write(request, repo, revision, payload)
    url = page_url(request, repo)
    shown = {"success": True, "commitOid": result.oid, "commitUrl": f"{url}/commit/{result.oid}", "hookOutput": ""}
    if pull_request is not None:
        shown["pullRequestUrl"] = f"{url}/discussions/{pull_request.num}"
    return json_response(shown)


def _write(
    request: HttpRequest, repo: Repo, revision: str, payload: CommitPayload
) -> tuple[CommitResult, Discussion | None]:
    """Commit to a branch, to a pull request, or to a new one against a branch."""
    viewer = viewer_of(request)
    given: dict[str, Any] = {
        "operations": payload.operations,
        "message": payload.summary,
        "description": payload.description,
        "parent_oid": payload.parent_oid,
    }
    if query_flag(request, "create_pr"):
        opened, result = create_pull_request_with_commit(viewer, repo, branch=revision, **given)
        return result, opened
    if revision.startswith(PULL_PREFIX):
        return commit_to_pull_request(viewer, repo, revision, **given), None
    return create_commit(repo, actor=viewer, revision=revision, **given), None


def _payload(request: HttpRequest) -> CommitPayload:
    if request.content_type == "application/json":
        return read_legacy_payload(read_body(request, _MAX_LEGACY_BYTES))
    spool_dir = Path(settings.HUB_DATA_DIR) / "tmp"
    spool_dir.mkdir(parents=True, exist_ok=True)
    return read_payload(request, spool_dir=spool_dir)  # type: ignore[arg-type]  # reads line by line, as a file does
