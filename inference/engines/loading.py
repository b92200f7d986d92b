"""Load models and their preparers from a snapshot: safetensors only, local only, no code of the repo's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import AutoImageProcessor, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

_SAFE: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}


def best_device() -> torch.device:
    """Return the accelerator when there is one, else the CPU."""
    return torch.device("cuda") if torch.cuda.is_available() else torch.device("cpu")


def load_model(auto_class: Any, folder: Path, device: torch.device) -> PreTrainedModel:
    """Load weights in evaluation mode: float32 on a CPU (half precision is slower there), as saved on a GPU."""
    dtype: Any = torch.float32 if device.type == "cpu" else "auto"
    model = auto_class.from_pretrained(
        folder, use_safetensors=True, weights_only=True, dtype=dtype, attn_implementation="sdpa", **_SAFE
    )
    loaded: PreTrainedModel = model.to(device).eval().requires_grad_(False)
    return loaded


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """Load the fast tokenizer of a snapshot."""
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(folder, use_fast=True, **_SAFE)
    return tokenizer


def load_image_processor(folder: Path) -> Any:
    """Load the image processor on PIL and numpy; torchvision is not a dependency."""
    return AutoImageProcessor.from_pretrained(folder, backend="pil", **_SAFE)
