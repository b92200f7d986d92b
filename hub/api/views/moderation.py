"""Reports to the moderators, and whom the caller blocks.  Deciding is for people in a browser (T17)."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from community.models import Report
from community.moderation import reports_by
from community.services import blocks, moderation
from hub.accounts.auth import Viewer
from hub.accounts.enums import Action
from hub.accounts.models import User
from hub.accounts.permissions import require_user
from hub.accounts.queries import get_user
from hub.api.requests import Fields
from hub.api.serializers.people import user_json
from hub.api.serializers.values import date_text
from hub.api.views.common import json_response, viewer_of


def create_report(request: HttpRequest) -> HttpResponseBase:
    viewer = viewer_of(request)
    require_user(viewer, Action.DISCUSSION_WRITE)
    fields = Fields.of(request)
    made = moderation.report(
        viewer,
        fields.text("kind", max_length=20),
        fields.text("id", max_length=24),
        category=fields.text("category", max_length=20),
        text=fields.text("text", "", max_length=moderation.MAX_REPORT),
    )
    return json_response(_shown(made), status=201)


def list_reports(request: HttpRequest) -> HttpResponseBase:
    """One's own, newest first; who decided and what was done is not told here."""
    return json_response([_shown(item) for item in reports_by(_person(viewer_of(request)))])


def _person(viewer: Viewer) -> User:
    require_user(viewer)
    assert viewer.user is not None  # require_user
    return viewer.user


def _shown(report: Report) -> dict[str, Any]:
    return {
        "id": report.object_id,
        "kind": report.target_kind,
        "targetId": report.target_id,
        "name": report.target_name,
        "category": report.category,
        "text": report.text,
        "state": report.state,
        "createdAt": date_text(report.created_at),
    }


def list_blocks(request: HttpRequest) -> HttpResponseBase:
    rows = blocks.blocks_of(viewer_of(request))
    return json_response([user_json(row.blocked, is_following=False) for row in rows])


def block(request: HttpRequest, user: str) -> HttpResponseBase:
    viewer = viewer_of(request)
    require_user(viewer)
    blocks.block(viewer, get_user(user))
    return json_response({"isBlocked": True})


def unblock(request: HttpRequest, user: str) -> HttpResponseBase:
    viewer = viewer_of(request)
    require_user(viewer)
    blocks.unblock(viewer, get_user(user))
    return json_response({"isBlocked": False})
