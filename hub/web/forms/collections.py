"""Collections: the form of one, of an item's note, and of what is added."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy

from community.services.collections import MAX_DESCRIPTION_LENGTH, MAX_NOTE_LENGTH, MAX_TITLE_LENGTH


class CollectionForm(forms.Form):
    namespace = forms.ChoiceField(label=gettext_lazy("Owner"))
    title = forms.CharField(max_length=MAX_TITLE_LENGTH, label=gettext_lazy("Title"))
    description = forms.CharField(
        required=False,
        max_length=MAX_DESCRIPTION_LENGTH,
        label=gettext_lazy("Description"),
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    is_private = forms.BooleanField(
        required=False,
        label=gettext_lazy("Private"),
        help_text=gettext_lazy("Only you, or the members of the organization, see it."),
    )

    def __init__(self, *args: Any, owners: list[str] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if owners is None:  # the owner of what is there stays
            del self.fields["namespace"]
        else:
            self.fields["namespace"].choices = [(name, name) for name in owners]


class ItemForm(forms.Form):
    address = forms.CharField(
        max_length=200,
        label=gettext_lazy("Add"),
        help_text=gettext_lazy("ada/model, datasets/ada/rows, or an arXiv number such as 2307.09288."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "autocapitalize": "none"}),
    )
    note = forms.CharField(required=False, max_length=MAX_NOTE_LENGTH, label=gettext_lazy("Note"))
