"""Access tokens: T07, T16–T27."""

from __future__ import annotations

import base64
from datetime import timedelta

import pytest
from django.core import mail
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from hub.accounts.auth import (
    TOKEN_PATTERN,
    Viewer,
    authenticate_header,
    digest,
    generate_secret,
    is_well_formed,
)
from hub.accounts.enums import Action, Role, TokenRole
from hub.accounts.models import AccessToken
from hub.accounts.permissions import get_namespace_for_create
from hub.accounts.services.tokens import (
    MAX_LIVE_TOKENS,
    REPO_ACTIONS,
    clean_grants,
    create_token,
    rename_token,
    revoke_leaked,
    revoke_token,
    rotate_token,
)
from hub.accounts.services.users import deactivate
from hub.core.errors import BadRequest, Conflict, InsufficientScope, InvalidCredentials, PermissionDenied, RateLimited
from tests.factories.accounts import PASSWORD, make_organization, make_token, make_user, make_viewer

READ, WRITE, CREATE = Action.REPO_READ.value, Action.REPO_WRITE.value, Action.REPO_CREATE.value


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def scoped(kind: str, name: str, *permissions: str) -> dict:
    return {"scoped": [{"entity": {"type": kind, "name": name}, "permissions": list(permissions)}]}


def test_secret_is_recognisable_and_long_t20():
    import re

    secrets = {generate_secret() for _ in range(200)}
    assert len(secrets) == 200
    for secret in secrets:
        assert re.fullmatch(TOKEN_PATTERN, secret)
        assert is_well_formed(secret)
        assert not is_well_formed(secret[:-1] + ("A" if secret[-1] != "A" else "B"))


@given(st.text(max_size=60))
def test_other_strings_are_not_well_formed_t20(text):
    assert not is_well_formed("hf_" + text)


@pytest.mark.django_db
def test_typing_errors_are_refused_without_a_look_up_t20(django_assert_num_queries):
    with django_assert_num_queries(0), pytest.raises(InvalidCredentials):
        authenticate_header("Bearer hf_" + "x" * 49)


@pytest.mark.django_db
def test_only_a_digest_is_stored_t18_t19():
    token, secret = make_token(make_user(password=None))
    row = str(AccessToken.objects.values().get())
    assert secret not in row
    assert secret[3:-4] not in row
    assert token.digest == digest(secret)
    with pytest.raises(InvalidCredentials):
        authenticate_header(f"Bearer {token.digest}")


@pytest.mark.django_db
def test_bearer_and_basic_name_the_same_viewer_and_passwords_never_work_t16():
    user = make_user("ann")
    token, secret = make_token(user)
    for header in (f"Bearer {secret}", basic("ann", secret), basic("anything", secret), basic(secret, "")):
        viewer = authenticate_header(header)
        assert (viewer.user, viewer.token) == (user, token)
    for header in (basic("ann", PASSWORD), f"Bearer {PASSWORD}", "Bearer", "Basic %%%", "Digest x", ""):
        with pytest.raises(InvalidCredentials):
            authenticate_header(header)


@pytest.mark.django_db
def test_expired_revoked_and_disabled_are_refused_t07_t25():
    user = make_user(password=None)
    expired, expired_secret = make_token(user, expires_at=timezone.now() + timedelta(hours=1))
    AccessToken.objects.filter(pk=expired.pk).update(expires_at=timezone.now())
    revoked, revoked_secret = make_token(user)
    revoke_token(revoked, actor=user)
    revoke_token(revoked, actor=user)
    live, live_secret = make_token(user)
    for secret in (expired_secret, revoked_secret):
        with pytest.raises(InvalidCredentials):
            authenticate_header(f"Bearer {secret}")
    assert authenticate_header(f"Bearer {live_secret}").token == live
    deactivate(user, actor=None)
    with pytest.raises(InvalidCredentials):
        authenticate_header(f"Bearer {live_secret}")


