"""The form of a new access token, and what a link may pre-fill in it."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from hub.accounts.enums import Action, TokenRole

ACTION_WORDS = {
    Action.REPO_READ: gettext_lazy("Read contents"),
    Action.REPO_WRITE: gettext_lazy("Write contents and settings"),
    Action.REPO_CREATE: gettext_lazy("Create repositories"),
    Action.DISCUSSION_WRITE: gettext_lazy("Take part in discussions"),
    Action.INFERENCE: gettext_lazy("Call models"),
    Action.ACCOUNT_WRITE: gettext_lazy("Change the profile"),
    Action.ORG_READ: gettext_lazy("Read members and settings"),
    Action.ORG_WRITE: gettext_lazy("Manage members and settings"),
}
_ACCOUNT_WIDE = (
    Action.REPO_READ,
    Action.REPO_WRITE,
    Action.REPO_CREATE,
    Action.DISCUSSION_WRITE,
    Action.INFERENCE,
)
_SCOPED = (
    Action.REPO_READ,
    Action.REPO_WRITE,
    Action.REPO_CREATE,
    Action.DISCUSSION_WRITE,
    Action.INFERENCE,
    Action.ORG_READ,
    Action.ORG_WRITE,
)
_KINDS = [
    ("model", gettext_lazy("Model")),
    ("dataset", gettext_lazy("Dataset")),
    ("space", gettext_lazy("Space")),
    ("org", gettext_lazy("Organization")),
    ("user", gettext_lazy("User")),
]
_DAYS = ("7", "30", "90")
MAX_LIFE_DAYS = 3650


def _choices(actions: tuple[Action, ...]) -> list[tuple[str, Any]]:
    return [(action.value, ACTION_WORDS[action]) for action in actions]


class TokenForm(forms.Form):
    name = forms.CharField(
        max_length=100,
        label=gettext_lazy("Name"),
        help_text=gettext_lazy("Where it will be used: “laptop”, “CI of my-project”."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    role = forms.ChoiceField(
        label=gettext_lazy("What it may do"),
        initial=TokenRole.READ,
        widget=forms.RadioSelect,
        choices=[
            (TokenRole.READ, gettext_lazy("Read: see and download all that you can, and call models")),
            (TokenRole.WRITE, gettext_lazy("Write: all that you can do with repositories")),
            (TokenRole.INFERENCE, gettext_lazy("Inference: call models, nothing else")),
            (TokenRole.FINE_GRAINED, gettext_lazy("Fine-grained: the permissions chosen below")),
        ],
    )
    expiry = forms.ChoiceField(
        label=gettext_lazy("Expires"),
        initial="90",
        choices=[
            ("7", gettext_lazy("in 7 days")),
            ("30", gettext_lazy("in 30 days")),
            ("90", gettext_lazy("in 90 days")),
            ("custom", gettext_lazy("on a date")),
            ("never", gettext_lazy("never")),
        ],
    )
    expires_on = forms.DateField(
        required=False, label=gettext_lazy("Last day"), widget=forms.DateInput(attrs={"type": "date"})
    )
    account_wide = forms.MultipleChoiceField(
        required=False,
        label=gettext_lazy("In everything you have access to"),
        choices=_choices(_ACCOUNT_WIDE),
        widget=forms.CheckboxSelectMultiple,
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("expiry") == "custom":
            self._check_date(cleaned.get("expires_on"))
        return cleaned

    def _check_date(self, day: Any) -> None:
        today = timezone.localdate()
        if "expires_on" in self.errors:
            return
        if day is None:
            self.add_error("expires_on", _("Choose a date."))
        elif not today <= day <= today + timedelta(days=MAX_LIFE_DAYS):
            self.add_error("expires_on", _("Choose a day from today to ten years ahead."))

    def expires_at(self) -> datetime | None:
        """End of the chosen day, or None for a token that does not expire."""
        expiry = self.cleaned_data["expiry"]
        if expiry == "never":
            return None
        if expiry == "custom":
            return timezone.make_aware(datetime.combine(self.cleaned_data["expires_on"], time(23, 59, 59)))
        return timezone.now() + timedelta(days=int(expiry))


class ScopeForm(forms.Form):
    kind = forms.ChoiceField(choices=_KINDS, label=gettext_lazy("Kind"))
    name = forms.CharField(
        required=False,
        max_length=140,
        label=gettext_lazy("Repository, organization or user"),
        widget=forms.TextInput(
            attrs={"list": "known-targets", "autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
        ),
    )
    permissions = forms.MultipleChoiceField(
        required=False,
        label=gettext_lazy("Permissions"),
        choices=_choices(_SCOPED),
        widget=forms.CheckboxSelectMultiple,
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("name") and not cleaned.get("permissions"):
            self.add_error("permissions", _("Choose at least one permission."))
        return cleaned

    def as_scope(self) -> dict[str, Any] | None:
        name = self.cleaned_data.get("name", "").strip()
        if not name:
            return None
        return {
            "entity": {"type": self.cleaned_data["kind"], "name": name},
            "permissions": self.cleaned_data["permissions"],
        }


ScopeFormSet = forms.formset_factory(ScopeForm, extra=1, max_num=100, absolute_max=100)


def grants_from(form: TokenForm, scopes: Any) -> dict[str, Any] | None:
    """What ``create_token`` takes; None for the preset kinds."""
    if form.cleaned_data["role"] != TokenRole.FINE_GRAINED:
        return None
    return {
        "global": form.cleaned_data["account_wide"],
        "scoped": [scope for scope in (row.as_scope() for row in scopes) if scope],
    }


def initial_from_link(query: QueryDict, username: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Read ``?name=&role=&expiry=&permission=&scope=model:ns/name:repo.write,…`` for the form and its rows.

    The Hub's own ``ownUserPermissions`` and ``tokenType`` are understood too. What is not known is left out: a link
    proposes, the form decides.
    """
    roles, expiries = {*TokenRole.values} - {TokenRole.OAUTH.value}, {*_DAYS, "never"}
    initial: dict[str, Any] = {}
    if name := query.get("name") or query.get("displayName"):
        initial["name"] = name[:100]
    if (role := query.get("role") or query.get("tokenType")) in roles:
        initial["role"] = role
    if (expiry := query.get("expiry")) in expiries:
        initial["expiry"] = expiry
    if account_wide := _known(query.getlist("permission"), _ACCOUNT_WIDE):
        initial["account_wide"] = account_wide
    rows = [row for row in map(_row, query.getlist("scope")[:20]) if row]
    if own := _known(query.getlist("ownUserPermissions"), _SCOPED):
        rows.append({"kind": "user", "name": username, "permissions": own})
    if account_wide or rows:
        initial.setdefault("role", TokenRole.FINE_GRAINED)
    return initial, rows


def _known(values: list[str], allowed: tuple[Action, ...]) -> list[str]:
    return [value for value in values if value in {action.value for action in allowed}]


def _row(text: str) -> dict[str, Any] | None:
    kind, _, rest = text.partition(":")
    name, _, permissions = rest.partition(":")
    if kind not in dict(_KINDS) or not name:
        return None
    return {"kind": kind, "name": name[:140], "permissions": _known(permissions.split(","), _SCOPED)}


class TokenNameForm(forms.Form):
    name = forms.CharField(max_length=100, label=gettext_lazy("Name"))
