"""Say from a repo's file list, JSON configs and safetensors header whether its model can be served, and as what.

files (path → bytes) + read(path, offset, length) → findings per file → weights → config → tokenizer → Inspection

Pure: used by the web process to show why, and by the worker before it loads. Nothing is deserialised but JSON, no
tensor is read, nothing of the model runs. A refusal carries a stable reason code and a sentence for its owner.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import PurePosixPath
from typing import Any

from inference.archives import ArchiveBomb, SuspiciousArchive, check_zip, is_zip
from inference.protocol import architectures

ReadRange = Callable[[str, int, int], bytes]

MAX_CONFIG_BYTES = 2 * 1024 * 1024
MAX_INDEX_BYTES = 25 * 1024 * 1024
MAX_HEADER_BYTES = 25_000_000
MAX_TOKENIZER_BYTES = 64 * 1024 * 1024
MAX_TEMPLATE_CHARS = 256 * 1024
MAX_SHARDS = 512
MAX_BESIDE_BYTES = 1024**3
# What workers fetch and engines read; weights in other formats, pictures and training logs stay on the hub.
LOADABLE = ("*.safetensors", "*.json", "*.txt", "*.model", "*.jinja", "*.spm", "*.vocab", "*.merges")
OVERHEAD_BYTES = 512 * 1024 * 1024  # interpreter and libraries of one runner, measured, rounded up

_DTYPE_BYTES = {
    "BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "I16": 2, "U16": 2, "F16": 2, "BF16": 2,
    "I32": 4, "U32": 4, "F32": 4, "I64": 8, "U64": 8, "F64": 8,
}  # fmt: skip
_PICKLE_SUFFIXES = frozenset({".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib", ".npy", ".npz", ".dill"})
_KERAS_SUFFIXES = frozenset({".keras", ".h5", ".hdf5"})
_ZIP_SUFFIXES = frozenset({".zip", ".npz", ".pt", ".pth", ".bin", ".ckpt", ".keras", ".nemo", ".mar"})
_OTHER_WEIGHTS = {".onnx": "onnx", ".gguf": "gguf", ".pb": "savedmodel", ".tflite": "tflite", ".msgpack": "flax"}
# Keys that make a loader fetch or run something of the repo's choosing.
_CODE_KEYS = frozenset({"auto_map", "trust_remote_code", "custom_pipelines", "custom_generate", "code_revision"})
_SENTENCE_MODULES = {
    "sentence_transformers.models.Transformer": "Transformer",
    "sentence_transformers.models.Pooling": "Pooling",
    "sentence_transformers.models.Normalize": "Normalize",
    "sentence_transformers.models.Dense": "Dense",
    "sentence_transformers.base.modules.transformer.Transformer": "Transformer",
    "sentence_transformers.base.modules.dense.Dense": "Dense",
    "sentence_transformers.base.modules.normalize.Normalize": "Normalize",
    "sentence_transformers.sentence_transformer.modules.pooling.Pooling": "Pooling",
    "sentence_transformers.sentence_transformer.modules.transformer.Transformer": "Transformer",
    "sentence_transformers.sentence_transformer.modules.normalize.Normalize": "Normalize",
    "sentence_transformers.sentence_transformer.modules.dense.Dense": "Dense",
}
_POOLING_FLAGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """What is notable about one file.

    `kind` is pickle, keras, zip_bomb, archive_suspicious, safetensors_invalid, code or other_format.
    """

    path: str
    kind: str
    message: str


@dataclass(frozen=True, slots=True)
class SentenceModule:
    """One module of a sentence-transformers pipeline: Transformer, Pooling, Normalize or Dense, and its folder."""

    kind: str
    path: str
    config: dict[str, Any]


@dataclass(frozen=True, slots=True)
class SafetensorsInfo:
    """The facts of one checked safetensors header."""

    parameters_by_dtype: dict[str, int]
    tensor_count: int
    tensor_names: frozenset[str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Inspection:
    """Whether and how a repo's model can be served; sizes in bytes, context in tokens."""

    servable: bool
    reason: str | None = None
    message: str = ""
    pipeline_tag: str | None = None
    library_name: str | None = None
    format: str | None = None
    architecture: str | None = None
    model_type: str | None = None
    parameters_total: int = 0
    parameters_by_dtype: dict[str, int] = field(default_factory=dict)
    tensor_count: int = 0
    weight_files: tuple[str, ...] = ()
    size_bytes: int = 0
    estimate_bytes: int = 0
    context_length: int | None = None
    has_chat_template: bool = False
    sentence_modules: tuple[SentenceModule, ...] = ()
    findings: tuple[Finding, ...] = ()


