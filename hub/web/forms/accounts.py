"""Forms of the account pages."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from hub.core.error_words import in_words_of_reader
from hub.core.errors import HubError


def add_refusal(form: forms.Form, error: HubError) -> None:
    """Show a service's refusal at the field that it names, or above the form."""
    field = error.data.get("param")
    form.add_error(field if field in form.fields else None, in_words_of_reader(error.message))


class AvatarField(forms.FileField):
    """The picture itself is checked by ``hub.accounts.avatars``, header first; Django would decode it unasked."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("required", False)
        kwargs.setdefault("label", gettext_lazy("Picture"))
        kwargs.setdefault("help_text", gettext_lazy("PNG, JPEG, WebP or GIF, at most 2 MiB; cut to a square."))
        kwargs.setdefault("widget", forms.FileInput(attrs={"accept": "image/png,image/jpeg,image/webp,image/gif"}))
        super().__init__(**kwargs)


class ProfileForm(forms.Form):
    avatar = AvatarField()
    remove_avatar = forms.BooleanField(required=False, label=gettext_lazy("Remove the picture"))
    full_name = forms.CharField(
        required=False,
        max_length=100,
        label=gettext_lazy("Name"),
        help_text=gettext_lazy("As you write it yourself."),
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    bio = forms.CharField(
        required=False,
        max_length=400,
        label=gettext_lazy("About"),
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    website = forms.URLField(
        required=False,
        max_length=200,
        label=gettext_lazy("Website"),
        assume_scheme="https",
        widget=forms.URLInput(attrs={"autocomplete": "url", "placeholder": "https://"}),
    )


class LanguageForm(forms.Form):
    language = forms.ChoiceField(
        required=False,
        label=gettext_lazy("Language"),
        help_text=gettext_lazy("Used on every device where you sign in, and in mails."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["language"].choices = [("", _("As the browser asks")), *settings.LANGUAGES]


class TypeNameForm(forms.Form):
    """Deleting asks for the name to be typed: a slip of the mouse does not delete."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}),
    )

    def __init__(self, *args: Any, expected: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._expected = expected
        self.fields["name"].label = _("Type %(name)s to confirm") % {"name": expected}

    def clean_name(self) -> str:
        if self.cleaned_data["name"] != self._expected:
            raise forms.ValidationError(_("This is not the name. Type %(name)s.") % {"name": self._expected})
        return self.cleaned_data["name"]
