"""Access requests of gated repos (hub-api §19)."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from typing import Any, Final

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from hub.accounts.auth import Viewer
from hub.accounts.models import User
from hub.accounts.queries import get_user, get_user_by_id
from hub.api.requests import Fields
from hub.api.serializers.people import user_json
from hub.api.serializers.values import date_text
from hub.api.views.common import json_response, page_url, viewer_of
from hub.core.error_words import in_words_of_reader
from hub.core.errors import AuthenticationRequired, BadRequest, HubError, NotFound
from hub.core.ids import RepoType
from hub.core.pagination import add_next_link, read_limit
from hub.repos.enums import AccessState
from hub.repos.gates import all_requests, read_gate_form, requests_of
from hub.repos.models import AccessRequest, Repo
from hub.repos.permissions import get_repo_for_admin, get_repo_for_read
from hub.repos.services import access

MAX_BATCH: Final = 100
MAX_REPORT_ROWS: Final = 50_000


def ask(request: HttpRequest, repo_type: RepoType, namespace: str, name: str) -> HttpResponseBase:
    """``POST {P}{id}/ask-access``: the form of the gate, or JSON with the same names. 303 to the repo's page."""
    repo = get_repo_for_read(viewer_of(request), repo_type, namespace, name)
    try:
        access.ask_access(viewer_of(request), repo, _answers(request))
    except HubError as error:
        if not _is_page(request) or isinstance(error, AuthenticationRequired):
            raise
        messages.error(request, in_words_of_reader(error.message))
    return _to_page(request, repo)


def _answers(request: HttpRequest) -> Mapping[str, Any]:
    # Not multipart: a gate takes no files.
    return request.POST if request.content_type == "application/x-www-form-urlencoded" else Fields.of(request).values()


def _is_page(request: HttpRequest) -> bool:
    return "text/html" in request.headers.get("accept", "")


def _to_page(request: HttpRequest, repo: Repo) -> HttpResponse:
    return HttpResponse(status=303, headers={"Location": page_url(request, repo)})


def cancel(request: HttpRequest, repo_type: RepoType, namespace: str, name: str) -> HttpResponseBase:
    repo = get_repo_for_read(viewer_of(request), repo_type, namespace, name)
    try:
        access.cancel_access_request(viewer_of(request), repo)
    except NotFound as error:
        if not _is_page(request):
            raise
        messages.error(request, in_words_of_reader(error.message))
    return _to_page(request, repo) if _is_page(request) else json_response({})


# --- for admins ------------------------------------------------------------------------------------------------------


def _gated_repo(viewer: Viewer, repo_type: RepoType, namespace: str, name: str) -> Repo:
    repo = get_repo_for_admin(viewer, repo_type, namespace, name)
    access.require_gated(repo)
    return repo


def list_requests(request: HttpRequest, repo_type: RepoType, namespace: str, name: str, state: str) -> HttpResponseBase:
    repo = _gated_repo(viewer_of(request), repo_type, namespace, name)
    page = requests_of(
        repo,
        _state(state),
        cursor=request.GET.get("cursor", ""),
        limit=read_limit(request, default=100, maximum=1000),
    )
    response = json_response([_item(item) for item in page.items])
    add_next_link(response, request, page.next_cursor)
    return response


def _state(text: str) -> AccessState:
    if text not in AccessState.values:
        raise BadRequest("status must be pending, accepted or rejected.", param="status")
    return AccessState(text)


def _item(item: AccessRequest) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "requestId": item.object_id,
        "status": item.state,
        "timestamp": date_text(item.created_at),
        "user": user_json(item.user),
        "fields": item.answers,
    }
    if item.is_email_shared:
        shown["user"]["email"] = item.user.email
    if item.rejection_reason:
        shown["rejectionReason"] = item.rejection_reason
    if item.decided_at is not None:
        shown["decidedAt"] = date_text(item.decided_at)
    if item.expires_at is not None:
        shown["expiresAt"] = date_text(item.expires_at)
    if item.decided_by is not None:
        shown["grantedBy" if item.state == AccessState.ACCEPTED else "decidedBy"] = user_json(item.decided_by)
    return shown


