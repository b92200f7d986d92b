"""What a repo's head says about it: card, tags, library, task, parameters, size.  Reads files, writes nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import PurePosixPath
from typing import Any, Final

import structlog

from hub.catalog import inspectors
from hub.catalog.card_text import plain_text, summary_of
from hub.core.errors import HubError
from hub.core.ids import RepoType
from hub.core.safetensors_header import check_safetensors
from hub.repos.cards import CARD_PATH, MAX_CARD_BYTES, Card, CardMetadata, card_metadata, read_card
from hub.repos.content import ReadRange, read_files
from hub.repos.models import Repo

log = structlog.get_logger("hub.catalog")

_MAX_CONFIG_BYTES: Final = 4 * 1024 * 1024
_MAX_SAFETENSORS_FILES: Final = 200
_MAX_TAGS: Final = 400
_CONFIG_KEYS: Final = ("architectures", "model_type", "auto_map", "diffusers", "quantization_config")

_FILE_TAGS: Final = (
    ("safetensors", re.compile(r"\.safetensors$")),
    ("gguf", re.compile(r"\.gguf$")),
    ("onnx", re.compile(r"\.onnx$")),
    ("pytorch", re.compile(r"(^|/)(pytorch_model.*\.bin|[^/]*\.(pt|pth|ckpt))$")),
    ("tf", re.compile(r"(^|/)(tf_model\.h5|saved_model\.pb)$")),
    ("jax", re.compile(r"(^|/)flax_model.*\.msgpack$")),
    ("keras", re.compile(r"\.keras$")),
    ("skops", re.compile(r"\.skops$")),
    ("openvino", re.compile(r"(^|/)openvino_model[^/]*\.xml$")),
    ("coreml", re.compile(r"\.(mlmodel|mlpackage/.*)$")),
    ("tflite", re.compile(r"\.tflite$")),
    ("tensorboard", re.compile(r"(^|/)events\.out\.tfevents")),
)
# First file that is there decides (hub-api §26.3).
_LIBRARY_FILES: Final = (
    ("modules.json", "sentence-transformers"),
    ("adapter_config.json", "peft"),
    ("model_index.json", "diffusers"),
)
_LIBRARY_TAGS: Final = ("gguf", "keras", "skops", "onnx", "tflite", "coreml", "openvino")
_TASK_SUFFIXES: Final = {
    "ForCausalLM": "text-generation",
    "LMHeadModel": "text-generation",
    "ForSequenceClassification": "text-classification",
    "ForTokenClassification": "token-classification",
    "ForQuestionAnswering": "question-answering",
    "ForMaskedLM": "fill-mask",
    "ForImageClassification": "image-classification",
    "ForObjectDetection": "object-detection",
    "ForSemanticSegmentation": "image-segmentation",
    "ForDepthEstimation": "depth-estimation",
    "ForAudioClassification": "audio-classification",
    "ForSpeechSeq2Seq": "automatic-speech-recognition",
    "ForCTC": "automatic-speech-recognition",
    "ForImageTextToText": "image-text-to-text",
}
_DATA_FORMATS: Final = {
    "parquet": "parquet", "csv": "csv", "tsv": "csv", "json": "json", "jsonl": "json", "arrow": "arrow", "txt": "text",
    "tar": "webdataset", "jpg": "imagefolder", "jpeg": "imagefolder", "png": "imagefolder", "wav": "audiofolder",
    "flac": "audiofolder", "mp3": "audiofolder",
}  # fmt: skip
_FORMAT_MODALITY: Final = {"imagefolder": "image", "audiofolder": "audio", "csv": "tabular", "parquet": "tabular"}


@dataclass(frozen=True, slots=True)
class HeadFacts:
    """Everything that ``RepoIndex`` takes from the files at one commit."""

    head_oid: str = ""
    card: Card = field(default_factory=Card)
    metadata: CardMetadata = field(default_factory=CardMetadata)
    summary: str = ""
    card_text: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    pipeline_tag: str = ""
    library_name: str = ""
    tags: tuple[str, ...] = ()
    parameters_by_dtype: dict[str, int] = field(default_factory=dict)
    size_bytes: int = 0
    file_count: int = 0
    inspection: dict[str, Any] = field(default_factory=dict)

    @property
    def parameters(self) -> int | None:
        return sum(self.parameters_by_dtype.values()) or None


def head_facts(repo: Repo) -> HeadFacts:
    """Read the head of the default branch; a repo that is empty or too large to walk has few facts, never an error."""
    if not repo.head_oid:
        return HeadFacts()
    try:
        files, read = read_files(repo, repo.head_oid)
    except HubError as error:
        log.warning("head_not_read", repo=repo.pk, oid=repo.head_oid, reason=error.message)
        return HeadFacts(head_oid=repo.head_oid)
    return _facts(repo.type, repo.head_oid, files, read)


def _facts(repo_type: RepoType, head_oid: str, files: Mapping[str, int], read: ReadRange) -> HeadFacts:
    card = read_card(_read_text(files, read, CARD_PATH, MAX_CARD_BYTES) or "")
    metadata = card_metadata(card.metadata, body=card.body, repo_type=repo_type)
    config = _read_config(files, read) if repo_type is RepoType.MODEL else {}
    inspection = inspectors.inspect(files, read) if repo_type is RepoType.MODEL else {}
    file_tags = _file_tags(files)
    library_name = metadata.library_name or _library(files, config, file_tags, repo_type)
    pipeline_tag = metadata.pipeline_tag or str(inspection.get("pipeline_tag") or "") or _task(config)
    facts = HeadFacts(
        head_oid=head_oid,
        card=card,
        metadata=metadata,
        summary=summary_of(card.body),
        card_text=plain_text(card.body),
        config={key: config[key] for key in _CONFIG_KEYS if key in config},
        pipeline_tag=pipeline_tag if repo_type is RepoType.MODEL else "",
        library_name=library_name,
        parameters_by_dtype=_parameters(files, read, inspection) if repo_type is RepoType.MODEL else {},
        size_bytes=sum(files.values()),
        file_count=len(files),
        inspection=inspection,
    )
    return _with_tags(facts, repo_type, files, file_tags)


def _with_tags(facts: HeadFacts, repo_type: RepoType, files: Mapping[str, int], file_tags: list[str]) -> HeadFacts:
    derive = _model_tags(facts, file_tags) if repo_type is RepoType.MODEL else _dataset_tags(facts, files)
    tags = tuple(list(dict.fromkeys(tag for tag in derive if tag))[:_MAX_TAGS])
    values = {name: getattr(facts, name) for name in HeadFacts.__slots__}
    return HeadFacts(**{**values, "tags": tags})


# --- tags (hub-api §26.3) --------------------------------------------------------------------------------------------


def _model_tags(facts: HeadFacts, file_tags: list[str]) -> Iterator[str]:
    metadata = facts.metadata
    yield facts.library_name
    yield from file_tags
    model_type = facts.config.get("model_type")
    yield model_type if isinstance(model_type, str) and len(model_type) <= 60 else ""
    yield facts.pipeline_tag
    yield from metadata.tags
    if metadata.has_eval_results:
        yield "model-index"
    if facts.config.get("auto_map"):
        yield "custom_code"
    yield from metadata.languages
    yield from (f"dataset:{dataset}" for dataset in metadata.datasets)
    yield from _shared_tags(metadata)
    for base in metadata.base_models:
        yield f"base_model:{base.id}"
        if base.relation:
            yield f"base_model:{base.relation}:{base.id}"
    if facts.inspection.get("servable"):
        yield "endpoints_compatible"
    yield "region:us"


def _dataset_tags(facts: HeadFacts, files: Mapping[str, int]) -> Iterator[str]:
    metadata = facts.metadata
    for key, values in metadata.categories.items():
        yield from (f"{key}:{value}" for value in values)
    yield from (f"language:{code}" for code in metadata.languages)
    yield from _shared_tags(metadata)
    formats = _data_formats(files)
    yield from (f"format:{name}" for name in formats)
    yield from (f"modality:{_FORMAT_MODALITY.get(name, 'text')}" for name in formats)
    if formats:
        yield "library:datasets"
    yield from metadata.tags
    yield "region:us"


def _shared_tags(metadata: CardMetadata) -> Iterator[str]:
    yield from (f"arxiv:{paper}" for paper in metadata.arxiv)
    yield from (f"license:{license_id}" for license_id in metadata.licenses)
    yield from (f"doi:{doi}" for doi in metadata.doi)


def _data_formats(files: Mapping[str, int]) -> list[str]:
    suffixes = {PurePosixPath(path).suffix[1:].lower() for path in files if path != CARD_PATH}
    return sorted({_DATA_FORMATS[suffix] for suffix in suffixes if suffix in _DATA_FORMATS})


def _file_tags(files: Mapping[str, int]) -> list[str]:
    return [tag for tag, pattern in _FILE_TAGS if any(pattern.search(path) for path in files)]


# --- library, task, parameters ---------------------------------------------------------------------------------------


def _library(files: Mapping[str, int], config: dict[str, Any], file_tags: list[str], repo_type: RepoType) -> str:
    if repo_type is not RepoType.MODEL:
        return ""
    for path, library in _LIBRARY_FILES:
        if path in files:
            return library
    if config.get("model_type") or config.get("architectures"):
        return "transformers"
    return next((tag for tag in _LIBRARY_TAGS if tag in file_tags), "")


def _task(config: dict[str, Any]) -> str:
    names = config.get("architectures")
    name = names[0] if isinstance(names, list) and names and isinstance(names[0], str) else ""
    return next((task for suffix, task in _TASK_SUFFIXES.items() if name.endswith(suffix)), "")


def _parameters(files: Mapping[str, int], read: ReadRange, inspection: dict[str, Any]) -> dict[str, int]:
    """Parameters by dtype, from headers alone; a file whose header lies is left out."""
    found = inspection.get("parameters_by_dtype")
    if found:
        return dict(found)
    total: dict[str, int] = {}
    for path in _weight_files(files):
        try:
            info = check_safetensors(files[path], partial(read, path))
        except (ValueError, HubError) as error:
            log.info("safetensors_not_read", path=path, reason=str(error))
            continue
        for dtype, count in info.parameters_by_dtype.items():
            total[dtype] = total.get(dtype, 0) + count
    return total


def _weight_files(files: Mapping[str, int]) -> list[str]:
    """The safetensors of one copy of the model: those at the root, else those of the first folder that has some."""
    paths = sorted(path for path in files if path.endswith(".safetensors"))
    if not paths:
        return []
    folders = {path.rpartition("/")[0] for path in paths}
    folder = "" if "" in folders else min(folders)
    return [path for path in paths if path.rpartition("/")[0] == folder][:_MAX_SAFETENSORS_FILES]


def _read_config(files: Mapping[str, int], read: ReadRange) -> dict[str, Any]:
    text = _read_text(files, read, "config.json", _MAX_CONFIG_BYTES)
    if text is None:
        return {}
    try:
        config = json.loads(text, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        return {}
    return config if isinstance(config, dict) else {}


def _read_text(files: Mapping[str, int], read: ReadRange, path: str, max_bytes: int) -> str | None:
    if path not in files or files[path] > max_bytes:
        return None
    try:
        # NUL cannot be stored as text by PostgreSQL.
        return read(path, 0, files[path]).decode("utf-8", "replace").replace("\x00", "")
    except HubError:
        return None
