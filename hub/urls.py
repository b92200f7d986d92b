"""Every route of the control plane; ``hub.asgi`` sends bytes, git and inference elsewhere before this is asked."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("", include("hub.api.urls")),
    path("", include("inference.urls")),
    path("accounts/", include("allauth.urls")),
    path("i18n/", include("django.conf.urls.i18n")),
    path("admin/", admin.site.urls),
    path("", include("hub.web.urls")),
]

handler400 = "hub.surface.bad_request"
handler403 = "hub.surface.permission_denied"
handler404 = "hub.surface.page_not_found"
handler500 = "hub.surface.server_error"
