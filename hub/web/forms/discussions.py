"""Forms of discussions; what may be said is judged by ``community.services``."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy

from community.enums import DiscussionType, Sort, StatusFilter
from community.services.threads import MAX_BODY, MAX_TITLE


def _text_area(rows: int) -> forms.Textarea:
    return forms.Textarea(attrs={"rows": rows, "maxlength": MAX_BODY})


class FilterForm(forms.Form):
    """What the list is narrowed to; a wrong value counts as none."""

    search = forms.CharField(required=False, max_length=200, label=gettext_lazy("Words in the title"))
    author = forms.CharField(
        required=False,
        max_length=42,
        label=gettext_lazy("Author"),
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}),
    )
    type = forms.ChoiceField(required=False, label=gettext_lazy("Kind"), choices=DiscussionType.choices)
    sort = forms.ChoiceField(required=False, label=gettext_lazy("Order"), choices=Sort.choices)
    status = forms.ChoiceField(required=False, choices=StatusFilter.choices, widget=forms.HiddenInput)


class TitleForm(forms.Form):
    title = forms.CharField(label=gettext_lazy("Title"), max_length=MAX_TITLE)


class NewDiscussionForm(TitleForm):
    comment = forms.CharField(
        required=False,
        strip=False,
        label=gettext_lazy("Text"),
        help_text=gettext_lazy("Markdown. @name calls a person, #12 leads to a discussion here."),
        widget=_text_area(10),
    )


class CommentForm(forms.Form):
    """``comment`` may be empty where an act goes with it."""

    comment = forms.CharField(
        required=False,
        strip=False,
        label=gettext_lazy("Comment"),
        help_text=gettext_lazy("Markdown. @name calls a person, #12 leads to a discussion here."),
        widget=_text_area(6),
    )


class TalkSwitchForm(forms.Form):
    """Whether a repo takes discussions and pull requests."""

    are_on = forms.BooleanField(
        required=False,
        label=gettext_lazy("People may open discussions and pull requests"),
        help_text=gettext_lazy("Switched off, what was said before can still be read."),
    )
