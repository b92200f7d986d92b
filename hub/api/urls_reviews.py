"""Routes of reviews; included by ``hub.api.urls``."""

from __future__ import annotations

from django.urls import URLPattern, path

from hub.api.routing import View, api
from hub.api.views import reviews
from hub.core.ids import RepoType

_ONE = "/reviews/<str:review_id>"

_OF_REPO: dict[str, View] = {
    "/reviews": api(GET=reviews.list_of_repo, PUT=reviews.save, DELETE=reviews.delete),
    _ONE: api(GET=reviews.details),
    f"{_ONE}/reply": api(PUT=reviews.reply, DELETE=reviews.delete_reply),
    f"{_ONE}/helpful": api(POST=reviews.vote, DELETE=reviews.unvote),
}

urlpatterns: list[URLPattern] = [
    path(f"api/{repo_type.plural}/<str:namespace>/<str:name>{rest}", view, {"repo_type": repo_type})
    for repo_type in RepoType
    for rest, view in _OF_REPO.items()
]
