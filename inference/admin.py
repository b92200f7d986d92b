"""The ledger and the memory of crashes for operators; the ledger is read, never edited."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from inference.models import ModelHealth, UsageRecord


@admin.register(UsageRecord)
class UsageRecordAdmin(admin.ModelAdmin):
    list_display = ("request_id", "created_at", "user", "repo_name", "route", "outcome", "error_code", "run_ms")
    list_filter = ("outcome", "pipeline_tag")
    search_fields = ("request_id", "repo_name", "user__username")
    list_select_related = ("user",)
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(ModelHealth)
class ModelHealthAdmin(admin.ModelAdmin):
    """Deleting a row lets a model that rests after crashes run again."""

    list_display = ("repo", "commit_oid", "crashes", "rests_until", "last_error")
    list_select_related = ("repo__namespace",)
    raw_id_fields = ("repo",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False
