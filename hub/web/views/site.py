"""Small routes of the site itself: theme, robots, icon, style guide."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from django import forms
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.templatetags.static import static
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import mark_safe
from django.views.decorators.http import require_POST, require_safe
from django.views.i18n import set_language as set_language_cookie

from hub.accounts.services.users import update_profile
from hub.core.markdown import render_markdown
from hub.core.middleware import THEMES

_YEAR_S: Final = 365 * 24 * 3600


@require_POST
def set_theme(request: HttpRequest) -> HttpResponse:
    """Remember light or dark in a cookie; anything else follows the system. Back to ``next`` on this site."""
    following = request.POST.get("next", "")
    if not url_has_allowed_host_and_scheme(
        following, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    ):
        following = "/"
    response = redirect(following)
    theme = request.POST.get("theme", "")
    if theme in THEMES:
        response.set_cookie("theme", theme, max_age=_YEAR_S, samesite="Lax", secure=settings.IS_HTTPS)
    else:
        response.delete_cookie("theme", samesite="Lax")
    return response


@require_POST
def set_language(request: HttpRequest) -> HttpResponse:
    """Django's own view keeps the choice in a cookie; of a signed-in person the account remembers it too."""
    language = request.POST.get("language", "")
    if request.viewer.user is not None and language in dict(settings.LANGUAGES):
        update_profile(request.viewer.user, language=language)
    return set_language_cookie(request)


@require_safe
def robots(request: HttpRequest) -> HttpResponse:
    """What crawlers may leave alone: bytes, histories and forms, whose number has no end."""
    lines = [
        "User-agent: *",
        "Disallow: /api/",
        "Disallow: /accounts/",
        "Disallow: /settings",
        "Disallow: /*/resolve/",
        "Disallow: /*/raw/",
        "Disallow: /*/commit/",
        "Disallow: /*/commits/",
        "Disallow: /*?cursor=",
    ]
    response = HttpResponse("\n".join(lines) + "\n", content_type="text/plain; charset=utf-8")
    response["Cache-Control"] = "public, max-age=86400"
    return response


@require_safe
def favicon(request: HttpRequest) -> HttpResponse:
    """Browsers ask here whatever the page says."""
    response = redirect(static("icons/favicon.svg"), permanent=True)
    response["Cache-Control"] = "public, max-age=86400"
    return response


class _SampleForm(forms.Form):
    name = forms.CharField(help_text="Letters, digits and dashes.")
    email = forms.EmailField(required=False)
    license = forms.ChoiceField(choices=[("mit", "MIT"), ("apache-2.0", "Apache 2.0")])
    about = forms.CharField(widget=forms.Textarea, required=False)
    agree = forms.BooleanField(help_text="Without it nothing is published.")


_PROSE: Final = """
## A heading

Text with a [link](https://example.org), `code`, **weight** and a formula $e^{i\\pi} + 1 = 0$.

| metric | value |
|---|---:|
| accuracy | 0.93 |

> [!NOTE]
> A note.
"""


@require_safe
def styleguide(request: HttpRequest) -> HttpResponse:
    """Every component in its states; for those who build the interface."""
    if not settings.DEBUG:
        raise Http404
    now = timezone.now()
    prose = render_markdown(_PROSE)
    context = {
        "form": _SampleForm({"name": "", "email": "no address", "license": "mit"}),
        "recent": now - timedelta(minutes=4),
        "old": now - timedelta(days=400),
        "series": [3, 4, 2, 6, 8, 7, 9, 12, 11, 14],
        "names": ["ada", "lin-yue", "demo", "research-lab", "noor"],
        "tabs": [
            {"label": "Card", "href": "#", "current": True, "icon": "book-open"},
            {"label": "Files", "href": "#", "current": False, "icon": "folder", "count": 12},
        ],
        "crumbs": [
            {"label": "repo", "href": "#"},
            {"label": "onnx", "href": "#"},
            {"label": "model.onnx", "href": "#"},
        ],
        "steps": [
            {"label": "Describe", "state": "done", "href": "#"},
            {"label": "Files", "state": "current"},
            {"label": "Publish", "state": "todo"},
        ],
        "facets": [
            {"label": "Text generation", "href": "#", "count": 1204, "active": True, "icon": "text-cursor-input"},
            {"label": "Image classification", "href": "#", "count": 88, "active": False, "icon": "image"},
        ],
        "toc": [{"id": "card-a-heading", "label": "A heading", "level": 2}],
        "highlighted": mark_safe('<span class="kn">import</span> <span class="nn">os</span>'),
        "prose": mark_safe(prose.html),  # noqa: S308 -- sanitised by the renderer
    }
    return render(request, "web/styleguide.html", context)
