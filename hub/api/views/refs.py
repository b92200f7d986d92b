"""Branches and tags (hub-api §10), super-squash (§11.5)."""

from __future__ import annotations

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from community.services.pulls import require_open_head
from hub.api.requests import Fields, query_flag
from hub.api.serializers.history import refs_json
from hub.api.views.common import json_response, viewer_of
from hub.core.ids import RepoType
from hub.repos import content
from hub.repos.permissions import get_repo_for_files, get_repo_for_read, get_repo_for_write
from hub.repos.services import refs
from hub.storage.git.refs import PULL_PREFIX


def list_refs(request: HttpRequest, repo_type: RepoType, namespace: str, name: str) -> HttpResponseBase:
    viewer = viewer_of(request)
    if viewer.service is not None:
        repo = get_repo_for_files(viewer, repo_type, namespace, name)
        # A worker's token knows one commit; other refs do not exist for it.
        content.at_revision(repo, viewer=viewer)
    repo = get_repo_for_read(viewer, repo_type, namespace, name)
    with_pull_requests = query_flag(request, "include_prs")
    return json_response(refs_json(content.list_refs(repo), with_pull_requests=with_pull_requests))


def create_branch(
    request: HttpRequest, repo_type: RepoType, namespace: str, name: str, branch: str
) -> HttpResponseBase:
    viewer = viewer_of(request)
    repo = get_repo_for_write(viewer, repo_type, namespace, name)
    fields = Fields.of(request)
    refs.create_branch(
        repo,
        actor=viewer,
        name=branch,
        starting_point=fields.text("startingPoint", "") or None,
        overwrite=fields.flag("overwrite"),
        is_empty=fields.flag("emptyBranch"),
    )
    return json_response({}, status=201)


def delete_branch(
    request: HttpRequest, repo_type: RepoType, namespace: str, name: str, branch: str
) -> HttpResponseBase:
    viewer = viewer_of(request)
    refs.delete_branch(get_repo_for_write(viewer, repo_type, namespace, name), actor=viewer, name=branch)
    return json_response({})


def create_tag(request: HttpRequest, repo_type: RepoType, namespace: str, name: str, revision: str) -> HttpResponseBase:
    """The last part of the route is a revision here."""
    viewer = viewer_of(request)
    repo = get_repo_for_write(viewer, repo_type, namespace, name)
    fields = Fields.of(request)
    refs.create_tag(repo, actor=viewer, name=fields.text("tag"), revision=revision, message=fields.text("message", ""))
    return json_response({}, status=201)


def delete_tag(request: HttpRequest, repo_type: RepoType, namespace: str, name: str, revision: str) -> HttpResponseBase:
    """The last part of the route is a tag here."""
    viewer = viewer_of(request)
    refs.delete_tag(get_repo_for_write(viewer, repo_type, namespace, name), actor=viewer, name=revision)
    return json_response({})


def super_squash(
    request: HttpRequest, repo_type: RepoType, namespace: str, name: str, revision: str
) -> HttpResponseBase:
    viewer = viewer_of(request)
    repo = get_repo_for_write(viewer, repo_type, namespace, name)
    if revision.startswith(PULL_PREFIX):
        require_open_head(viewer, repo, revision)
    fields = Fields.of(request)
    done = refs.super_squash(repo, actor=viewer, revision=revision, message=fields.text("message", "", max_length=500))
    return json_response({"commitId": done.oid})
