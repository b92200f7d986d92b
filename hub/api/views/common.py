"""What the views of repos share."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase

from hub.accounts.auth import Viewer
from hub.core.errors import BadRequest
from hub.core.ids import RepoType
from hub.repos.content import Snapshot
from hub.repos.models import Repo
from hub.repos.provenance import pull_request_of
from hub.repos.services import downloads

# How an address is typed in a body.
_TYPES = {key: repo_type for repo_type in RepoType for key in (repo_type.value, repo_type.plural)}


def viewer_of(request: HttpRequest) -> Viewer:
    viewer: Viewer = request.viewer
    return viewer


def base_url(request: HttpRequest) -> str:
    """The site as this client calls it: a hub answers to several names, and signed URLs must lead back."""
    return f"{request.scheme}://{request.get_host()}"


def tally(request: HttpRequest, repo: Repo, content: str, size_bytes: int) -> str:
    """What a signed URL carries so that its download counts for this client (T50)."""
    return downloads.tally_of(
        repo,
        viewer=viewer_of(request),
        address=request.META.get("REMOTE_ADDR", ""),
        client=request.headers.get("user-agent", ""),
        content=content,
        size_bytes=size_bytes,
    )


def page_url(request: HttpRequest, repo: Repo) -> str:
    return f"{base_url(request)}{repo.urls.page}"


def repo_type_of(text: str) -> RepoType:
    """``model``, ``dataset`` or ``space``; absent is a model. Raises: BadRequest."""
    if not text:
        return RepoType.MODEL
    if text not in _TYPES:
        raise BadRequest(f"Unknown repository type: {text[:40]}", param="type")
    return _TYPES[text]


def add_provenance(response: HttpResponseBase, snapshot: Snapshot) -> None:
    """Say that a commit is not the repo's own but from a pull request, however it was asked for (T196)."""
    number = pull_request_of(snapshot)
    if number is not None:
        response["X-Agora-Pull-Request"] = str(number)


def json_response(content: Any, status: int = 200) -> JsonResponse:
    return JsonResponse(content, status=status, safe=False)
