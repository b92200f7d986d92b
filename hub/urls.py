"""Every route of the control plane; ``hub.asgi`` sends bytes, git and inference elsewhere before this is asked."""

from django.contrib import admin
from django.urls import include, path

from hub.api.urls import LAST_ROUTES
from hub.web.views import site

urlpatterns = [
    path("", include("hub.api.urls")),
    path("", include("inference.urls")),
    path("accounts/", include("allauth.urls")),
    path("i18n/setlang/", site.set_language, name="set_language"),
    path("admin/", admin.site.urls),
    path("", include("hub.web.urls")),
    *LAST_ROUTES,
]

handler400 = "hub.surface.bad_request"
handler403 = "hub.surface.permission_denied"
handler404 = "hub.surface.page_not_found"
handler500 = "hub.surface.server_error"
