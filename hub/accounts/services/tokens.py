"""Access tokens: made, rotated, revoked.  The secret is returned once and never stored (T18, T19)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

import structlog
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from hub.accounts.auth import digest, generate_secret, is_well_formed
from hub.accounts.enums import Action, Role, TokenRole
from hub.accounts.models import AccessToken, Membership, Namespace, User
from hub.accounts.services.audit import record
from hub.accounts.services.mail import send_notice
from hub.accounts.signals import rights_changed
from hub.core.errors import BadRequest, Conflict, PermissionDenied
from hub.core.ids import fold, validate_repo_name

MAX_LIVE_TOKENS: Final = 100
MAX_SCOPES: Final = 100
MAX_REVOCATIONS: Final = 1_000
_PREFIX_LENGTH: Final = 7

GLOBAL_ACTIONS: Final = frozenset(
    {
        Action.REPO_READ,
        Action.REPO_WRITE,
        Action.REPO_CREATE,
        Action.DISCUSSION_WRITE,
        Action.INFERENCE,
        Action.ACCOUNT_WRITE,
        Action.ORG_READ,
        Action.ORG_WRITE,
    }
)
REPO_ACTIONS: Final = frozenset({Action.REPO_READ, Action.REPO_WRITE, Action.DISCUSSION_WRITE, Action.INFERENCE})
NAMESPACE_ACTIONS: Final = REPO_ACTIONS | {Action.REPO_CREATE, Action.ORG_READ, Action.ORG_WRITE}
_REPO_TYPES: Final = frozenset({"model", "dataset", "space"})
# What needs a role in the namespace; the rest may be granted on anything that is public.
_ROLE_NEEDED: Final = {
    Action.REPO_WRITE: Role.CONTRIBUTOR,
    Action.REPO_CREATE: Role.CONTRIBUTOR,
    Action.ORG_READ: Role.READ,
    Action.ORG_WRITE: Role.ADMIN,
}

log = structlog.get_logger(__name__)


def create_token(
    user: User,
    *,
    name: str,
    role: TokenRole | str,
    grants: dict[str, Any] | None = None,
    expires_at: datetime | None = None,
    requests_per_minute: int = 0,
) -> tuple[AccessToken, str]:
    """Return the new token and its secret, which nobody can read again.

    Args:
        grants: fine-grained tokens only, in the form of ``AccessToken.grants``.
        expires_at: None for a token that does not expire.

    Raises:
        BadRequest: a field is malformed.
        PermissionDenied: a grant goes beyond the person's own rights (T17).
        Conflict: too many live tokens.
    """
    role = _parse_role(role)
    name = _clean_name(name)
    if expires_at is not None and expires_at <= timezone.now():
        raise BadRequest("The expiry lies in the past.", param="expires_at")
    if role is TokenRole.FINE_GRAINED:
        grants = clean_grants(user, grants or {})
    elif grants:
        raise BadRequest("Only fine-grained tokens carry single permissions.", param="grants")
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)  # two forms at once must not pass the limit together
        if live_tokens(user).count() >= MAX_LIVE_TOKENS:
            raise Conflict(f"You have {MAX_LIVE_TOKENS} tokens. Revoke one that you no longer use.")
        token, secret = _insert(user, name, role, grants or {}, expires_at, requests_per_minute)
        record("token.create", actor=user, target=token.object_id, role=role.value, grants=token.grants)
    return token, secret


def _insert(
    user: User, name: str, role: TokenRole, grants: dict[str, Any], expires_at: datetime | None, rpm: int
) -> tuple[AccessToken, str]:
    secret = generate_secret()
    token = AccessToken.objects.create(
        user=user,
        name=name,
        role=role,
        grants=grants,
        prefix=secret[:_PREFIX_LENGTH],
        last_four=secret[-4:],
        digest=digest(secret),
        expires_at=expires_at,
        requests_per_minute=rpm,
    )
    return token, secret


def live_tokens(user: User) -> Any:
    """Those that the person made themselves; applications have their own (hub.accounts.oauth.tokens)."""
    return AccessToken.objects.filter(user=user, revoked_at__isnull=True, application__isnull=True)


def rename_token(token: AccessToken, *, name: str) -> AccessToken:
    """Raises BadRequest."""
    with transaction.atomic():
        token.name = _clean_name(name)
        token.save(update_fields=["name"])
        record("token.rename", actor=token.user, target=token.object_id)
    return token


def rotate_token(token: AccessToken) -> tuple[AccessToken, str]:
    """Replace a token by one with the same rights and length of life; the old secret stops at once (T25).

    Raises:
        Conflict: it was revoked meanwhile.
        PermissionDenied: a grant goes beyond what the person may do by now.
    """
    now = timezone.now()
    expires_at = now + (token.expires_at - token.created_at) if token.expires_at else None
    with transaction.atomic():
        role = TokenRole(token.role)
        grants = clean_grants(token.user, token.grants) if role is TokenRole.FINE_GRAINED else {}
        _mark_revoked(token, reason="rotated", actor=token.user)
        successor, secret = _insert(token.user, token.name, role, grants, expires_at, token.requests_per_minute)
        successor.rotated_from = token
        successor.save(update_fields=["rotated_from"])
        record("token.rotate", actor=token.user, target=successor.object_id, former=token.object_id)
    return successor, secret


def revoke_token(token: AccessToken, *, actor: User | None, reason: str = "user") -> None:
    """Stop a token for good; doing so twice changes nothing."""
    with transaction.atomic():
        try:
            _mark_revoked(token, reason=reason, actor=actor)
        except Conflict:
            return
        record("token.revoke", actor=actor, target=token.object_id, reason=reason)


def _mark_revoked(token: AccessToken, *, reason: str, actor: User | None) -> None:
    now = timezone.now()
    changed = AccessToken.objects.filter(pk=token.pk, revoked_at__isnull=True).update(
        revoked_at=now, revoked_reason=reason
    )
    if not changed:
        raise Conflict("This token was revoked.")
    token.revoked_at, token.revoked_reason = now, reason
    user_pk = token.user_id
    transaction.on_commit(lambda: rights_changed.send(sender=AccessToken, user_id=user_pk))


def revoke_leaked(secrets: Iterable[str], *, where: str = "") -> list[AccessToken]:
    """Revoke the live tokens among ``secrets`` and tell their owners (T26).

    ``where`` says in words where they were found. Unknown strings are ignored; callers outside must not learn which.
    """
    digests = {digest(secret) for secret in secrets if isinstance(secret, str) and is_well_formed(secret)}
    if not digests:
        return []
    is_meant = Q(digest__in=digests) | Q(refresh_digest__in=digests)
    found = list(AccessToken.objects.select_related("user").filter(is_meant, revoked_at__isnull=True))
    for token in found:
        revoke_token(token, actor=None, reason="leaked")
        log.warning("leaked_token_revoked", token_id=token.object_id, user_id=token.user_id)
        send_notice(token.user, "email/token_leaked", {"token": token, "where": where})
    return found


def _parse_role(role: TokenRole | str) -> TokenRole:
    try:
        role = TokenRole(role)
    except ValueError as error:
        raise BadRequest("Unknown kind of token.", param="role") from error
    if role is TokenRole.OAUTH:  # given to applications, by consent
        raise BadRequest("Unknown kind of token.", param="role")
    return role


def _clean_name(name: str) -> str:
    name = " ".join(name.split())
    if not name or len(name) > 100:
        raise BadRequest("Give the token a name of 1 to 100 characters.", param="name")
    return name


# --- grants ----------------------------------------------------------------------------------------------------------


def clean_grants(user: User, grants: dict[str, Any]) -> dict[str, Any]:
    """Return ``grants`` in canonical form: known words only, sorted, no doubles.

    Raises:
        BadRequest: malformed, empty or unknown.
        PermissionDenied: beyond what ``user`` may do now (T17).
    """
    if not isinstance(grants, dict) or set(grants) - {"global", "scoped"}:
        raise BadRequest("Malformed permissions.", param="grants")
    account_wide = _clean_actions(grants.get("global", []), GLOBAL_ACTIONS)
    scoped = grants.get("scoped", [])
    if not isinstance(scoped, list) or len(scoped) > MAX_SCOPES:
        raise BadRequest(f"A token can name at most {MAX_SCOPES} repositories and organizations.", param="grants")
    roles = _roles_by_name(user)
    merged: dict[tuple[str, str], set[str]] = {}
    for scope in scoped:
        entity_type, name, actions = _clean_scope(scope)
        _require_role(roles, name, actions)
        merged.setdefault((entity_type, name), set()).update(actions)
    if not account_wide and not merged:
        raise BadRequest("Choose at least one permission.", param="grants")
    return {
        "global": account_wide,
        "scoped": [
            {"entity": {"type": entity_type, "name": name}, "permissions": sorted(actions)}
            for (entity_type, name), actions in sorted(merged.items())
        ],
    }


def _clean_actions(actions: Any, allowed: frozenset[Action]) -> list[str]:
    known = {action.value for action in allowed}
    if not isinstance(actions, list) or not all(isinstance(a, str) and a in known for a in actions):
        raise BadRequest("Unknown permission.", param="grants")
    return sorted(set(actions))


def _clean_scope(scope: Any) -> tuple[str, str, list[str]]:
    entity = scope.get("entity") if isinstance(scope, dict) else None
    if not isinstance(entity, dict) or not isinstance(entity.get("name"), str):
        raise BadRequest("Malformed permissions.", param="grants")
    entity_type, name = entity.get("type"), entity["name"].strip()
    if entity_type in {"user", "org"}:
        actions = _clean_actions(scope.get("permissions"), NAMESPACE_ACTIONS)
        owner = name
    elif entity_type in _REPO_TYPES and name.count("/") == 1:
        actions = _clean_actions(scope.get("permissions"), REPO_ACTIONS)
        owner, _, repo_name = name.partition("/")
        validate_repo_name(repo_name)
    else:
        raise BadRequest("Malformed permissions.", param="grants")
    namespace = Namespace.objects.filter(name_folded=fold(owner), retired_at__isnull=True).first()
    if namespace is None or (entity_type in {"user", "org"} and namespace.kind != entity_type):
        raise BadRequest(f"There is no user or organization named {owner[:42]}.", param="grants")
    if not actions:
        raise BadRequest("Choose at least one permission.", param="grants")
    # The stored spelling is the namespace's own; comparisons fold anyway.
    return entity_type, namespace.name + name[len(owner) :], actions


def _roles_by_name(user: User) -> dict[str, Role]:
    rows = Membership.objects.filter(user=user).values_list("organization__namespace__name_folded", "role")
    return {name: Role(role) for name, role in rows} | {fold(user.username): Role.ADMIN}


def _require_role(roles: dict[str, Role], name: str, actions: list[str]) -> None:
    role = roles.get(fold(name.partition("/")[0]))
    for action in actions:
        needed = _ROLE_NEEDED.get(Action(action))
        if needed is not None and (role is None or not role.includes(needed)):
            raise PermissionDenied(f"You cannot grant {action} on {name[:140]}: you do not have this right yourself.")
