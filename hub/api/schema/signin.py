"""OAuth 2.0 and OpenID Connect (hub-api §5)."""

from __future__ import annotations

from hub.accounts.oauth import device
from hub.api.schema.operations import FORM, JSON, Body, anything, choice, describe, number, shape, text, texts
from hub.api.views import oauth

_GROUP = "Sign-in"
_GRANTS = ["authorization_code", "refresh_token", device.GRANT]

describe(
    oauth.configuration,
    "Show the OpenID configuration",
    _GROUP,
    access="anybody",
    answer=shape(
        "OpenIDConfiguration",
        issuer=text(),
        authorization_endpoint=text(),
        token_endpoint=text(),
        userinfo_endpoint=text(),
        jwks_uri=text(),
        device_authorization_endpoint=text(),
        revocation_endpoint=text(),
        scopes_supported=texts(),
        grant_types_supported=texts(),
    ),
)
describe(
    oauth.jwks,
    "Show the keys of id tokens",
    _GROUP,
    access="anybody",
    answer=shape("Jwks", keys=anything("JSON Web Keys.")),
)
describe(oauth.device_page, "Lead to the page for device codes", _GROUP, access="anybody", status=303)
describe(
    oauth.start_device,
    "Begin the sign-in of a device",
    _GROUP,
    access="anybody",
    description="RFC 8628: the person confirms user_code at verification_uri; meanwhile the device asks for its token.",
    request=Body(
        shape("StartDevice", client_id=text(), scope=text("Separated by spaces.", optional=True)),
        FORM,
    ),
    answer=shape(
        "DeviceCodes",
        device_code=text(),
        user_code=text(),
        verification_uri=text(),
        verification_uri_complete=text(),
        expires_in=number("Seconds."),
        interval=number("Seconds between two requests."),
    ),
)
describe(
    oauth.token,
    "Exchange a code or refresh token for tokens",
    _GROUP,
    access="anybody",
    description=(
        "Confidential applications send their secret in the form or by Basic; public ones prove themselves by PKCE. "
        "Refusals are 400 or 401 with error and error_description."
    ),
    request=Body(
        shape(
            "TokenRequest",
            grant_type=choice(_GRANTS),
            client_id=text(optional=True),
            client_secret=text(optional=True),
            code=text(optional=True),
            code_verifier=text(optional=True),
            redirect_uri=text(optional=True),
            refresh_token=text(optional=True),
            device_code=text(optional=True),
            scope=text(optional=True),
        ),
        FORM,
    ),
    answer=shape(
        "Tokens",
        access_token=text(),
        token_type=text(),
        expires_in=number("Seconds."),
        refresh_token=text(),
        scope=text(),
        id_token=text("With the scope openid.", optional=True),
    ),
)
describe(
    oauth.revoke,
    "Give a token back",
    _GROUP,
    access="anybody",
    request=Body(shape("RevokeToken", token=text(), client_id=text(optional=True)), FORM),
    answer=Body(None, JSON, description="Nothing, whether or not there was such a token."),
)
describe(
    oauth.userinfo,
    "Show whom a token belongs to",
    _GROUP,
    access="person",
    answer=shape(
        "UserInfo",
        sub=text(),
        name=text(optional=True),
        preferred_username=text(optional=True),
        profile=text(optional=True),
        picture=text(optional=True),
        website=text(optional=True),
        email=text(optional=True),
        orgs=anything(optional=True),
    ),
)
