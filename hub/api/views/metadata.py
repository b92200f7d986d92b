"""README metadata, tags by type, tasks (hub-api §9, §26)."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from hub.api.requests import Fields
from hub.api.views.common import json_response, repo_type_of
from hub.catalog.queries import most_used_servable
from hub.core.ids import RepoType
from hub.core.taxonomy import LANGUAGES, LIBRARIES, LICENSES, PIPELINE_TAGS
from hub.repos.cards import validate_card

_MAX_CARD_LENGTH = 1_000_000


def validate_yaml(request: HttpRequest) -> HttpResponseBase:
    fields = Fields.of(request)
    text = fields.text("content", "", max_length=_MAX_CARD_LENGTH)
    found = validate_card(text, repo_type_of(fields.text("repoType", "")))
    status = 400 if found.errors else 200
    if "text/plain" in request.headers.get("accept", ""):
        lines = [f"- Error: {message}" for message in found.errors]
        lines += [f"- Warning: {message}" for message in found.warnings]
        return HttpResponse("\n".join(lines), status=status, content_type="text/plain; charset=utf-8")
    return json_response(
        {
            "errors": [{"message": message} for message in found.errors],
            "warnings": [{"message": message} for message in found.warnings],
        },
        status=status,
    )


def tags_by_type(request: HttpRequest, repo_type: RepoType) -> HttpResponseBase:
    """All tags that filters know by kind; ``type`` narrows to one."""
    shown = _TAGS[repo_type]()
    wanted = request.GET.get("type")
    return json_response({wanted: shown.get(wanted, [])} if wanted else shown)


def _model_tags() -> dict[str, list[dict[str, str]]]:
    return {
        "pipeline_tag": [_tag(tag.id, tag.label, "pipeline_tag") for tag in PIPELINE_TAGS.values()],
        "library": [_tag(key, label, "library") for key, label in LIBRARIES.items()],
        "language": _languages(""),
        "license": _licenses(),
        "region": [_tag("region:us", "US", "region")],
    }


def _dataset_tags() -> dict[str, list[dict[str, str]]]:
    return {
        "task_categories": [
            _tag(f"task_categories:{tag.id}", tag.label, "task_categories") for tag in PIPELINE_TAGS.values()
        ],
        "size_categories": [_tag(f"size_categories:{size}", size, "size_categories") for size in _SIZES],
        "language": _languages("language:"),
        "license": _licenses(),
        "region": [_tag("region:us", "US", "region")],
    }


def _tag(tag_id: str, label: object, kind: str) -> dict[str, str]:
    return {"id": tag_id, "label": str(label), "type": kind}


def _languages(prefix: str) -> list[dict[str, str]]:
    return [_tag(f"{prefix}{code}", language.name, "language") for code, language in LANGUAGES.items()]


def _licenses() -> list[dict[str, str]]:
    return [_tag(f"license:{key}", found.name, "license") for key, found in LICENSES.items()]


_SIZES = ("n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "1M<n<10M", "10M<n<100M", "100M<n<1B", "n>1T")
_TAGS = {RepoType.MODEL: _model_tags, RepoType.DATASET: _dataset_tags, RepoType.SPACE: dict, RepoType.KERNEL: dict}


def tasks(request: HttpRequest) -> HttpResponseBase:
    """What models can do; clients take the names from here, and the model to use where nobody names one."""
    models = most_used_servable()
    return json_response(
        {
            tag.id: {
                "id": tag.id,
                "label": str(tag.label),
                "summary": str(tag.label),
                "libraries": [],
                "models": [{"id": model, "description": ""} for model in models.get(tag.id, ())],
                "datasets": [],
                "spaces": [],
                "metrics": [],
                "widgetModels": models.get(tag.id, []),
                "demo": {"inputs": [], "outputs": []},
            }
            for tag in PIPELINE_TAGS.values()
        }
    )
