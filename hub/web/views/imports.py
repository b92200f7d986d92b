"""Imports: the form, a person's list, and the page of one, whose part is asked for again while it runs."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from hub.core.errors import BadRequest, Conflict, PermissionDenied, RateLimited
from hub.core.ids import RepoType
from hub.core.pagination import cut_page, decode_cursor
from hub.repos.enums import Visibility
from hub.repos.services import imports
from hub.web.account_pages import session_required
from hub.web.contexts.imports import import_page, import_row
from hub.web.forms.accounts import add_refusal
from hub.web.forms.imports import ImportForm, RetryForm
from hub.web.views.repos import creatable_namespaces

_PAGE = 30


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@session_required
def import_new(request: HttpRequest) -> HttpResponse:
    owners = creatable_namespaces(request.viewer)
    initial = {"namespace": request.GET.get("owner", owners[0] if owners else "")}
    initial |= {key: request.GET[key][:300] for key in ("endpoint", "source", "revision") if key in request.GET}
    form = ImportForm(request.POST or None, owners=owners, initial=initial)
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        try:
            job = imports.create_import(
                request.viewer,
                endpoint=data["endpoint"],
                source=data["source"],
                namespace=data["namespace"],
                name=data["name"],
                repo_type=RepoType(data["repo_type"]),
                revision=data["revision"],
                token=data["token"],
                visibility=Visibility(data["visibility"]),
            )
        except (BadRequest, Conflict, PermissionDenied, RateLimited) as error:
            add_refusal(form, error)
        else:
            return redirect("web:import_page", job.object_id)
    return render(request, "imports/new.html", {"form": form}, status=422 if form.is_bound else 200)


@require_safe
@session_required
def import_list(request: HttpRequest) -> HttpResponse:
    cursor = request.GET.get("cursor")
    before_pk = decode_cursor(cursor, int)[0] if cursor else None
    found = imports.list_imports(request.viewer, before_pk=before_pk, limit=_PAGE)
    page = cut_page(found, _PAGE, lambda job: (job.pk,))
    context = {
        "rows": [import_row(job) for job in page.items],
        "next_href": f"?cursor={page.next_cursor}" if page.next_cursor else "",
        "first_href": "?" if cursor else "",
    }
    return render(request, "imports/list.html", context)


@never_cache
@require_safe
@session_required
def import_detail(request: HttpRequest, import_id: str) -> HttpResponse:
    job = imports.get_import(request.viewer, import_id)
    return render(request, "imports/import.html", {"page": import_page(job), "retry_form": RetryForm()})


@never_cache
@require_safe
@session_required
def import_progress(request: HttpRequest, import_id: str) -> HttpResponse:
    """The part of the page that changes; asked for every two seconds while the import is open."""
    job = imports.get_import(request.viewer, import_id)
    return render(request, "imports/_progress.html", {"page": import_page(job), "retry_form": RetryForm()})


@require_POST
@session_required
def import_cancel(request: HttpRequest, import_id: str) -> HttpResponse:
    job = imports.get_import(request.viewer, import_id, to_change=True)
    imports.cancel_import(request.viewer, job)
    return redirect("web:import_page", job.object_id)


@require_POST
@session_required
def import_retry(request: HttpRequest, import_id: str) -> HttpResponse:
    job = imports.get_import(request.viewer, import_id, to_change=True)
    form = RetryForm(request.POST)
    try:
        if form.is_valid():
            imports.retry_import(request.viewer, job, token=form.cleaned_data["token"])
            return redirect("web:import_page", job.object_id)
    except (BadRequest, Conflict) as error:
        add_refusal(form, error)
    return render(request, "imports/import.html", {"page": import_page(job), "retry_form": form}, status=422)
