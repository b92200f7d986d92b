"""Forms of the repo pages: a new repo, its card, a text file, refs, settings."""

from __future__ import annotations

import re
from typing import Any, Final

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from hub.core.ids import RepoType
from hub.core.taxonomy import LIBRARIES, LICENSES, LicenseClass, pipeline_tags_by_modality
from hub.repos.cards import CardMetadata
from hub.repos.enums import Visibility

Choices = list[tuple[Any, Any]]

RELATIONS: Final = (
    ("", gettext_lazy("Not stated")),
    ("finetune", gettext_lazy("Fine-tuned from it")),
    ("adapter", gettext_lazy("Adapter for it")),
    ("quantized", gettext_lazy("Quantized version of it")),
    ("merge", gettext_lazy("Merge that contains it")),
)
SIZES: Final = ("n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "1M<n<10M", "10M<n<100M", "100M<n<1B", "n>1B")
MAX_TEXT_CHARS: Final = 1024 * 1024
_SEPARATORS: Final = re.compile(r"[,;\n，、]+")


def task_choices() -> Choices:
    groups: Choices = [
        (modality.label, [(tag.id, tag.label) for tag in tags])
        for modality, tags in pipeline_tags_by_modality().items()
    ]
    return [("", _("Choose later")), *groups]


def license_choices() -> Choices:
    """Licences grouped by what they allow, most open first."""
    groups: list[tuple[str, Any]] = []
    for kind in LicenseClass:
        members = [(item.id, item.name) for item in LICENSES.values() if item.license_class is kind]
        groups.append((str(kind.label), members))
    return [("", _("Choose later")), *groups]


class WordsField(forms.CharField):
    """Several short values, separated by commas."""

    def to_python(self, value: Any) -> list[str]:  # type: ignore[override]  # a list is what this field is for
        parts = (part.strip() for part in _SEPARATORS.split(super().to_python(value) or ""))
        return list(dict.fromkeys(part for part in parts if part))

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list | tuple) else value


def _plain_input(**attrs: str) -> forms.TextInput:
    return forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false", **attrs})


