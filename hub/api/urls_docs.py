"""Routes of the document of this API; included by ``hub.api.urls``."""

from __future__ import annotations

from django.urls import path

from hub.api.routing import api
from hub.api.views import docs

urlpatterns = [
    path("api/openapi.json", api(GET=docs.openapi_json), name="openapi_json"),
    path("api/openapi.yaml", api(GET=docs.openapi_yaml), name="openapi_yaml"),
    path("api/docs", api(GET=docs.page), name="docs"),
    path("api/docs/<slug:group>", api(GET=docs.group_page), name="docs_group"),
]