class _Refused(Exception):
    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


def inspect_repo(files: Mapping[str, int], read: ReadRange) -> Inspection:
    """Inspect a repo: `files` maps paths to sizes, `read(path, offset, length)` returns bytes.

    No content makes it raise.
    """
    facts: dict[str, Any] = {"findings": tuple(_findings(files, read))}
    try:
        _inspect(files, read, facts)
    except _Refused as refusal:
        return Inspection(servable=False, reason=refusal.reason, message=refusal.message, **facts)
    return Inspection(servable=True, **facts)


def _inspect(files: Mapping[str, int], read: ReadRange, facts: dict[str, Any]) -> None:
    """Fill `facts` as far as they can be known. Raises: _Refused at the first reason not to serve."""
    bomb = next((finding for finding in facts["findings"] if finding.kind == "zip_bomb"), None)
    if bomb is not None:
        raise _Refused("zip_bomb", f"{bomb.path} unpacks to far more than its size and is not opened.")
    modules_raw = _read_json(files, read, "modules.json") if "modules.json" in files else None
    root = _transformer_folder(modules_raw)
    config = _checked_config(files, read, root, facts)
    weights = _weight_files(files, read, root)
    if not weights:
        raise _no_weights(files)
    facts.update(format="safetensors", weight_files=tuple(weights), library_name="transformers")
    if config is None:
        raise _Refused("invalid_repo", "There is no config.json, so the architecture of the weights is not known.")
    infos = [_checked_safetensors(files, read, path) for path in weights]
    _add_weight_facts(facts, files, weights, infos)
    if modules_raw is not None:
        facts["sentence_modules"] = _sentence_modules(files, read, modules_raw)
        facts["library_name"] = "sentence-transformers"
    facts["pipeline_tag"] = _pipeline_tag(config, bool(facts["sentence_modules"] if modules_raw is not None else False))
    _check_inputs(files, read, root, facts)
    _check_snapshot(files, weights)
    facts["estimate_bytes"] = _estimate(config, facts)


# ---- files


def _findings(files: Mapping[str, int], read: ReadRange) -> list[Finding]:
    found = []
    for path in sorted(files):
        suffix = PurePosixPath(path).suffix.lower()
        archive = _archive_finding(files[path], path, read) if suffix in _ZIP_SUFFIXES else None
        if archive is not None:
            found.append(archive)
        if archive is not None and archive.kind == "zip_bomb":
            continue
        if suffix in _KERAS_SUFFIXES:
            found.append(Finding(path, "keras", "Keras files can carry code (Lambda layers) and are never loaded."))
        elif suffix in _PICKLE_SUFFIXES:
            found.append(Finding(path, "pickle", "Pickle files can run code when opened and are never loaded."))
        elif suffix == ".py":
            found.append(Finding(path, "code", "Code in a repo is never run."))
        elif suffix in _OTHER_WEIGHTS:
            found.append(Finding(path, "other_format", f"Weights as {_OTHER_WEIGHTS[suffix]} are not served."))
    return found


def _archive_finding(size: int, path: str, read: ReadRange) -> Finding | None:
    """What is wrong with a zip archive, by any name; None for sound ones and for what is no zip."""

    def read_at(offset: int, length: int) -> bytes:
        return read(path, offset, length)

    if not is_zip(size, read_at):
        return None
    try:
        check_zip(size, read_at)
    except ArchiveBomb as error:
        return Finding(path, "zip_bomb", str(error))
    except SuspiciousArchive as error:
        return Finding(path, "archive_suspicious", str(error))
    return None


