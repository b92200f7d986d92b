"""Turn refusals into pages: HubError through ``hub.surface``, Django's own errors by the ``handlerNNN`` views."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from django.http import HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.translation import gettext as _

from hub.core.error_words import in_words_of_reader
from hub.core.errors import GatedRepo

if TYPE_CHECKING:
    from django.http import HttpRequest

    from hub.core.errors import HubError

# The statuses that have a page of their own; others of the 4xx family are told on the 400 page.
_PAGES = {400, 403, 404, 413, 429, 500, 503}


def _template_for(status: int) -> str:
    page = status if status in _PAGES else 400 if status < 500 else 500
    return f"errors/{page}.html"


def render_status(request: HttpRequest, status: int, message: str = "", code: str = "") -> HttpResponse:
    """Render the page of a status; ``message`` replaces the page's own sentence."""
    if status == 500:
        return server_error(request)
    return render(
        request,
        _template_for(status),
        {"message": message, "code": code, "status": status},
        status=status,
    )


def error_page(request: HttpRequest, error: HubError) -> HttpResponse:
    """Render a HubError as a page; its message is written for people and holds no internals."""
    if isinstance(error, GatedRepo):
        return _gated(request, error)
    response = render_status(request, error.status, in_words_of_reader(error.message), error.code)
    retry_after_s = error.data.get("retry_after_s")
    if retry_after_s is not None:
        response["Retry-After"] = str(math.ceil(float(retry_after_s)))
    return response


def _gated(request: HttpRequest, error: GatedRepo) -> HttpResponse:
    """Closed files lead to the gate: where one stands, and how to ask."""
    from hub.web.contexts.gates import closed_page  # noqa: PLC0415 -- contexts need apps, this module is a handler

    context = closed_page(request)
    if context is None:
        return render_status(request, error.status, in_words_of_reader(error.message), error.code)
    # As on the wire: a stranger could sign in and pass, a person has to ask.
    return render(request, "repos/gated.html", context, status=401 if error.data.get("anonymous") else error.status)


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """``handler400``: what Django found suspicious is not repeated to the caller."""
    return render_status(request, 400)


def permission_denied(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """``handler403``."""
    return render_status(request, 403)


def page_not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """``handler404``; the path is not echoed."""
    return render_status(request, 404)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """``CSRF_FAILURE_VIEW``: almost always a form left open across a sign-in."""
    return render_status(
        request,
        403,
        _("This form has expired. Go back, reload the page and send it again."),
    )


def server_error(request: HttpRequest | None = None) -> HttpResponse:
    """``handler500``: no request, no database, no context processor may be needed to draw it."""
    return HttpResponse(render_to_string("errors/500.html"), status=500)
