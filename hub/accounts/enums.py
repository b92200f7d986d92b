"""States and rights of people, organisations and tokens."""

from __future__ import annotations

from enum import StrEnum

from django.db import models
from django.utils.translation import gettext_lazy as _


class NamespaceKind(models.TextChoices):
    USER = "user", _("User")
    ORGANIZATION = "org", _("Organization")


class Role(models.TextChoices):
    """What a member may do in an organization, weakest first."""

    READ = "read", _("Read")
    CONTRIBUTOR = "contributor", _("Contributor")
    WRITE = "write", _("Write")
    ADMIN = "admin", _("Admin")

    @property
    def rank(self) -> int:
        return list(Role).index(self)

    def includes(self, other: Role) -> bool:
        """True if holding ``self`` implies the rights of ``other``."""
        return self.rank >= other.rank


class TokenRole(models.TextChoices):
    READ = "read", _("Read")
    WRITE = "write", _("Write")
    INFERENCE = "inference", _("Inference")
    FINE_GRAINED = "fineGrained", _("Fine-grained")
    # Only ever given by the OAuth provider (hub.accounts.oauth); people cannot choose it.
    OAUTH = "oauth", _("Application")


class DeviceState(models.TextChoices):
    PENDING = "pending", _("Waiting")
    APPROVED = "approved", _("Approved")
    DENIED = "denied", _("Denied")
    USED = "used", _("Signed in")


class SignupChoice(models.TextChoices):
    OPEN = "open", _("Anyone may make an account")
    CLOSED = "closed", _("Closed")


class Tone(models.TextChoices):
    INFO = "info", _("Plain")
    SUCCESS = "success", _("Good news")
    WARNING = "warning", _("Warning")
    DANGER = "danger", _("Urgent")


class Action(StrEnum):
    """What a request wants to do; the same words stand in fine-grained tokens."""

    REPO_READ = "repo.content.read"
    REPO_WRITE = "repo.write"
    REPO_ADMIN = "repo.admin"
    REPO_CREATE = "repo.create"
    DISCUSSION_WRITE = "discussion.write"
    INFERENCE = "inference.serverless.write"
    ACCOUNT_READ = "user.read"
    ACCOUNT_WRITE = "user.write"
    ORG_READ = "org.read"
    ORG_WRITE = "org.write"
