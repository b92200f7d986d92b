"""The OAuth and OpenID routes of programs (hub-api §5); the pages of people are in ``hub.web.views.oauth``."""

from __future__ import annotations

from typing import Any, Final

from allauth.core.internal import jwkkit
from allauth.idp.oidc.internal.oauthlib.utils import extract_params
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse

from hub.accounts.auth import Viewer
from hub.accounts.enums import TokenRole
from hub.accounts.oauth import device, tokens
from hub.accounts.oauth.adapter import claims_of
from hub.accounts.oauth.keys import signing_key_pem
from hub.accounts.oauth.scopes import SCOPES
from hub.accounts.oauth.server import server
from hub.accounts.permissions import require_user
from hub.api.views.common import base_url
from hub.core.errors import AuthenticationRequired, BadRequest
from hub.core.ratelimit import BAD_TOKENS, Bucket, hit

_DEVICE_CODES: Final = Bucket("device-code-requests", 30, 60)
_METHODS: Final = ["client_secret_basic", "client_secret_post", "none"]
_GRANTS: Final = ["authorization_code", "refresh_token", device.GRANT]
_HTTP_401: Final = 401
#: What a token of the classic kinds says about its owner at ``userinfo``.
_ALL_CLAIMS: Final = ("openid", "profile", "email", "read-memberships")
_FEW_CLAIMS: Final = ("openid", "profile")
MAX_FORM_FIELDS: Final = 40


def configuration(request: HttpRequest) -> JsonResponse:
    """``GET /.well-known/openid-configuration``."""
    url = settings.HUB_URL
    return JsonResponse(
        {
            "issuer": url,
            "authorization_endpoint": f"{url}/oauth/authorize",
            "token_endpoint": f"{url}/oauth/token",
            "userinfo_endpoint": f"{url}/oauth/userinfo",
            "jwks_uri": f"{url}/oauth/jwks",
            "device_authorization_endpoint": f"{url}/oauth/device",
            "revocation_endpoint": f"{url}/oauth/revoke",
            "scopes_supported": list(SCOPES),
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": _GRANTS,
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": _METHODS,
            "revocation_endpoint_auth_methods_supported": _METHODS,
            "code_challenge_methods_supported": ["S256"],
            "claims_supported": ["sub", "name", "preferred_username", "profile", "picture", "email", "orgs"],
            "ui_locales_supported": ["en", "zh-Hans"],
            "authorization_response_iss_parameter_supported": False,
        }
    )


def jwks(request: HttpRequest) -> JsonResponse:
    """``GET /oauth/jwks``: the public half of the key of id tokens."""
    key, _private = jwkkit.load_jwk_from_pem(signing_key_pem())
    response = JsonResponse({"keys": [{**key, "use": "sig", "alg": "RS256"}]})
    response["Cache-Control"] = "public, max-age=3600"
    return response


# --- devices ---------------------------------------------------------------------------------------------------------


def start_device(request: HttpRequest) -> JsonResponse:
    """``POST /oauth/device``: a program asks to sign in (RFC 8628 §3.1)."""
    hit(_DEVICE_CODES, request.META.get("REMOTE_ADDR", ""))
    form = _form(request)
    try:
        started = device.start(
            form.get("client_id", ""),
            form.get("scope", "").split()[:50] or None,
            client=request.headers.get("user-agent", ""),
        )
    except device.OAuthError as error:
        return _refusal(error)
    page = f"{base_url(request)}/device"
    code = started.row.shown_code
    return _no_store(
        JsonResponse(
            {
                "device_code": started.device_code,
                "user_code": code,
                "verification_uri": page,
                "verification_uri_complete": f"{page}?code={code}",
                "expires_in": int(device.LIFE.total_seconds()),
                "interval": device.INTERVAL_S,
            }
        )
    )


def device_page(request: HttpRequest) -> HttpResponse:
    """``GET /oauth/device``: where the Hub's own page is, ours has a shorter address."""
    query = request.META.get("QUERY_STRING", "")
    return HttpResponse(status=303, headers={"Location": f"/device?{query}" if query else "/device"})


# --- tokens ----------------------------------------------------------------------------------------------------------


def token(request: HttpRequest) -> HttpResponse:
    """``POST /oauth/token``: authorization_code, refresh_token and device_code."""
    form = _form(request)
    if form.get("grant_type") == device.GRANT:
        return _device_token(form)
    if form.get("grant_type") not in _GRANTS:
        # oauthlib knows more grants than this hub has.
        return _refusal(device.OAuthError("unsupported_grant_type", "This hub has no such grant."))
    with transaction.atomic():
        headers, body, status = server().create_token_response(*extract_params(request))
    return _answer(request, headers, body, status)


def _device_token(form: dict[str, str]) -> JsonResponse:
    try:
        pair, scopes = device.poll(form.get("device_code", ""), form.get("client_id", ""))
    except device.OAuthError as error:
        return _refusal(error)
    return _no_store(JsonResponse(tokens.token_answer(pair, scopes)))


def revoke(request: HttpRequest) -> HttpResponse:
    """``POST /oauth/revoke`` (RFC 7009): 200 whether or not there was such a token."""
    _form(request)
    with transaction.atomic():
        headers, body, status = server().create_revocation_response(*extract_params(request))
    return _answer(request, headers, body, status)


def _answer(request: HttpRequest, headers: dict[str, str], body: Any, status: int) -> HttpResponse:
    if status == _HTTP_401:  # the name or secret of an application is wrong: guessing is limited as that of tokens
        hit(BAD_TOKENS, request.META.get("REMOTE_ADDR", ""))
    # Its CORS headers give way to ours, which are the same for all routes.
    kept = {name: value for name, value in headers.items() if not name.lower().startswith("access-control-")}
    response = HttpResponse(body or "", status=status, headers={"Content-Type": "application/json", **kept})
    return _no_store(response)


def _refusal(error: device.OAuthError) -> JsonResponse:
    return _no_store(
        JsonResponse({"error": error.error, "error_description": error.message}, status=device.OAuthError.status)
    )


def _no_store(response: Any) -> Any:
    response["Cache-Control"] = "no-store"
    response["Pragma"] = "no-cache"
    return response


def _form(request: HttpRequest) -> dict[str, str]:
    """The fields of a form, each once. Raises BadRequest."""
    fields = request.POST
    if any(len(values) > 1 for _name, values in fields.lists()) or len(fields) > MAX_FORM_FIELDS:
        raise BadRequest("Each field may be given once.")
    if any("\0" in value for value in fields.values()):
        raise BadRequest("The form holds characters that are not text.")
    return {name: str(value) for name, value in fields.items()}


# --- the person ------------------------------------------------------------------------------------------------------


def userinfo(request: HttpRequest) -> JsonResponse:
    """``GET`` and ``POST /oauth/userinfo``: what the token's scopes tell about its owner."""
    viewer: Viewer = request.viewer
    if viewer.token is None or viewer.user is None:
        raise AuthenticationRequired
    require_user(viewer)
    response = JsonResponse(claims_of(viewer.user, _claims_allowed(viewer)))
    return _no_store(response)


def _claims_allowed(viewer: Viewer) -> tuple[str, ...]:
    assert viewer.token is not None
    if viewer.token.role == TokenRole.OAUTH:
        return tuple(viewer.token.scopes)
    return _ALL_CLAIMS if viewer.token.role in {TokenRole.READ, TokenRole.WRITE} else _FEW_CLAIMS
