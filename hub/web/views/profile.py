"""Public profiles and the form behind one's own."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from community.services.blocks import is_blocking
from hub.accounts.enums import Role
from hub.accounts.models import Namespace, Organization, User
from hub.accounts.permissions import get_namespace_or_successor, role_in
from hub.accounts.queries import members_of, memberships_of
from hub.accounts.requests import SignedInRequest
from hub.accounts.services.users import clear_avatar, set_avatar, update_profile
from hub.core.errors import HubError, NamespaceNotFound
from hub.web.account_pages import session_required
from hub.web.contexts.profiles import profile_context
from hub.web.forms.accounts import ProfileForm, add_refusal

_MEMBERS_SHOWN = 60


@require_safe
def profile(request: HttpRequest, name: str) -> HttpResponse:
    """A person or an organization with what the viewer may see of it."""
    namespace = get_namespace_or_successor(name)
    if namespace.name != name:
        return redirect("web:profile", namespace.name, permanent=False)
    if namespace.is_organization:
        return _organization(request, namespace, namespace.organization)
    if not namespace.user.is_active:
        raise NamespaceNotFound
    return _person(request, namespace, namespace.user)


def _person(request: HttpRequest, namespace: Namespace, person: User) -> HttpResponse:
    context = {
        "person": person,
        "memberships": list(memberships_of(person)),
        "is_own": request.viewer.user_pk == person.pk,
        "is_blocking": is_blocking(request.viewer, person),
        **profile_context(request, namespace, person),
    }
    return render(request, "accounts/profile_user.html", context)


def _organization(request: HttpRequest, namespace: Namespace, organization: Organization) -> HttpResponse:
    members = members_of(organization)
    role = role_in(request.viewer, namespace.pk)
    return render(
        request,
        "accounts/profile_organization.html",
        {
            "organization": organization,
            "members": list(members[:_MEMBERS_SHOWN]),
            "member_count": members.count(),
            **profile_context(request, namespace, organization),
            "role": role,
            "can_create": role is not None and role.includes(Role.CONTRIBUTOR),
            "is_admin": role is Role.ADMIN,
        },
    )


@require_http_methods(["GET", "HEAD", "POST"])
@session_required
def settings_profile(request: SignedInRequest) -> HttpResponse:
    user = request.user
    if request.method != "POST":
        form = ProfileForm(initial={"full_name": user.full_name, "bio": user.bio, "website": user.website})
        return render(request, "accounts/settings_profile.html", {"form": form})
    form = ProfileForm(request.POST, request.FILES)
    if form.is_valid() and _save_profile(user, form):
        messages.success(request, _("Profile saved."))
        return redirect("web:settings_profile")
    return render(request, "accounts/settings_profile.html", {"form": form}, status=422)


def _save_profile(user: User, form: ProfileForm) -> bool:
    data = form.cleaned_data
    try:
        if data["avatar"]:
            set_avatar(user, actor=user, upload=data["avatar"])
        elif data["remove_avatar"]:
            clear_avatar(user, actor=user)
        update_profile(user, full_name=data["full_name"], bio=data["bio"], website=data["website"])
    except HubError as error:
        add_refusal(form, error)
        return False
    except ValidationError as error:
        form.add_error(None, error)
        return False
    return True
