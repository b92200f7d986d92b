"""Who is asking, what others may know about people and organizations, and the door for leaked tokens.

Source: hub-api §4 and §21.
"""

from __future__ import annotations

from typing import Any, Final

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from hub.accounts.auth import Viewer
from hub.accounts.enums import Action, NamespaceKind, Role, TokenRole
from hub.accounts.models import AccessToken, Membership, Organization, User
from hub.accounts.permissions import get_namespace_or_successor, get_organization, require_user, role_in
from hub.accounts.queries import get_user, members_page, memberships_of
from hub.accounts.services.organizations import change_role, remove_member
from hub.accounts.services.tokens import MAX_REVOCATIONS, revoke_leaked
from hub.api.account_queries import count_visible
from hub.api.requests import parse_json
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
        "avatarUrl": _avatar_url(user),
        "orgs": [_own_organization(membership) for membership in memberships_of(user)],
        "auth": _auth(viewer),
    }
    if _may_see_mail(viewer):
        body["email"] = user.email
        body["emailVerified"] = user.emailaddress_set.filter(email__iexact=user.email, verified=True).exists()
    response = JsonResponse(body)
    response["Cache-Control"] = "private, no-store"
    return response


def _may_see_mail(viewer: Viewer) -> bool:
    return viewer.token is None or viewer.token.role in {TokenRole.READ, TokenRole.WRITE}


def _auth(viewer: Viewer) -> dict[str, Any]:
    token = viewer.token
    if token is None:
        return {"type": "session"}
    answer: dict[str, Any] = {"type": "access_token", "accessToken": _token(token)}
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
        **_organization_brief(membership.organization),
        "canPay": False,
        "periodEnd": None,
        "isEnterprise": False,
        "roleInOrg": membership.role,
    }


def _organization_brief(organization: Organization) -> dict[str, Any]:
    return {
        "type": "org",
        "id": organization.object_id,
        "name": organization.name,
        "fullname": organization.full_name or organization.name,
        "avatarUrl": _avatar_url(organization),
    }


def _avatar_url(subject: User | Organization) -> str:
    return f"{settings.HUB_URL}{subject.avatar_url}" if subject.avatar else f"{settings.HUB_URL}/static/icons/mark.svg"


# --- others ----------------------------------------------------------------------------------------------------------


def user_overview(request: HttpRequest, name: str) -> JsonResponse:
    """``GET /api/users/{name}/overview``; counts hold what the viewer may see (T36)."""
    user = get_user(name)
    return JsonResponse(
        {
            "_id": user.object_id,
            "type": "user",
            "user": user.username,
            "fullname": user.get_full_name(),
            "avatarUrl": _avatar_url(user),
            "details": user.bio,
            "isPro": False,
            "isFollowing": False,
            **_repo_counts(request.viewer, user.namespace_id),
            "numDiscussions": 0,
            "numPapers": 0,
            "numUpvotes": 0,
            "numLikes": 0,
            "numFollowing": 0,
            "numFollowers": 0,
            "orgs": [_organization_brief(membership.organization) for membership in memberships_of(user)],
            "createdAt": user.date_joined.isoformat(),
        }
    )


def organization_overview(request: HttpRequest, name: str) -> JsonResponse:
    """``GET /api/organizations/{name}/overview``."""
    organization = get_organization(request.viewer, name)
    return JsonResponse(
        {
            "_id": organization.object_id,
            **{key: value for key, value in _organization_brief(organization).items() if key != "id"},
            "details": organization.description,
            "isVerified": False,
            "isFollowing": False,
            "numUsers": organization.memberships.count(),
            **_repo_counts(request.viewer, organization.namespace_id),
            "numPapers": 0,
            "numFollowers": 0,
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
    response = JsonResponse([_member(membership, with_role=with_role) for membership in page[:limit]], safe=False)
    if len(page) > limit:
        query = request.GET.copy()
        query["cursor"] = fold(page[limit - 1].user.username)
        response["Link"] = f'<{settings.HUB_URL}{request.path}?{query.urlencode()}>; rel="next"'
    return response


def _member(membership: Membership, *, with_role: bool) -> dict[str, Any]:
    user = membership.user
    body = {
        "_id": user.object_id,
        "type": "user",
        "user": user.username,
        "fullname": user.get_full_name(),
        "avatarUrl": _avatar_url(user),
        "isPro": False,
        "isFollowing": False,
    }
    return {**body, "role": membership.role} if with_role else body


def _limit(text: str) -> int:
    if not text:
        return _DEFAULT_LIMIT
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= _MAX_LIMIT:
        raise BadRequest(f"limit must be a number from 1 to {_MAX_LIMIT}.", param="limit")
    return int(text)


def no_followers(request: HttpRequest, kind: str, name: str) -> JsonResponse:
    """Nobody follows anybody on this hub; unknown names are still 404."""
    _require(name, NamespaceKind.USER if kind == "users" else NamespaceKind.ORGANIZATION)
    return JsonResponse([], safe=False)


def avatar(request: HttpRequest, kind: str, name: str) -> HttpResponse:
    """``GET /api/{users|organizations}/{name}/avatar``: the address, or a redirect to the picture when asked so."""
    url = _avatar_url(_require(name, NamespaceKind.USER if kind == "users" else NamespaceKind.ORGANIZATION))
    if request.GET.get("redirect") == "true" or request.headers.get("sec-fetch-dest") == "image":
        return HttpResponse(status=302, headers={"Location": url})
    return JsonResponse({"avatarUrl": url})


def avatar_redirect(request: HttpRequest, name: str) -> HttpResponse:
    """``GET /api/avatars/{name}``."""
    return HttpResponse(status=302, headers={"Location": _avatar_url(_require(name, None))})


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
