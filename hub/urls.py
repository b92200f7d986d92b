"""Every route of the control plane; ``hub.asgi`` sends bytes, git and inference elsewhere before this is asked."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("", include("hub.api.urls_accounts")),
    path("", include("hub.api.urls")),
    path("", include("inference.urls")),
    path("accounts/", include("allauth.urls")),
    path("i18n/", include("django.conf.urls.i18n")),
    path("admin/", admin.site.urls),
    path("", include("hub.web.urls")),
]

handler400 = "hub.web.errors.bad_request"
handler403 = "hub.web.errors.permission_denied"
handler404 = "hub.web.errors.page_not_found"
handler500 = "hub.web.errors.server_error"
