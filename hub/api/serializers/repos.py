"""Repo info and list items (hub-api §7, §8)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from hub.api.serializers.tree import sibling_json
from hub.api.serializers.values import date_text
from hub.catalog.facts import head_facts
from hub.catalog.models import RepoIndex
from hub.core.errors import BadRequest, EntryNotFound
from hub.core.ids import RepoType
from hub.repos import content
from hub.repos.cards import CARD_PATH, MAX_CARD_BYTES, card_metadata, read_card
from hub.repos.content import Snapshot
from hub.repos.models import Repo
from hub.storage.git.objects import TreeEntry
from inference.queries import inference_summary

#: What ``expand`` accepts, in the order in which the client lists it (hub-api §7.6).
EXPANDABLE: Final[dict[RepoType, tuple[str, ...]]] = {
    RepoType.MODEL: tuple(
        "author baseModels cardData childrenModelCount config createdAt disabled downloads downloadsAllTime "
        "evalResults gated gguf inference inferenceProviderMapping lastModified library_name likes mask_token "
        "model-index pipeline_tag private resourceGroup safetensors sha siblings spaces tags transformersInfo "
        "trendingScore usedStorage widgetData".split()
    ),
    RepoType.DATASET: tuple(
        "author cardData citation createdAt description disabled downloads downloadsAllTime gated lastModified likes "
        "mainSize paperswithcode_id private resourceGroup sha siblings tags trendingScore usedStorage".split()
    ),
    RepoType.SPACE: tuple(
        "author cardData createdAt datasets disabled lastModified likes models private region resourceGroup runtime "
        "sdk sha siblings subdomain tags trendingScore usedStorage".split()
    ),
    RepoType.KERNEL: tuple(
        "author cardData createdAt disabled downloads downloadsAllTime gated lastModified likes private sha siblings "
        "tags trendingScore usedStorage".split()
    ),
}
_NOT_BY_DEFAULT: Final = frozenset(
    "downloadsAllTime trendingScore baseModels childrenModelCount evalResults inference inferenceProviderMapping "
    "resourceGroup gguf citation mainSize paperswithcode_id region subdomain runtime spaces widgetData".split()
)
_MAX_SIBLINGS: Final = 100_000


def check_expand(repo_type: RepoType, names: Iterable[str]) -> tuple[str, ...]:
    """Raises: BadRequest in the words that clients parse."""
    accepted = EXPANDABLE[repo_type]
    names = tuple(names)
    for index, name in enumerate(names):
        if name not in accepted:
            choices = "|".join(f'"{choice}"' for choice in accepted)
            raise BadRequest(f"✖ Invalid option: expected one of {choices}\n  → at expand[{index}]")
    return names


@dataclass(frozen=True, slots=True)
class Facts:
    """What files and card say about a repo at one commit."""

    card_data: dict[str, Any]
    tags: list[str]
    pipeline_tag: str
    library_name: str
    config: dict[str, Any]
    parameters: int | None
    parameters_by_dtype: dict[str, int]
    summary: str


def facts_at(snapshot: Snapshot, index: RepoIndex | None) -> Facts:
    """From the index where it is up to this commit; else from the files, for the index follows within seconds."""
    if index is not None and index.head_oid == snapshot.oid:
        return facts_of(index)
    if snapshot.oid == snapshot.repo.head_oid:
        found = head_facts(snapshot.repo)
        return Facts(
            found.card.metadata,
            list(found.tags),
            found.pipeline_tag,
            found.library_name,
            found.config,
            sum(found.parameters_by_dtype.values()) or None,
            found.parameters_by_dtype,
            found.summary,
        )
    return _card_facts(snapshot)


def _card_facts(snapshot: Snapshot) -> Facts:
    """Another commit than the head: what its card says."""
    card = read_card(content.read_text(snapshot, CARD_PATH, MAX_CARD_BYTES) or "")
    metadata = card_metadata(card.metadata, body=card.body, repo_type=snapshot.repo.type)
    tags = [*metadata.tags, *(f"license:{name}" for name in metadata.licenses), *metadata.languages, "region:us"]
    return Facts(card.metadata, tags, metadata.pipeline_tag, metadata.library_name, {}, None, {}, "")


def facts_of(index: RepoIndex) -> Facts:
    return Facts(
        index.card_data,
        index.tags,
        index.pipeline_tag,
        index.library_name,
        index.config,
        index.parameters,
        index.parameters_by_dtype,
        index.summary,
    )


def info_json(
    snapshot: Snapshot, index: RepoIndex | None, *, with_blobs: bool = False, expand: tuple[str, ...] = ()
) -> dict[str, Any]:
    """The answer of repo info; with ``expand`` only ids and what was asked for."""
    repo = snapshot.repo
    facts = facts_at(snapshot, index)
    getters = _getters(repo, facts, index) | {
        "sha": lambda: snapshot.oid,
        "siblings": lambda: [sibling_json(entry, with_blobs=with_blobs) for entry in _siblings(snapshot)],
    }
    if repo.type is RepoType.MODEL:
        getters |= {name: partial(_inference_field, repo, name) for name in ("inference", "inferenceProviderMapping")}
    names = expand or tuple(name for name in EXPANDABLE[repo.type] if name not in _NOT_BY_DEFAULT)
    shown = {"_id": repo.object_id, "id": repo.repo_id}
    if not expand:
        shown |= {"modelId": repo.repo_id} if repo.type is RepoType.MODEL else {}
    return shown | _present(getters, names)


def _inference_field(repo: Repo, name: str) -> Any:
    """Whether this hub runs the model; asked for by name only, so that the default answer costs no query."""
    return inference_summary(repo).get(name)


def _siblings(snapshot: Snapshot) -> Iterable[TreeEntry]:
    return content.walk_files(snapshot, budget=_MAX_SIBLINGS)


def item_json(
    index: RepoIndex, *, full: bool = False, card_data: bool = False, config: bool = False, expand: tuple[str, ...] = ()
) -> dict[str, Any]:
    """One item of a list; ``index.repo`` and its namespace are loaded."""
    repo = index.repo
    getters = _getters(repo, facts_of(index), index) | {
        "sha": lambda: repo.head_oid,
        "siblings": lambda: _item_siblings(repo),
    }
    shown: dict[str, Any] = {"_id": repo.object_id, "id": repo.repo_id}
    if expand:
        return shown | _present(getters, expand)
    names = ["likes", "private", "downloads", "tags", "pipeline_tag", "library_name", "createdAt", "trendingScore"]
    if repo.type is RepoType.MODEL:
        shown["modelId"] = repo.repo_id
    else:
        names += ["author", "disabled", "gated", "lastModified", "sha", "description", "sdk"]
    if full:
        names += ["author", "gated", "lastModified", "sha", "siblings", "disabled"]
    if card_data or (full and repo.type is not RepoType.MODEL):
        names.append("cardData")
    if config:
        names.append("config")
    return shown | _present(getters, names)


def _item_siblings(repo: Repo) -> list[dict[str, Any]]:
    try:
        return [sibling_json(entry, with_blobs=False) for entry in _siblings(content.at_revision(repo, repo.head_oid))]
    except EntryNotFound:
        return []


def _present(getters: dict[str, Callable[[], Any]], names: Iterable[str]) -> dict[str, Any]:
    """Leave out what there is nothing to say about: absent is always safe, null is not (hub-api §1.4)."""
    found = {name: getters[name]() for name in dict.fromkeys(names) if name in getters}
    return {name: value for name, value in found.items() if value is not None}


def _getters(repo: Repo, facts: Facts, index: RepoIndex | None) -> dict[str, Callable[[], Any]]:
    shared: dict[str, Callable[[], Any]] = {
        "author": lambda: repo.namespace.name,
        "lastModified": lambda: date_text(repo.updated_at),
        "createdAt": lambda: date_text(repo.created_at),
        "private": lambda: repo.is_private,
        "disabled": lambda: repo.is_disabled,
        "gated": lambda: repo.gated or False,
        "downloads": lambda: repo.downloads,
        "downloadsAllTime": lambda: repo.downloads_all_time,
        "likes": lambda: repo.likes,
        "trendingScore": lambda: index.trending_score if index else 0,
        "tags": lambda: facts.tags,
        "cardData": lambda: facts.card_data or None,
        "usedStorage": lambda: repo.storage_bytes,
    }
    return shared | _GETTERS_OF_TYPE[repo.type](facts, index)


def _model_getters(facts: Facts, index: RepoIndex | None) -> dict[str, Callable[[], Any]]:
    return {
        "pipeline_tag": lambda: facts.pipeline_tag or None,
        "library_name": lambda: facts.library_name or None,
        "config": lambda: facts.config or None,
        "mask_token": lambda: facts.card_data.get("mask_token"),
        "model-index": lambda: facts.card_data.get("model-index"),
        "widgetData": lambda: facts.card_data.get("widget"),
        "transformersInfo": lambda: _transformers_info(facts),
        "safetensors": lambda: _safetensors(facts),
        "spaces": list,
        "evalResults": list,
        "baseModels": lambda: [model["id"] for model in index.base_models] if index else [],
        "childrenModelCount": lambda: 0,
    }


def _safetensors(facts: Facts) -> dict[str, Any] | None:
    if not facts.parameters_by_dtype or facts.parameters is None:
        return None
    return {"parameters": facts.parameters_by_dtype, "total": facts.parameters}


def _transformers_info(facts: Facts) -> dict[str, Any] | None:
    """Only keys that the client's dataclass knows: another one would raise there (hub-api §7.2)."""
    if facts.library_name != "transformers" or not facts.config.get("architectures"):
        return None
    info = {"auto_model": _auto_model(facts.pipeline_tag)}
    if facts.pipeline_tag:
        info["pipeline_tag"] = facts.pipeline_tag
    return info


