"""Former addresses of repos (T46): 307, so that method and body stay, with the rest of the URL as it was typed."""

from __future__ import annotations

import re

from django.http import HttpRequest, HttpResponse

from hub.repos.models import Repo


class HttpResponseTemporaryRedirect(HttpResponse):
    status_code = 307


def redirect_to_new_address(request: HttpRequest, repo: Repo) -> HttpResponse:
    """Answer with this URL under the repo's present address; relative, so that any host name of the hub works."""
    response = HttpResponseTemporaryRedirect()
    response["Location"] = _moved_url(request, repo)
    response["Cache-Control"] = "no-store"
    return response


def _moved_url(request: HttpRequest, repo: Repo) -> str:
    url = request.META.get("RAW_URI") or request.get_full_path()
    match = request.resolver_match
    named = match.kwargs if match is not None else {}
    former = re.escape(f"/{named.get('namespace', '')}/{named.get('name', '')}")
    # The first place where the two names stand together is the address; `%2F` in what follows must stay as it is.
    moved = re.sub(
        rf"{former}(?=[/.?]|$)", lambda _: f"/{repo.namespace.name}/{repo.name}", url, count=1, flags=re.IGNORECASE
    )
    if moved == url:  # the name was typed in escapes: to the repo itself rather than in a circle (T47)
        return repo.urls.api if url.startswith("/api/") else repo.urls.page
    return moved