class NewRepoForm(forms.Form):
    """A new model or dataset; ``owners`` are the namespaces in which the person may create."""

    repo_type = forms.ChoiceField(
        label=gettext_lazy("What is it?"),
        choices=[(RepoType.MODEL.value, gettext_lazy("Model")), (RepoType.DATASET.value, gettext_lazy("Dataset"))],
        widget=forms.RadioSelect,
        initial=RepoType.MODEL.value,
    )
    namespace = forms.ChoiceField(label=gettext_lazy("Owner"))
    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=96,
        widget=_plain_input(**{"data-name-check": ""}),
        help_text=gettext_lazy("Letters, digits, “-”, “_” and “.”; it becomes part of the address."),
    )
    summary = forms.CharField(
        required=False,
        max_length=300,
        label=gettext_lazy("Summary"),
        help_text=gettext_lazy("One sentence: what it is and what it is good for."),
    )
    visibility = forms.ChoiceField(
        label=gettext_lazy("Visibility"),
        choices=[
            (Visibility.PUBLIC.value, gettext_lazy("Public: anyone can see and download it")),
            (Visibility.PRIVATE.value, gettext_lazy("Private: only you, or members of the organization")),
        ],
        widget=forms.RadioSelect,
        initial=Visibility.PUBLIC.value,
    )
    license = forms.ChoiceField(required=False, label=gettext_lazy("Licence"))
    task = forms.ChoiceField(required=False, label=gettext_lazy("Task"))
    base_model = forms.CharField(
        required=False,
        max_length=140,
        label=gettext_lazy("Base model"),
        widget=_plain_input(placeholder="namespace/name"),
        help_text=gettext_lazy("The model that this one was made from, if there is one."),
    )

    def __init__(self, *args: Any, owners: list[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["namespace"].choices = [(name, name) for name in owners]
        self.fields["license"].choices = license_choices()
        self.fields["task"].choices = task_choices()

    def clean_base_model(self) -> str:
        value = self.cleaned_data["base_model"].strip()
        if value and not re.fullmatch(r"[\w.-]+/[\w.-]+", value):
            raise forms.ValidationError(_("Write it as namespace/name."))
        return value


class CardForm(forms.Form):
    """Metadata and text of the card; ``base_oid`` is the README that was opened."""

    base_oid = forms.CharField(required=False, max_length=40, widget=forms.HiddenInput)
    license = forms.ChoiceField(required=False, label=gettext_lazy("Licence"))
    license_name = forms.RegexField(
        r"\A[a-z0-9.-]*\Z",
        required=False,
        max_length=80,
        label=gettext_lazy("Name of the licence"),
        help_text=gettext_lazy("Only for “Other”: small letters, digits, “-” and “.”."),
        widget=_plain_input(),
    )
    license_link = forms.CharField(
        required=False,
        max_length=300,
        label=gettext_lazy("Link to the licence"),
        help_text=gettext_lazy("Only for “Other”: an address, or LICENSE for the file of that name."),
        widget=_plain_input(),
    )
    task = forms.ChoiceField(required=False, label=gettext_lazy("Task"))
    library_name = forms.ChoiceField(required=False, label=gettext_lazy("Library"))
    language = WordsField(
        required=False,
        max_length=400,
        label=gettext_lazy("Languages"),
        help_text=gettext_lazy("Codes separated by commas: en, zh, de."),
        widget=_plain_input(),
    )
    tags = WordsField(
        required=False, max_length=4000, label=gettext_lazy("Tags"), help_text=gettext_lazy("Separated by commas.")
    )
    base_model = WordsField(
        required=False,
        max_length=1000,
        label=gettext_lazy("Base model"),
        help_text=gettext_lazy("namespace/name; several separated by commas."),
        widget=_plain_input(),
    )
    base_model_relation = forms.ChoiceField(
        required=False, label=gettext_lazy("How it was made from the base model"), choices=RELATIONS
    )
    datasets = WordsField(
        required=False,
        max_length=2000,
        label=gettext_lazy("Trained on"),
        help_text=gettext_lazy("Datasets as namespace/name, separated by commas."),
        widget=_plain_input(),
    )
    pretty_name = forms.CharField(required=False, max_length=120, label=gettext_lazy("Title"))
    size_categories = forms.ChoiceField(required=False, label=gettext_lazy("Number of rows"))
    body = forms.CharField(
        required=False,
        strip=False,
        max_length=MAX_TEXT_CHARS,
        label=gettext_lazy("Card"),
        help_text=gettext_lazy("Markdown, with tables, formulas ($…$) and code."),
        widget=forms.Textarea(attrs={"rows": 22, "spellcheck": "true"}),
    )
    message = forms.CharField(required=False, max_length=200, label=gettext_lazy("What changed"), widget=_plain_input())

    def __init__(self, *args: Any, repo_type: RepoType, metadata: CardMetadata, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._repo_type = repo_type
        known = {item for item in (metadata.license, *metadata.licenses) if item}
        self.fields["license"].choices = _keeping(license_choices(), known)
        task = metadata.pipeline_tag or next(iter(metadata.categories.get("task_categories", ())), "")
        self.fields["task"].choices = _keeping(task_choices(), {task})
        libraries: Choices = [("", _("Not stated")), *sorted(LIBRARIES.items(), key=lambda item: item[1].lower())]
        self.fields["library_name"].choices = _keeping(libraries, {metadata.library_name})
        size = next(iter(metadata.categories.get("size_categories", ())), "")
        self.fields["size_categories"].choices = _keeping(
            [("", _("Not stated")), *((name, name) for name in SIZES)], {size}
        )
        for name in _MODEL_ONLY if repo_type is not RepoType.MODEL else _DATASET_ONLY:
            del self.fields[name]

    def clean_body(self) -> str:
        return self.cleaned_data["body"].replace("\r\n", "\n")

    def changes(self, before: CardMetadata) -> dict[str, Any]:
        """Front matter to set (None removes): only what this form changed, so that unknown forms stay as written."""
        found = {}
        for key, field_name, present in _fields_of(self._repo_type, before):
            value = self.cleaned_data[field_name]
            if value == (list(present) if isinstance(present, tuple) else present):
                continue
            found[key] = _shortest(value) if key != "task_categories" else [value] if value else None
        return found


_MODEL_ONLY: Final = ("library_name", "base_model", "base_model_relation", "datasets")
_DATASET_ONLY: Final = ("pretty_name", "size_categories")


def card_initial(repo_type: RepoType, before: CardMetadata) -> dict[str, Any]:
    return {
        name: list(present) if isinstance(present, tuple) else present
        for _key, name, present in _fields_of(repo_type, before)
    }


def _fields_of(repo_type: RepoType, before: CardMetadata) -> list[tuple[str, str, Any]]:
    """(front matter key, form field, present value)."""
    shared: list[tuple[str, str, Any]] = [
        ("license", "license", before.license),
        ("license_name", "license_name", before.license_name),
        ("license_link", "license_link", before.license_link),
        ("language", "language", before.languages),
        ("tags", "tags", before.tags),
    ]
    if repo_type is not RepoType.MODEL:
        categories = before.categories
        return [
            ("pretty_name", "pretty_name", before.title),
            *shared,
            ("task_categories", "task", next(iter(categories.get("task_categories", ())), "")),
            ("size_categories", "size_categories", next(iter(categories.get("size_categories", ())), "")),
        ]
    relation = before.base_models[0].relation if before.base_models else ""
    return [
        *shared,
        ("pipeline_tag", "task", before.pipeline_tag),
        ("library_name", "library_name", before.library_name),
        ("base_model", "base_model", tuple(base.id for base in before.base_models)),
        ("base_model_relation", "base_model_relation", relation),
        ("datasets", "datasets", before.datasets),
    ]


def _shortest(value: Any) -> Any:
    """None for nothing, so that the key goes."""
    return value or None


def _keeping(choices: Choices, present: set[str]) -> Choices:
    """Add values that the card has but we do not know: saving must not lose them."""
    known = {
        value
        for first, second in choices
        for value in ([item[0] for item in second] if isinstance(second, list) else [first])
    }
    return [*choices, *((value, value) for value in sorted(present - known) if value)]


class FileForm(forms.Form):
    """A text file; ``base_oid`` is the blob that was opened, empty for a new file."""

    path = forms.CharField(max_length=1024, label=gettext_lazy("File name"), widget=_plain_input())
    content = forms.CharField(
        required=False,
        strip=False,
        max_length=MAX_TEXT_CHARS,
        label=gettext_lazy("Content"),
        widget=forms.Textarea(
            attrs={"rows": 26, "spellcheck": "false", "autocapitalize": "none", "wrap": "off", "data-editor": ""}
        ),
    )
    message = forms.CharField(required=False, max_length=200, label=gettext_lazy("What changed"), widget=_plain_input())
    base_oid = forms.CharField(required=False, max_length=40, widget=forms.HiddenInput)

    def __init__(self, *args: Any, has_crlf: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._has_crlf = has_crlf

    def clean_content(self) -> str:
        """Browsers send CRLF; a file keeps the line ends that it had."""
        text = self.cleaned_data["content"].replace("\r\n", "\n")
        return text.replace("\n", "\r\n") if self._has_crlf else text


class DeleteFileForm(forms.Form):
    message = forms.CharField(required=False, max_length=200, label=gettext_lazy("Why"), widget=_plain_input())


class RefForm(forms.Form):
    """A new branch or tag."""

    name = forms.CharField(max_length=200, label=gettext_lazy("Name"), widget=_plain_input())
    start = forms.CharField(
        required=False,
        max_length=200,
        label=gettext_lazy("At"),
        help_text=gettext_lazy("A branch, a tag or a commit."),
        widget=_plain_input(),
    )


class TagForm(RefForm):
    message = forms.CharField(required=False, max_length=500, label=gettext_lazy("Message"), widget=_plain_input())


class MoveForm(forms.Form):
    namespace = forms.ChoiceField(label=gettext_lazy("Owner"))
    name = forms.CharField(max_length=96, label=gettext_lazy("Name"), widget=_plain_input(**{"data-name-check": ""}))

    def __init__(self, *args: Any, owners: list[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["namespace"].choices = [(name, name) for name in owners]


class ProtectionForm(forms.Form):
    """Branches and tags whose history stays, one pattern a line."""

    protected_refs = forms.CharField(
        required=False,
        max_length=12_000,
        label=gettext_lazy("Protected branches and tags"),
        help_text=gettext_lazy("One a line: main, release/*, refs/tags/v*. A star stands for any characters."),
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false", "autocapitalize": "none"}),
    )

    def clean_protected_refs(self) -> list[str]:
        return self.cleaned_data["protected_refs"].splitlines()


class VisibilityForm(forms.Form):
    visibility = forms.ChoiceField(
        label=gettext_lazy("Visibility"),
        choices=[
            (Visibility.PUBLIC.value, gettext_lazy("Public: anyone can see and download it")),
            (Visibility.PRIVATE.value, gettext_lazy("Private: only you, or members of the organization")),
        ],
        widget=forms.RadioSelect,
    )
