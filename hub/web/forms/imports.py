"""The form that asks for a copy of a repo of another hub."""

from __future__ import annotations

from typing import Any, Final

from django import forms
from django.utils.translation import gettext_lazy

from hub.core.ids import RepoType
from hub.repos.enums import RepoTypeChoice, Visibility
from hub.repos.services.imports import MAX_TOKEN_LENGTH

_PLAIN: Final = {"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}


def _plain(**attrs: str) -> forms.TextInput:
    return forms.TextInput(attrs=_PLAIN | attrs)


class TokenField(forms.CharField):
    """A secret of another site: never filled in again, never offered by the browser."""

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.PasswordInput(attrs=_PLAIN | {"autocomplete": "new-password"}, render_value=False)
        super().__init__(required=False, max_length=MAX_TOKEN_LENGTH, widget=widget, **kwargs)


class ImportForm(forms.Form):
    """``owners`` are the namespaces in which the person may create."""

    endpoint = forms.CharField(
        label=gettext_lazy("Address of the other hub"),
        max_length=300,
        initial="https://huggingface.co",
        widget=_plain(inputmode="url"),
        help_text=gettext_lazy("Any hub that speaks the same protocol, this one's kin included."),
    )
    repo_type = forms.ChoiceField(
        label=gettext_lazy("What is it?"),
        choices=RepoTypeChoice.choices,
        widget=forms.RadioSelect,
        initial=RepoType.MODEL.value,
    )
    source = forms.CharField(
        label=gettext_lazy("Repository there"), max_length=200, widget=_plain(placeholder="namespace/name")
    )
    revision = forms.CharField(
        required=False,
        label=gettext_lazy("Revision"),
        max_length=255,
        widget=_plain(placeholder="main"),
        help_text=gettext_lazy("A branch, tag or commit. What it is at the start is what is copied."),
    )
    token = TokenField(
        label=gettext_lazy("Access token for it"),
        help_text=gettext_lazy("For private and gated repositories. It is kept encrypted and forgotten at the end."),
    )
    namespace = forms.ChoiceField(label=gettext_lazy("Owner"))
    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=96,
        widget=_plain(),
        help_text=gettext_lazy("A new name, or a repository of yours: files of the same path are then replaced."),
    )
    visibility = forms.ChoiceField(
        label=gettext_lazy("Visibility"),
        choices=[
            (Visibility.PUBLIC.value, gettext_lazy("Public: anyone can see and download it")),
            (Visibility.PRIVATE.value, gettext_lazy("Private: only you, or members of the organization")),
        ],
        widget=forms.RadioSelect,
        initial=Visibility.PRIVATE.value,
        help_text=gettext_lazy("For a new repository; one that exists keeps its own."),
    )

    def __init__(self, *args: Any, owners: list[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["namespace"].choices = [(name, name) for name in owners]


class RetryForm(forms.Form):
    token = TokenField(
        label=gettext_lazy("Access token for the other hub"),
        help_text=gettext_lazy("The former one was forgotten. Leave it empty for a public repository."),
    )
