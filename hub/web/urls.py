"""Pages.  The catch-alls of people and repos come last."""

from __future__ import annotations

from hub.web import urls_accounts

app_name = "web"
urlpatterns = [*urls_accounts.urlpatterns]
