"""The code of conduct, and putting the announcement away."""

from __future__ import annotations

from typing import Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import mark_safe
from django.views.decorators.http import require_POST, require_safe

from hub.accounts.services import site_settings
from hub.core.markdown import render_markdown

_MONTH_S: Final = 30 * 24 * 3600


@require_safe
def conduct(request: HttpRequest) -> HttpResponse:
    """The operator's own words where there are some, else the shipped ones."""
    own = site_settings.current().conduct
    html = mark_safe(render_markdown(own).html) if own else ""  # noqa: S308 -- sanitised by the renderer
    return render(request, "moderation/conduct.html", {"own_html": html})


@require_POST
def put_away(request: HttpRequest) -> HttpResponse:
    """Do not show this announcement again; another one is shown. Back to ``next`` on this site."""
    following = request.POST.get("next", "")
    if not url_has_allowed_host_and_scheme(
        following, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    ):
        following = "/"
    response = redirect(following)
    shown = site_settings.current().announcement
    if shown is not None and request.POST.get("key") == shown.key:
        response.set_cookie("announcement", shown.key, max_age=_MONTH_S, samesite="Lax", secure=settings.IS_HTTPS)
    return response
