"""Text encoders: classification and embeddings, micro-batched.

Embedding semantics are sentence-transformers': Transformer → Pooling → (Dense | Normalize)*, implemented here so that
no module class is ever named by a repo. A plain encoder without modules is mean-pooled.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from transformers import AutoModel, PreTrainedModel, PreTrainedTokenizerBase

from inference.engines.base import EngineSpec
from inference.engines.batching import MicroBatcher
from inference.engines.loading import load_model, load_tokenizer
from inference.protocol.arrays import pack_floats
from inference.protocol.errors import InvalidInput
from inference.protocol.requests import ClassifyTextRequest, EmbedRequest, Request, SimilarityRequest

_DEFAULT_LENGTH = 512
_ACTIVATIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "Tanh": torch.tanh,
    "Identity": lambda tensor: tensor,
    "ReLU": torch.relu,
    "GELU": torch.nn.functional.gelu,
    "Sigmoid": torch.sigmoid,
}


def usable_length(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, spec: EngineSpec) -> int:
    """Return how many tokens the model reads, by config and tokenizer; RoBERTa-like tables start after the padding."""
    bounds = [length for length in (tokenizer.model_max_length, spec.context_length) if length and length < 10**9]
    if model.config.model_type in ("roberta", "xlm-roberta", "camembert", "mpnet") and spec.context_length:
        bounds.append(spec.context_length - 2)
    return int(min(bounds, default=_DEFAULT_LENGTH))


def pad_batch(
    tokenizer: PreTrainedTokenizerBase, items: list[list[int]], device: torch.device
) -> dict[str, torch.Tensor]:
    """Return right-padded `input_ids` and `attention_mask`, both (batch, longest)."""
    longest = max(len(item) for item in items)
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0
    ids = torch.tensor([item + [pad] * (longest - len(item)) for item in items], device=device)
    mask = torch.tensor([[1] * len(item) + [0] * (longest - len(item)) for item in items], device=device)
    return {"input_ids": ids, "attention_mask": mask}


def scores_to_labels(
    logits: torch.Tensor, id2label: Mapping[Any, str] | None, problem_type: str | None, request: Any
) -> list[dict[str, Any]]:
    """Return labels with scores, best first. The default function follows the config, as pipelines do."""
    function = request.function_to_apply
    if function is None:
        regression = problem_type == "regression"
        sigmoid = problem_type == "multi_label_classification" or logits.numel() == 1
        function = "none" if regression else "sigmoid" if sigmoid else "softmax"
    if function == "softmax":
        logits = logits.softmax(-1)
    elif function == "sigmoid":
        logits = logits.sigmoid()
    count = min(request.top_k or 5, logits.numel())
    values, indices = logits.topk(count)
    return [
        {"label": str((id2label or {}).get(index, f"LABEL_{index}")), "score": value}
        for value, index in zip(values.tolist(), indices.tolist(), strict=True)
    ]


class TextClassificationEngine(MicroBatcher[list[int]]):
    """Labels for texts; overlong texts are cut on the right, as pipelines cut them."""

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, spec: EngineSpec) -> None:
        super().__init__()
        self._model, self._tokenizer = model, tokenizer
        self._length = usable_length(model, tokenizer, spec)

    def prepare(self, request: Request) -> tuple[list[list[int]], list[int], int]:
        """Tokenize the texts."""
        if not isinstance(request, ClassifyTextRequest):
            raise InvalidInput("task", "This model classifies text.", code="unsupported_task")
        encoded = self._tokenizer(list(request.texts), truncation=True, max_length=self._length)
        items = [list(ids) for ids in encoded["input_ids"]]
        lengths = [len(item) for item in items]
        return items, lengths, sum(lengths)

    @torch.inference_mode()
    def run_batch(self, items: list[list[int]], requests: list[Request]) -> list[Any]:
        """Return labels per text."""
        batch = pad_batch(self._tokenizer, items, self._model.device)
        logits = self._model(**batch).logits.float().cpu()
        config = self._model.config
        return [
            scores_to_labels(row, config.id2label, config.problem_type, request)
            for row, request in zip(logits, requests, strict=True)
        ]

    def finish(self, request: Request, outputs: list[Any]) -> dict[str, Any]:
        """Return `{"labels": [[{label, score}…] per text]}`."""
        return {"labels": outputs}


@dataclass(slots=True)
class Dense:
    """A linear map with an activation, applied to the pooled vector."""

    weight: torch.Tensor
    bias: torch.Tensor | None
    activation: Callable[[torch.Tensor], torch.Tensor]

    def __call__(self, vectors: torch.Tensor) -> torch.Tensor:
        return self.activation(torch.nn.functional.linear(vectors, self.weight, self.bias))


def normalize(vectors: torch.Tensor) -> torch.Tensor:
    """Scale rows to length 1."""
    return torch.nn.functional.normalize(vectors, p=2, dim=-1)


class SentenceEncoder:
    """Token ids → one vector each: the transformer, its pooling, and the maps after it."""

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        modes: list[str],
        layers: list[Callable[[torch.Tensor], torch.Tensor]],
        length: int,
        lower: bool,
        prompts: dict[str, str],
    ) -> None:
        self.model, self.tokenizer, self.length, self.prompts = model, tokenizer, length, prompts
        self._modes, self._layers, self._lower = modes, layers, lower

    def tokenize(self, texts: list[str], *, truncate: bool, direction: str) -> list[list[int]]:
        """Return ids per text. Raises: InvalidInput when a text is too long and may not be cut."""
        texts = [text.strip().lower() if self._lower else text.strip() for text in texts]
        self.tokenizer.truncation_side = direction
        encoded = self.tokenizer(texts, truncation=truncate, max_length=self.length if truncate else None)
        items = [list(ids) for ids in encoded["input_ids"]]
        if any(len(item) > self.length for item in items):
            raise InvalidInput("inputs", f"A text exceeds {self.length} tokens.", code="context_length_exceeded")
        return items

    @torch.inference_mode()
    def encode(self, items: list[list[int]]) -> torch.Tensor:
        """Return (batch, dimensions) float32 vectors on the CPU."""
        batch = pad_batch(self.tokenizer, items, self.model.device)
        hidden = self.model(**batch)[0].float()
        vectors = torch.cat([pool(hidden, batch["attention_mask"], mode) for mode in self._modes], dim=-1)
        for layer in self._layers:
            vectors = layer(vectors)
        return vectors.cpu()


def pool(hidden: torch.Tensor, mask: torch.Tensor, mode: str) -> torch.Tensor:
    """Pool (batch, seq_len, width) over real tokens. Source: the pooling modes of sentence-transformers."""
    weights = mask.unsqueeze(-1).to(hidden.dtype)
    match mode:
        case "cls":
            return hidden[:, 0]
        case "max":
            return hidden.masked_fill(weights == 0, float("-inf")).amax(1)
        case "lasttoken":
            return hidden[torch.arange(hidden.shape[0], device=hidden.device), mask.sum(1) - 1]
        case "weightedmean":
            positions = torch.arange(1, hidden.shape[1] + 1, device=hidden.device, dtype=hidden.dtype)
            weights = weights * positions[None, :, None]
    total = weights.sum(1).clamp(min=1e-9)
    return (hidden * weights).sum(1) / (total.sqrt() if mode == "mean_sqrt_len_tokens" else total)


def load_sentence_encoder(spec: EngineSpec, device: torch.device) -> SentenceEncoder:
    """Load an encoder and, for a sentence-transformers snapshot, the modules after it."""
    root = Path(spec.path)
    modules = list(spec.sentence_modules)
    folder = root / modules[0]["path"] if modules else root
    model, tokenizer = load_model(AutoModel, folder, device), load_tokenizer(folder)
    config = modules[0]["config"] if modules else {}
    length = usable_length(model, tokenizer, spec)
    if isinstance(config.get("max_seq_length"), int):
        length = min(length, config["max_seq_length"])
    layers: list[Callable[[torch.Tensor], torch.Tensor]] = []
    for module in modules[2:]:
        layers.append(  # noqa: PERF401 -- a comprehension hides the two kinds
            normalize if module["kind"] == "Normalize" else _load_dense(root / module["path"], module, device)
        )
    return SentenceEncoder(
        model,
        tokenizer,
        modes=modules[1]["config"]["modes"] if modules else ["mean"],
        layers=layers,
        length=length,
        lower=bool(config.get("do_lower_case")),
        prompts=_load_prompts(root),
    )


def _load_dense(folder: Path, module: dict[str, Any], device: torch.device) -> Dense:
    tensors = load_file(folder / "model.safetensors", device=str(device))
    name = str(module["config"].get("activation_function", "torch.nn.modules.activation.Tanh")).rpartition(".")[2]
    bias = tensors.get("linear.bias")
    return Dense(tensors["linear.weight"].float(), None if bias is None else bias.float(), _ACTIVATIONS[name])


def _load_prompts(root: Path) -> dict[str, str]:
    path = root / "config_sentence_transformers.json"
    if not path.is_file():
        return {}
    prompts = json.loads(path.read_text("utf-8")).get("prompts") or {}
    return {str(name): str(text)[:4096] for name, text in prompts.items() if isinstance(text, str)}


class EmbeddingEngine(MicroBatcher[list[int]]):
    """Embeddings and the similarities made of them."""

    def __init__(self, encoder: SentenceEncoder) -> None:
        super().__init__()
        self._encoder = encoder
        # One pass at load makes the width known, and the first caller does not pay for the libraries' warm-up.
        self._dimensions = encoder.encode(encoder.tokenize(["warm up"], truncate=True, direction="right")).shape[1]

    def prepare(self, request: Request) -> tuple[list[list[int]], list[int], int]:
        """Tokenize the texts, with the prompt that the request names."""
        if isinstance(request, SimilarityRequest):
            texts, truncate, direction = [request.source_sentence, *request.sentences], True, "right"
        elif isinstance(request, EmbedRequest):
            if request.dimensions not in (None, self._dimensions):
                raise InvalidInput("dimensions", f"This model embeds into {self._dimensions} dimensions only.")
            prefix = self._prompt(request.prompt_name)
            texts = [prefix + text for text in request.texts]
            truncate, direction = request.truncate, request.truncation_direction
        else:
            raise InvalidInput("task", "This model embeds text.", code="unsupported_task")
        items = self._encoder.tokenize(texts, truncate=truncate, direction=direction)
        if not all(items):
            raise InvalidInput("inputs", "A text holds no token of this model.")
        lengths = [len(item) for item in items]
        return items, lengths, sum(lengths)

    def _prompt(self, name: str | None) -> str:
        if name is None:
            return ""
        if name not in self._encoder.prompts:
            raise InvalidInput("prompt_name", "The model has no prompt of this name.")
        return self._encoder.prompts[name]

    def run_batch(self, items: list[list[int]], requests: list[Request]) -> list[Any]:
        """Return one vector per text."""
        return list(self._encoder.encode(items))

    def finish(self, request: Request, outputs: list[Any]) -> dict[str, Any]:
        """Return `{"embeddings": packed}` or `{"scores": […]}`."""
        vectors = torch.stack(outputs)
        if isinstance(request, SimilarityRequest):
            unit = normalize(vectors)
            return {"scores": (unit[1:] @ unit[0]).tolist()}
        assert isinstance(request, EmbedRequest)
        if request.normalize:
            vectors = normalize(vectors)
        return {"embeddings": pack_floats(vectors.contiguous().numpy().astype("<f4").tobytes(), tuple(vectors.shape))}
