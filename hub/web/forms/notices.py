"""Where a person hears of what: one row for each kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy

from community.enums import Digest, MailChoice, NoticeKind
from community.models import NotificationPreference
from community.notices import Choice


class NoticeSettingsForm(forms.Form):
    digest = forms.ChoiceField(
        choices=Digest.choices,
        label=gettext_lazy("Digest"),
        help_text=gettext_lazy("One mail with all that is unread, of the kinds marked for it below."),
    )
    is_quiet = forms.BooleanField(
        required=False,
        label=gettext_lazy("Quiet"),
        help_text=gettext_lazy("No number on the bell and no mail until you switch it off. The inbox fills as before."),
    )

    def __init__(self, data: Any, *, choices: Mapping[str, Choice], preference: NotificationPreference) -> None:
        initial: dict[str, Any] = {"digest": preference.digest, "is_quiet": preference.is_quiet}
        super().__init__(data, initial=initial)
        for kind in NoticeKind:
            shown, mail = f"web_{kind.value}", f"mail_{kind.value}"
            self.fields[shown] = forms.BooleanField(
                required=False, label=gettext_lazy("In the inbox"), initial=choices[kind.value].is_shown
            )
            self.fields[mail] = forms.ChoiceField(
                choices=MailChoice.choices, label=gettext_lazy("By mail"), initial=choices[kind.value].mail
            )

    def rows(self) -> list[tuple[str, forms.BoundField, forms.BoundField]]:
        """Words of each kind with its two fields."""
        return [(str(kind.label), self[f"web_{kind.value}"], self[f"mail_{kind.value}"]) for kind in NoticeKind]

    def chosen(self) -> dict[str, Choice]:
        data = self.cleaned_data
        return {
            kind.value: Choice(data[f"web_{kind.value}"], MailChoice(data[f"mail_{kind.value}"])) for kind in NoticeKind
        }
