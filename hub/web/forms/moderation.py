"""Forms of reports, measures and appeals."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy

from community.enums import MeasureKind, ReportCategory
from community.services.moderation import MAX_APPEAL, MAX_REASON, MAX_REPORT


class ReportForm(forms.Form):
    category = forms.ChoiceField(
        label=gettext_lazy("What is wrong?"), choices=ReportCategory.choices, widget=forms.RadioSelect
    )
    text = forms.CharField(
        required=False,
        max_length=MAX_REPORT,
        label=gettext_lazy("Tell the moderators more"),
        help_text=gettext_lazy("Where to look, and what rule it breaks. Only moderators read this."),
        widget=forms.Textarea(attrs={"rows": 4}),
    )


_VERBS = {
    MeasureKind.WARN: gettext_lazy("Warn: only the words below are sent"),
    MeasureKind.HIDE: gettext_lazy("Hide: nobody sees it any more"),
    MeasureKind.LOCK: gettext_lazy("Lock: nobody answers any more, but for those who write to the repository"),
    MeasureKind.SUSPEND: gettext_lazy("Suspend: no sign-in, no tokens; what they published stays"),
    MeasureKind.QUARANTINE: gettext_lazy("Quarantine: closed on every door, for its owner too; nothing is deleted"),
}


class MeasureForm(forms.Form):
    measure = forms.ChoiceField(label=gettext_lazy("What to do"), widget=forms.RadioSelect)
    reason = forms.CharField(
        max_length=MAX_REASON,
        label=gettext_lazy("Reason"),
        help_text=gettext_lazy("Sent to the person concerned: which rule, and which words or files."),
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    note = forms.CharField(
        required=False,
        max_length=MAX_REASON,
        label=gettext_lazy("Note for moderators"),
        widget=forms.Textarea(attrs={"rows": 2}),
    )

    def __init__(self, *args: Any, measures: Iterable[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["measure"].choices = [(kind, _VERBS[MeasureKind(kind)]) for kind in measures]


class AppealForm(forms.Form):
    measure_id = forms.CharField(required=False, max_length=24, widget=forms.HiddenInput)
    text = forms.CharField(
        max_length=MAX_APPEAL,
        label=gettext_lazy("Why should this be looked at again?"),
        widget=forms.Textarea(attrs={"rows": 4}),
    )


class DecisionForm(forms.Form):
    """Of appeals and held posts: what the buttons of a row send."""

    decision = forms.ChoiceField(choices=[("accept", ""), ("reject", "")])
    answer = forms.CharField(required=False, max_length=MAX_REASON)
