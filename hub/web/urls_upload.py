"""Routes of the upload page; included by ``hub.web.urls``."""

from __future__ import annotations

from django.urls import URLPattern, path

from hub.core.ids import RepoType
from hub.web.views import upload


def _routes_of(repo_type: RepoType) -> list[URLPattern]:
    repo = f"{repo_type.web_prefix}<str:namespace>/<str:name>"
    fixed = {"repo_type": repo_type}
    return [
        path(f"{repo}/upload-result", upload.result, fixed, name="upload_result"),
        path(f"{repo}/upload/<path:revision>", upload.upload, fixed, name="upload"),
    ]


# Longer prefixes first: `datasets/…` would match the routes of a model in a namespace of that name.
urlpatterns: list[URLPattern] = [
    route
    for repo_type in (RepoType.DATASET, RepoType.SPACE, RepoType.KERNEL, RepoType.MODEL)
    for route in _routes_of(repo_type)
]
