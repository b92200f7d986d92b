"""The feed, following, and what an owner pins."""

from __future__ import annotations

from typing import Final

from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from community.feed import followed_cast, stories
from community.people import Followed, pinned_of
from community.services import follows
from community.services.pins import MAX_PINS, require_pins, set_pins
from hub.accounts.models import Namespace
from hub.accounts.permissions import get_namespace
from hub.accounts.requests import SignedInRequest
from hub.core.error_words import in_words_of_reader
from hub.core.errors import HubError, InsufficientScope, NamespaceNotFound
from hub.web.account_pages import organization_nav, repos_in, session_required
from hub.web.contexts.social import story_rows
from hub.web.views.notices import back_to

_PAGE: Final = 30
_REPOS_OFFERED: Final = 500


@require_safe
@never_cache
@session_required
def feed(request: SignedInRequest) -> HttpResponse:
    """What those did whom one follows."""
    cast = followed_cast(request.viewer)
    cursor = request.GET.get("cursor", "")
    page = stories(request.viewer, cast, cursor=cursor, limit=_PAGE)
    context = {
        "rows": story_rows(page.items),
        "follows_nobody": cast.is_empty,
        "next_href": f"?cursor={page.next_cursor}" if page.next_cursor else "",
        "first_href": "?" if cursor else "",
    }
    return render(request, "social/feed.html", context)


@require_POST
def follow(request: HttpRequest, name: str) -> HttpResponse:
    """Follow, or stop following, a person or an organization."""
    if request.viewer.token is not None:
        raise InsufficientScope
    namespace = get_namespace(name)
    here = back_to(request, namespace.get_absolute_url())
    if request.viewer.user is None:
        return redirect_to_login(here)
    subject = _subject(namespace)
    change = follows.unfollow if request.POST.get("action") == "unfollow" else follows.follow
    try:
        change(request.viewer, subject)
    except HubError as error:
        messages.error(request, in_words_of_reader(error.message))
    return redirect(here)


def _subject(namespace: Namespace) -> Followed:
    if namespace.is_organization:
        return namespace.organization
    if not namespace.user.is_active:
        raise NamespaceNotFound
    return namespace.user


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@session_required
def pins(request: SignedInRequest, name: str) -> HttpResponse:
    """Up to six repos in the order of the fields."""
    namespace = get_namespace(name)
    require_pins(request.viewer, namespace)
    repos = repos_in(namespace)[:_REPOS_OFFERED]
    refusal = ""
    if request.method == "POST":
        chosen = [int(pk) for pk in request.POST.getlist("repo") if pk.isascii() and pk.isdigit() and len(pk) < 19]
        try:
            set_pins(request.viewer, namespace, chosen)
        except HubError as error:
            refusal = in_words_of_reader(error.message)
        else:
            messages.success(request, _("Saved."))
            return redirect(namespace.get_absolute_url())
    present = [repo.pk for repo in pinned_of(request.viewer, namespace)]
    context = {
        "owner": namespace,
        "repos": repos,
        "places": [*present, *[None] * MAX_PINS][:MAX_PINS],
        "refusal": refusal,
    }
    if namespace.is_organization:
        context |= {
            "settings_of": namespace.name,
            "settings_nav": organization_nav(namespace.organization, "pins", is_admin=True),
        }
    template = "social/pins_organization.html" if namespace.is_organization else "social/pins.html"
    return render(request, template, context, status=422 if refusal else 200)
