"""Storage pages: of a repo, for its administrators, and of a person or organisation."""

from __future__ import annotations

from typing import Any, cast

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from hub.accounts.enums import Role
from hub.accounts.models import Namespace
from hub.accounts.permissions import get_organization
from hub.accounts.requests import SignedInRequest
from hub.core.errors import BadRequest, ServiceUnavailable
from hub.core.ids import RepoType
from hub.core.pagination import cut_page, decode_cursor
from hub.repos.models import Repo
from hub.repos.permissions import get_repo_for_admin
from hub.repos.services import storage_usage
from hub.web.account_pages import organization_nav, session_required
from hub.web.contexts.repos import index_of, repo_head, repo_url, settings_nav
from hub.web.contexts.storage import cursor_href, file_rows, namespace_shares, percent_shared, repo_shares

_PAGE = 50


@require_safe
@session_required
def repo_storage(request: HttpRequest, repo_type: RepoType, namespace: str, name: str) -> HttpResponse:
    """What the repo takes, its large files, and with ``?sha256=…`` or ``?history=1`` what deleting would free."""
    repo = get_repo_for_admin(request.viewer, repo_type, namespace, name)
    usage = storage_usage.repo_usage(repo)
    found = storage_usage.list_large_files(repo, after=_after(request), limit=_PAGE)
    page = cut_page(found, _PAGE, lambda file: (file.size_bytes, file.pk))
    context = {
        "repo": repo,
        "repo_head": repo_head(request, repo, "settings", index=index_of(repo)),
        "usage": usage,
        "shares": repo_shares(usage),
        "has_history": bool(usage.by_place and usage.by_place[storage_usage.Place.HISTORY]),
        "percent_shared": percent_shared(usage),
        "rows": file_rows(repo, page.items),
        "next_href": cursor_href(page.next_cursor),
        "first_href": "?" if request.GET.get("cursor") else "",
        "storage_href": repo_url(repo, "repo_storage"),
        "settings_nav": settings_nav(repo, "repo_storage"),
        **_preview(request, repo),
    }
    return render(request, "repos/storage.html", context)


def _after(request: HttpRequest) -> tuple[int, int] | None:
    cursor = request.GET.get("cursor")
    if not cursor:
        return None
    size, pk = decode_cursor(cursor, int, int)
    if not (0 <= size < 2**63 and 0 <= pk < 2**63):
        raise BadRequest("Invalid cursor", param="cursor")
    return size, pk


def _preview(request: HttpRequest, repo: Repo) -> dict[str, Any]:
    chosen = request.GET.getlist("sha256")[: storage_usage.MAX_SELECTED]
    if request.GET.get("history"):
        try:
            chosen = storage_usage.history_only(repo)
        except ServiceUnavailable:
            chosen = []
    elif not chosen:
        return {}
    preview = storage_usage.preview_delete(repo, chosen)
    return {"preview": preview, "preview_rows": file_rows(repo, preview.files)}


@require_safe
@session_required
def settings_storage(request: SignedInRequest) -> HttpResponse:
    return render(
        request, "accounts/storage.html", _namespace_context(request, cast(Namespace, request.user.namespace))
    )


@require_safe
@session_required
def org_storage(request: SignedInRequest, name: str) -> HttpResponse:
    organization = get_organization(request.viewer, name, at_least=Role.ADMIN)
    context = {
        **_namespace_context(request, organization.namespace),
        "settings_of": organization.name,
        "settings_nav": organization_nav(organization, "org_storage", is_admin=True),
    }
    return render(request, "accounts/org_storage.html", context)


def _namespace_context(request: SignedInRequest, namespace: Namespace) -> dict[str, Any]:
    usage = storage_usage.namespace_usage(namespace)
    found = storage_usage.list_repo_shares(request.viewer, namespace, after=_after(request), limit=_PAGE)
    page = cut_page(found, _PAGE, lambda share: (share.repo.storage_bytes, share.repo.pk))
    return {
        "usage": usage,
        "shares": namespace_shares(usage),
        "repo_rows": [(share, repo_url(share.repo, "repo_storage")) for share in page.items],
        "next_href": cursor_href(page.next_cursor),
        "first_href": "?" if request.GET.get("cursor") else "",
    }
