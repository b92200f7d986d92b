"""The request of an application to act for a person, as the consent page sees it (authorization code with PKCE)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from allauth.idp.oidc.internal.oauthlib.utils import extract_headers, get_uri
from allauth.idp.oidc.models import Client
from django.http import HttpRequest
from oauthlib.oauth2.rfc6749 import errors

from hub.accounts.models import User
from hub.accounts.oauth import tokens
from hub.accounts.oauth.scopes import HARMLESS, in_order
from hub.accounts.oauth.server import is_loopback, is_public, server
from hub.accounts.services.audit import record
from hub.core.errors import BadRequest


class SendBack(Exception):
    """The application is told at its own address why nothing comes of it."""

    def __init__(self, url: str) -> None:
        self.url = url
        super().__init__(url)


@dataclass(frozen=True, slots=True)
class ConsentRequest:
    application: Client
    scopes: list[str]
    redirect_uri: str
    prompt: frozenset[str]

    @property
    def is_harmless(self) -> bool:
        return set(self.scopes) <= HARMLESS

    @property
    def goes_to(self) -> str:
        """The host that the person is sent to, for them to see."""
        return urlsplit(self.redirect_uri).netloc or self.redirect_uri.partition(":")[0]

    @property
    def origin(self) -> str:
        """For the page's ``form-action``: browsers hold it against the redirect, too."""
        parts = urlsplit(self.redirect_uri)
        return f"{parts.scheme}://{parts.netloc}" if parts.netloc else f"{parts.scheme}:"


def read_request(request: HttpRequest) -> ConsentRequest:
    """Check what an application asks.

    Raises:
        BadRequest: unknown application or address: the person is told, the application is not.
        SendBack: any other fault.
    """
    try:
        _refuse_plain_challenge(request)
        scopes, info = server().validate_authorization_request(*_params(request))
    except errors.FatalClientError as error:
        raise BadRequest(_words_of(error)) from error
    except errors.OAuth2Error as error:
        raise SendBack(error.in_uri(error.redirect_uri)) from error
    known = in_order(scopes)
    if not known:
        raise BadRequest("This application asks for nothing that this hub knows.")
    prompt = request.GET.get("prompt", "").split()
    return ConsentRequest(info["request"].client, known, info["redirect_uri"], frozenset(prompt))


def _refuse_plain_challenge(request: HttpRequest) -> None:
    if request.GET.get("code_challenge") and request.GET.get("code_challenge_method") != "S256":
        raise BadRequest("This application uses PKCE without S256, which this hub does not accept.")


def _words_of(error: errors.FatalClientError) -> str:
    if isinstance(error, errors.InvalidClientIdError | errors.MissingClientIdError):
        return "There is no application with this client id."
    return "This application asked to be answered at an address that it has not registered."


def _params(request: HttpRequest) -> tuple[str, str, str, dict[str, str]]:
    # The query alone counts: the body of our own form holds the decision, not the request.
    return get_uri(request), "GET", "", extract_headers(request)


def is_granted_before(consent: ConsentRequest, user: User) -> bool:
    """Whether to go on without asking; never for a program that anybody could pose as (RFC 8252 §8.6)."""
    if "consent" in consent.prompt or "login" in consent.prompt:
        return False
    uri = urlsplit(consent.redirect_uri)
    if is_public(consent.application) and (is_loopback(uri) or uri.scheme not in {"http", "https"}):
        return False
    return tokens.has_consented(user, consent.application, consent.scopes)


def grant(request: HttpRequest, consent: ConsentRequest, user: User) -> str:
    """Make an authorization code; return the address at which the application awaits it. Raises SendBack."""
    credentials: dict[str, Any] = {"user": user}
    try:
        headers, _body, _status = server().create_authorization_response(
            *_params(request), scopes=consent.scopes, credentials=credentials
        )
    except errors.FatalClientError as error:
        raise BadRequest(_words_of(error)) from error
    record("oauth.consent", actor=user, target=consent.application.id, scopes=consent.scopes)
    return headers["Location"]


def refusal(request: HttpRequest, consent: ConsentRequest) -> str:
    """The address that tells the application: the person said no."""
    error = errors.AccessDeniedError(state=request.GET.get("state"))
    return error.in_uri(consent.redirect_uri)
