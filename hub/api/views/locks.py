"""Git LFS file locks (T76): make, list, verify, unlock.  Source: git-lfs, ``docs/api/locking.md``.

What they forbid is judged where pushes and commits are (``hub.repos.services.locks``).
"""

from __future__ import annotations

from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from hub.api.requests import Fields
from hub.api.serializers.values import date_text
from hub.api.views.common import json_response, viewer_of
from hub.api.views.lfs import CONTENT_TYPE
from hub.api.views.targets import repo_for_objects
from hub.core.errors import BadRequest, EntryNotFound
from hub.core.ids import RepoType
from hub.core.pagination import decode_cursor, encode_cursor, read_limit
from hub.repos.models import FileLock
from hub.repos.permissions import get_repo_for_files, get_repo_for_write
from hub.repos.services import locks
from hub.repos.services.locks import AlreadyLocked, LockPage

MAX_PAGE: Final = 1_000
_PAGE: Final = 100


def create(request: HttpRequest, repo_type: RepoType, namespace: str, name: str) -> HttpResponseBase:
    viewer = viewer_of(request)
    repo = get_repo_for_write(viewer, repo_type, namespace, name)
    try:
        lock = locks.create_lock(repo, actor=viewer, path=Fields.of(request).text("path", max_length=1024))
    except AlreadyLocked as error:
        # The client shows whose lock it is from the body.
        return _reply({"lock": _lock_json(error.lock), "message": error.message}, status=409)
    return _reply({"lock": _lock_json(lock)}, status=201)


def show(request: HttpRequest, repo_type: RepoType, namespace: str, name: str) -> HttpResponseBase:
    """The list, for those who may read the files: paths are names of files."""
    repo = get_repo_for_files(viewer_of(request), repo_type, namespace, name)
    wanted = request.GET.get("id", "")
    page = locks.list_locks(
        repo,
        path=request.GET.get("path", "")[:1024],
        lock_pk=_lock_pk(wanted) if wanted else None,
        after_pk=_after(request.GET.get("cursor", "")),
        limit=read_limit(request, default=_PAGE, maximum=MAX_PAGE),
    )
    return _reply({"locks": [_lock_json(lock) for lock in page.items], **_next(page)})


def verify(request: HttpRequest, repo_type: RepoType, namespace: str, name: str) -> HttpResponseBase:
    """Before a push, to a pull request too: which locks are the caller's, which are others'."""
    viewer = viewer_of(request)
    repo = repo_for_objects(viewer, repo_type, namespace, name)
    fields = Fields.of(request)
    limit = fields.integer("limit") if "limit" in fields else _PAGE
    if limit < 0:
        raise BadRequest("limit must be a positive number", param="limit")
    page = locks.list_locks(repo, after_pk=_after(fields.text("cursor", "")), limit=min(limit or _PAGE, MAX_PAGE))
    ours = [_lock_json(lock) for lock in page.items if lock.owner_id == viewer.user_pk]
    theirs = [_lock_json(lock) for lock in page.items if lock.owner_id != viewer.user_pk]
    return _reply({"ours": ours, "theirs": theirs, **_next(page)})


def unlock(request: HttpRequest, repo_type: RepoType, namespace: str, name: str, lock_id: str) -> HttpResponseBase:
    viewer = viewer_of(request)
    repo = get_repo_for_write(viewer, repo_type, namespace, name)
    is_forced = Fields.of(request).flag("force")
    lock = locks.unlock(repo, actor=viewer, lock_pk=_lock_pk(lock_id), is_forced=is_forced)
    return _reply({"lock": _lock_json(lock)})


def _lock_json(lock: FileLock) -> dict[str, Any]:
    return {
        "id": str(lock.pk),
        "path": lock.path,
        "locked_at": date_text(lock.locked_at),
        "owner": {"name": lock.owner.username},
    }


def _reply(content: dict[str, Any], status: int = 200) -> HttpResponse:
    response = json_response(content, status=status)
    response["Content-Type"] = CONTENT_TYPE
    return response


def _next(page: LockPage) -> dict[str, str]:
    return {"next_cursor": encode_cursor(page.next_pk)} if page.next_pk is not None else {}


def _after(cursor: str) -> int | None:
    return int(decode_cursor(cursor, int)[0]) if cursor else None


def _lock_pk(text: str) -> int:
    """Raises: EntryNotFound for what cannot be an id."""
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise EntryNotFound("This lock does not exist.")
    return int(text)
