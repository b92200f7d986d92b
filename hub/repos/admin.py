"""What operators see in Django's admin: to look and to disable, never to edit content."""

from __future__ import annotations

from django.contrib import admin
from django.db import transaction
from django.forms import ModelForm
from django.http import HttpRequest

from hub.repos import signals
from hub.repos.models import Repo, RepoRedirect


@admin.register(Repo)
class RepoAdmin(admin.ModelAdmin):
    list_display = (
        "repo_id",
        "repo_type",
        "visibility",
        "gated",
        "storage_bytes",
        "updated_at",
        "disabled_at",
        "deleted_at",
    )
    list_filter = ("repo_type", "visibility", "gated")
    list_select_related = ("namespace",)
    search_fields = ("name_folded", "namespace__name_folded")
    fields = ("disabled_at", "disabled_reason")
    show_full_result_count = False

    def save_model(self, request: HttpRequest, obj: Repo, form: ModelForm, change: bool) -> None:
        """Disabling takes the repo out of lists and stops its inference at once (T40)."""
        super().save_model(request, obj, form, change)
        transaction.on_commit(lambda: signals.repo_changed.send_robust(sender=Repo, repo_pk=obj.pk))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Repo | None = None) -> bool:
        return False


@admin.register(RepoRedirect)
class RepoRedirectAdmin(admin.ModelAdmin):
    list_display = ("repo_type", "namespace", "name_folded", "repo", "created_at")
    list_select_related = ("namespace", "repo__namespace")
    raw_id_fields = ("namespace", "repo")
    search_fields = ("name_folded",)
