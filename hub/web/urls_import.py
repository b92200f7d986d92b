"""Routes of imports and of the storage of people and organisations; included by ``hub.web.urls``."""

from __future__ import annotations

from django.urls import URLPattern, path

from hub.web.views import imports, storage

_ONE = "settings/imports/<str:import_id>"

urlpatterns: list[URLPattern] = [
    path("new/import", imports.import_new, name="import_new"),
    path("settings/imports", imports.import_list, name="imports"),
    path(_ONE, imports.import_detail, name="import_page"),
    path(f"{_ONE}/progress", imports.import_progress, name="import_progress"),
    path(f"{_ONE}/cancel", imports.import_cancel, name="import_cancel"),
    path(f"{_ONE}/retry", imports.import_retry, name="import_retry"),
    path("settings/storage", storage.settings_storage, name="settings_storage"),
    path("organizations/<namespace:name>/storage", storage.org_storage, name="org_storage"),
]
