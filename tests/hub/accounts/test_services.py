"""People, names, organizations and invitations: T06, T07, T32, T33, T34, T45."""

from __future__ import annotations

import pytest
from django.core import mail
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone

from hub.accounts.enums import Role, TokenRole
from hub.accounts.models import AccessToken, AuditEvent, Invitation, Membership, Namespace, Organization, User
from hub.accounts.permissions import get_namespace, get_organization, roles_of
from hub.accounts.queries import find_invitation, get_invitation_for, organizations_only_admin
from hub.accounts.services import organizations as orgs
from hub.accounts.services.users import create_user, deactivate, delete_account, update_profile
from hub.accounts.signals import namespace_closing, rights_changed
from hub.core.errors import BadRequest, Conflict, NamespaceNotFound, NotFound, PermissionDenied
from tests.factories.accounts import PASSWORD, make_organization, make_token, make_user, make_viewer

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("name", ["admin", "a", "-ab", "ab-", "a--b", "12345", "models", "a.b", "a_b", "é", "x" * 43])
def test_create_user_refuses_names_outside_the_rules_and_writes_nothing(name):
    with pytest.raises(BadRequest):
        create_user(name, email="a@example.org", password=None)
    assert (User.objects.count(), Namespace.objects.count()) == (0, 0)


def test_create_user_refuses_the_name_of_an_organization_in_another_case():
    make_organization("Acme")
    with pytest.raises(Conflict):
        create_user("aCME", email="a@example.org", password=None)


def test_create_user_refuses_an_address_in_use():
    make_user(email="Ann@example.org", password=None)
    with pytest.raises(Conflict):
        create_user("other", email="ann@EXAMPLE.org", password=None)


def test_update_profile_sets_listed_fields_only_t34():
    user = make_user(password=None)
    with pytest.raises(TypeError):
        update_profile(user, is_staff="1")
    with pytest.raises(ValidationError):
        update_profile(user, website="javascript:alert(1)")
    update_profile(user, bio="hi")
    user.refresh_from_db()
    assert (user.bio, user.is_staff, user.website) == ("hi", False, "")


def test_delete_account_retires_the_name_for_good_t45(django_capture_on_commit_callbacks):
    user = make_user("Carol", password=None)
    make_token(user)
    closed, changed = [], []
    namespace_pk, user_pk = user.namespace_id, user.pk
    on_closing = lambda namespace_id, **_: closed.append((namespace_id, User.objects.filter(pk=user_pk).exists()))  # noqa: E731
    on_rights = lambda user_id, **_: changed.append(user_id)  # noqa: E731
    namespace_closing.connect(on_closing)
    rights_changed.connect(on_rights)
    try:
        with django_capture_on_commit_callbacks(execute=True):
            delete_account(user)
    finally:
        namespace_closing.disconnect(on_closing)
        rights_changed.disconnect(on_rights)
    assert closed == [(namespace_pk, True)]
    assert changed == [user_pk]
    assert not AccessToken.objects.exists()
    with pytest.raises(NamespaceNotFound):
        get_namespace("carol")
    with pytest.raises(Conflict):
        create_user("cArOl", email="new@example.org", password=None)
    with pytest.raises(Conflict):
        orgs.create_organization("carol", creator=make_user(password=None))


def test_delete_account_is_refused_to_an_only_admin_t32():
    user = make_user(password=None)
    organization = make_organization("acme", admin=user)
    with pytest.raises(PermissionDenied, match="acme"):
        delete_account(user)
    assert User.objects.filter(pk=user.pk).exists()
    orgs.set_member(organization, user=make_user(password=None), role=Role.ADMIN)
    assert organizations_only_admin(user) == []
    delete_account(user)
    assert organization.memberships.count() == 1


def test_deactivated_admin_does_not_count_as_admin_t07():
    admin, other = make_user(password=None), make_user(password=None)
    organization = make_organization(admin=admin, members={other: Role.ADMIN})
    deactivate(other, actor=None)
    with pytest.raises(PermissionDenied):
        orgs.leave_organization(organization, user=admin)


