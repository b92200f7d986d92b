"""Drafts of the web form's uploads: JSON for the page's script.

POST   upload-drafts/check                     {revision?, totalBytes?, files: [{path, size}]} → what is wrong with them
POST   upload-drafts                           {revision?} → draft
GET    upload-drafts/{id}                      → draft with files
PUT    upload-drafts/{id}/files                {files: [{path, size, sha256?, sample?}]} → the files
POST   upload-drafts/{id}/begin                {files: [id]} → where to PUT each, or its error
POST   upload-drafts/{id}/complete             {files: [id]} → each file, stored, or its error
POST   upload-drafts/{id}/remove               {files: [id]}
POST   upload-drafts/{id}/commit               {message, description?, parentCommit?, files?: [{path, content}]} → it
DELETE upload-drafts/{id}

Files come in batches, for a folder of a thousand of them must not cost thousands of requests; one that is refused
does not hold up the others.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from hub.api.requests import Fields, is_whole
from hub.api.serializers.values import date_text
from hub.api.views.common import json_response, viewer_of
from hub.core.errors import BadRequest, HubError
from hub.core.ids import RepoType
from hub.repos.models import Repo, UploadDraft, UploadDraftFile
from hub.repos.permissions import get_repo_for_write
from hub.repos.services import uploads
from hub.repos.services.commits import AddBytes

_MAX_INLINE_FILES = 20
_MAX_BATCH = 100


def create(request: HttpRequest, repo_type: RepoType, namespace: str, name: str) -> HttpResponseBase:
    repo = _repo(request, repo_type, namespace, name)
    draft = uploads.create_draft(repo, author=viewer_of(request), revision=Fields.of(request).text("revision", ""))
    return json_response(_draft_json(draft, []), status=201)


def list_open(request: HttpRequest, repo_type: RepoType, namespace: str, name: str) -> HttpResponseBase:
    repo = _repo(request, repo_type, namespace, name)
    drafts = uploads.list_open_drafts(repo, author=viewer_of(request))
    return json_response([_draft_json(draft, list(draft.files.all())) for draft in drafts])


def show(request: HttpRequest, repo_type: RepoType, namespace: str, name: str, draft_id: UUID) -> HttpResponseBase:
    draft = _draft(request, repo_type, namespace, name, draft_id)
    shown = _draft_json(draft, list(draft.files.order_by("pk")))
    arrived = uploads.arrived_bytes(draft)
    for file in shown["files"]:
        file["arrivedBytes"] = file["size"] if file["isStored"] else arrived.get(file["id"], 0)
    return json_response(shown)


def put_files(request: HttpRequest, repo_type: RepoType, namespace: str, name: str, draft_id: UUID) -> HttpResponseBase:
    draft = _draft(request, repo_type, namespace, name, draft_id)
    wanted = [_wanted_file(item) for item in Fields.of(request).objects("files", max_items=uploads.MAX_PLANNED_FILES)]
    return json_response({"files": [_file_json(file) for file in uploads.register_files(draft, wanted)]})


def check(request: HttpRequest, repo_type: RepoType, namespace: str, name: str) -> HttpResponseBase:
    repo = _repo(request, repo_type, namespace, name)
    fields = Fields.of(request)
    found = uploads.check_upload(
        repo,
        [
            uploads.WantedFile(item.text("path"), item.integer("size"))
            for item in fields.objects("files", max_items=uploads.MAX_PLANNED_FILES)
        ],
        revision=fields.text("revision", ""),
        total_bytes=fields.integer("totalBytes") if "totalBytes" in fields else 0,
    )
    return json_response(
        {
            "headOid": found.head_oid,
            "problem": found.problem,
            "files": [
                {
                    "path": file.path,
                    "uploadMode": file.mode,
                    "problem": file.problem,
                    "isIgnored": file.is_ignored,
                    "isReplacing": file.is_replacing,
                }
                for file in found.files
            ],
        }
    )


def begin(request: HttpRequest, repo_type: RepoType, namespace: str, name: str, draft_id: UUID) -> HttpResponseBase:
    draft = _draft(request, repo_type, namespace, name, draft_id)
    return json_response({"files": [_each(file_id, partial(_begin_json, draft)) for file_id in _file_ids(request)]})


def _begin_json(draft: UploadDraft, file_id: int) -> dict[str, Any]:
    # Relative URLs: the page that asks stands on this site, under whatever name.
    found = uploads.begin_file(draft, file_id=file_id)
    return {
        "id": file_id,
        "isStored": found.is_stored,
        "url": found.url or None,
        "partSize": found.part_size_bytes or None,
        "parts": [{"number": number, "url": url} for number, url in found.parts],
        "storedParts": list(found.stored_parts),
    }


def complete(request: HttpRequest, repo_type: RepoType, namespace: str, name: str, draft_id: UUID) -> HttpResponseBase:
    draft = _draft(request, repo_type, namespace, name, draft_id)
    return json_response({"files": [_each(file_id, partial(_complete_json, draft)) for file_id in _file_ids(request)]})


def _complete_json(draft: UploadDraft, file_id: int) -> dict[str, Any]:
    return _file_json(uploads.finish_file(draft, file_id=file_id))


def remove(request: HttpRequest, repo_type: RepoType, namespace: str, name: str, draft_id: UUID) -> HttpResponseBase:
    uploads.remove_files(_draft(request, repo_type, namespace, name, draft_id), file_ids=_file_ids(request))
    return json_response({})


def _each(file_id: int, act: Callable[[int], dict[str, Any]]) -> dict[str, Any]:
    try:
        return act(file_id)
    except HubError as error:
        return {"id": file_id, "error": error.message, "status": error.status}


def _file_ids(request: HttpRequest) -> list[int]:
    found = Fields.of(request).items("files", max_items=_MAX_BATCH)
    if not all(is_whole(item) for item in found):
        raise BadRequest("files must be a list of file ids.", param="files")
    return found


def commit(request: HttpRequest, repo_type: RepoType, namespace: str, name: str, draft_id: UUID) -> HttpResponseBase:
    draft = _draft(request, repo_type, namespace, name, draft_id)
    fields = Fields.of(request)
    result = uploads.commit_draft(
        draft,
        actor=viewer_of(request),
        message=fields.text("message", max_length=500),
        description=fields.text("description", ""),
        operations=[
            AddBytes(item.text("path"), item.text("content", "", max_length=1_000_000).encode())
            for item in fields.objects("files", max_items=_MAX_INLINE_FILES)
        ],
        parent_oid=fields.text("parentCommit", "") or None,
    )
    urls = draft.repo.urls
    return json_response(
        {"commitOid": result.oid, "commitUrl": urls.commit(result.oid), "treeUrl": urls.tree(draft.revision)}
    )


def abandon(request: HttpRequest, repo_type: RepoType, namespace: str, name: str, draft_id: UUID) -> HttpResponseBase:
    uploads.abandon(_draft(request, repo_type, namespace, name, draft_id))
    return json_response({})


def _repo(request: HttpRequest, repo_type: RepoType, namespace: str, name: str) -> Repo:
    return get_repo_for_write(viewer_of(request), repo_type, namespace, name)


def _draft(request: HttpRequest, repo_type: RepoType, namespace: str, name: str, draft_id: UUID) -> UploadDraft:
    repo = _repo(request, repo_type, namespace, name)
    return uploads.get_draft(repo, author=viewer_of(request), draft_id=draft_id)


def _wanted_file(fields: Fields) -> uploads.WantedFile:
    sample: bytes | None = None
    if "sample" in fields:
        try:
            sample = base64.b64decode(fields.text("sample", max_length=4096), validate=True)
        except (binascii.Error, ValueError) as error:
            raise BadRequest("sample is not valid base64.", param="sample") from error
    return uploads.WantedFile(fields.text("path"), fields.integer("size"), sample, fields.text("sha256", ""))


def _draft_json(draft: UploadDraft, files: list[UploadDraftFile]) -> dict[str, Any]:
    return {
        "id": str(draft.pk),
        "revision": draft.revision,
        "state": draft.state,
        "commitOid": draft.commit_oid or None,
        "createdAt": date_text(draft.created_at),
        "files": [_file_json(file) for file in files],
    }


def _file_json(file: UploadDraftFile) -> dict[str, Any]:
    return {
        "id": file.pk,
        "path": file.path,
        "size": file.size_bytes,
        "sha256": file.sha256,
        "uploadMode": "lfs" if file.is_large else "regular",
        "isStored": file.is_stored,
    }
