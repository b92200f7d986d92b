"""Pictures of people and organizations."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from hub.accounts.avatars import FILE_NAME, avatar_path


@require_safe
def avatar(request: HttpRequest, name: str) -> HttpResponse:
    """A picture that this hub encoded itself (some 20 kB); names are random and never used twice."""
    if not FILE_NAME.fullmatch(name):
        raise Http404
    try:
        data = avatar_path(name).read_bytes()
    except FileNotFoundError as error:
        raise Http404 from error
    response = HttpResponse(data, content_type="image/webp")
    response["Cache-Control"] = "public, max-age=31536000, immutable"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return response
