"""What the account pages share: who may open them, their side navigation, and reads across packages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from hub.accounts.auth import Viewer
from hub.accounts.models import Namespace, Organization, User
from hub.accounts.permissions import roles_of
from hub.accounts.queries import AccountPreview, preview_account_deletion
from hub.core.errors import InsufficientScope
from hub.repos.models import Repo
from hub.repos.permissions import visible_to

View = Callable[..., HttpResponse]


def session_required(view: View) -> View:
    """Signed in by the browser; an access token opens none of these pages (T13, T17)."""
    signed_in = login_required(view)

    @wraps(view)
    def wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.viewer.token is not None:
            raise InsufficientScope
        return signed_in(request, *args, **kwargs)

    return wrapper


def account_nav(request: HttpRequest) -> list[dict[str, Any]]:
    """The side navigation of a person's settings, with the present page marked."""
    match = request.resolver_match
    here = match.url_name or "" if match else ""
    items = [
        (_("Profile"), "web:settings_profile", "user", ("settings_profile",)),
        (_("Account"), "web:settings_account", "settings", ("settings_account", "account_", "account_delete")),
        (_("Security"), "mfa_index", "shield", ("mfa_",)),
        (_("Sessions"), "usersessions_list", "monitor", ("usersessions",)),
        (_("Organizations"), "web:settings_organizations", "users", ("settings_organizations",)),
        (_("Notifications"), "web:settings_notifications", "bell", ("settings_notifications",)),
        (_("Moderation"), "web:settings_moderation", "shield-check", ("settings_moderation",)),
        (_("Blocked people"), "web:settings_blocks", "eye-off", ("settings_blocks",)),
        (_("Access tokens"), "web:settings_tokens", "key-round", ("settings_token", "token_")),
        (_("Applications"), "web:settings_applications", "boxes", ("settings_app", "application_")),
        (_("Webhooks"), "web:settings_webhooks", "send", ("settings_webhooks", "webhook_")),
        (_("Storage"), "web:settings_storage", "database", ("settings_storage",)),
        (_("Imports"), "web:imports", "download", ("import",)),
        (_("Usage"), "inference:usage", "activity", ("usage",)),
    ]
    return [
        {"label": label, "href": reverse(route), "icon": icon, "current": here.startswith(marks)}
        for label, route, icon, marks in items
    ]


def organization_nav(organization: Organization, current: str, *, is_admin: bool) -> list[dict[str, Any]]:
    items = [(_("Members"), "org_members", "users")]
    if is_admin:
        items.insert(0, (_("Settings"), "org_settings", "settings"))
        items.append((_("Pinned"), "pins", "pin"))
        items.append((_("Storage"), "org_storage", "database"))
    return [
        {
            "label": label,
            "href": reverse(f"web:{route}", args=[organization.name]),
            "icon": icon,
            "current": route == current,
        }
        for label, route, icon in items
    ]


@dataclass(frozen=True, slots=True)
class DeletionPreview:
    """Everything that goes with an account."""

    account: AccountPreview
    repos: list[Repo]


def deletion_preview(user: User) -> DeletionPreview:
    return DeletionPreview(account=preview_account_deletion(user), repos=repos_in(user.namespace))


def repos_in(namespace: Namespace | None) -> list[Repo]:
    """All live repos of a namespace, by type and name: for those who own it."""
    return list(
        Repo.objects.filter(namespace=namespace, deleted_at__isnull=True)
        .select_related("namespace")
        .order_by("repo_type", "name_folded")
    )


def token_targets(viewer: Viewer, limit: int = 300) -> list[str]:
    """Addresses offered while typing in the permission rows of a token: own repos, own namespaces."""
    namespace_ids = list(roles_of(viewer))
    names = Namespace.objects.filter(pk__in=namespace_ids).order_by("name_folded").values_list("name", flat=True)
    repos = (
        Repo.objects.filter(visible_to(viewer), namespace_id__in=namespace_ids)
        .order_by("-updated_at")
        .values_list("namespace__name", "name")[:limit]
    )
    return [*names, *(f"{namespace}/{name}" for namespace, name in repos)]


def is_repo_name_free(namespace: Namespace, repo_type: str, name: str) -> bool:
    return not Repo.objects.filter(
        namespace=namespace, repo_type=repo_type, name_folded=name.lower(), deleted_at__isnull=True
    ).exists()