def test_last_admin_can_neither_leave_nor_step_down_t32():
    admin = make_user(password=None)
    organization = make_organization(admin=admin, members={make_user(password=None): Role.WRITE})
    with pytest.raises(PermissionDenied):
        orgs.leave_organization(organization, user=admin)
    with pytest.raises(PermissionDenied):
        orgs.change_role(organization, actor=admin, member=admin, role=Role.WRITE)
    assert organization.memberships.get(user=admin).role == Role.ADMIN


@pytest.mark.parametrize("role", [Role.READ, Role.CONTRIBUTOR, Role.WRITE])
def test_members_below_admin_change_nothing_t32(role):
    member, other = make_user(password=None), make_user(password=None)
    organization = make_organization(members={member: role, other: Role.READ})
    before = sorted(organization.memberships.values_list("user_id", "role"))
    acts = [
        lambda: orgs.change_role(organization, actor=member, member=member, role=Role.ADMIN),
        lambda: orgs.change_role(organization, actor=member, member=other, role=Role.WRITE),
        lambda: orgs.remove_member(organization, actor=member, member=other),
        lambda: orgs.invite_member(organization, inviter=member, invitee=make_user(password=None), role=Role.READ),
        lambda: orgs.update_organization(organization, actor=member, full_name="x"),
        lambda: orgs.delete_organization(organization, actor=member),
    ]
    for act in acts:
        with pytest.raises(PermissionDenied):
            act()
    assert sorted(organization.memberships.values_list("user_id", "role")) == before
    orgs.leave_organization(organization, user=member)


def test_role_follows_membership_at_once_t21():
    user = make_user(password=None)
    organization = make_organization(members={user: Role.WRITE})
    assert roles_of(make_viewer(user))[organization.namespace_id] is Role.WRITE
    orgs.change_role(organization, actor=organization.members.exclude(pk=user.pk).get(), member=user, role=Role.READ)
    assert roles_of(make_viewer(user))[organization.namespace_id] is Role.READ
    orgs.leave_organization(organization, user=user)
    assert organization.namespace_id not in roles_of(make_viewer(user))


def test_delete_organization_retires_its_name():
    admin = make_user(password=None)
    organization = make_organization("acme", admin=admin)
    orgs.delete_organization(organization, actor=admin)
    assert not Organization.objects.exists()
    assert not Membership.objects.exists()
    with pytest.raises(NamespaceNotFound):
        get_organization(make_viewer(admin), "acme")
    with pytest.raises(Conflict):
        orgs.create_organization("ACME", creator=admin)


def test_invitation_by_name_is_for_that_person_only_t33():
    admin, invitee, other = (make_user(password=None) for _ in range(3))
    organization = make_organization(admin=admin)
    invitation, secret = orgs.invite_member(organization, inviter=admin, invitee=invitee, role=Role.WRITE)
    assert secret not in str(Invitation.objects.values().get())
    assert find_invitation(secret) == invitation
    with pytest.raises(PermissionDenied):
        orgs.accept_invitation(invitation, user=other)
    with pytest.raises(NotFound):
        get_invitation_for(other, invitation.pk)
    assert orgs.accept_invitation(invitation, user=invitee).role == Role.WRITE
    with pytest.raises(NotFound):
        orgs.accept_invitation(invitation, user=invitee)
    with pytest.raises(NotFound):
        find_invitation(secret)


def test_invitation_dies_with_the_inviters_role_t32():
    admin, second, invitee = (make_user(password=None) for _ in range(3))
    organization = make_organization(admin=admin, members={second: Role.ADMIN})
    invitation, _secret = orgs.invite_member(organization, inviter=second, invitee=invitee, role=Role.ADMIN)
    orgs.change_role(organization, actor=admin, member=second, role=Role.READ)
    with pytest.raises(NotFound):
        orgs.accept_invitation(invitation, user=invitee)
    assert not organization.memberships.filter(user=invitee).exists()


