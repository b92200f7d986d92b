"""Forms of sign-in for other programs: the code of a device, and an application of one's own."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy

from hub.accounts.oauth.scopes import SCOPES

_KINDS = [
    ("confidential", gettext_lazy("A web application with a server that can keep a secret")),
    ("public", gettext_lazy("A program on people's own devices, or a page without a server: no secret, PKCE")),
]


class DeviceCodeForm(forms.Form):
    code = forms.CharField(
        max_length=20,
        label=gettext_lazy("Code"),
        help_text=gettext_lazy("Eight letters, as your program shows them."),
        widget=forms.TextInput(
            attrs={"autocomplete": "one-time-code", "autocapitalize": "characters", "spellcheck": "false"}
        ),
    )


class ApplicationForm(forms.Form):
    name = forms.CharField(
        max_length=60,
        label=gettext_lazy("Name"),
        help_text=gettext_lazy("People see it when they are asked."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    redirect_uris = forms.CharField(
        max_length=5_100,
        label=gettext_lazy("Redirect addresses"),
        help_text=gettext_lazy("One per line; people are sent back to one of these and nowhere else."),
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false", "placeholder": "https://"}),
    )
    scopes = forms.MultipleChoiceField(
        required=False,
        label=gettext_lazy("What it may ask for"),
        choices=[(scope, words) for scope, (_actions, words) in SCOPES.items() if words and scope != "openid"],
        widget=forms.CheckboxSelectMultiple,
    )

    def redirects(self) -> list[str]:
        return [line.strip() for line in self.cleaned_data["redirect_uris"].splitlines() if line.strip()]


class NewApplicationForm(ApplicationForm):
    kind = forms.ChoiceField(
        label=gettext_lazy("Kind"), initial="confidential", choices=_KINDS, widget=forms.RadioSelect
    )
    field_order = ("name", "kind", "redirect_uris", "scopes")
