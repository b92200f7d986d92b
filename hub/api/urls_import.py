"""Routes of imports; included by ``hub.api.urls``."""

from __future__ import annotations

from django.urls import URLPattern, path

from hub.api.routing import api
from hub.api.views import imports

urlpatterns: list[URLPattern] = [
    path("api/repos/import", api(POST=imports.create)),
    path("api/imports", api(GET=imports.list_own)),
    path("api/imports/<str:import_id>", api(GET=imports.show)),
    path("api/imports/<str:import_id>/cancel", api(POST=imports.cancel)),
    path("api/imports/<str:import_id>/retry", api(POST=imports.retry)),
]