def test_expired_and_withdrawn_invitations_are_gone():
    admin, invitee = make_user(password=None), make_user(password=None)
    organization = make_organization(admin=admin)
    invitation, secret = orgs.invite_member(organization, inviter=admin, invitee=invitee, role=Role.READ)
    Invitation.objects.filter(pk=invitation.pk).update(expires_at=timezone.now())
    with pytest.raises(NotFound):
        find_invitation(secret)
    invitation, secret = orgs.invite_member(organization, inviter=admin, invitee=invitee, role=Role.READ)
    with pytest.raises(NotFound):
        orgs.withdraw_invitation(make_organization(admin=admin), invitation_pk=invitation.pk, actor=admin)
    orgs.withdraw_invitation(organization, invitation_pk=invitation.pk, actor=admin)
    with pytest.raises(NotFound):
        find_invitation(secret)


def test_invitation_by_mail_needs_the_verified_address_t06(settings, django_capture_on_commit_callbacks):
    settings.IS_MAIL_CONFIGURED = True
    admin = make_user(password=None)
    organization = make_organization("acme", admin=admin)
    unverified = make_user(email="eve@example.org", is_email_verified=False, password=None)
    with django_capture_on_commit_callbacks(execute=True):
        invitation, secret = orgs.invite_member(
            organization, inviter=admin, email="Eve@example.org", role=Role.CONTRIBUTOR
        )
    [message] = mail.outbox
    assert message.to == ["eve@example.org"]
    assert f"{settings.HUB_URL}/join/{secret}" in message.body
    with pytest.raises(PermissionDenied):
        orgs.accept_invitation(invitation, user=unverified)
    unverified.emailaddress_set.update(verified=True)
    assert orgs.accept_invitation(invitation, user=unverified).role == Role.CONTRIBUTOR


def test_invitation_by_mail_is_refused_where_no_mail_is_sent(settings):
    settings.IS_MAIL_CONFIGURED = False
    admin = make_user(password=None)
    with pytest.raises(BadRequest):
        orgs.invite_member(make_organization(admin=admin), inviter=admin, email="a@example.org", role=Role.READ)


def test_acts_are_recorded_t148():
    admin = make_user("ann", password=None)
    organization = make_organization("acme", admin=admin)
    orgs.update_organization(organization, actor=admin, full_name="Acme Ltd")
    events = AuditEvent.objects.order_by("pk").values_list("actor_name", "action", "target")
    assert list(events) == [
        ("ann", "user.create", "ann"),
        ("ann", "organization.create", "acme"),
        ("ann", "organization.update", "acme"),
    ]


# --- commands --------------------------------------------------------------------------------------------------------


def test_commands_are_idempotent_and_token_is_the_last_line(capsys):
    for _ in range(2):
        call_command("createuser", "ann", "--email", "ann@example.org", "--password", PASSWORD, "--full-name", "Ann B")
        call_command("createuser", "bob", "--email", "bob@example.org", "--password", PASSWORD)
        call_command("createorg", "acme", "--admin", "ann", "--member", "bob", "--private-by-default")
    capsys.readouterr()
    call_command("createtoken", "ann", "--scope", "inference", "--name", "ci")
    secret = capsys.readouterr().out.strip().splitlines()[-1]
    ann, organization = User.objects.get(username="ann"), Organization.objects.get()
    assert ann.check_password(PASSWORD)
    assert (ann.full_name, ann.emailaddress_set.get().verified) == ("Ann B", True)
    assert organization.is_private_by_default
    assert dict(organization.memberships.values_list("user__username", "role")) == {"ann": "admin", "bob": "write"}
    token = AccessToken.objects.get()
    assert (token.role, token.name, token.last_four) == (TokenRole.INFERENCE, "ci", secret[-4:])


def test_createuser_explains_a_bad_name():
    with pytest.raises(CommandError, match="reserved"):
        call_command("createuser", "admin", "--email", "a@example.org", "--password", PASSWORD)
