"""Forms of reviews; ``community.services.ratings`` judges what is written."""

from __future__ import annotations

from typing import Any, Final

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from community.enums import Outcome
from community.models import Review
from community.services.ratings import MAX_HARDWARE, MAX_TEXT, Opinion
from hub.core.taxonomy import LANGUAGES, language_label
from hub.web.forms.repos import task_choices

_STARS: Final = (
    (5, gettext_lazy("5 stars: excellent")),
    (4, gettext_lazy("4 stars: good")),
    (3, gettext_lazy("3 stars: fair")),
    (2, gettext_lazy("2 stars: poor")),
    (1, gettext_lazy("1 star: of no use")),
)


class ReviewForm(forms.Form):
    stars = forms.TypedChoiceField(label=gettext_lazy("Stars"), choices=_STARS, coerce=int, widget=forms.RadioSelect)
    text = forms.CharField(
        required=False,
        label=gettext_lazy("What was it like?"),
        help_text=gettext_lazy("Markdown. Say what you did with it and what you compared it with."),
        widget=forms.Textarea(attrs={"rows": 7, "maxlength": MAX_TEXT}),
    )
    task = forms.ChoiceField(required=False, label=gettext_lazy("Task you used it for"))
    language = forms.ChoiceField(required=False, label=gettext_lazy("Language of your data"))
    hardware = forms.CharField(
        required=False,
        max_length=MAX_HARDWARE,
        label=gettext_lazy("Hardware"),
        help_text=gettext_lazy("For example: laptop with 16 GB, or one H100."),
    )
    outcome = forms.ChoiceField(
        required=False,
        label=gettext_lazy("Did it do what you wanted?"),
        choices=[("", gettext_lazy("Not stated")), *Outcome.choices],
        widget=forms.RadioSelect,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        languages = sorted(((code, language_label(code)) for code in LANGUAGES), key=lambda pair: pair[1])
        self._field("task").choices = [("", _("Not stated")), *task_choices()[1:]]
        self._field("language").choices = [("", _("Not stated")), *languages]

    def _field(self, name: str) -> forms.ChoiceField:
        found = self.fields[name]
        assert isinstance(found, forms.ChoiceField)
        return found

    @classmethod
    def of(cls, review: Review | None) -> ReviewForm:
        return cls(initial=review.content if review else None)

    @property
    def opinion(self) -> Opinion:
        return Opinion(**self.cleaned_data)


class ReplyForm(forms.Form):
    text = forms.CharField(
        label=gettext_lazy("Reply in the owner's name"),
        help_text=gettext_lazy("Markdown. There is one reply; writing again replaces it."),
        widget=forms.Textarea(attrs={"rows": 4, "maxlength": MAX_TEXT}),
    )
