"""What operators see in Django's admin: names that look like well-known ones, to be judged."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from hub.catalog.lookalikes import review
from hub.catalog.models import LookAlike, LookAlikeVerdict


@admin.register(LookAlike)
class LookAlikeAdmin(admin.ModelAdmin):
    list_display = ("name", "resembles", "verdict", "found_at", "reviewed_at", "reviewed_by")
    list_filter = ("verdict",)
    list_select_related = ("reviewed_by",)
    search_fields = ("name", "resembles")
    ordering = ("-found_at",)
    actions = ("clear", "confirm", "reopen")
    show_full_result_count = False

    @admin.action(description=_("Clear: a name of its own, back into trending"), permissions=["change"])
    def clear(self, request: HttpRequest, queryset: QuerySet[LookAlike]) -> None:
        self._review(request, queryset, LookAlikeVerdict.CLEARED)

    @admin.action(description=_("Confirm: a look-alike, never in trending"), permissions=["change"])
    def confirm(self, request: HttpRequest, queryset: QuerySet[LookAlike]) -> None:
        self._review(request, queryset, LookAlikeVerdict.CONFIRMED)

    @admin.action(description=_("Review again"), permissions=["change"])
    def reopen(self, request: HttpRequest, queryset: QuerySet[LookAlike]) -> None:
        self._review(request, queryset, LookAlikeVerdict.OPEN)

    def _review(self, request: HttpRequest, queryset: QuerySet[LookAlike], verdict: LookAlikeVerdict) -> None:
        for found in queryset:
            review(found, reviewer=request.user, verdict=verdict)  # type: ignore[arg-type]  # staff has signed in

    def get_readonly_fields(self, request: HttpRequest, obj: LookAlike | None = None) -> list[str]:
        return [field.name for field in LookAlike._meta.fields]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: LookAlike | None = None) -> bool:
        return False