def handle(request: HttpRequest, repo_type: RepoType, namespace: str, name: str) -> HttpResponseBase:
    viewer = viewer_of(request)
    repo = _gated_repo(viewer, repo_type, namespace, name)
    fields = Fields.of(request)
    found = _find(repo, fields)
    reason = fields.text("rejectionReason", "", max_length=access.MAX_REASON_LENGTH)
    access.handle_access_request(viewer, found, _state(fields.text("status")), rejection_reason=reason)
    return json_response({})


def _find(repo: Repo, fields: Fields) -> AccessRequest:
    """The request that is named by ``user``, ``userId`` or ``requestId``. Raises: NotFound, BadRequest."""
    if "requestId" in fields:
        return access.find_request(repo, object_id=fields.text("requestId", max_length=24))
    return access.find_request(repo, user=_person(fields))


def _person(fields: Fields) -> User:
    if "userId" in fields:
        return get_user_by_id(fields.text("userId", max_length=24))
    return get_user(fields.text("user", max_length=42))


def grant(request: HttpRequest, repo_type: RepoType, namespace: str, name: str) -> HttpResponseBase:
    viewer = viewer_of(request)
    repo = _gated_repo(viewer, repo_type, namespace, name)
    access.grant_access(viewer, repo, _person(Fields.of(request)))
    return json_response({})


def batch(request: HttpRequest, repo_type: RepoType, namespace: str, name: str) -> HttpResponseBase:
    """Decide on many; each outcome stands for itself, in the order asked."""
    viewer = viewer_of(request)
    repo = _gated_repo(viewer, repo_type, namespace, name)
    fields = Fields.of(request)
    state = _state(fields.text("status"))
    if state == AccessState.PENDING:
        raise BadRequest("status must be accepted or rejected.", param="status")
    reason = fields.text("rejectionReason", "", max_length=access.MAX_REASON_LENGTH)
    outcomes: list[dict[str, Any]] = []
    for item in fields.objects("requests", max_items=MAX_BATCH):
        try:
            access.handle_access_request(viewer, _find(repo, item), state, rejection_reason=reason)
            outcomes.append({"success": True})
        except HubError as error:
            outcomes.append({"success": False, "error": error.message})
    return json_response(outcomes)


def report(request: HttpRequest, repo_type: RepoType, namespace: str, name: str) -> HttpResponseBase:
    """``GET {P}{id}/user-access-report``: all requests as CSV, or as JSON where that is asked for."""
    repo = _gated_repo(viewer_of(request), repo_type, namespace, name)
    rows = all_requests(repo, limit=MAX_REPORT_ROWS)
    wants_json = request.GET.get("format") == "json" or "application/json" in request.headers.get("accept", "")
    response = json_response([_item(row) for row in rows]) if wants_json else _csv(repo, rows)
    suffix = "json" if wants_json else "csv"
    response["Content-Disposition"] = f'attachment; filename="{repo.name}-access-report.{suffix}"'
    response["Cache-Control"] = "private, no-store"
    return response


def _csv(repo: Repo, rows: list[AccessRequest]) -> HttpResponse:
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    writer = csv.writer(response)
    # In the form's order, then what former forms asked: databases do not keep the order of an object's keys.
    asked = [field.label for field in read_gate_form(repo).fields]
    labels = list(dict.fromkeys([*asked, *sorted({label for row in rows for label in row.answers})]))
    writer.writerow(
        map(
            _cell,
            [
                "user",
                "fullname",
                "email",
                "status",
                "asked",
                "decided",
                "decidedBy",
                "rejectionReason",
                "expires",
                *labels,
            ],
        )
    )
    for row in rows:
        facts = [
            row.user.username,
            row.user.get_full_name(),
            row.user.email if row.is_email_shared else "",
            row.state,
            date_text(row.created_at),
            date_text(row.decided_at) if row.decided_at else "",
            row.decided_by.username if row.decided_by else "",
            row.rejection_reason,
            date_text(row.expires_at) if row.expires_at else "",
        ]
        writer.writerow(map(_cell, [*facts, *(row.answers.get(label, "") for label in labels)]))
    return response


def _cell(value: Any) -> str:
    """Text that no spreadsheet takes for a formula."""
    text = "yes" if value is True else str(value)
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
