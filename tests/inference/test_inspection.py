"""Inspection by file list, configs and headers: what is served, what is refused and why, and that nothing runs."""

from __future__ import annotations

import io
import json
import pickle
import struct
import zipfile
from pathlib import Path

import pytest

from inference.inspection import check_safetensors, inspect_repo

LLAMA = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 8, "num_hidden_layers": 1,
         "num_attention_heads": 2, "max_position_embeddings": 128}  # fmt: skip


def safetensors(tensors=None, tail=b"", header=None) -> bytes:
    tensors = {"w": ("F32", [2, 3], [0, 24])} if tensors is None else tensors
    entries = {name: {"dtype": d, "shape": s, "data_offsets": o} for name, (d, s, o) in tensors.items()}
    raw = json.dumps(entries).encode() if header is None else header
    size = max((o[1] for _, _, o in tensors.values()), default=0)
    return struct.pack("<Q", len(raw)) + raw + b"\0" * min(size, 1 << 20) + tail


def inspect(files: dict[str, bytes]):
    return inspect_repo(
        {path: len(data) for path, data in files.items()}, lambda path, at, size: files[path][at : at + size]
    )


def repo(config=None, **extra) -> dict[str, bytes]:
    files = {
        "config.json": json.dumps(LLAMA if config is None else config).encode(),
        "model.safetensors": safetensors(),
        "tokenizer.json": b"{}",
    }
    return files | {name.replace("__", "."): data for name, data in extra.items()}


def test_a_sound_repo_is_described():
    template = json.dumps({"chat_template": "{{ messages }}"}).encode()
    found = inspect(repo() | {"tokenizer_config.json": template})
    assert (found.servable, found.pipeline_tag, found.library_name) == (True, "text-generation", "transformers")
    assert (found.parameters_total, found.parameters_by_dtype, found.tensor_count) == (6, {"F32": 6}, 1)
    assert (found.context_length, found.has_chat_template, found.architecture) == (128, True, "LlamaForCausalLM")
    assert found.estimate_bytes > found.size_bytes


class Canary:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (self.path, "w"))


def test_pickle_weights_are_refused_and_never_opened_t116(tmp_path):
    canary = tmp_path / "canary"
    files = repo()
    del files["model.safetensors"]
    files["pytorch_model.bin"] = pickle.dumps(Canary(str(canary)))
    found = inspect(files)
    assert (found.servable, found.reason) == (False, "unsupported_format")
    assert [finding.kind for finding in found.findings] == ["pickle"]
    assert not canary.exists()
    pickle.loads(files["pytorch_model.bin"]).close()  # the canary would have sung
    assert canary.exists()


@pytest.mark.parametrize(
    ("path", "extra"),
    [
        ("config.json", {"auto_map": {"AutoModel": "modeling.Evil"}}),
        ("config.json", {"text_config": {"auto_map": {"AutoModel": "modeling.Evil"}}}),
        ("config.json", {"_attn_implementation_internal": "evil/kernel"}),
        ("config.json", {"attn_implementation": "evil/kernel"}),
        ("config.json", {"trust_remote_code": True}),
        ("tokenizer_config.json", {"auto_map": {"AutoTokenizer": ["evil.Tokenizer", None]}}),
        ("generation_config.json", {"custom_generate": "evil/repo"}),
    ],
)
def test_remote_code_is_refused_t117(path, extra):
    base = LLAMA if path == "config.json" else {}
    found = inspect(repo() | {path: json.dumps({**base, **extra}).encode()})
    assert (found.servable, found.reason) == (False, "remote_code")


@pytest.mark.parametrize("name", ["model.keras", "model.h5"])
def test_keras_is_refused_t116(name):
    found = inspect({name: b"\x89HDF\r\n\x1a\n Lambda", "config.json": b"{}"})
    assert (found.servable, found.reason, found.findings[0].kind) == (False, "keras_disabled", "keras")


def test_zip_bomb_is_refused():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data", b"\0" * 2_000_000)
    assert len(buffer.getvalue()) * 100 < 2_000_000
    found = inspect(repo(data__zip=buffer.getvalue()))
    assert (found.servable, found.reason) == (False, "zip_bomb")


