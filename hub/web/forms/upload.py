"""Forms of the upload page: the commit's words, and the whole upload for browsers without script."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext_lazy

from hub.repos.services.uploads import SmallFile


class CommitForm(forms.Form):
    """Drawn for the script, which sends the words itself."""

    message = forms.CharField(
        required=False,
        max_length=500,
        label=gettext_lazy("Commit message"),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    description = forms.CharField(
        required=False,
        max_length=10_000,
        label=gettext_lazy("Description"),
        widget=forms.Textarea(attrs={"rows": 3}),
    )


class _ManyFilesInput(forms.FileInput):
    allow_multiple_selected = True


class _ManyFilesField(forms.FileField):
    def clean(self, data: Any, initial: Any = None) -> list[UploadedFile]:
        given = data if isinstance(data, list | tuple) else [data] if data else []
        return [super(_ManyFilesField, self).clean(item, initial) for item in given] or super().clean(None, initial)


class PlainUploadForm(CommitForm):
    """Files in the request itself; the service caps their total."""

    chosen_files = _ManyFilesField(
        label=gettext_lazy("Files"),
        widget=_ManyFilesInput(attrs={"multiple": True}),
        help_text=gettext_lazy("Together at most 10 MB. For more, turn on JavaScript or use the command line."),
        allow_empty_file=True,
    )
    folder = forms.CharField(
        required=False,
        max_length=500,
        label=gettext_lazy("Folder in the repository"),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    field_order = ["chosen_files", "folder", "message", "description"]

    def small_files(self) -> list[SmallFile]:
        """The files under the paths that they will have."""
        folder = "/".join(part.strip() for part in self.cleaned_data["folder"].split("/") if part.strip())
        prefix = f"{folder}/" if folder else ""
        return [SmallFile(f"{prefix}{file.name}", file.read()) for file in self.cleaned_data["chosen_files"]]