def _read_json(files: Mapping[str, int], read: ReadRange, path: str, limit: int = MAX_CONFIG_BYTES) -> Any:
    size = files[path]
    if size > limit:
        raise _Refused("invalid_repo", f"{path} is larger than {limit} bytes.")
    try:
        return json.loads(read(path, 0, size).decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise _Refused("invalid_repo", f"{path} is not valid JSON.") from error


def _read_object(files: Mapping[str, int], read: ReadRange, path: str) -> dict[str, Any]:
    value = _read_json(files, read, path)
    if not isinstance(value, dict):
        raise _Refused("invalid_repo", f"{path} is not a JSON object.")
    return value


def _join(root: str, name: str) -> str:
    return f"{root}/{name}" if root else name


# ---- config


def _checked_config(
    files: Mapping[str, int], read: ReadRange, root: str, facts: dict[str, Any]
) -> dict[str, Any] | None:
    """Return config.json after refusing code in any of the small configs. Raises: _Refused."""
    for name in ("config.json", "tokenizer_config.json", "preprocessor_config.json", "generation_config.json"):
        path = _join(root, name)
        if path in files:
            _refuse_code(_read_object(files, read, path), path)
    path = _join(root, "config.json")
    if path not in files:
        return None
    config = _read_object(files, read, path)
    names = config.get("architectures")
    architecture = names[0] if isinstance(names, list) and names and isinstance(names[0], str) else None
    facts["architecture"] = architecture[:128] if architecture else None
    model_type = config.get("model_type")
    facts["model_type"] = model_type[:64] if isinstance(model_type, str) else None
    facts["context_length"] = _context_length(config)
    if isinstance(config.get("quantization_config"), dict):
        raise _Refused("unsupported_format", "Weights quantised ahead of time are not served yet.")
    return config


def _refuse_code(config: dict[str, Any], path: str) -> None:
    """Refuse keys that name code, at any depth (T116, T117)."""
    level: list[Any] = [config]
    while level:
        item = level.pop()
        if isinstance(item, dict):
            for key, value in item.items():
                if _names_code(key, value):
                    raise _Refused(
                        "remote_code", f"{path} asks for code of the repo's own ('{key[:64]}'), never run here."
                    )
            level.extend(item.values())
        elif isinstance(item, list):
            level.extend(item)


def _names_code(key: str, value: Any) -> bool:
    if key.startswith("_") and key.endswith("_internal"):
        return True
    # A kernel or an attention implementation with a slash is fetched from a repo and run.
    if key in ("attn_implementation", "_attn_implementation", "experts_implementation", "use_kernels"):
        return not (value is None or value is False or value in ("sdpa", "eager", "flash_attention_2"))
    return key in _CODE_KEYS and bool(value)


def _context_length(config: dict[str, Any]) -> int | None:
    text = config.get("text_config") if isinstance(config.get("text_config"), dict) else config
    for key in ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length"):
        value = text.get(key) if isinstance(text, dict) else None
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value
    return None


def _pipeline_tag(config: dict[str, Any], is_sentence: bool) -> str:
    names = config.get("architectures")
    architecture = names[0] if isinstance(names, list) and names else None
    model_type = config.get("model_type")
    if is_sentence:
        known: dict[str, str] = {**architectures.TEXT_GENERATION, **architectures.TEXT_ENCODER}
        if architecture in known or model_type in known.values():
            return "sentence-similarity"
    elif isinstance(architecture, str):
        for tag, table in (
            ("text-generation", architectures.TEXT_GENERATION),
            ("text-classification", architectures.TEXT_CLASSIFICATION),
            ("image-classification", architectures.IMAGE_CLASSIFICATION),
            ("feature-extraction", architectures.TEXT_ENCODER),
        ):
            if architecture in table:
                return tag
    shown = architecture[:64] if isinstance(architecture, str) else "none named"
    raise _Refused("unsupported_architecture", f"The architecture ({shown}) is not among those served.")


# ---- weights


def _no_weights(files: Mapping[str, int]) -> _Refused:
    suffixes = {PurePosixPath(path).suffix.lower() for path in files}
    if suffixes & _KERAS_SUFFIXES:
        return _Refused(
            "keras_disabled", "Keras files can carry code and are not loaded. Publish safetensors to serve."
        )
    if suffixes & _PICKLE_SUFFIXES:
        return _Refused(
            "unsupported_format",
            "The weights are pickle files, which can run code. Publish them as safetensors to serve.",
        )
    if suffixes & set(_OTHER_WEIGHTS):
        return _Refused("unsupported_format", "Only weights as safetensors are served.")
    return _Refused("no_weights", "There are no weights in this repo.")


def _weight_files(files: Mapping[str, int], read: ReadRange, root: str) -> list[str]:
    """Return the safetensors that a loader would open: one file, or the shards of an index."""
    single, index = _join(root, "model.safetensors"), _join(root, "model.safetensors.index.json")
    if single in files:
        return [single]
    if index not in files:
        return []
    document = _read_json(files, read, index, MAX_INDEX_BYTES)
    weight_map = document.get("weight_map") if isinstance(document, dict) else None
    if not isinstance(weight_map, dict) or not all(isinstance(name, str) for name in weight_map.values()):
        raise _Refused("invalid_repo", f"{index} has no weight map.")
    names = sorted(set(weight_map.values()))
    if len(names) > MAX_SHARDS or any("/" in name or not name.endswith(".safetensors") for name in names):
        raise _Refused("invalid_repo", f"{index} names shards outside its folder, or too many.")
    paths = [_join(root, name) for name in names]
    missing = next((path for path in paths if path not in files), None)
    if missing is not None:
        raise _Refused("invalid_repo", f"The shard {missing} is missing.")
    return paths


def _checked_safetensors(files: Mapping[str, int], read: ReadRange, path: str) -> SafetensorsInfo:
    try:
        return check_safetensors(files[path], lambda offset, length: read(path, offset, length))
    except ValueError as error:
        raise _Refused("safetensors_invalid", f"{path} is not a sound safetensors file: {error}.") from error


def check_safetensors(size: int, read: Callable[[int, int], bytes]) -> SafetensorsInfo:
    """Check a header against its file (T121) and return its facts.

    Tensors must tile the data exactly: no gap, no overlap, no tail, each as long as dtype × shape says.
    Source: the safetensors format description. Raises: ValueError with a short reason.
    """
    if size < 10:
        raise ValueError("it is too short")
    (length,) = struct.unpack("<Q", read(0, 8))
    if length > MAX_HEADER_BYTES or length + 8 > size:
        raise ValueError("its header does not fit the file")
    try:
        header = json.loads(read(8, length).decode("utf-8"), object_pairs_hook=_unique_keys)
    except RecursionError as error:
        raise ValueError("its header is nested too deeply") from error
    except UnicodeDecodeError as error:
        raise ValueError("its header is not text") from error
    if not isinstance(header, dict):
        raise ValueError("its header is not an object")  # noqa: TRY004 -- a fact about the file
    header.pop("__metadata__", None)
    spans, by_dtype = [], dict[str, int]()
    for name, entry in header.items():
        start, end, dtype, count = _tensor_span(name, entry)
        spans.append((start, end))
        by_dtype[dtype] = by_dtype.get(dtype, 0) + count
    _check_tiling(spans, size - 8 - length)
    return SafetensorsInfo(by_dtype, len(header), frozenset(header))


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("its header repeats a key")
    return result


def _tensor_span(name: str, entry: Any) -> tuple[int, int, str, int]:
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise ValueError("a tensor is not described by dtype, shape and offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if dtype not in _DTYPE_BYTES:
        raise ValueError("a tensor has an unknown dtype")
    if not _are_sizes(shape) or len(shape) > 8 or not _are_sizes(offsets) or len(offsets) != 2:
        raise ValueError("a tensor has a malformed shape or offsets")
    count = math.prod(shape)
    if offsets[1] - offsets[0] != count * _DTYPE_BYTES[dtype]:
        raise ValueError("a tensor's length differs from its dtype and shape")
    return offsets[0], offsets[1], dtype, count


def _are_sizes(values: Any) -> bool:
    return isinstance(values, list) and all(type(value) is int and 0 <= value < 2**63 for value in values)


def _check_tiling(spans: list[tuple[int, int]], data_bytes: int) -> None:
    position = 0
    for start, end in sorted(spans):
        if start != position:
            raise ValueError("its tensors overlap" if start < position else "there is a gap between its tensors")
        position = end
    if position != data_bytes:
        raise ValueError("data follows its last tensor" if position < data_bytes else "its tensors exceed the file")


def _add_weight_facts(
    facts: dict[str, Any], files: Mapping[str, int], weights: list[str], infos: list[SafetensorsInfo]
) -> None:
    by_dtype: dict[str, int] = {}
    for info in infos:
        for dtype, count in info.parameters_by_dtype.items():
            by_dtype[dtype] = by_dtype.get(dtype, 0) + count
    facts.update(
        parameters_by_dtype=by_dtype,
        parameters_total=sum(by_dtype.values()),
        tensor_count=sum(info.tensor_count for info in infos),
        size_bytes=sum(files[path] for path in weights),
    )


# ---- tokenizer, image processor, sentence modules


def _check_inputs(files: Mapping[str, int], read: ReadRange, root: str, facts: dict[str, Any]) -> None:
    """Refuse a model that lacks what turns its inputs into tensors, and note its chat template."""
    if facts["pipeline_tag"] == "image-classification":
        if _join(root, "preprocessor_config.json") not in files and "processor_config.json" not in files:
            raise _Refused("invalid_repo", "There is no preprocessor_config.json, so images cannot be prepared.")
        return
    path = _join(root, "tokenizer.json")
    if path not in files:
        raise _Refused("invalid_repo", "There is no tokenizer.json; save the fast tokenizer beside the weights.")
    if files[path] > MAX_TOKENIZER_BYTES:
        raise _Refused("invalid_repo", f"{path} is larger than {MAX_TOKENIZER_BYTES} bytes.")
    facts["has_chat_template"] = _has_chat_template(files, read, root)


def _has_chat_template(files: Mapping[str, int], read: ReadRange, root: str) -> bool:
    template = _join(root, "chat_template.jinja")
    if template in files:
        if files[template] > MAX_TEMPLATE_CHARS:
            raise _Refused("invalid_repo", f"{template} is larger than {MAX_TEMPLATE_CHARS} bytes.")
        return True
    path = _join(root, "tokenizer_config.json")
    value = _read_object(files, read, path).get("chat_template") if path in files else None
    if isinstance(value, str) and len(value) > MAX_TEMPLATE_CHARS:
        raise _Refused("invalid_repo", "The chat template is too large.")
    return bool(value)


def _transformer_folder(modules: Any) -> str:
    """Return the folder of the Transformer module; the repo's root when there is none."""
    if not isinstance(modules, list) or not modules or not isinstance(modules[0], dict):
        return ""
    path = modules[0].get("path")
    return _safe_folder(path) if isinstance(path, str) else ""


def _safe_folder(path: str) -> str:
    parts = PurePosixPath(path).parts
    if ".." in parts or path.startswith("/") or len(parts) > 4:
        raise _Refused("invalid_repo", "modules.json names a folder outside the repo.")
    return "/".join(parts)


def _sentence_modules(files: Mapping[str, int], read: ReadRange, modules: Any) -> tuple[SentenceModule, ...]:
    """Return the modules of a sentence-transformers repo. Raises: _Refused for any that is not known (T117)."""
    if not isinstance(modules, list) or not 1 <= len(modules) <= 8:
        raise _Refused("invalid_repo", "modules.json is not a list of modules.")
    parsed = tuple(_sentence_module(files, read, module) for module in modules)
    kinds = [module.kind for module in parsed]
    if kinds[0] != "Transformer" or kinds.count("Transformer") != 1 or kinds[1:2] != ["Pooling"]:
        raise _Refused("unsupported_architecture", "Only Transformer, Pooling and then Dense or Normalize are served.")
    return parsed


def _sentence_module(files: Mapping[str, int], read: ReadRange, module: Any) -> SentenceModule:
    if not isinstance(module, dict) or not isinstance(module.get("type"), str):
        raise _Refused("invalid_repo", "modules.json holds an entry without a type.")
    kind = _SENTENCE_MODULES.get(module["type"])
    if kind is None:
        raise _Refused(
            "remote_code", f"The module {module['type'][:100]} is not among those served; its code is not run."
        )
    folder = _safe_folder(str(module.get("path") or ""))
    path = _join(folder, "sentence_bert_config.json" if kind == "Transformer" else "config.json")
    config = _read_object(files, read, path) if path in files else {}
    _refuse_code(config, path)
    if kind == "Pooling":
        config = {**config, "modes": pooling_modes(config)}
    if kind == "Dense":
        _check_dense(files, read, folder, config)
    return SentenceModule(kind, folder, config)


def _check_dense(files: Mapping[str, int], read: ReadRange, folder: str, config: dict[str, Any]) -> None:
    weights = _join(folder, "model.safetensors")
    if weights not in files:
        raise _Refused("unsupported_format", "A Dense module has no safetensors weights.")
    _checked_safetensors(files, read, weights)
    known = ("Tanh", "Identity", "ReLU", "GELU", "Sigmoid")
    activation = str(config.get("activation_function", "torch.nn.modules.activation.Tanh")).rpartition(".")[2]
    if activation not in known or config.get("use_residual"):
        raise _Refused("unsupported_architecture", "A Dense module uses an activation or residual that is not served.")


def pooling_modes(config: Mapping[str, Any]) -> list[str]:
    """Return the pooling modes of a Pooling config in the order they are concatenated. Raises: _Refused."""
    named = config.get("pooling_mode")
    if isinstance(named, str):
        modes = [named]
    elif isinstance(named, list):
        modes = [str(mode) for mode in named]
    else:
        modes = [mode for flag, mode in _POOLING_FLAGS.items() if config.get(flag) is True] or ["mean"]
    if any(mode not in _POOLING_FLAGS.values() for mode in modes):
        raise _Refused("unsupported_architecture", "The pooling mode is not among those served.")
    return modes


# ---- snapshots


def _check_snapshot(files: Mapping[str, int], weights: Sequence[str]) -> None:
    """A worker fetches more than the weights; what lies beside them must not be what fills its disk."""
    weight_bytes = sum(files[path] for path in weights)
    fetched = sum(size for path, size in files.items() if any(fnmatch(path, pattern) for pattern in LOADABLE))
    if fetched - weight_bytes > max(MAX_BESIDE_BYTES, 2 * weight_bytes):
        raise _Refused("invalid_repo", "The files beside the weights are too large to be fetched for hosting.")


# ---- memory


def _estimate(config: dict[str, Any], facts: dict[str, Any]) -> int:
    """Estimate resident bytes of one runner: weights as loaded, working space, key-value cache of a full house."""
    weights = int(facts["size_bytes"] * 1.1)
    cache = 0
    if facts["pipeline_tag"] == "text-generation":
        cache = min(1024 * 1024 * 1024, 16 * 1024 * kv_bytes_per_token(config))
    return OVERHEAD_BYTES + weights + cache + 64 * 1024 * 1024


def kv_bytes_per_token(config: Mapping[str, Any]) -> int:
    """Return the bytes of keys and values that one token holds in float32, 0 when the config does not say."""
    layers = _size(config, "num_hidden_layers") or _size(config, "n_layer")
    heads = _size(config, "num_attention_heads") or _size(config, "n_head")
    hidden = _size(config, "hidden_size") or _size(config, "n_embd")
    if not (layers and heads and hidden):
        return 0
    kv_heads = _size(config, "num_key_value_heads") or heads
    head_dim = _size(config, "head_dim") or hidden // heads
    return 2 * 4 * layers * kv_heads * head_dim


def _size(config: Mapping[str, Any], key: str) -> int:
    value = config.get(key)
    return value if type(value) is int and 0 < value < 2**31 else 0