@pytest.mark.django_db
def test_rotation_keeps_rights_and_length_of_life_t25():
    user = make_user(password=None)
    grants = scoped("user", user.username, READ, WRITE)
    old, old_secret = make_token(
        user, TokenRole.FINE_GRAINED, grants=grants, expires_at=timezone.now() + timedelta(days=30)
    )
    new, new_secret = rotate_token(old)
    with pytest.raises(InvalidCredentials):
        authenticate_header(f"Bearer {old_secret}")
    assert authenticate_header(f"Bearer {new_secret}").token == new
    assert (new.role, new.grants, new.name, new.rotated_from) == (old.role, old.grants, old.name, old)
    assert abs((new.expires_at - new.created_at) - timedelta(days=30)) < timedelta(seconds=5)
    with pytest.raises(Conflict):
        rotate_token(AccessToken.objects.get(pk=old.pk))


@pytest.mark.django_db
def test_last_use_is_written_once_a_minute(django_assert_num_queries):
    _token, secret = make_token(make_user(password=None))
    authenticate_header(f"Bearer {secret}", client="client/1\x1b[31m")
    assert AccessToken.objects.get().last_used_client == "client/1[31m"
    with django_assert_num_queries(1):
        authenticate_header(f"Bearer {secret}", client="client/2")
    assert AccessToken.objects.get().last_used_client == "client/1[31m"


@pytest.mark.django_db
def test_guessing_is_limited_but_good_tokens_go_on_t27():
    _token, secret = make_token(make_user(password=None))
    for _ in range(20):
        with pytest.raises(InvalidCredentials) as refusal:
            authenticate_header(f"Bearer {generate_secret()}", address="192.0.2.1")
        assert refusal.value.message == "Invalid credentials in Authorization header"
    with pytest.raises(RateLimited) as limited:
        authenticate_header(f"Bearer {generate_secret()}", address="192.0.2.1")
    assert 0 < limited.value.data["retry_after_s"] <= 60
    authenticate_header(f"Bearer {secret}", address="192.0.2.1")
    with pytest.raises(InvalidCredentials):
        authenticate_header(f"Bearer {generate_secret()}", address="192.0.2.2")


@pytest.mark.django_db
def test_leaked_tokens_are_revoked_and_the_owner_is_told_t26(settings, django_capture_on_commit_callbacks):
    settings.IS_MAIL_CONFIGURED = True
    user = make_user("ann", password=None)
    token, secret = make_token(user)
    _other, other_secret = make_token(user)
    with django_capture_on_commit_callbacks(execute=True):
        assert revoke_leaked([secret, generate_secret(), "hf_x", "", secret], where="a card") == [token]
        assert revoke_leaked([secret]) == []
    token.refresh_from_db()
    assert token.revoked_reason == "leaked"
    [message] = mail.outbox
    assert message.to == ["ann@example.org"]
    assert str(token) in message.body
    assert secret not in message.body
    authenticate_header(f"Bearer {other_secret}")


@pytest.mark.django_db
@pytest.mark.parametrize(
    "grants",
    [
        {},
        {"global": []},
        {"global": ["everything"]},
        {"global": "repo.write"},
        {"other": []},
        {"scoped": [{}]},
        {"scoped": [{"entity": {"type": "user"}, "permissions": [READ]}]},
        {"scoped": "x"},
        scoped("model", "no-slash", READ),
        scoped("model", "ann/../x", READ),
        scoped("model", "ann/x"),
        scoped("model", "ann/x", "repo.create"),
        scoped("planet", "ann", READ),
        scoped("org", "ann", READ),
        scoped("org", "nobody-here", READ),
    ],
)
def test_malformed_grants_are_refused(grants):
    with pytest.raises(BadRequest):
        create_token(make_user("ann", password=None), name="x", role=TokenRole.FINE_GRAINED, grants=grants)
    assert not AccessToken.objects.exists()


@pytest.mark.django_db
def test_grants_beyond_ones_own_right_are_refused_t17():
    user = make_user("ann", password=None)
    make_organization("acme", members={user: Role.READ})
    make_organization("others")
    for kind, name, action in [
        ("org", "acme", WRITE),
        ("org", "acme", "org.write"),
        ("model", "acme/bert", WRITE),
        ("org", "others", "org.read"),
        ("model", "others/bert", WRITE),
    ]:
        with pytest.raises(PermissionDenied):
            clean_grants(user, scoped(kind, name, action))
    assert clean_grants(user, scoped("model", "OTHERS/bert", READ)) == {
        "global": [],
        **scoped("model", "others/bert", READ),
    }


