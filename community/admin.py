"""What operators see of the community in Django's admin: to look; what is done is done in the moderators' pages."""

from __future__ import annotations

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from community.models import Appeal, Block, Delivery, HeldPost, ModerationAction, Report, Webhook
from hub.accounts.admin import ReadOnlyAdmin


def _case(kind: str, target_id: str) -> SafeString:
    return format_html('<a href="{}">{}</a>', reverse("web:moderation_case", args=[kind, target_id]), _("Case"))


@admin.register(Report)
class ReportAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "category", "target_kind", "target_name", "reporter", "subject", "state", "case")
    list_filter = ("state", "category", "target_kind")
    list_select_related = ("reporter", "subject")
    search_fields = ("target_name", "target_id", "reporter__username", "subject__username")
    readonly_fields = ("case",)

    @admin.display(description=gettext_lazy("moderation"))
    def case(self, obj: Report) -> SafeString:
        return _case(obj.target_kind, obj.target_id)


@admin.register(ModerationAction)
class ModerationActionAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "kind", "target_kind", "target_name", "subject", "actor", "reverted_at", "case")
    list_filter = ("kind", "target_kind", ("reverted_at", admin.EmptyFieldListFilter))
    list_select_related = ("subject", "actor")
    search_fields = ("target_name", "target_id", "subject__username", "actor__username")
    readonly_fields = ("case",)

    @admin.display(description=gettext_lazy("moderation"))
    def case(self, obj: ModerationAction) -> SafeString:
        return _case(obj.target_kind, obj.target_id)


@admin.register(Appeal)
class AppealAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "action", "author", "state", "decided_by", "decided_at")
    list_filter = ("state",)
    list_select_related = ("action", "author", "decided_by")
    search_fields = ("author__username", "action__target_name")


@admin.register(HeldPost)
class HeldPostAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "author", "repo", "signs", "state", "decided_by", "decided_at")
    list_filter = ("state",)
    list_select_related = ("author", "repo__namespace", "decided_by")
    search_fields = ("author__username",)


@admin.register(Block)
class BlockAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "blocker", "blocked")
    list_select_related = ("blocker", "blocked")
    search_fields = ("blocker__username", "blocked__username")


@admin.register(Webhook)
class WebhookAdmin(ReadOnlyAdmin):
    list_display = ("object_id", "owner", "disabled_at", "failing_since", "created_at")
    list_select_related = ("owner",)
    search_fields = ("object_id", "owner__username")
    # Addresses may carry secrets, and secrets are sealed: neither is for looking at.
    exclude = ("url", "sealed_secret", "former_sealed_secret")


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    list_display = ("object_id", "webhook", "event", "state", "attempts", "try_at", "last_status", "last_error")
    list_filter = ("state",)
    list_select_related = ("webhook",)
    search_fields = ("object_id", "webhook__object_id", "webhook__owner__username")
    exclude = ("body", "lease")
    show_full_result_count = False
