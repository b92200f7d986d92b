"""Imports: copies of repos of other hubs (docs/compat.md; no route of the Hub's own)."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from hub.api.requests import Fields
from hub.api.serializers.values import date_text
from hub.api.views.common import base_url, json_response, repo_type_of, viewer_of
from hub.api.views.repos import visibility_of
from hub.core.errors import AuthenticationRequired
from hub.core.ids import split_repo_id
from hub.core.pagination import add_next_link, cut_page, decode_cursor, read_limit
from hub.repos.models import RepoImport
from hub.repos.services import imports


def create(request: HttpRequest) -> HttpResponseBase:
    """``{endpoint, source, target, type?, revision?, token?, visibility?}``; answers 202 and where to look."""
    fields = Fields.of(request)
    viewer = viewer_of(request)
    if viewer.user is None:
        raise AuthenticationRequired
    namespace, name = split_repo_id(fields.text("target"))
    job = imports.create_import(
        viewer,
        endpoint=fields.text("endpoint"),
        source=fields.text("source"),
        namespace=namespace,
        name=name,
        repo_type=repo_type_of(fields.text("type", "")),
        revision=fields.text("revision", ""),
        token=fields.text("token", ""),
        visibility=visibility_of(fields),
    )
    return json_response(_shown(request, job), status=202)


def list_own(request: HttpRequest) -> HttpResponseBase:
    viewer = viewer_of(request)
    if viewer.user is None:
        raise AuthenticationRequired
    limit = read_limit(request, default=30, maximum=100)
    cursor = request.GET.get("cursor")
    before_pk = decode_cursor(cursor, int)[0] if cursor else None
    page = cut_page(imports.list_imports(viewer, before_pk=before_pk, limit=limit), limit, lambda job: (job.pk,))
    response = json_response([_shown(request, job) for job in page.items])
    add_next_link(response, request, page.next_cursor)
    return response


def show(request: HttpRequest, import_id: str) -> HttpResponseBase:
    return json_response(_shown(request, imports.get_import(viewer_of(request), import_id)))


def cancel(request: HttpRequest, import_id: str) -> HttpResponseBase:
    viewer = viewer_of(request)
    job = imports.get_import(viewer, import_id, to_change=True)
    return json_response(_shown(request, imports.cancel_import(viewer, job)))


def retry(request: HttpRequest, import_id: str) -> HttpResponseBase:
    """``{token?}``: the former token was forgotten when the import ended."""
    viewer = viewer_of(request)
    job = imports.get_import(viewer, import_id, to_change=True)
    token = Fields.of(request).text("token", "")
    return json_response(_shown(request, imports.retry_import(viewer, job, token=token)), status=202)


def _shown(request: HttpRequest, job: RepoImport) -> dict[str, Any]:
    shown = {
        "id": job.object_id,
        "state": job.state,
        "url": f"{base_url(request)}/api/imports/{job.object_id}",
        "source": {
            "endpoint": job.endpoint,
            "name": job.source,
            "type": job.repo_type,
            "revision": job.revision,
            "commit": job.commit_oid or None,
        },
        "target": {"name": job.repo.repo_id if job.repo else job.target, "type": job.repo_type},
        "files": {"done": job.files_done, "total": job.files_total},
        "bytes": {"done": job.bytes_done, "total": job.bytes_total, "perSecond": job.bytes_per_s},
        "currentFile": job.current_path or None,
        "error": job.error or None,
        "commitOid": job.target_oid or None,
        "createdAt": date_text(job.created_at),
    }
    if job.finished_at is not None:
        shown["finishedAt"] = date_text(job.finished_at)
    return shown
