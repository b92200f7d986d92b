"""People, organisations, the one namespace that both share, and access tokens."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models.functions import Lower
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from hub.accounts.enums import DeviceState, NamespaceKind, Role, SignupChoice, TokenRole, Tone
from hub.core.ids import fold, new_object_id


class Namespace(models.Model):
    """The first half of ``ns/name``.  A row is never deleted: a freed name stays retired (T45)."""

    name = models.CharField(max_length=42)
    name_folded = models.CharField(max_length=42, unique=True, editable=False)
    kind = models.CharField(max_length=8, choices=NamespaceKind.choices)
    retired_at = models.DateTimeField(null=True, blank=True)
    # Set when a namespace was renamed: the old name redirects here and cannot be taken.
    renamed_to = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="former_names"
    )
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.name_folded = fold(self.name)
        super().save(*args, **kwargs)

    @property
    def is_organization(self) -> bool:
        return self.kind == NamespaceKind.ORGANIZATION

    def get_absolute_url(self) -> str:
        return reverse("web:profile", args=[self.name])


class User(AbstractUser):
    """A person.  ``username`` always equals ``namespace.name``."""

    object_id = models.CharField(max_length=24, unique=True, default=new_object_id, editable=False)
    username = models.CharField(max_length=42, unique=True)
    namespace = models.OneToOneField(Namespace, on_delete=models.PROTECT, related_name="user", null=True)
    first_name = None  # type: ignore[assignment]  # people give one name, in their own order
    last_name = None  # type: ignore[assignment]
    full_name = models.CharField(_("full name"), max_length=100, blank=True)
    bio = models.CharField(_("about"), max_length=400, blank=True)
    website = models.URLField(_("website"), max_length=200, blank=True)
    # Random file name under media/avatars (T43); empty: a generated picture is drawn.
    avatar = models.CharField(max_length=64, blank=True)
    language = models.CharField(_("language"), max_length=16, blank=True)

    REQUIRED_FIELDS: ClassVar[list[str]] = ["email"]

    class Meta:
        constraints = [models.UniqueConstraint(Lower("username"), name="user_username_folded")]

    def __str__(self) -> str:
        return self.username

    def get_full_name(self) -> str:
        return self.full_name or self.username

    def get_short_name(self) -> str:
        return self.username

    @property
    def avatar_url(self) -> str:
        return reverse("web:avatar", args=[self.avatar]) if self.avatar else ""

    def get_absolute_url(self) -> str:
        return reverse("web:profile", args=[self.username])


class Organization(models.Model):
    object_id = models.CharField(max_length=24, unique=True, default=new_object_id, editable=False)
    namespace = models.OneToOneField(Namespace, on_delete=models.PROTECT, related_name="organization")
    full_name = models.CharField(_("full name"), max_length=100, blank=True)
    description = models.CharField(_("about"), max_length=400, blank=True)
    website = models.URLField(_("website"), max_length=200, blank=True)
    avatar = models.CharField(max_length=64, blank=True)
    is_private_by_default = models.BooleanField(_("new repositories are private"), default=False)
    created_at = models.DateTimeField(default=timezone.now)
    members = models.ManyToManyField(User, through="Membership", related_name="organizations")

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        return self.namespace.name

    @property
    def avatar_url(self) -> str:
        return reverse("web:avatar", args=[self.avatar]) if self.avatar else ""

    def get_absolute_url(self) -> str:
        return reverse("web:profile", args=[self.namespace.name])


class Membership(models.Model):
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=12, choices=Role.choices, default=Role.READ)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization", "user"], name="membership_once")]

    def __str__(self) -> str:
        return f"{self.user_id} in {self.organization_id}: {self.role}"


class Invitation(models.Model):
    """An offer to join an organization, by user name or by e-mail; the secret is stored as a hash only."""

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="invitations")
    inviter = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    invitee = models.ForeignKey(User, null=True, blank=True, on_delete=models.CASCADE, related_name="invitations")
    email = models.EmailField(blank=True)
    role = models.CharField(max_length=12, choices=Role.choices, default=Role.READ)
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, blank=True)
    declined_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"to {self.organization_id} as {self.role}"


class AccessToken(models.Model):
    """A secret that acts for a user within ``role``; only the SHA-256 of the secret is kept (T19)."""

    object_id = models.CharField(max_length=24, unique=True, default=new_object_id, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="access_tokens")
    name = models.CharField(_("name"), max_length=100)
    role = models.CharField(max_length=12, choices=TokenRole.choices)
    # Fine-grained only: {"global": [action, …], "scoped": [{"entity": {"type": "model|dataset|space|user|org",
    # "name": "ns/name|ns"}, "permissions": [action, …]}]}, in the words of hub-api §4.2.
    grants = models.JSONField(default=dict, blank=True)
    prefix = models.CharField(max_length=12)
    last_four = models.CharField(max_length=4)
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    last_used_client = models.CharField(max_length=80, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoked_reason = models.CharField(max_length=20, blank=True)  # user | leaked | rotated | admin
    rotated_from = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    # 0: the hub's default for inference calls applies.
    requests_per_minute = models.PositiveIntegerField(default=0)
    # Given by the OAuth provider: to which application, with which scopes (hub.accounts.oauth.scopes), and the one
    # sign-in that a chain of refreshed tokens goes back to. The refresh token belongs to the row: its SHA-256.
    application = models.ForeignKey(
        "allauth_idp_oidc.Client", null=True, blank=True, on_delete=models.CASCADE, related_name="access_tokens"
    )
    scopes = models.JSONField(default=list, blank=True)
    sign_in = models.CharField(max_length=24, blank=True, db_index=True)
    refresh_digest = models.CharField(max_length=64, null=True, blank=True, unique=True)
    refreshed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [models.Index(fields=["user", "-created_at"], name="token_of_user")]

    def __str__(self) -> str:
        return f"{self.prefix}…{self.last_four}"

    def is_live(self, now: datetime | None = None) -> bool:
        now = now or timezone.now()
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > now)


class AuthorizationCode(models.Model):
    """What an application exchanges for tokens, once and within a minute; kept a day, so that a replay is known."""

    digest = models.CharField(max_length=64, unique=True)
    application = models.ForeignKey("allauth_idp_oidc.Client", on_delete=models.CASCADE, related_name="+")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    redirect_uri = models.TextField()
    scopes = models.JSONField(default=list)
    nonce = models.TextField(blank=True)
    code_challenge = models.CharField(max_length=128, blank=True)
    sign_in = models.CharField(max_length=24, default=new_object_id)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"code of {self.application_id}"


class DeviceCode(models.Model):
    """A program on another device that asks to sign in (RFC 8628); kept a day, so that it hears why it may not."""

    digest = models.CharField(max_length=64, unique=True)
    # What the person compares or types; capital consonants without the dash.
    user_code = models.CharField(max_length=8, unique=True)
    application = models.ForeignKey("allauth_idp_oidc.Client", on_delete=models.CASCADE, related_name="+")
    scopes = models.JSONField(default=list)
    # Shown to the person, who must see whether this is what they started themselves.
    client = models.CharField(max_length=80, blank=True)
    address = models.CharField(max_length=45, blank=True)
    state = models.CharField(max_length=8, choices=DeviceState.choices, default=DeviceState.PENDING)
    user = models.ForeignKey(User, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    polled_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"device code of {self.application_id}: {self.state}"

    @property
    def shown_code(self) -> str:
        return f"{self.user_code[:4]}-{self.user_code[4:]}"

    def is_open(self) -> bool:
        return self.state == DeviceState.PENDING and self.expires_at > timezone.now()


class AuditEventQuerySet(models.QuerySet["AuditEvent"]):
    """Adds and reads; rows past their time go by ``purge``."""

    def update(self, **kwargs: Any) -> int:
        raise TypeError("Audit events are never changed (T148).")

    def delete(self) -> tuple[int, dict[str, int]]:
        raise TypeError("Audit events are deleted only when their time is over (T148).")

    def purge(self, before: datetime) -> int:
        """Drop events older than ``before``; on PostgreSQL the database refuses younger than 365 days."""
        return self.filter(created_at__lt=before)._raw_delete(self.db)


class AuditEvent(models.Model):
    """Append-only record of who did what to what (T148).

    This class refuses changes; on PostgreSQL a trigger does so too, whoever asks (migration 0004).
    """

    created_at = models.DateTimeField(default=timezone.now, db_index=True)
    actor = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    actor_name = models.CharField(max_length=42, blank=True)
    token = models.ForeignKey(AccessToken, null=True, on_delete=models.SET_NULL, related_name="+")
    address = models.CharField(max_length=45, blank=True)
    action = models.CharField(max_length=60)
    target = models.CharField(max_length=200, blank=True)
    data = models.JSONField(default=dict)

    objects = AuditEventQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.actor_name} {self.action} {self.target}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise TypeError("Audit events are never changed (T148).")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        raise TypeError("Audit events are deleted only when their time is over (T148).")


class SiteSettings(models.Model):
    """The one row of what the operator changes while the hub runs; empty: the environment's word holds."""

    name = models.CharField(_("name of the hub"), max_length=60, blank=True)
    signup = models.CharField(_("sign-up"), max_length=6, choices=SignupChoice.choices, blank=True)
    # Markdown; empty: the text that the hub ships (templates/moderation/_conduct.html).
    conduct_en = models.TextField(_("code of conduct, English"), max_length=20_000, blank=True)
    conduct_zh = models.TextField(_("code of conduct, Chinese"), max_length=20_000, blank=True)
    # One line on every page, until somebody puts it away or its time is over.
    announcement_en = models.CharField(_("announcement, English"), max_length=300, blank=True)
    announcement_zh = models.CharField(_("announcement, Chinese"), max_length=300, blank=True)
    announcement_href = models.URLField(_("link of the announcement"), max_length=300, blank=True)
    announcement_tone = models.CharField(
        _("tone of the announcement"), max_length=8, choices=Tone.choices, default=Tone.INFO
    )
    announcement_until = models.DateTimeField(_("show the announcement until"), null=True, blank=True)
    updated_at = models.DateTimeField(default=timezone.now)
    updated_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        verbose_name = verbose_name_plural = _("site settings")
        constraints = [models.CheckConstraint(condition=models.Q(pk=1), name="site_settings_once")]

    def __str__(self) -> str:
        return str(_("Site settings"))
