"""Unpack a GGUF checkpoint into safetensors and tokenizer files; run as a child process of the demo publisher.

``python -m hub.demo.convert_gguf SOURCE.gguf OUTPUT_DIR``.  A process of its own: it needs ten times the memory of the
hub's other work for half a minute, and no process with credentials loads weights.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig


def main(source: Path, output: Path) -> None:
    where: dict[str, Any] = {
        "pretrained_model_name_or_path": str(source.parent),
        "gguf_file": source.name,
        "local_files_only": True,
    }
    model = AutoModelForCausalLM.from_pretrained(
        **where, dtype=torch.bfloat16, quantization_config=GgufConfig(dequantize=True)
    )
    AutoTokenizer.from_pretrained(**where).save_pretrained(output)
    model.save_pretrained(output, safe_serialization=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