@pytest.mark.django_db
def test_token_count_name_and_expiry_have_limits():
    user = make_user(password=None)
    with pytest.raises(BadRequest):
        create_token(user, name=" ", role="read")
    with pytest.raises(BadRequest):
        create_token(user, name="x", role="admin")
    with pytest.raises(BadRequest):
        create_token(user, name="x", role="read", expires_at=timezone.now())
    with pytest.raises(BadRequest):
        create_token(user, name="x", role="read", grants={"global": [READ]})
    for number in range(MAX_LIVE_TOKENS):
        token, _secret = create_token(user, name=f"t{number}", role="read")
    with pytest.raises(Conflict):
        create_token(user, name="x", role="read")
    with pytest.raises(BadRequest):
        rename_token(token, name="x" * 101)
    revoke_token(token, actor=user)
    create_token(user, name="x", role="read")


# --- effective rights (T21, T24) -------------------------------------------------------------------------------------


def test_inference_token_does_nothing_else_t24():
    viewer = Viewer(token=AccessToken(role=TokenRole.INFERENCE))
    allowed = {action for action in Action if viewer.allows(action, namespace="a", repo_type="model", name="b")}
    assert allowed == {Action.INFERENCE, Action.ACCOUNT_READ}


def test_read_token_never_changes_anything_t21():
    viewer = Viewer(token=AccessToken(role=TokenRole.READ))
    assert not any(viewer.allows(action) for action in Action if "write" in action and action is not Action.INFERENCE)
    assert not viewer.allows(Action.REPO_CREATE)
    assert not viewer.allows(Action.REPO_ADMIN)


_names = st.sampled_from(["ann", "acme", "zed"])
_repos = st.sampled_from(["bert", "gpt"])
_kinds = st.sampled_from(["model", "dataset"])
_actions = st.sets(st.sampled_from(sorted(REPO_ACTIONS)), min_size=1)
_scope = st.one_of(
    st.tuples(st.sampled_from(["user", "org"]), _names, _actions),
    st.tuples(_kinds, st.builds("{}/{}".format, _names, _repos), _actions),
)


@given(
    account_wide=st.sets(st.sampled_from(sorted(REPO_ACTIONS))),
    scopes=st.lists(_scope, max_size=4),
    action=st.sampled_from(sorted(REPO_ACTIONS)),
    namespace=_names,
    repo_type=_kinds,
    name=_repos,
)
def test_fine_grained_token_allows_what_is_listed_and_no_more_t21(
    account_wide, scopes, action, namespace, repo_type, name
):
    token = AccessToken(
        role=TokenRole.FINE_GRAINED,
        grants={
            "global": sorted(account_wide),
            "scoped": [
                {"entity": {"type": kind, "name": target}, "permissions": sorted(actions)}
                for kind, target, actions in scopes
            ],
        },
    )
    # The oracle: collect all that is listed for this repo, then let writing imply reading.
    listed = set(account_wide)
    for kind, target, actions in scopes:
        if (kind in {"user", "org"} and target == namespace) or (kind, target) == (repo_type, f"{namespace}/{name}"):
            listed |= actions
    if Action.REPO_WRITE in listed:
        listed.add(Action.REPO_READ)
    allowed = Viewer(token=token).allows(
        Action(action), namespace=namespace.upper(), repo_type=repo_type, name=name.upper()
    )
    assert allowed == (action in listed)


@pytest.mark.django_db
@pytest.mark.parametrize("role", [None, *Role])
@pytest.mark.parametrize(
    ("token_role", "grants", "is_wide_enough"),
    [
        (None, None, True),
        (TokenRole.WRITE, None, True),
        (TokenRole.READ, None, False),
        (TokenRole.INFERENCE, None, False),
        (TokenRole.FINE_GRAINED, {"global": [CREATE]}, True),
        (TokenRole.FINE_GRAINED, {"global": [READ]}, False),
    ],
)
def test_creating_needs_role_and_token_t21_t22(role, token_role, grants, is_wide_enough):
    user = make_user(password=None)
    organization = make_organization("acme", members={user: role} if role else {})
    viewer = make_viewer(user) if token_role is None else make_viewer(user, token_role, grants=grants)
    has_role = role is not None and role.includes(Role.CONTRIBUTOR)
    if has_role and is_wide_enough:
        assert get_namespace_for_create(viewer, "ACME") == organization.namespace
    else:
        expected = InsufficientScope if has_role else PermissionDenied
        with pytest.raises(expected):
            get_namespace_for_create(viewer, "acme")
