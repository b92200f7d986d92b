"""Organizations: new, settings, members, invitations."""

from __future__ import annotations

from allauth.account.decorators import reauthentication_required
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from hub.accounts import queries
from hub.accounts.enums import Role
from hub.accounts.models import Invitation, Organization, User
from hub.accounts.permissions import get_organization, role_in
from hub.accounts.requests import SignedInRequest
from hub.accounts.services import organizations as services
from hub.accounts.services.users import clear_avatar, set_avatar
from hub.core.errors import BadRequest, HubError, NamespaceNotFound
from hub.web.account_pages import organization_nav, repos_in, session_required
from hub.web.forms.accounts import TypeNameForm, add_refusal
from hub.web.forms.organizations import InviteForm, NewOrganizationForm, OrganizationSettingsForm, RoleForm

_INVITATION_KEY = "invitation"
_FIELDS = ("full_name", "description", "website", "is_private_by_default")


@require_safe
@session_required
def settings_organizations(request: SignedInRequest) -> HttpResponse:
    return render(
        request,
        "accounts/settings_organizations.html",
        {
            "memberships": list(queries.memberships_of(request.user)),
            "invitations": list(queries.invitations_for(request.user)),
        },
    )


@require_http_methods(["GET", "HEAD", "POST"])
@session_required
def org_new(request: SignedInRequest) -> HttpResponse:
    form = NewOrganizationForm(request.POST or None)
    if form.is_valid():
        fields = {name: form.cleaned_data[name] for name in _FIELDS}
        try:
            organization = services.create_organization(form.cleaned_data["name"], creator=request.user, **fields)
        except HubError as error:
            add_refusal(form, error)
        else:
            return redirect("web:profile", organization.name)
    return render(request, "accounts/org_new.html", {"form": form}, status=422 if form.is_bound else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@session_required
def org_settings(request: SignedInRequest, name: str) -> HttpResponse:
    organization = get_organization(request.viewer, name, at_least=Role.ADMIN)
    if request.method == "POST":
        form = OrganizationSettingsForm(request.POST, request.FILES)
        if form.is_valid() and _save_settings(organization, request.user, form):
            messages.success(request, _("Settings saved."))
            return redirect("web:org_settings", organization.name)
    else:
        form = OrganizationSettingsForm(initial={name: getattr(organization, name) for name in _FIELDS})
    context = {
        "organization": organization,
        "form": form,
        "settings_of": organization.name,
        "settings_nav": organization_nav(organization, "org_settings", is_admin=True),
    }
    return render(request, "accounts/org_settings.html", context, status=422 if form.is_bound else 200)


def _save_settings(organization: Organization, actor: User, form: OrganizationSettingsForm) -> bool:
    data = form.cleaned_data
    try:
        services.update_organization(organization, actor=actor, **{name: data[name] for name in _FIELDS})
        if data["avatar"]:
            set_avatar(organization, actor=actor, upload=data["avatar"])
        elif data["remove_avatar"]:
            clear_avatar(organization, actor=actor)
    except HubError as error:
        add_refusal(form, error)
        return False
    except ValidationError as error:
        form.add_error(None, error)
        return False
    return True


@require_http_methods(["GET", "HEAD", "POST"])
@session_required
@reauthentication_required(allow_get=True)
def org_delete(request: SignedInRequest, name: str) -> HttpResponse:
    organization = get_organization(request.viewer, name, at_least=Role.ADMIN)
    form = TypeNameForm(request.POST or None, expected=organization.name)
    if form.is_valid():
        services.delete_organization(organization, actor=request.user)
        messages.success(request, _("The organization was deleted."))
        return redirect("web:settings_organizations")
    context = {
        "organization": organization,
        "form": form,
        "repos": repos_in(organization.namespace),
        "member_count": organization.memberships.count(),
        "settings_of": organization.name,
        "settings_nav": organization_nav(organization, "org_settings", is_admin=True),
    }
    return render(request, "accounts/org_delete.html", context, status=422 if form.is_bound else 200)


# --- members ---------------------------------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
@session_required
def org_members(request: SignedInRequest, name: str) -> HttpResponse:
    """Members for all who belong; the invitation form for admins, who post to it."""
    is_post = request.method == "POST"
    organization = get_organization(request.viewer, name, at_least=Role.ADMIN if is_post else Role.READ)
    form = InviteForm(request.POST or None, initial={"role": Role.READ})
    if is_post and form.is_valid():
        try:
            _invite(organization, request.user, form)
        except HubError as error:
            error.data["param"] = "who" if error.data.get("param") in {"invitee", "email"} else error.data.get("param")
            add_refusal(form, error)
        else:
            messages.success(request, _("The invitation is on its way."))
            return redirect("web:org_members", organization.name)
    role = role_in(request.viewer, organization.namespace_id)
    context = {
        "organization": organization,
        "members": list(queries.members_of(organization)),
        "invitations": list(queries.invitations_of(organization)) if role is Role.ADMIN else [],
        "form": form,
        "roles": Role.choices,
        "is_admin": role is Role.ADMIN,
        "settings_of": organization.name,
        "settings_nav": organization_nav(organization, "org_members", is_admin=role is Role.ADMIN),
    }
    return render(request, "accounts/org_members.html", context, status=422 if form.is_bound else 200)


def _invite(organization: Organization, inviter: User, form: InviteForm) -> None:
    who, role = form.cleaned_data["who"].strip(), form.cleaned_data["role"]
    if "@" in who:
        services.invite_member(organization, inviter=inviter, email=who, role=role)
        return
    try:
        invitee = queries.get_user(who)
    except NamespaceNotFound as error:
        raise BadRequest("There is no user of this name.", param="invitee") from error
    services.invite_member(organization, inviter=inviter, invitee=invitee, role=role)


@require_POST
@session_required
def org_member_role(request: SignedInRequest, name: str, member: str) -> HttpResponse:
    organization = get_organization(request.viewer, name, at_least=Role.ADMIN)
    form = RoleForm(request.POST)
    if not form.is_valid():
        raise BadRequest("Unknown role.")
    person = queries.get_user(member)
    services.change_role(organization, actor=request.user, member=person, role=form.cleaned_data["role"])
    messages.success(request, _("The role of %(name)s was changed.") % {"name": person.username})
    if person.pk == request.user.pk:
        return redirect("web:profile", organization.name)
    return redirect("web:org_members", organization.name)


@require_POST
@session_required
def org_member_remove(request: SignedInRequest, name: str, member: str) -> HttpResponse:
    organization = get_organization(request.viewer, name, at_least=Role.ADMIN)
    person = queries.get_user(member)
    services.remove_member(organization, actor=request.user, member=person)
    messages.success(request, _("%(name)s is no longer a member.") % {"name": person.username})
    return redirect("web:org_members", organization.name)


@require_POST
@session_required
def org_leave(request: SignedInRequest, name: str) -> HttpResponse:
    organization = get_organization(request.viewer, name)
    services.leave_organization(organization, user=request.user)
    messages.success(request, _("You left %(name)s.") % {"name": organization.name})
    return redirect("web:settings_organizations")


# --- invitations -----------------------------------------------------------------------------------------------------


@require_POST
@session_required
def invitation_withdraw(request: SignedInRequest, name: str, invitation_pk: int) -> HttpResponse:
    organization = get_organization(request.viewer, name, at_least=Role.ADMIN)
    services.withdraw_invitation(organization, invitation_pk=invitation_pk, actor=request.user)
    messages.success(request, _("The invitation was withdrawn."))
    return redirect("web:org_members", organization.name)


@require_safe
@never_cache
def invitation_link(request: HttpRequest, secret: str) -> HttpResponse:
    """Keep the secret in the session and clean the address, so that no referrer or history carries it (T05)."""
    request.session[_INVITATION_KEY] = secret[:100]
    response = redirect("web:invitation")
    response["Referrer-Policy"] = "no-referrer"
    return response


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@session_required
def invitation(request: SignedInRequest) -> HttpResponse:
    """The page behind a mailed link; looking changes nothing, accepting and declining are posts."""
    found = queries.find_invitation(request.session.get(_INVITATION_KEY, ""))
    if request.method == "POST":
        request.session.pop(_INVITATION_KEY, None)
        return _answer(request, found)
    return render(request, "accounts/invitation.html", {"invitation": found})


@require_POST
@session_required
def invitation_answer(request: SignedInRequest, invitation_pk: int) -> HttpResponse:
    """Answer an invitation that names the viewer (T33: others' are not found)."""
    return _answer(request, queries.get_invitation_for(request.user, invitation_pk))


def _answer(request: SignedInRequest, found: Invitation) -> HttpResponse:
    if request.POST.get("answer") == "accept":
        services.accept_invitation(found, user=request.user)
        return redirect("web:profile", found.organization.name)
    services.decline_invitation(found, user=request.user)
    messages.success(request, _("You declined the invitation."))
    return redirect("web:settings_organizations")
