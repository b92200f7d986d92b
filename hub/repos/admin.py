"""What operators see in Django's admin: to look, and to go on to where something is done; never to edit content."""

from __future__ import annotations

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from hub.accounts.admin import ReadOnlyAdmin
from hub.repos.models import Repo, RepoImport, RepoRedirect, UploadDraft


@admin.register(Repo)
class RepoAdmin(ReadOnlyAdmin):
    """Closing and opening a repo is done in its case, with a reason that its owner reads (T40, T152)."""

    list_display = (
        "repo_id",
        "repo_type",
        "visibility",
        "gated",
        "storage_bytes",
        "updated_at",
        "disabled_at",
        "deleted_at",
        "case",
    )
    list_filter = ("repo_type", "visibility", "gated", ("disabled_at", admin.EmptyFieldListFilter))
    list_select_related = ("namespace",)
    search_fields = ("name_folded", "namespace__name_folded", "object_id")
    readonly_fields = ("case",)
    show_full_result_count = False

    @admin.display(description=gettext_lazy("moderation"))
    def case(self, obj: Repo) -> SafeString:
        return format_html(
            '<a href="{}">{}</a>', reverse("web:moderation_case", args=["repo", obj.object_id]), _("Case")
        )


@admin.register(RepoRedirect)
class RepoRedirectAdmin(ReadOnlyAdmin):
    list_display = ("repo_type", "namespace", "name_folded", "repo", "created_at")
    list_select_related = ("namespace", "repo__namespace")
    search_fields = ("name_folded",)


@admin.register(RepoImport)
class RepoImportAdmin(ReadOnlyAdmin):
    list_display = (
        "object_id",
        "source",
        "target",
        "author",
        "state",
        "attempts",
        "error",
        "created_at",
        "finished_at",
    )
    list_filter = ("state", "repo_type")
    list_select_related = ("author", "namespace")
    search_fields = ("object_id", "source", "name", "author__username")
    exclude = ("sealed_token", "lease")
    show_full_result_count = False


@admin.register(UploadDraft)
class UploadDraftAdmin(ReadOnlyAdmin):
    list_display = ("id", "repo", "author", "revision", "state", "created_at", "updated_at")
    list_filter = ("state",)
    list_select_related = ("repo__namespace", "author")
    search_fields = ("id", "author__username")
    show_full_result_count = False
