"""Forms at the gate of a repo: who may read its files, the questions to those who ask, and the decisions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from babel import Locale
from django import forms
from django.utils.translation import get_language, gettext_lazy, to_locale
from django.utils.translation import gettext as _

from hub.repos.enums import Gating
from hub.repos.gates import MAX_ANSWER_LENGTH, GateField, GateForm, GateTerms
from hub.repos.models import Repo
from hub.repos.services.access import MAX_REASON_LENGTH, MAX_TERM_DAYS

_ENGLISH: Final = Locale("en")


class GatingForm(forms.Form):
    gated = forms.ChoiceField(
        required=False,
        label=gettext_lazy("Who may read the files"),
        choices=[
            (Gating.OFF.value, gettext_lazy("Everybody who sees the repository")),
            (Gating.AUTO.value, gettext_lazy("Who asks: people are let in as soon as they have answered")),
            (Gating.MANUAL.value, gettext_lazy("Whom you let in: each request waits for your decision")),
        ],
        widget=forms.RadioSelect,
    )


class TermsForm(forms.Form):
    """What the owner says of time; empty fields say nothing."""

    gate_answer_days = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=MAX_TERM_DAYS,
        label=gettext_lazy("You answer within (days)"),
        help_text=gettext_lazy("Said to those who ask; you are reminded once when somebody waits longer."),
    )
    gate_grant_days = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=MAX_TERM_DAYS,
        label=gettext_lazy("Access lasts (days)"),
        help_text=gettext_lazy(
            "For grants from now on. Afterwards all doors are closed, and the person may ask again."
        ),
    )
    gate_retry_days = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=MAX_TERM_DAYS,
        label=gettext_lazy("Who was rejected may ask again after (days)"),
        help_text=gettext_lazy("Empty: only you can change a rejection."),
    )

    @classmethod
    def of(cls, repo: Repo) -> TermsForm:
        return cls(initial={name: getattr(repo, name) or None for name in cls.base_fields})

    @property
    def terms(self) -> GateTerms:
        return GateTerms(**{name: self.cleaned_data[name] or 0 for name in self.fields})


class AskForm(forms.Form):
    """The questions of a card, drawn; ``hub.repos.gates`` judges the answers, which go by the labels."""

    def __init__(self, gate: GateForm) -> None:
        super().__init__()
        self._labels: dict[str, str] = {}
        for number, question in enumerate(gate.fields, start=1):
            name = f"gate-{number}"
            self._labels[name] = question.label
            self.fields[name] = _DRAWN[question.kind](question)
            self.fields[name].widget.attrs["id"] = name

    def add_prefix(self, field_name: str) -> str:
        return self._labels.get(field_name, field_name)


def _text(question: GateField) -> forms.Field:
    return forms.CharField(label=question.label, max_length=MAX_ANSWER_LENGTH)


def _checkbox(question: GateField) -> forms.Field:
    return forms.BooleanField(label=question.label)


def _date(question: GateField) -> forms.Field:
    return forms.CharField(label=question.label, widget=forms.DateInput(attrs={"type": "date"}))


def _select(question: GateField) -> forms.Field:
    return forms.ChoiceField(label=question.label, choices=_with_nothing([(text, text) for text in question.options]))


def _country(question: GateField) -> forms.Field:
    """Sent by its English name, which the owner reads in a report; shown in the reader's language."""
    here = Locale.parse(to_locale(get_language() or "en")).territories
    codes = [code for code in map(str, _ENGLISH.territories) if len(code) == 2 and code not in _NO_COUNTRIES]
    named = [(_ENGLISH.territories[code], here.get(code, _ENGLISH.territories[code])) for code in codes]
    return forms.ChoiceField(label=question.label, choices=_with_nothing(sorted(named, key=lambda pair: pair[1])))


def _with_nothing(choices: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """A select that chooses for people gets the first answer, not theirs."""
    return [("", _("Choose…")), *choices]


# Unicode's list also holds groups of countries and places for tests.
_NO_COUNTRIES: Final = frozenset({"EU", "EZ", "QO", "UN", "XA", "XB", "ZZ"})
_DRAWN: Final[dict[str, Callable[[GateField], forms.Field]]] = {
    "text": _text,
    "checkbox": _checkbox,
    "date_picker": _date,
    "select": _select,
    "country": _country,
}


class GrantForm(forms.Form):
    user = forms.CharField(
        max_length=42,
        label=gettext_lazy("User name"),
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}),
    )


class DecisionForm(forms.Form):
    """What the buttons of a row send."""

    request_id = forms.CharField(max_length=24)
    state = forms.CharField(max_length=10)
    rejection_reason = forms.CharField(required=False, max_length=MAX_REASON_LENGTH)
