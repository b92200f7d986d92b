"""Repos that would run code when loaded: refused with the reason on page and API; nothing of them runs (T116-T119)."""

from __future__ import annotations

import io
import json
import os
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest

from tests.e2e.live import FullHub

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

_CONFIG = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 8, "hidden_size": 8}
_CARD = "---\npipeline_tag: text-generation\nlibrary_name: transformers\n---\n# Harmless\n"


class _Canary:
    """Unpickling it leaves a file and a process behind."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.path}; sleep 4242 &",)


def _pickled(canary: Path) -> dict[str, bytes]:
    return {"pytorch_model.bin": pickle.dumps(_Canary(canary)), "config.json": json.dumps(_CONFIG).encode()}


def _code_beside(canary: Path) -> dict[str, bytes]:
    config = _CONFIG | {"auto_map": {"AutoModelForCausalLM": "modeling_canary.Canary"}}
    code = f"import os\nos.system('touch {canary}; sleep 4242 &')\nclass Canary: pass\n"
    return {
        "config.json": json.dumps(config).encode(),
        "modeling_canary.py": code.encode(),
        "model.safetensors": (2).to_bytes(8, "little") + b"{}",
    }


def _keras_lambda(canary: Path) -> dict[str, bytes]:
    """A Lambda layer carries marshalled bytecode, which Keras runs on load."""
    layer = {"class_name": "Lambda", "config": {"function": {"class_name": "__lambda__", "config": {"code": "4wEA"}}}}
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("config.json", json.dumps({"class_name": "Sequential", "config": {"layers": [layer]}}))
        file.writestr("metadata.json", '{"keras_version": "3.0.0"}')
        file.writestr("model.weights.h5", f"touch {canary}")
    return {"model.keras": archive.getvalue(), "config.json": json.dumps(_CONFIG).encode()}


def _keras_h5(canary: Path) -> dict[str, bytes]:
    body = b"\x89HDF\r\n\x1a\n" + json.dumps({"class_name": "Lambda", "code": f"touch {canary}"}).encode()
    return {"model.h5": body, "config.json": json.dumps(_CONFIG).encode()}


def _zip_bomb(canary: Path) -> dict[str, bytes]:
    """100 to 1 and more: 32 MiB of zeros in some 32 kB."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
        file.writestr("archive/data.pkl", pickle.dumps(_Canary(canary)))
        file.writestr("archive/data/0", bytes(32 * 1024 * 1024))
    return {"pytorch_model.bin": archive.getvalue(), "config.json": json.dumps(_CONFIG).encode()}


@dataclass(frozen=True, slots=True)
class Poison:
    name: str
    files: Callable[[Path], dict[str, bytes]]
    code: str  # of the refusal
    words: str  # part of the sentence


POISONS = [
    Poison("pickle", _pickled, "unsupported_format", "pickle"),
    Poison("auto-map", _code_beside, "remote_code", "code of the repo"),
    Poison("keras-lambda", _keras_lambda, "keras_disabled", "Keras"),
    Poison("keras-h5", _keras_h5, "keras_disabled", "Keras"),
    Poison("zip-bomb", _zip_bomb, "zip_bomb", "unpacks to far more than its size"),
]


@pytest.mark.parametrize("poison", POISONS, ids=lambda poison: poison.name)
def test_a_poisoned_repo_is_refused_with_the_reason_and_nothing_runs(
    full_hub: FullHub, tmp_path: Path, poison: Poison, monkeypatch: pytest.MonkeyPatch
) -> None:
    canary = Path(f"/tmp/agora-canary-{os.getpid()}-{poison.name}")
    repo_id = f"ada/{poison.name}-poison"
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "README.md").write_text(_CARD)
    for name, data in poison.files(canary).items():
        (folder / name).write_bytes(data)
    _publish(full_hub, repo_id, folder, monkeypatch)

    state = full_hub.until_inspected(repo_id)
    page = httpx.get(f"{full_hub.url}/{repo_id}", timeout=30)
    calls = [
        httpx.post(f"{full_hub.url}{path}", headers=full_hub.bearer("inference"), json=body, timeout=30)
        for path, body in (
            (f"/models/{repo_id}", {"inputs": "hello"}),
            ("/v1/completions", {"model": repo_id, "prompt": "hello"}),
        )
    ]

    assert (state["state"], state["reason_code"]) == ("unavailable", poison.code)
    assert poison.words in state["reason"]
    assert page.status_code == 200
    assert poison.words in page.text
    for call in calls:
        assert call.status_code == 422
        assert poison.words in call.text
    assert not canary.exists()
    assert not [process for process in psutil.process_iter(["cmdline"]) if process.info["cmdline"] == ["sleep", "4242"]]


def _publish(hub: FullHub, repo_id: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the client that people use, in a process whose settings it reads at import."""
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setenv("HF_TOKEN", hub.seeded["tokens"]["write"])
    monkeypatch.setenv("HF_HOME", str(folder.parent / "home"))
    script = (
        "import sys; from huggingface_hub import HfApi; api = HfApi(); api.create_repo(sys.argv[1]); "
        "api.upload_folder(repo_id=sys.argv[1], folder_path=sys.argv[2])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, repo_id, str(folder)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
