"""Forms of the organization pages."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from hub.accounts.enums import Role
from hub.core.ids import NAMESPACE_MAX_LENGTH
from hub.web.forms.accounts import AvatarField


class OrganizationForm(forms.Form):
    full_name = forms.CharField(required=False, max_length=100, label=gettext_lazy("Full name"))
    description = forms.CharField(
        required=False, max_length=400, label=gettext_lazy("About"), widget=forms.Textarea(attrs={"rows": 3})
    )
    website = forms.URLField(
        required=False,
        max_length=200,
        label=gettext_lazy("Website"),
        assume_scheme="https",
        widget=forms.URLInput(attrs={"placeholder": "https://"}),
    )
    is_private_by_default = forms.BooleanField(
        required=False,
        label=gettext_lazy("New repositories are private"),
        help_text=gettext_lazy("Members can still make a repository public."),
    )


class NewOrganizationForm(OrganizationForm):
    name = forms.CharField(
        max_length=NAMESPACE_MAX_LENGTH,
        label=gettext_lazy("Name"),
        help_text=gettext_lazy("Letters, digits and single dashes. It becomes part of every address."),
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false", "data-name-check": ""}
        ),
    )
    field_order = ("name", "full_name", "description", "website", "is_private_by_default")


class OrganizationSettingsForm(OrganizationForm):
    avatar = AvatarField()
    remove_avatar = forms.BooleanField(required=False, label=gettext_lazy("Remove the picture"))


class RoleForm(forms.Form):
    role = forms.ChoiceField(choices=Role.choices, label=gettext_lazy("Role"))


class InviteForm(RoleForm):
    who = forms.CharField(
        max_length=254, widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none"})
    )
    field_order = ("who", "role")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        by_mail = settings.IS_MAIL_CONFIGURED
        self.fields["who"].label = _("User name or e-mail address") if by_mail else _("User name")
