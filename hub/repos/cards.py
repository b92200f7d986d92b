"""The card: ``README.md`` with YAML front matter.  Read it leniently, check it strictly, change it gently.

Source: hub-api §26.  Limits and refusals: threats T104.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from django.utils.translation import gettext as _

from hub.core import yaml12
from hub.core.errors import BadRequest
from hub.core.ids import RepoType
from hub.core.markdown import LinkBase, RenderedMarkdown, render_markdown
from hub.core.taxonomy import LANGUAGES, LICENSES, PIPELINE_TAGS, license_label, pipeline_label
from hub.repos.urls import RepoUrls

CARD_PATH: Final = "README.md"
MAX_CARD_BYTES: Final = 1024 * 1024
# Blank lines may stand before the first fence: clients read such a card, too.
_FRONT_MATTER: Final = re.compile(
    r"\A\ufeff?(?P<blank>(?:[ \t]*\r?\n){0,20})---[ \t]*\r?\n(?P<yaml>.*?)(?:^|(?<=\n))---[ \t]*(?:\r?\n|\Z)", re.DOTALL
)
_REPO_ID: Final = re.compile(r"[\w.-]+(?:/[\w.-]+)?")
_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8})*|code|multilingual")
_LICENSE_NAME: Final = re.compile(r"[a-z0-9.-]+")
_ARXIV: Final = re.compile(r"arxiv(?:\.org/(?:abs|pdf)/|[:\s])(\d{4}\.\d{4,5})", re.IGNORECASE)
_RELATIONS: Final = ("finetune", "adapter", "quantized", "merge")
_MAX_TAGS: Final = 200
_MAX_TAG_LENGTH: Final = 100


class InvalidCard(BadRequest):
    """Front matter that cannot be read; ``data["line"]`` counts from 1 in the README."""

    code: ClassVar[str] = "InvalidCard"


@dataclass(frozen=True, slots=True)
class Card:
    """A README taken apart.  ``error`` says why ``metadata`` is empty although front matter is there."""

    metadata: dict[str, Any] = field(default_factory=dict)
    body: str = ""
    front_matter: str | None = None
    error: str = ""
    error_line: int = 0


@dataclass(frozen=True, slots=True)
class BaseModel:
    id: str
    relation: str  # finetune, adapter, quantized, merge; "" when the card does not say


@dataclass(frozen=True, slots=True)
class CardMetadata:
    """Front matter as values that code can use; what does not fit its type is left out."""

    title: str = ""
    licenses: tuple[str, ...] = ()
    license_name: str = ""
    license_link: str = ""
    languages: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    pipeline_tag: str = ""
    library_name: str = ""
    base_models: tuple[BaseModel, ...] = ()
    datasets: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    arxiv: tuple[str, ...] = ()
    doi: tuple[str, ...] = ()
    new_version: str = ""
    widget: tuple[dict[str, Any], ...] = ()
    has_eval_results: bool = False
    # Dataset keys that become ``key:value`` tags (hub-api §26.3).
    categories: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def license(self) -> str:
        return self.licenses[0] if self.licenses else ""


@dataclass(slots=True)
class Validation:
    """What ``validate-yaml`` answers; sentences for the author."""

    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


# --- reading ---------------------------------------------------------------------------------------------------------


def split_card(text: str) -> tuple[str | None, str]:
    """(front matter without its fences or None, body)."""
    match = _FRONT_MATTER.match(text)
    if match is None:
        return None, text.removeprefix("\ufeff")
    return match["yaml"], text[match.end() :]


def _lines_above(text: str) -> int:
    """Lines of a README before the first of its front matter, the fence included."""
    match = _FRONT_MATTER.match(text)
    return match["blank"].count("\n") + 1 if match else 0


def parse_card(text: str) -> Card:
    """Take a README apart.

    Raises:
        InvalidCard: the front matter is no YAML mapping or passes a limit.
    """
    front_matter, body = split_card(text)
    if front_matter is None:
        return Card(body=body)
    try:
        metadata = yaml12.loads(front_matter)
    except yaml12.YamlError as error:
        line = error.line + _lines_above(text)
        raise InvalidCard(
            _("README.md, line %(line)d: %(problem)s") % {"line": line, "problem": error.problem}, line=line
        ) from error
    if metadata is None:
        metadata = {}
    if not isinstance(metadata, dict):
        raise InvalidCard(_("README.md, line 2: the metadata must be a list of 'key: value' lines."), line=2)
    return Card(metadata=metadata, body=body, front_matter=front_matter)


def read_card(text: str) -> Card:
    """Like ``parse_card`` for pages: bad metadata leaves the body readable and is told in ``error``."""
    try:
        return parse_card(text)
    except InvalidCard as error:
        front_matter, body = split_card(text)
        return Card(body=body, front_matter=front_matter, error=error.message, error_line=error.data["line"])


def card_metadata(metadata: dict[str, Any], *, body: str = "", repo_type: RepoType = RepoType.MODEL) -> CardMetadata:
    """Typed view of front matter; ``body`` is searched for arXiv ids."""
    relation = _text(metadata.get("base_model_relation"))
    base_models = tuple(
        BaseModel(model_id, relation if relation in _RELATIONS else "")
        for model_id in _ids(metadata.get("base_model") or metadata.get("base_models"))
    )
    return CardMetadata(
        title=_text(metadata.get("pretty_name") or metadata.get("title"))[:120],
        licenses=tuple(value.lower() for value in _texts(metadata.get("license"))),
        license_name=_text(metadata.get("license_name")),
        license_link=_text(metadata.get("license_link")),
        languages=_languages(metadata.get("language") or metadata.get("languages")),
        tags=_tags(metadata.get("tags")),
        pipeline_tag=_text(metadata.get("pipeline_tag"))[:60],
        library_name=_text(metadata.get("library_name"))[:60],
        base_models=base_models,
        datasets=_ids(metadata.get("datasets")),
        metrics=_texts(metadata.get("metrics")),
        arxiv=_arxiv(metadata, body),
        doi=_texts(metadata.get("doi")),
        new_version=_text(metadata.get("new_version")),
        widget=_widget(metadata.get("widget")),
        has_eval_results=bool(metadata.get("model-index")),
        categories=_categories(metadata) if repo_type is RepoType.DATASET else {},
    )


_DATASET_KEYS: Final = (
    "task_categories", "task_ids", "size_categories", "multilinguality", "annotations_creators", "language_creators",
    "source_datasets",
)  # fmt: skip


def _categories(metadata: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    found = {key: _texts(metadata.get(key)) for key in _DATASET_KEYS}
    return {key: values for key, values in found.items() if values}


def _text(value: Any) -> str:
    return str(value).strip() if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def _texts(value: Any) -> tuple[str, ...]:
    """A value or a list of values as texts, in order, each once."""
    values = value if isinstance(value, list) else [value]
    return tuple(dict.fromkeys(text for item in values[:_MAX_TAGS] if (text := _text(item))))


def _tags(value: Any) -> tuple[str, ...]:
    return tuple(tag for tag in _texts(value) if len(tag) <= _MAX_TAG_LENGTH)


def _ids(value: Any) -> tuple[str, ...]:
    return tuple(text for text in _texts(value) if len(text) <= 140 and _REPO_ID.fullmatch(text))


def _languages(value: Any) -> tuple[str, ...]:
    return tuple(text for text in _texts(value) if len(text) <= 20 and _LANGUAGE.fullmatch(text))


def _arxiv(metadata: dict[str, Any], body: str) -> tuple[str, ...]:
    declared = _texts(metadata.get("arxiv"))
    return tuple(dict.fromkeys([*declared, *_ARXIV.findall(body)]))[:20]


def _widget(value: Any) -> tuple[dict[str, Any], ...]:
    """Example inputs of the playground; ours are short, so the first ten are enough."""
    if not isinstance(value, list):
        return ()
    return tuple(item for item in value[:10] if isinstance(item, dict))


# --- checking --------------------------------------------------------------------------------------------------------


def validate_card(text: str, repo_type: RepoType = RepoType.MODEL) -> Validation:
    """Check a README (or bare front matter) before it is committed; never raises."""
    result = Validation()
    if len(text.encode(errors="replace")) > MAX_CARD_BYTES:
        result.errors.append(_("README.md is larger than 1 MiB."))
        return result
    try:
        card = parse_card(text)
    except InvalidCard as error:
        result.errors.append(error.message)
        return result
    if card.front_matter is None:
        result.warnings.append(_("empty or missing yaml metadata in repo card"))
        return result
    _check_license(card.metadata, result)
    _check_languages(card.metadata, result)
    _check_ids(card.metadata, result)
    _check_lists(card.metadata, result)
    if repo_type is RepoType.MODEL:
        _check_pipeline_tag(card.metadata, result)
        _check_model_index(card.metadata.get("model-index"), result)
    return result


def _check_license(metadata: dict[str, Any], result: Validation) -> None:
    value = metadata.get("license")
    if value is None:
        return
    for license_id in value if isinstance(value, list) else [value]:
        if not isinstance(license_id, str) or license_id.lower() not in LICENSES:
            # The client's own tests look for "must be one of".
            result.errors.append(f'"license" must be one of [{", ".join(LICENSES)}]')
            return
    if "other" in _texts(value):
        _check_other_license(metadata, result)


def _check_other_license(metadata: dict[str, Any], result: Validation) -> None:
    name = metadata.get("license_name")
    if name is None:
        result.warnings.append(_('"license: other" is clearer with "license_name" and "license_link".'))
    elif not isinstance(name, str) or not _LICENSE_NAME.fullmatch(name):
        result.errors.append(_('"license_name" uses small letters, digits, "-" and "." only'))
    link = metadata.get("license_link")
    if link is not None and not (
        isinstance(link, str) and (link in {"LICENSE", "LICENSE.md"} or link.startswith(("https://", "http://")))
    ):
        result.errors.append(_('"license_link" must be LICENSE, LICENSE.md or a URL'))


def _check_languages(metadata: dict[str, Any], result: Validation) -> None:
    value = metadata.get("language")
    if value is None:
        return
    for code in value if isinstance(value, list) else [value]:
        if not isinstance(code, str) or not _LANGUAGE.fullmatch(code):
            result.errors.append(
                _('"language" must be ISO 639 codes such as en or zh, "code" or "multilingual", not %(value)s')
                % {"value": repr(code)[:60]}
            )
        elif re.split("[-_]", code)[0].lower() not in LANGUAGES and len(code) == 2:
            result.warnings.append(_("The language %(code)s is not a known ISO 639-1 code.") % {"code": code})


def _check_ids(metadata: dict[str, Any], result: Validation) -> None:
    for key in ("base_model", "datasets", "new_version"):
        value = metadata.get(key)
        for item in value if isinstance(value, list) else [value] if value is not None else []:
            if not isinstance(item, str) or not _REPO_ID.fullmatch(item):
                result.errors.append(
                    _('"%(key)s" must hold repository ids such as namespace/name, not %(value)s')
                    % {"key": key, "value": repr(item)[:80]}
                )
    relation = metadata.get("base_model_relation")
    if relation is not None and relation not in _RELATIONS:
        result.errors.append(f'"base_model_relation" must be one of [{", ".join(_RELATIONS)}]')


def _check_lists(metadata: dict[str, Any], result: Validation) -> None:
    for key in ("tags", "metrics"):
        value = metadata.get(key)
        items = value if isinstance(value, list) else [value] if value is not None else []
        if any(not isinstance(item, str | int | float) or isinstance(item, bool) for item in items):
            result.errors.append(_('"%(key)s" must be a list of texts') % {"key": key})
        elif any(len(str(item)) > _MAX_TAG_LENGTH for item in items) or len(items) > _MAX_TAGS:
            result.errors.append(
                _('"%(key)s" takes up to %(count)d entries of %(length)d characters')
                % {"key": key, "count": _MAX_TAGS, "length": _MAX_TAG_LENGTH}
            )


def _check_pipeline_tag(metadata: dict[str, Any], result: Validation) -> None:
    value = metadata.get("pipeline_tag")
    if value is None:
        return
    if not isinstance(value, str):
        result.errors.append(_('"pipeline_tag" must be a text'))
    elif value not in PIPELINE_TAGS:
        result.warnings.append(
            _("The pipeline tag %(value)s is not a known one; see the list of tasks.") % {"value": repr(value)[:60]}
        )


def _check_model_index(value: Any, result: Validation) -> None:
    if value is None:
        return
    for place, problem in _model_index_problems(value):
        result.errors.append(f'"{place}" {problem}')


def _model_index_problems(value: Any) -> list[tuple[str, str]]:
    if not isinstance(value, list):
        return [("model-index", "must be an array")]
    problems: list[tuple[str, str]] = []
    for index, model in enumerate(value):
        place = f"model-index[{index}]"
        if not isinstance(model, dict):
            problems.append((place, "must be of type object"))
            continue
        if not isinstance(model.get("name"), str):
            problems.append((f"{place}.name", "is required"))
        results = model.get("results")
        if not isinstance(results, list):
            problems.append((f"{place}.results", "is required"))
            continue
        for number, item in enumerate(results):
            problems += _result_problems(f"{place}.results[{number}]", item)
    return problems


def _result_problems(place: str, result: Any) -> list[tuple[str, str]]:
    if not isinstance(result, dict):
        return [(place, "must be of type object")]
    problems = []
    task, dataset, metrics = result.get("task"), result.get("dataset"), result.get("metrics")
    if not (isinstance(task, dict) and isinstance(task.get("type"), str)):
        problems.append((f"{place}.task.type", "is required"))
    if dataset is not None and not (
        isinstance(dataset, dict) and isinstance(dataset.get("type"), str) and isinstance(dataset.get("name"), str)
    ):
        problems.append((f"{place}.dataset", "must have type and name"))
    if not isinstance(metrics, list):
        return [*problems, (f"{place}.metrics", "is required")]
    for number, metric in enumerate(metrics):
        if not (isinstance(metric, dict) and isinstance(metric.get("type"), str) and "value" in metric):
            problems.append((f"{place}.metrics[{number}]", "must have type and value"))
    return problems


# --- writing ---------------------------------------------------------------------------------------------------------


def write_card(metadata: dict[str, Any], body: str) -> str:
    """A README from values and text; empty values are left out."""
    kept = {key: value for key, value in metadata.items() if value not in (None, "", [], {}, ())}
    front_matter = yaml12.dumps(kept) if kept else ""
    return f"---\n{front_matter}---\n{body if body.startswith(chr(10)) else chr(10) + body}"


def set_card_fields(text: str, changes: dict[str, Any]) -> str:
    """Return the README with these fields set (None removes one); other lines, comments and the body stay as they are.

    Raises:
        InvalidCard: the present front matter cannot be read, so it cannot be changed safely.
    """
    card = parse_card(text)
    if card.front_matter is None:
        return write_card(changes, card.body)
    spans = yaml12.top_level_spans(card.front_matter) if card.metadata else {}
    if spans is None:
        return write_card({**card.metadata, **changes}, card.body)
    lines = card.front_matter.splitlines()
    added: list[str] = []
    # From the bottom up, so that line numbers above stay right.
    for key in sorted(changes, key=lambda name: spans[name].start if name in spans else -1, reverse=True):
        entry = [] if changes[key] is None else yaml12.dumps({key: changes[key]}).splitlines()
        if key in spans:
            lines[spans[key].start : spans[key].stop] = entry
        else:
            added = [*entry, *added]
    front_matter = "\n".join([*lines, *added])
    return f"---\n{front_matter}\n---\n{card.body}"


def card_template(
    *,
    name: str,
    repo_type: RepoType = RepoType.MODEL,
    summary: str = "",
    license: str = "",
    pipeline_tag: str = "",
    library_name: str = "",
    base_model: str = "",
    base_model_relation: str = "",
    languages: tuple[str, ...] = (),
    tags: tuple[str, ...] = (),
    datasets: tuple[str, ...] = (),
) -> str:
    """The README that the new-repo form starts with: metadata from the form, honest headings to fill in."""
    metadata: dict[str, Any] = {
        "license": license,
        "language": list(languages),
        "library_name": library_name,
        ("task_categories" if repo_type is RepoType.DATASET else "pipeline_tag"): (
            [pipeline_tag] if repo_type is RepoType.DATASET and pipeline_tag else pipeline_tag
        ),
        "base_model": base_model,
        "base_model_relation": base_model_relation if base_model else "",
        "datasets": list(datasets),
        "tags": list(tags),
    }
    lead = summary or _("One or two sentences: what this is and what it is good for.")
    headings = _dataset_headings() if repo_type is RepoType.DATASET else _model_headings(license, pipeline_tag)
    sections = [f"# {name}", lead, *(f"## {title}\n\n{text}" for title, text in headings)]
    return write_card(metadata, "\n\n".join(sections) + "\n")


def _model_headings(license_id: str, pipeline_tag: str) -> list[tuple[str, str]]:
    task = str(pipeline_label(pipeline_tag)) if pipeline_tag else ""
    return [
        (_("Intended use"), _("Task: %(task)s.") % {"task": task} if task else _("Who should use it, and for what.")),
        (_("Limits"), _("Where it fails, and what it must not be used for.")),
        (_("Training data"), _("What it was trained on, and under which terms.")),
        (_("Evaluation"), _("Data, metric and result; how to repeat it.")),
        (_("License"), license_label(license_id) if license_id else _("The terms of use.")),
    ]


def _dataset_headings() -> list[tuple[str, str]]:
    return [
        (_("What is in it"), _("Files, columns, number of rows, languages.")),
        (_("Where it comes from"), _("Sources, collection, consent.")),
        (_("Known problems"), _("Bias, errors, personal data.")),
        (_("License"), _("The terms of use.")),
    ]


# --- showing ---------------------------------------------------------------------------------------------------------


def render_card(body: str, *, urls: RepoUrls, revision: str, path: str = CARD_PATH) -> RenderedMarkdown:
    """Safe HTML of a card (or any markdown file of a repo): relative links lead into ``revision`` of the repo."""
    folder = path.rpartition("/")[0]
    return render_markdown(
        body,
        links=LinkBase(page=urls.page, pages=urls.blob(revision, ""), files=urls.resolve(revision, ""), folder=folder),
    )