_AUTO_MODELS: Final = {
    "text-generation": "AutoModelForCausalLM",
    "text-classification": "AutoModelForSequenceClassification",
    "token-classification": "AutoModelForTokenClassification",
    "question-answering": "AutoModelForQuestionAnswering",
    "fill-mask": "AutoModelForMaskedLM",
    "image-classification": "AutoModelForImageClassification",
    "object-detection": "AutoModelForObjectDetection",
    "automatic-speech-recognition": "AutoModelForSpeechSeq2Seq",
    "summarization": "AutoModelForSeq2SeqLM",
    "translation": "AutoModelForSeq2SeqLM",
}


def _auto_model(pipeline_tag: str) -> str:
    return _AUTO_MODELS.get(pipeline_tag, "AutoModel")


def _dataset_getters(facts: Facts, index: RepoIndex | None) -> dict[str, Callable[[], Any]]:
    return {"description": lambda: facts.summary or None}


def _space_getters(facts: Facts, index: RepoIndex | None) -> dict[str, Callable[[], Any]]:
    return {
        "sdk": lambda: facts.card_data.get("sdk"),
        # Spaces are kept as files here; nothing runs.
        "runtime": lambda: {"stage": "NO_APP_FILE"},
        "models": lambda: facts.card_data.get("models") or [],
        "datasets": lambda: facts.card_data.get("datasets") or [],
    }


def _kernel_getters(facts: Facts, index: RepoIndex | None) -> dict[str, Callable[[], Any]]:
    return {}  # kept as files: what all repos say is all there is


_GETTERS_OF_TYPE: Final = {
    RepoType.MODEL: _model_getters,
    RepoType.DATASET: _dataset_getters,
    RepoType.SPACE: _space_getters,
    RepoType.KERNEL: _kernel_getters,
}