HOSTILE = {
    "trailing pickle": safetensors(tail=pickle.dumps({"a": 1})),
    "overlap": safetensors({"a": ("F32", [2], [0, 8]), "b": ("F32", [2], [4, 12])}),
    "gap": safetensors({"a": ("F32", [1], [0, 4]), "b": ("F32", [1], [8, 12])}),
    "past the end": safetensors({"a": ("F32", [2**40], [0, 2**42])}),
    "length lies": safetensors({"a": ("F32", [3], [0, 8])}),
    "negative": safetensors({"a": ("F32", [-1, -1], [0, 4])}),
    "bool shape": safetensors(header=b'{"a":{"dtype":"U8","shape":[true],"data_offsets":[0,1]}}', tail=b"\0"),
    "unknown dtype": safetensors({"a": ("Q9", [1], [0, 4])}),
    "huge header": struct.pack("<Q", 2**62) + b"{}",
    "doubled key": safetensors(header=b'{"a":{},"a":{}}'),
    "deep": safetensors(header=b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "not text": safetensors(header=b"\xff\xfe{}"),
    "no object": safetensors(header=b"[]"),
    "empty": b"",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_lying_safetensors_are_refused_t121(name):
    found = inspect(repo() | {"model.safetensors": HOSTILE[name]})
    assert (found.servable, found.reason) == (False, "safetensors_invalid")
    with pytest.raises(ValueError):
        check_safetensors(len(HOSTILE[name]), lambda at, size: HOSTILE[name][at : at + size])


@pytest.mark.parametrize(
    "config",
    [b"[]", b"nonsense", b"[" * 100_000, b'{"architectures": 5}', b'{"architectures": ["EvilModel"]}', b"\xff"],
)
def test_no_config_makes_inspection_raise(config):
    found = inspect(repo() | {"config.json": config})
    assert not found.servable
    assert found.message


@pytest.mark.parametrize("value", ["many", -1, 0, None, [], 1e9, 2**80])
def test_odd_numbers_in_a_config_do_no_harm(value):
    keys = ("hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "head_dim")
    assert inspect(repo({**LLAMA, **dict.fromkeys(keys, value)})).servable


def _sentence_repo(kind="sentence_transformers.models.Pooling", path="1_Pooling"):
    modules = [
        {"idx": 0, "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "path": path, "type": kind},
    ]
    bert = {"architectures": ["BertModel"], "model_type": "bert"}
    pooling = json.dumps({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}).encode()
    return repo(bert) | {"modules.json": json.dumps(modules).encode(), "1_Pooling/config.json": pooling}


def test_sentence_modules_come_from_an_allow_list_t117():
    found = inspect(_sentence_repo())
    assert (found.pipeline_tag, found.library_name) == ("sentence-similarity", "sentence-transformers")
    assert found.sentence_modules[1].config["modes"] == ["cls"]
    assert inspect(_sentence_repo("evil.module.Pooling")).reason == "remote_code"
    assert inspect(_sentence_repo(path="../../etc")).reason == "invalid_repo"


def test_shards_stay_in_their_folder():
    files = repo()
    del files["model.safetensors"]
    index = {"weight_map": {"w": "../secret.safetensors"}}
    files["model.safetensors.index.json"] = json.dumps(index).encode()
    assert inspect(files).reason == "invalid_repo"


def test_the_architecture_table_matches_the_library():
    auto = pytest.importorskip("transformers.models.auto.modeling_auto")
    from inference.protocol import architectures

    def names(mapping):
        return {n for value in mapping.values() for n in ([value] if isinstance(value, str) else value)}

    assert names(auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES) == set(architectures.TEXT_GENERATION)
    assert names(auto.MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES) == set(architectures.TEXT_CLASSIFICATION)
    assert names(auto.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES) == set(architectures.IMAGE_CLASSIFICATION)


def test_inspection_imports_no_model_library():
    import subprocess
    import sys

    code = "import sys, inference.inspection; print({'torch', 'transformers', 'numpy', 'django'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path.cwd())
    assert done.stdout.strip() == "set()"


def test_files_that_would_fill_a_workers_disk_are_refused_t147():
    files = repo()
    sizes = {path: len(data) for path, data in files.items()}

    def read(path, at, size):
        return files[path][at : at + size]

    assert inspect_repo(sizes | {"notes.txt": 1024**3 - 1000, "movie.mp4": 10**12}, read).servable
    found = inspect_repo(sizes | {"deep/notes.txt": 1024**3 + 100}, read)
    assert (found.servable, found.reason) == (False, "invalid_repo")
    assert "beside the weights" in found.message
