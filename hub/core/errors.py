"""The error tree: one class per fact that a caller must be told.

Code, HTTP status and default message sit on the class; each surface translates once
(``hub.api.errors``, ``hub.web.errors``, ``inference.gateway.errors``).  ``code`` travels in
``X-Error-Code`` and is the name that huggingface_hub maps to its own exceptions.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar, Final

_UNPRINTABLE: Final = re.compile(r"[^ -~]")
_MAX_HEADER_TEXT: Final = 1000


def header_text(text: str) -> str:
    """Make a message fit for a header: one line of printable ASCII; servers refuse anything else (T115)."""
    return _UNPRINTABLE.sub("?", " ".join(text.split()))[:_MAX_HEADER_TEXT]


class HubError(Exception):
    """Any refusal that is explained to the caller; never carries internals.

    ``data`` holds facts for the surface (``retry_after_s``, ``commit_oid``, ``url``, ``param``, …).
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = ""
    default_message: ClassVar[str] = "Something went wrong on our side."

    def __init__(self, message: str = "", **data: Any) -> None:
        self.message = message or self.default_message
        self.data = data
        super().__init__(self.message)


class BadRequest(HubError):
    status = 400
    default_message = "The request could not be understood."


class InvalidCredentials(HubError):
    """A token or password that is unknown, revoked or expired (never treated as anonymous)."""

    status = 401
    # The client looks for exactly this text (hub-api §2.3); do not translate or extend it.
    default_message = "Invalid credentials in Authorization header"


class AuthenticationRequired(HubError):
    status = 401
    default_message = "Invalid username or password."


class PermissionDenied(HubError):
    status = 403
    default_message = "You do not have the rights to do this."


class InsufficientScope(PermissionDenied):
    default_message = "This access token has insufficient scope for this action."


class ReauthenticationRequired(PermissionDenied):
    code = "reauth_required"
    default_message = "Please confirm that it is you before doing this."


class RepoDisabled(PermissionDenied):
    # Exact text: the client maps it to DisabledRepoError.
    default_message = "Access to this resource is disabled."


class PostHeld(PermissionDenied):
    """What a new account wrote is kept, and published once a moderator has read it."""

    code = "PostHeld"
    default_message = "Your post was kept and waits for a moderator. You need not send it again."


class GatedRepo(PermissionDenied):
    code = "GatedRepo"
    default_message = "Access to this repository is restricted."


class NotFound(HubError):
    status = 404
    default_message = "Not found"


class RepoNotFound(NotFound):
    """The one answer for a missing and for a hidden repo; surfaces send 401 to anonymous API callers."""

    code = "RepoNotFound"
    default_message = "Repository not found"


class RevisionNotFound(NotFound):
    code = "RevisionNotFound"
    default_message = "Invalid rev id"


class EntryNotFound(NotFound):
    code = "EntryNotFound"
    default_message = "Entry not found"


class NamespaceNotFound(NotFound):
    default_message = "This user or organization does not exist."


class Conflict(HubError):
    status = 409
    default_message = "This already exists."


class LengthRequired(HubError):
    status = 411
    default_message = "Content-Length is required."


class PreconditionFailed(HubError):
    status = 412
    default_message = "The branch was updated since you opened this page. Please refresh and try again."


class PayloadTooLarge(HubError):
    status = 413
    default_message = "The request is too large."


class RangeNotSatisfiable(HubError):
    status = 416
    default_message = "The requested range is not available."


class Unprocessable(HubError):
    status = 422
    default_message = "The request is well formed but cannot be processed."


class UnsupportedModel(Unprocessable):
    """A repo whose files this hub will not load; ``message`` says which and why."""

    code = "UnsupportedModel"


class RateLimited(HubError):
    status = 429
    default_message = "Too many requests. Please wait and try again."


class ServiceUnavailable(HubError):
    status = 503
    default_message = "This service is not available right now. Please try again."


class StorageFull(HubError):
    status = 507
    default_message = "The hub is out of storage space. Nothing was lost; please tell its operator."
