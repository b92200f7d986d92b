"""Staff pages: people, organizations, tokens without their secrets, and the audit trail to read."""

from __future__ import annotations

from typing import Any, cast

from allauth.account.utils import get_next_redirect_url
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db import models, transaction
from django.db.models import Q, QuerySet, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from hub.accounts.models import AccessToken, AuditEvent, Membership, Namespace, Organization, SiteSettings, User
from hub.accounts.permissions import may_administer
from hub.accounts.requests import SignedInRequest
from hub.accounts.services.audit import record
from hub.accounts.services.site_settings import save_site_settings
from hub.accounts.services.tokens import revoke_token
from hub.accounts.services.users import deactivate, reactivate

_is_staff = admin.site.has_permission


def _may_administer(request: HttpRequest) -> bool:
    """Staff with a second factor: these pages reach every account (T153)."""
    return _is_staff(request) and may_administer(cast(User, request.user))


def _sign_in(request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
    """Instead of Django's own form, which knows neither second factors nor limits on guessing (T02, T16)."""
    if not request.user.is_authenticated:
        return redirect_to_login(get_next_redirect_url(request) or reverse("admin:index"))
    if not _is_staff(request):
        raise PermissionDenied
    if not _may_administer(request):
        messages.warning(request, _("The administration needs an account with two-factor authentication."))
        return redirect("mfa_index")
    return redirect(get_next_redirect_url(request) or "admin:index")


admin.site.has_permission = _may_administer  # type: ignore[method-assign]
admin.site.login = _sign_in  # type: ignore[method-assign]


class ReadOnlyAdmin(admin.ModelAdmin):
    """To look at; what changes goes through services, which keep the rules and the record."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(User)
class UserAdmin(admin.ModelAdmin):
    list_display = ("username", "full_name", "email", "is_active", "is_staff", "date_joined", "last_login")
    list_filter = ("is_active", "is_staff")
    search_fields = ("username", "full_name", "email")
    ordering = ("-date_joined",)
    fields = (
        "username",
        "object_id",
        "full_name",
        "email",
        "bio",
        "website",
        "is_active",
        "is_staff",
        "is_superuser",
        "date_joined",
        "last_login",
    )
    readonly_fields = ("username", "object_id", "email", "is_active", "date_joined", "last_login")
    actions = ("switch_off", "switch_on")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Nobody gives a right that they lack, to themselves least of all."""
        if request.user.is_superuser:
            return self.readonly_fields
        return (*self.readonly_fields, "is_staff", "is_superuser")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # sign-up or the createuser command: both take the name

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.action(description=gettext_lazy("Switch the chosen accounts off"))
    def switch_off(self, request: SignedInRequest, queryset: QuerySet[User]) -> None:
        others = [user for user in queryset.filter(is_active=True) if user.pk != request.user.pk]
        for user in others:
            deactivate(user, actor=request.user)
        self.message_user(request, _("Switched off: %(count)d") % {"count": len(others)}, messages.SUCCESS)

    @admin.action(description=gettext_lazy("Switch the chosen accounts on again"))
    def switch_on(self, request: SignedInRequest, queryset: QuerySet[User]) -> None:
        """Of those that moderators suspended, their case is the place: undoing it there tells them."""
        found = list(queryset.filter(is_active=False))
        for user in found:
            reactivate(user, actor=request.user)
        self.message_user(request, _("Switched on: %(count)d") % {"count": len(found)}, messages.SUCCESS)

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        with transaction.atomic():
            super().save_model(request, obj, form, change)
            record("user.admin", actor=cast(User, request.user), target=obj.username, fields=sorted(form.changed_data))


class MembershipInline(admin.TabularInline):
    model = Membership
    extra = 0
    can_delete = False
    fields = readonly_fields = ("user", "role", "created_at")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Organization)
class OrganizationAdmin(ReadOnlyAdmin):
    list_display = ("name", "full_name", "is_private_by_default", "created_at")
    search_fields = ("namespace__name", "full_name")
    list_select_related = ("namespace",)
    inlines = (MembershipInline,)


@admin.register(Namespace)
class NamespaceAdmin(ReadOnlyAdmin):
    list_display = ("name", "kind", "stored", "quota", "retired_at", "renamed_to", "created_at")
    list_filter = ("kind",)
    search_fields = ("name",)
    list_select_related = ("renamed_to",)
    readonly_fields = ("stored", "quota")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Namespace]:
        alive = Q(repos__deleted_at__isnull=True)
        return super().get_queryset(request).annotate(stored_bytes=Sum("repos__storage_bytes", filter=alive))

    @admin.display(description=gettext_lazy("stored"), ordering="stored_bytes")
    def stored(self, obj: Any) -> str:
        return filesizeformat(obj.stored_bytes or 0)

    @admin.display(description=gettext_lazy("quota"))
    def quota(self, obj: Any) -> str:
        """One for all (HUB_QUOTA_BYTES), with how much of it is used."""
        limit = settings.HUB_QUOTA_BYTES
        if not limit:
            return _("no limit")
        return f"{filesizeformat(limit)} · {100 * (obj.stored_bytes or 0) / limit:.0f} %"


@admin.register(AccessToken)
class AccessTokenAdmin(ReadOnlyAdmin):
    list_display = ("__str__", "user", "name", "role", "created_at", "expires_at", "last_used_at", "revoked_at")
    list_filter = ("role", "revoked_reason")
    search_fields = ("user__username", "last_four", "object_id")
    list_select_related = ("user",)
    exclude = ("digest", "refresh_digest")
    actions = ("revoke",)

    @admin.action(description=gettext_lazy("Revoke the chosen tokens"))
    def revoke(self, request: SignedInRequest, queryset: QuerySet[AccessToken]) -> None:
        for token in queryset.select_related("user"):
            revoke_token(token, actor=request.user, reason="admin")
        self.message_user(request, _("The chosen tokens are revoked."), messages.SUCCESS)


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "actor_name", "action", "target", "address")
    list_filter = ("action",)
    search_fields = ("actor_name", "target", "address")
    date_hierarchy = "created_at"


@admin.register(SiteSettings)
class SiteSettingsAdmin(admin.ModelAdmin):
    """The one row: name, sign-up, announcement, code of conduct; saved by the service that tells every process."""

    fieldsets = (
        (None, {"fields": ("name", "signup")}),
        (
            gettext_lazy("Announcement"),
            {
                "fields": (
                    "announcement_en",
                    "announcement_zh",
                    "announcement_href",
                    "announcement_tone",
                    "announcement_until",
                )
            },
        ),
        (gettext_lazy("Code of conduct"), {"fields": ("conduct_en", "conduct_zh")}),
    )
    list_display = ("__str__", "name", "signup", "announcement_en", "updated_at", "updated_by")
    list_select_related = ("updated_by",)

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if isinstance(db_field, models.URLField):
            kwargs["assume_scheme"] = "https"
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return super().has_add_permission(request) and not SiteSettings.objects.exists()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: SiteSettings, form: Any, change: bool) -> None:
        save_site_settings(obj, actor=cast(User, request.user))
