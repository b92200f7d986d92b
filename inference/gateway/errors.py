"""Words an error in the dialect of the route: OpenAI object, or the Hub's ``{"error": text}``."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.utils import translation

from hub.core.edge import Scope
from hub.core.error_words import in_words_of_reader
from hub.core.errors import AuthenticationRequired, HubError, NotFound, header_text
from inference.gateway.http import header
from inference.protocol.errors import InferenceError

Headers = list[tuple[bytes, bytes]]


def as_inference_error(error: HubError) -> InferenceError:
    """One shape for both trees."""
    status = error.status
    if isinstance(error, NotFound) and error.data.get("anonymous"):
        status = 401
    retry = error.data.get("retry_after_s")
    return InferenceError(
        error.code or _CODES.get(status, "refused"),
        error.message if not isinstance(error, AuthenticationRequired) else _SIGN_IN_FIRST,
        status=status,
        retryable=status in {429, 503},
        retry_after_s=retry,
        param=error.data.get("param"),
    )


_SIGN_IN_FIRST = "Hosted inference needs an access token: send 'Authorization: Bearer hf_…'."
_CODES = {401: "unauthorized", 403: "forbidden", 404: "not_found", 413: "too_large", 422: "unprocessable"} | {
    429: "rate_limited",
    503: "unavailable",
}


def as_told(error: InferenceError, scope: Scope) -> InferenceError:
    """In the language of the page that called; programs, which carry no page's CSRF token, are told in English."""
    language = header(scope, b"accept-language")
    if not header(scope, b"x-csrftoken") or language not in dict(settings.LANGUAGES):
        return error
    with translation.override(language):
        message = in_words_of_reader(error.message)
    return InferenceError(
        error.code,
        message,
        status=error.status,
        retryable=error.retryable,
        param=error.param,
        retry_after_s=error.retry_after_s,
    )


def headers_of(error: InferenceError, request_id: str) -> Headers:
    found: Headers = [
        (b"x-error-code", header_text(error.code).encode()),
        (b"x-error-message", header_text(error.message).encode()),
        (b"x-request-id", request_id.encode()),
    ]
    if error.retry_after_s is not None:
        found.append((b"retry-after", str(max(1, round(error.retry_after_s))).encode()))
    if error.status == 401:
        found.append((b"www-authenticate", b'Bearer realm="Agora"'))
    return found


def openai_body(error: InferenceError) -> dict[str, Any]:
    kind = "invalid_request_error" if 400 <= error.status < 500 else "server_error"
    if error.status == 429:
        kind = "rate_limit_error"
    return {"error": {"message": error.message, "type": kind, "param": error.param, "code": error.code}}


def hub_body(error: InferenceError) -> dict[str, Any]:
    body: dict[str, Any] = {"error": error.message, "error_code": error.code}
    if error.param:
        body["param"] = error.param
    if error.retry_after_s is not None:
        body["estimated_time"] = error.retry_after_s
    return body
