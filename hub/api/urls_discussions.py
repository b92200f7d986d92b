"""Routes of discussions, pull requests and attachments (hub-api §18)."""

from __future__ import annotations

from django.urls import URLPattern, path

from hub.api.routing import View, api
from hub.api.views import attachments, discussions
from hub.core.ids import RepoType

_ONE = "/discussions/<int:num>"

_OF_REPO: dict[str, View] = {
    "/discussions": api(GET=discussions.list_of_repo, POST=discussions.create),
    _ONE: api(GET=discussions.details, DELETE=discussions.delete),
    f"{_ONE}/ref": api(DELETE=discussions.delete_ref),
    f"{_ONE}/comment": api(POST=discussions.comment),
    f"{_ONE}/status": api(POST=discussions.status),
    f"{_ONE}/title": api(POST=discussions.title),
    f"{_ONE}/merge": api(POST=discussions.merge),
    f"{_ONE}/pin": api(POST=discussions.pin),
    f"{_ONE}/lock": api(POST=discussions.lock),
    f"{_ONE}/comment/<str:comment_id>/edit": api(POST=discussions.edit_comment),
    f"{_ONE}/comment/<str:comment_id>/hide": api(POST=discussions.hide_comment),
}

urlpatterns: list[URLPattern] = [
    path("uploads", api(POST=attachments.upload)),
    path("uploads/<str:name>", api(GET=attachments.show, limit="resolvers")),
    *(
        path(f"api/{repo_type.plural}/<str:namespace>/<str:name>{rest}", view, {"repo_type": repo_type})
        for repo_type in RepoType
        for rest, view in _OF_REPO.items()
    ),
]
