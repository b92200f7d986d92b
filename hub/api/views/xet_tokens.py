"""Tokens for the content-addressed store (hub-api §15.2): JSON for one half of the client, headers for the other."""

from __future__ import annotations

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from hub.api.views.common import base_url, json_response, viewer_of
from hub.api.views.targets import repo_for_upload
from hub.core.ids import RepoType
from hub.repos import content
from hub.repos.permissions import get_repo_for_files
from hub.repos.provenance import pull_request_of
from hub.repos.services import xet
from hub.repos.services.xet import XetToken


def read_token(request: HttpRequest, repo_type: RepoType, namespace: str, name: str, revision: str) -> HttpResponseBase:
    viewer = viewer_of(request)
    repo = get_repo_for_files(viewer, repo_type, namespace, name)
    snapshot = content.at_revision(repo, revision, viewer=viewer)
    token = xet.read_token(
        repo,
        viewer=viewer,
        commit_oid=snapshot.oid,
        base_url=base_url(request),
        pull_request=pull_request_of(snapshot),
    )
    return _reply(token)


def write_token(
    request: HttpRequest, repo_type: RepoType, namespace: str, name: str, revision: str
) -> HttpResponseBase:
    """``revision`` may be the word None where a pull request is about to be opened: the branch is not known then."""
    repo = repo_for_upload(request, repo_type, namespace, name, revision)
    return _reply(xet.write_token(repo, actor=viewer_of(request), revision=revision, base_url=base_url(request)))


def token_headers(token: XetToken) -> dict[str, str]:
    return {
        "X-Xet-Cas-Url": token.cas_url,
        "X-Xet-Access-Token": token.access_token,
        "X-Xet-Token-Expiration": str(token.expires_at),
    }


def _reply(token: XetToken) -> HttpResponseBase:
    shown = {"casUrl": token.cas_url, "accessToken": token.access_token, "exp": token.expires_at}
    response = json_response(shown)
    for header, value in token_headers(token).items():
        response[header] = value
    response["Cache-Control"] = "private, no-store"
    return response
