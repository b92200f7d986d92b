"""Create, delete, move, settings, duplicate (hub-api §6)."""

from __future__ import annotations

import base64
import binascii

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from hub.accounts.permissions import require_user
from hub.accounts.sessions import require_recent_sign_in
from hub.api.requests import Fields
from hub.api.views.common import json_response, page_url, repo_type_of, viewer_of
from hub.core.errors import AuthenticationRequired, BadRequest, Conflict
from hub.core.ids import RepoType, split_repo_id
from hub.repos.enums import Gating, Visibility
from hub.repos.models import Repo
from hub.repos.permissions import RepoMoved, check_files, get_repo_for_admin, get_repo_for_read, get_repo_for_write
from hub.repos.protection import MAX_PATTERNS
from hub.repos.services import repos

_GATES = {False: Gating.OFF, "auto": Gating.AUTO, "manual": Gating.MANUAL}


def create(request: HttpRequest) -> HttpResponseBase:
    fields = Fields.of(request)
    viewer = viewer_of(request)
    if viewer.user is None:
        raise AuthenticationRequired
    try:
        repo = repos.create_repo(
            viewer,
            namespace=fields.text("organization", "") or viewer.user.username,
            name=fields.text("name"),
            repo_type=repo_type_of(fields.text("type", "")),
            visibility=visibility_of(fields),
            license=fields.text("license", ""),
            files=[_initial_file(file) for file in fields.objects("files", max_items=repos.MAX_INITIAL_FILES)],
            sdk=fields.text("sdk", ""),
        )
    except Conflict as error:
        raise _localised(request, error, repo_type_of(fields.text("type", ""))) from error
    return _created(request, repo)


def _created(request: HttpRequest, repo: Repo) -> HttpResponseBase:
    return json_response({"url": page_url(request, repo), "name": repo.repo_id, "id": repo.object_id})


def _localised(request: HttpRequest, error: Conflict, repo_type: RepoType) -> Conflict:
    """Clients read ``url`` from the refusal: give it under the name by which they call this hub."""
    namespace, name = split_repo_id(error.data["repo_id"])
    url = request.build_absolute_uri(f"/{repo_type.web_prefix}{namespace}/{name}")
    return Conflict(error.message, **{**error.data, "url": url})


def visibility_of(fields: Fields) -> Visibility | None:
    """``visibility`` or the older ``private``. Raises: BadRequest."""
    given = fields.text("visibility", "")
    if given:
        # "protected" hides a space's code but not its page; a hub that runs no spaces has only the stricter form.
        if given == "protected":
            return Visibility.PRIVATE
        if given not in Visibility.values:
            raise BadRequest("visibility must be public or private.", param="visibility")
        return Visibility(given)
    if "private" not in fields:
        return None
    return Visibility.PRIVATE if fields.flag("private") else Visibility.PUBLIC


def _initial_file(fields: Fields) -> repos.InitialFile:
    content = fields.text("content", "", max_length=1_000_000)
    if fields.text("encoding", "utf-8") == "base64":
        try:
            return repos.InitialFile(fields.text("path"), base64.b64decode(content, validate=True))
        except (binascii.Error, ValueError) as error:
            raise BadRequest("A file's content is not valid base64.", param="files") from error
    return repos.InitialFile(fields.text("path"), content.encode())


def delete(request: HttpRequest) -> HttpResponseBase:
    fields = Fields.of(request)
    viewer = viewer_of(request)
    require_user(viewer)
    assert viewer.user is not None  # require_user
    namespace = fields.text("organization", "") or viewer.user.username
    try:
        repo = get_repo_for_admin(viewer, repo_type_of(fields.text("type", "")), namespace, fields.text("name"))
    except RepoMoved as moved:
        # A former address must not delete what lives elsewhere now.
        raise Conflict(f"This repository moved to {moved.repo.repo_id}.") from moved
    require_recent_sign_in(request)
    repos.delete_repo(viewer, repo)
    return json_response({})


def move(request: HttpRequest) -> HttpResponseBase:
    fields = Fields.of(request)
    viewer = viewer_of(request)
    namespace, name = split_repo_id(fields.text("fromRepo"))
    to_namespace, to_name = split_repo_id(fields.text("toRepo"))
    try:
        repo = get_repo_for_admin(viewer, repo_type_of(fields.text("type", "")), namespace, name)
    except RepoMoved as moved:
        raise Conflict(f"This repository moved to {moved.repo.repo_id} already.") from moved
    require_recent_sign_in(request)
    moved_repo = repos.move_repo(viewer, repo, to_namespace=to_namespace, to_name=to_name)
    return json_response({"url": page_url(request, moved_repo), "name": moved_repo.repo_id})


def settings(request: HttpRequest, repo_type: RepoType, namespace: str, name: str) -> HttpResponseBase:
    viewer = viewer_of(request)
    repo = get_repo_for_admin(viewer, repo_type, namespace, name)
    fields = Fields.of(request)
    gated = fields.raw("gated")
    if gated is not None and (not isinstance(gated, bool | str) or gated not in _GATES):
        raise BadRequest("gated must be false, auto or manual.", param="gated")
    visibility = visibility_of(fields)
    if visibility is not None:
        require_recent_sign_in(request)
    repo = repos.update_repo_settings(
        viewer,
        repo,
        visibility=visibility,
        gated=None if gated is None else _GATES[gated],
        protected_refs=_protected_refs(fields),
        are_discussions_disabled=fields.flag("discussionsDisabled") if "discussionsDisabled" in fields else None,
    )
    return json_response(
        {
            "private": repo.is_private,
            "visibility": repo.visibility,
            "gated": repo.gated or False,
            "protectedRefs": repo.protected_refs,
            "discussionsDisabled": repo.are_discussions_disabled,
        }
    )


def _protected_refs(fields: Fields) -> list[str] | None:
    """``protectedRefs``: patterns of branches and tags; absent leaves them. Raises: BadRequest."""
    if "protectedRefs" not in fields:
        return None
    patterns = fields.items("protectedRefs", max_items=MAX_PATTERNS)
    if not all(isinstance(pattern, str) for pattern in patterns):
        raise BadRequest("protectedRefs must be a list of names.", param="protectedRefs")
    return patterns


def duplicate(request: HttpRequest, repo_type: RepoType, namespace: str, name: str) -> HttpResponseBase:
    viewer = viewer_of(request)
    source = get_repo_for_read(viewer, repo_type, namespace, name)
    require_user(viewer)
    check_files(viewer, source)
    fields = Fields.of(request)
    to_namespace, to_name = split_repo_id(fields.text("repository"))
    try:
        repo = repos.duplicate(viewer, source, namespace=to_namespace, name=to_name, visibility=visibility_of(fields))
    except Conflict as error:
        raise _localised(request, error, repo_type) from error
    return json_response({"url": page_url(request, repo), "name": repo.repo_id, "filesCopyPending": False})


def auth_check(request: HttpRequest, repo_type: RepoType, namespace: str, name: str) -> HttpResponseBase:
    viewer = viewer_of(request)
    check_files(viewer, get_repo_for_read(viewer, repo_type, namespace, name))
    return json_response({})


def auth_check_write(request: HttpRequest, repo_type: RepoType, namespace: str, name: str) -> HttpResponseBase:
    get_repo_for_write(viewer_of(request), repo_type, namespace, name)
    return json_response({})
