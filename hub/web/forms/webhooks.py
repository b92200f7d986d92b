"""The form of a webhook: where it calls, what it hears of, and what it signs with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from django import forms
from django.utils.translation import gettext_lazy

from community.enums import WatchedKind
from community.models import WatchedItem, Webhook
from community.services.webhooks import MAX_SECRET_LENGTH, MAX_WATCHED, Watched
from hub.accounts.models import Namespace
from hub.core.errors import BadRequest
from hub.core.ids import fold

_KINDS: Final = {"models": WatchedKind.MODEL} | {
    f"{kind}s": kind for kind in (WatchedKind.DATASET, WatchedKind.SPACE, WatchedKind.KERNEL, WatchedKind.BUCKET)
}
#: What stands before the name of a repo where its kind is to be told; owners have none.
_PREFIXES: Final[dict[str, str]] = {kind.value: f"{head}/" for head, kind in _KINDS.items()} | {"model": ""}


class WebhookForm(forms.Form):
    url = forms.CharField(
        max_length=2000,
        label=gettext_lazy("Receiving address"),
        help_text=gettext_lazy("Events are sent there by POST, as JSON."),
        widget=forms.TextInput(
            attrs={"inputmode": "url", "autocomplete": "off", "spellcheck": "false", "placeholder": "https://"}
        ),
    )
    watched = forms.CharField(
        max_length=15_000,
        label=gettext_lazy("Watch"),
        help_text=gettext_lazy(
            "One a line: ada for all of an owner, ada/model for a model, datasets/ada/rows for a dataset."
        ),
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false", "autocapitalize": "none"}),
    )
    domains = forms.MultipleChoiceField(
        label=gettext_lazy("Events"),
        choices=[
            ("repo", gettext_lazy("Repositories: commits, branches, tags, settings, moves, deletions")),
            ("discussion", gettext_lazy("Discussions and pull requests, with their comments")),
        ],
        widget=forms.CheckboxSelectMultiple,
    )
    secret = forms.CharField(
        required=False,
        max_length=MAX_SECRET_LENGTH,
        label=gettext_lazy("Secret"),
        help_text=gettext_lazy("Sent along and used to sign, so that the receiver knows who calls. Never shown again."),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password", "spellcheck": "false"}, render_value=False),
    )
    remove_secret = forms.BooleanField(required=False, label=gettext_lazy("Remove the secret"))

    def __init__(self, *args: Any, webhook: Webhook | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if webhook is None or not webhook.sealed_secret:
            del self.fields["remove_secret"]
        else:
            self.fields["secret"].help_text = gettext_lazy(
                "Leave it empty to keep the present one. A new one signs beside the former for a day."
            )

    def new_secret(self) -> str | None:
        """None keeps the present one."""
        if self.cleaned_data.get("remove_secret"):
            return ""
        return self.cleaned_data["secret"] or None


def read_watched(text: str, known: Iterable[WatchedItem] = ()) -> list[Watched]:
    """What the lines name; ``known`` is watched already, and may name an owner who is yet to come.

    Raises: BadRequest for an owner that does not exist
    """
    lines = [line.strip().strip("/") for line in text.splitlines() if line.strip()]
    kinds = {item.namespace_folded: item.kind for item in known if item.kind not in _PREFIXES}
    alone = [fold(line) for line in lines if "/" not in line][:MAX_WATCHED]
    kinds |= dict(Namespace.objects.filter(name_folded__in=alone).values_list("name_folded", "kind"))
    return [_read_line(line, kinds) for line in dict.fromkeys(lines)]


def _read_line(line: str, kinds: Mapping[str, str]) -> Watched:
    if "/" not in line:
        if fold(line) not in kinds:
            raise BadRequest(f"There is no user or organization named {line}.", param="watched")
        return Watched(kinds[fold(line)], line)
    head, _slash, rest = line.partition("/")
    kind = _KINDS.get(head) if "/" in rest else None
    return Watched(kind, rest) if kind else Watched(WatchedKind.MODEL, line)


def watched_lines(items: Iterable[WatchedItem]) -> list[str]:
    """As people type them."""
    return [_PREFIXES.get(item.kind, "") + item.name for item in items]
