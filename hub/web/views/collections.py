"""Collections: lists, one, new, change, order, and adding from the page of a repo."""

from __future__ import annotations

from typing import Any, Final

from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from community.collections import (
    CollectionFilter,
    CollectionSort,
    can_change,
    get_collection,
    get_collection_for_write,
    has_upvoted,
    items_of,
    list_collections,
    writable_collections,
)
from community.models import Collection
from community.services import collections as acts
from hub.accounts.requests import SignedInRequest
from hub.core.error_words import in_words_of_reader
from hub.core.errors import HubError
from hub.web.account_pages import session_required
from hub.web.contexts.social import collection_cards, collection_href, item_rows, read_address
from hub.web.forms.accounts import add_refusal
from hub.web.forms.collections import CollectionForm, ItemForm
from hub.web.views.repos import creatable_namespaces

_PAGE: Final = 20


@require_safe
def collection_list(request: HttpRequest) -> HttpResponse:
    text, owner = request.GET.get("q", "")[:100], request.GET.get("owner", "")[:42]
    sort = CollectionSort.UPVOTES if request.GET.get("sort") == "upvotes" else CollectionSort.LAST_MODIFIED
    wanted = CollectionFilter(owners=(owner,) if owner else (), text=text, sort=sort)
    cursor = request.GET.get("cursor", "")
    page, items = list_collections(request.viewer, wanted, cursor=cursor, limit=_PAGE)
    query = {"q": text, "owner": owner, "sort": "upvotes" if sort is CollectionSort.UPVOTES else ""}
    here = {key: value for key, value in query.items() if value}
    context = {
        "cards": collection_cards(page.items, items),
        "text": text,
        "owner": owner,
        "tabs": _sort_tabs(here, sort),
        "is_filtered": bool(text or owner),
        "next_href": f"?{urlencode(here | {'cursor': page.next_cursor})}" if page.next_cursor else "",
        "first_href": f"?{urlencode(here)}" if cursor else "",
    }
    return render(request, "collections/list.html", context)


def _sort_tabs(here: dict[str, str], sort: CollectionSort) -> list[dict[str, Any]]:
    plain = {key: value for key, value in here.items() if key != "sort"}
    recent, upvoted = urlencode(plain), urlencode(plain | {"sort": "upvotes"})
    return [
        {"label": _("Last changed"), "href": f"?{recent}", "current": sort is CollectionSort.LAST_MODIFIED},
        {"label": _("Most upvotes"), "href": f"?{upvoted}", "current": sort is CollectionSort.UPVOTES},
    ]


@require_http_methods(["GET", "HEAD", "POST"])
def collection(request: HttpRequest, owner: str, slug: str) -> HttpResponse:
    """One collection; a former address, after another title, leads to the present one."""
    found = get_collection(request.viewer, f"{owner}/{slug}")
    if request.method == "POST":
        return _act(request, found)
    if request.path != collection_href(found):
        return redirect(collection_href(found))
    context = {
        "collection": found,
        "rows": item_rows(items_of(request.viewer, found)),
        "can_change": can_change(request.viewer, found),
        "is_upvoted": has_upvoted(request.viewer, found),
        "edit_href": f"{collection_href(found)}/edit",
        "here": collection_href(found),
        "item_form": ItemForm(),
    }
    return render(request, "collections/collection.html", context)


def _act(request: HttpRequest, found: Collection) -> HttpResponse:
    """Vote, add, move, note, take out: each by a plain form, each back to the collection."""
    if request.viewer.user is None:
        return redirect_to_login(collection_href(found))
    action, item = request.POST.get("action", ""), request.POST.get("item", "")
    try:
        if action in ("upvote", "take_back"):
            acts.set_upvote(request.viewer, found, is_upvoted=action == "upvote")
        else:
            _change_items(request, get_collection_for_write(request.viewer, found.slug), action, item)
    except HubError as error:
        messages.error(request, in_words_of_reader(error.message))
    return redirect(f"{collection_href(found)}{f'#item-{item}' if action in ('up', 'down', 'note') else ''}")


def _change_items(request: HttpRequest, found: Collection, action: str, item: str) -> None:
    if action == "add":
        kind, name = read_address(request.POST.get("address", ""))
        acts.add_collection_item(request.viewer, found, kind, name, note=request.POST.get("note", ""))
        messages.success(request, _("Added."))
    elif action in ("up", "down"):
        acts.move_collection_item(request.viewer, found, item, is_up=action == "up")
    elif action == "note":
        acts.update_collection_item(found, item, note=request.POST.get("note", ""))
    elif action == "remove":
        acts.delete_collection_item(found, item)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@session_required
def collection_new(request: SignedInRequest) -> HttpResponse:
    """A new collection, with its first item where a repo's page has sent one along."""
    owners = creatable_namespaces(request.viewer)
    address = (request.POST.get("item") or request.GET.get("item", ""))[:200]
    initial = {"namespace": request.GET.get("owner", owners[0] if owners else "")}
    form = CollectionForm(request.POST or None, owners=owners, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            made = acts.create_collection(request.viewer, **form.cleaned_data)
        except HubError as error:
            add_refusal(form, error)
        else:
            if address:
                _add(request, made, address)
            return redirect(collection_href(made))
    context = {"form": form, "item": address}
    return render(request, "collections/new.html", context, status=422 if form.is_bound else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@session_required
def collection_edit(request: SignedInRequest, owner: str, slug: str) -> HttpResponse:
    found = get_collection_for_write(request.viewer, f"{owner}/{slug}")
    if request.method == "POST" and request.POST.get("action") == "delete":
        acts.delete_collection(found)
        messages.success(request, _("The collection was deleted."))
        return redirect("web:collections")
    initial = {"title": found.title, "description": found.description, "is_private": found.is_private}
    form = CollectionForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            changed = acts.update_collection(found, **form.cleaned_data)
        except HubError as error:
            add_refusal(form, error)
        else:
            messages.success(request, _("Saved."))
            return redirect(collection_href(changed))
    context = {"form": form, "collection": found, "here": collection_href(found)}
    return render(request, "collections/edit.html", context, status=422 if form.is_bound else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@session_required
def collection_add(request: SignedInRequest) -> HttpResponse:
    """Put something into one of one's collections: where the page of a repo leads."""
    address = (request.POST.get("item") or request.GET.get("item", ""))[:200]
    if request.method == "POST":
        found = get_collection_for_write(request.viewer, request.POST.get("collection", "")[:200])
        _add(request, found, address)
        return redirect(collection_href(found))
    own = [(found, collection_href(found)) for found in writable_collections(request.viewer)]
    context = {"item": address, "collections": own, "new_href": f"/collections/new?{urlencode({'item': address})}"}
    return render(request, "collections/add.html", context)


def _add(request: HttpRequest, found: Collection, address: str) -> None:
    try:
        kind, name = read_address(address)
        acts.add_collection_item(request.viewer, found, kind, name)
    except HubError as error:
        messages.error(request, in_words_of_reader(error.message))
    else:
        messages.success(request, _("Added to “%(title)s”.") % {"title": found.title})
