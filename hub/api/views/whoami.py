"""Who is asking, what others may know about people and organizations, and the door for leaked tokens.

Source: hub-api §4 and §21.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from community.people import followed_pks, is_following, numbers_of
from hub.accounts.auth import Viewer
from hub.accounts.enums import Action, NamespaceKind, Role, TokenRole
from hub.accounts.models import AccessToken, Membership, Organization, User
from hub.accounts.permissions import get_namespace_or_successor, get_organization, require_user, role_in
from hub.accounts.queries import get_user, members_page, memberships_of
from hub.accounts.services.organizations import change_role, remove_member
from hub.accounts.services.tokens import MAX_REVOCATIONS, revoke_leaked
from hub.api.account_queries import count_visible
from hub.api.requests import parse_json
from hub.api.serializers.people import avatar_url, organization_json, user_json
from hub.core.errors import BadRequest, NamespaceNotFound, RateLimited
from hub.core.ids import RepoType, fold
from hub.core.ratelimit import REVOCATIONS, hit

_DEFAULT_LIMIT: Final = 100
_MAX_LIMIT: Final = 500


def whoami(request: HttpRequest) -> JsonResponse:
    """``GET /api/whoami-v2``: also how a client checks its token."""
    viewer = request.viewer
    require_user(viewer)
    user = viewer.user
    body: dict[str, Any] = {
        "type": "user",
        "id": user.object_id,
        "name": user.username,
        "fullname": user.get_full_name(),
        "isPro": False,
        "canPay": False,
        "periodEnd": None,
        "avatarUrl": avatar_url(user),
        "orgs": [_own_organization(membership) for membership in _memberships(viewer, user)],
        "auth": _auth(viewer),
    }
    if _may_see_mail(viewer):
        body["email"] = user.email
        body["emailVerified"] = user.emailaddress_set.filter(email__iexact=user.email, verified=True).exists()
    response = JsonResponse(body)
    response["Cache-Control"] = "private, no-store"
    return response


def _memberships(viewer: Viewer, user: User) -> Iterable[Membership]:
    """An application sees them with the scope for it only."""
    is_hidden = viewer.token is not None and viewer.token.role == TokenRole.OAUTH and not viewer.allows(Action.ORG_READ)
    return () if is_hidden else memberships_of(user)


def _may_see_mail(viewer: Viewer) -> bool:
    token = viewer.token
    if token is not None and token.role == TokenRole.OAUTH:
        return "email" in token.scopes
    return token is None or token.role in {TokenRole.READ, TokenRole.WRITE}


def _auth(viewer: Viewer) -> dict[str, Any]:
    token = viewer.token
    if token is None:
        return {"type": "session"}
    answer: dict[str, Any] = {"type": "access_token", "accessToken": _token(token)}
    if token.role == TokenRole.OAUTH:  # without a name the client stores it as oauth-{user}
        answer = {"type": "oauth", "scopes": token.scopes, "clientId": token.application_id}
    if token.expires_at:
        answer["expiresAt"] = token.expires_at.isoformat()
    return answer


def _token(token: AccessToken) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "displayName": token.name,
        # The clients know read, write and fineGrained; an inference token is the narrowest of the last kind.
        "role": "fineGrained" if token.role == TokenRole.INFERENCE else token.role,
        "createdAt": token.created_at.isoformat(),
    }
    if token.role == TokenRole.INFERENCE:
        answer["fineGrained"] = {"canReadGatedRepos": False, "global": [Action.INFERENCE.value], "scoped": []}
    if token.role == TokenRole.FINE_GRAINED:
        answer["fineGrained"] = {
            "canReadGatedRepos": False,
            "global": token.grants.get("global", []),
            "scoped": token.grants.get("scoped", []),
        }
    return answer


def _own_organization(membership: Membership) -> dict[str, Any]:
    return {
        **organization_json(membership.organization),
        "canPay": False,
        "periodEnd": None,
        "isEnterprise": False,
        "roleInOrg": membership.role,
    }


# --- others ----------------------------------------------------------------------------------------------------------


def user_overview(request: HttpRequest, name: str) -> JsonResponse:
    """``GET /api/users/{name}/overview``; counts hold what the viewer may see (T36)."""
    user = get_user(name)
    numbers = numbers_of(request.viewer, user)
    return JsonResponse(
        {
            "_id": user.object_id,
            "type": "user",
            "user": user.username,
            "fullname": user.get_full_name(),
            "avatarUrl": avatar_url(user),
            "details": user.bio,
            "isPro": False,
            "isFollowing": is_following(request.viewer, user),
            **_repo_counts(request.viewer, user.namespace_id),
            "numDiscussions": numbers.discussions,
            "numPapers": 0,
            "numUpvotes": numbers.upvotes,
            "numLikes": numbers.likes,
            "numFollowing": numbers.following,
            "numFollowers": numbers.followers,
            "orgs": [organization_json(membership.organization) for membership in memberships_of(user)],
            "createdAt": user.date_joined.isoformat(),
        }
    )


def organization_overview(request: HttpRequest, name: str) -> JsonResponse:
    """``GET /api/organizations/{name}/overview``."""
    organization = get_organization(request.viewer, name)
    return JsonResponse(
        {
            "_id": organization.object_id,
            **{key: value for key, value in organization_json(organization).items() if key != "id"},
            "details": organization.description,
            "isVerified": False,
            "isFollowing": is_following(request.viewer, organization),
            "numUsers": organization.memberships.count(),
            **_repo_counts(request.viewer, organization.namespace_id),
            "numPapers": 0,
            "numFollowers": numbers_of(request.viewer, organization).followers,
            "createdAt": organization.created_at.isoformat(),
        }
    )


def _repo_counts(viewer: Viewer, namespace_id: int | None) -> dict[str, int]:
    counts = count_visible(viewer, namespace_id) if namespace_id else {}
    return {
        "numModels": counts.get(RepoType.MODEL, 0),
        "numDatasets": counts.get(RepoType.DATASET, 0),
        "numSpaces": counts.get(RepoType.SPACE, 0),
    }


def organization_members(request: HttpRequest, name: str) -> JsonResponse:
    """``GET /api/organizations/{name}/members``: by name, ``Link: rel="next"``; roles for admins only."""
    organization = get_organization(request.viewer, name)
    limit = _limit(request.GET.get("limit", ""))
    page = members_page(
        organization, after=request.GET.get("cursor", "")[:42], search=request.GET.get("search", "")[:42], limit=limit
    )
    with_role = role_in(request.viewer, organization.namespace_id) is Role.ADMIN
    followed = followed_pks(request.viewer, [membership.user_id for membership in page[:limit]])
    rows = [
        _member(membership, with_role=with_role, is_followed=membership.user_id in followed)
        for membership in page[:limit]
    ]
    response = JsonResponse(rows, safe=False)
    if len(page) > limit:
        query = request.GET.copy()
        query["cursor"] = fold(page[limit - 1].user.username)
        response["Link"] = f'<{settings.HUB_URL}{request.path}?{query.urlencode()}>; rel="next"'
    return response


def _member(membership: Membership, *, with_role: bool, is_followed: bool) -> dict[str, Any]:
    body = user_json(membership.user, is_following=is_followed)
    return {**body, "role": membership.role} if with_role else body


def _limit(text: str) -> int:
    if not text:
        return _DEFAULT_LIMIT
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= _MAX_LIMIT:
        raise BadRequest(f"limit must be a number from 1 to {_MAX_LIMIT}.", param="limit")
    return int(text)


def avatar(request: HttpRequest, kind: str, name: str) -> HttpResponse:
    """``GET /api/{users|organizations}/{name}/avatar``: the address, or a redirect to the picture when asked so."""
    url = avatar_url(_require(name, NamespaceKind.USER if kind == "users" else NamespaceKind.ORGANIZATION))
    if request.GET.get("redirect") == "true" or request.headers.get("sec-fetch-dest") == "image":
        return HttpResponse(status=302, headers={"Location": url})
    return JsonResponse({"avatarUrl": url})


def avatar_redirect(request: HttpRequest, name: str) -> HttpResponse:
    """``GET /api/avatars/{name}``."""
    return HttpResponse(status=302, headers={"Location": avatar_url(_require(name, None))})


def _require(name: str, kind: NamespaceKind | None) -> User | Organization:
    namespace = get_namespace_or_successor(name)
    if kind is not None and namespace.kind != kind:
        raise NamespaceNotFound
    if namespace.is_organization:
        return namespace.organization
    if not namespace.user.is_active:
        raise NamespaceNotFound
    return namespace.user


def member_role(request: HttpRequest, name: str, member: str) -> HttpResponse:
    """``PUT /api/organizations/{name}/members/{member}/role``; ``no_access`` takes the member out."""
    require_user(request.viewer)
    organization = get_organization(request.viewer, name, at_least=Role.ADMIN)
    role = _json_object(request).get("role")
    person, actor = get_user(member), request.viewer.user
    if role == "no_access":
        remove_member(organization, actor=actor, member=person)
    else:
        change_role(organization, actor=actor, member=person, role=role if isinstance(role, str) else "")
    return HttpResponse(status=200)


# --- leaked tokens ---------------------------------------------------------------------------------------------------


@csrf_exempt
@require_POST
def revoke_credentials(request: HttpRequest) -> HttpResponse:
    """``POST /api/credentials/revoke``: always 202 and empty, whatever was sent and whatever existed (T26)."""
    try:
        hit(REVOCATIONS, request.META.get("REMOTE_ADDR", ""))
        credentials = _json_object(request).get("credentials")
    except (BadRequest, RequestDataTooBig, RateLimited):
        credentials = None
    if isinstance(credentials, list):
        revoke_leaked([item for item in credentials[:MAX_REVOCATIONS] if isinstance(item, str)])
    return HttpResponse(status=202)


def _json_object(request: HttpRequest) -> dict[str, Any]:
    body = parse_json(request.body)
    if not isinstance(body, dict):
        raise BadRequest("The body must be a JSON object.")
    return body
