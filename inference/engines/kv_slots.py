"""Forward passes over many sequences of different lengths that share one key-value store.

Row r of the store belongs to one running sequence. A pass writes the new tokens of some rows at each row's own
position and attends under a per-row mask, so sequences join and leave between passes without recomputing anything.
"""

from __future__ import annotations

import inspect
import logging
from typing import Any, Protocol

import torch
from transformers import DynamicCache, PreTrainedModel
from transformers.cache_utils import Cache, CacheLayerMixin

log = logging.getLogger(__name__)

_GROWTH_TOKENS = 128
_GROWTH_ROWS = 4


class Backend(Protocol):
    """Rows of running sequences; `forward` appends tokens to some and returns their next-token logits."""

    max_rows: int

    def forward(self, rows: list[int], chunks: list[list[int]], starts: list[int]) -> torch.Tensor:
        """Append `chunks[i]` to row `rows[i]` that holds `starts[i]` tokens; return (len(rows), vocabulary) float32."""

    def move(self, source: int, target: int, length: int) -> None:
        """Copy a row's first `length` tokens over another row."""


class _Plan:
    """Where the pass in progress writes and what it reads; shared by all layers."""

    rows: torch.Tensor
    read: slice | torch.Tensor
    positions: torch.Tensor
    row_count: int
    length: int


class _SlotLayer(CacheLayerMixin):
    """Keys and values of one layer, (rows, heads, tokens, width), grown on demand."""

    is_sliding = False

    def __init__(self, plan: _Plan) -> None:
        super().__init__()
        self._plan = plan

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        """Allocate on the first pass, when heads and width are known."""
        self.keys = self._grown(None, key_states)
        self.values = self._grown(None, value_states)
        self.is_initialized = True

    def _grown(self, store: torch.Tensor | None, states: torch.Tensor) -> torch.Tensor:
        rows, length = self._plan.row_count, self._plan.length
        if store is not None and store.shape[0] >= rows and store.shape[2] >= length:
            return store
        old_rows, old_length = (store.shape[0], store.shape[2]) if store is not None else (0, 0)
        rows = max(old_rows, -(-rows // _GROWTH_ROWS) * _GROWTH_ROWS)
        length = max(old_length, -(-length // _GROWTH_TOKENS) * _GROWTH_TOKENS)
        grown = states.new_zeros((rows, states.shape[1], length, states.shape[3]))
        if store is not None:
            grown[:old_rows, :, :old_length] = store
        return grown

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write (batch, heads, new, width) at each row's positions; return what the batch's rows hold."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        assert self.keys is not None
        assert self.values is not None
        plan = self._plan
        self.keys, self.values = self._grown(self.keys, key_states), self._grown(self.values, value_states)
        rows = plan.rows[:, None]
        self.keys[rows, :, plan.positions] = key_states.transpose(1, 2)
        self.values[rows, :, plan.positions] = value_states.transpose(1, 2)
        return self.keys[plan.read, :, : plan.length], self.values[plan.read, :, : plan.length]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Return the length and offset of what is read."""
        return self._plan.length, 0

    def get_seq_length(self) -> int:
        """Return the longest length; masks and positions are always given, so nothing depends on it."""
        return self._plan.length if self.is_initialized else 0

    def get_max_length(self) -> int:
        """Return -1: no bound of its own."""
        return -1

    def move(self, source: int, target: int, length: int) -> None:
        """Copy a row's first tokens over another row."""
        if self.keys is not None and self.values is not None:
            self.keys[target, :, :length] = self.keys[source, :, :length]
            self.values[target, :, :length] = self.values[source, :, :length]


class SlotBackend:
    """Rows batched through one forward pass, for models with plain attention."""

    def __init__(self, model: PreTrainedModel, max_rows: int) -> None:
        self.max_rows = max_rows
        self._model = model
        self._config = model.config.get_text_config()
        self._plan = _Plan()
        self._layers = [_SlotLayer(self._plan) for _ in range(self._config.num_hidden_layers)]
        self._cache = Cache(layers=list(self._layers))
        self._keeps_logits = "logits_to_keep" in inspect.signature(model.forward).parameters

    @torch.inference_mode()
    def forward(self, rows: list[int], chunks: list[list[int]], starts: list[int]) -> torch.Tensor:
        """Run one padded pass. Padding writes beyond a row's length, where the row's next token overwrites it."""
        device, width = self._model.device, max(len(chunk) for chunk in chunks)
        ids = torch.tensor([chunk + [0] * (width - len(chunk)) for chunk in chunks], device=device)
        positions = torch.tensor(starts, device=device)[:, None] + torch.arange(width, device=device)
        self._set_plan(rows, positions, max(starts) + width)
        lasts = torch.tensor([len(chunk) - 1 for chunk in chunks], device=device)
        kept, inverse = lasts.unique(return_inverse=True)
        extra = {"logits_to_keep": kept} if self._keeps_logits else {}
        logits = self._model(
            input_ids=ids,
            attention_mask=self._mask(positions),
            position_ids=positions,
            past_key_values=self._cache,
            use_cache=True,
            **extra,
        ).logits
        picked = logits[torch.arange(len(rows), device=device), inverse if self._keeps_logits else lasts]
        return picked.float()

    def _set_plan(self, rows: list[int], positions: torch.Tensor, length: int) -> None:
        plan = self._plan
        plan.rows = torch.tensor(rows, device=positions.device)
        # Consecutive rows are read as a view; any other choice costs a copy.
        consecutive = rows == list(range(rows[0], rows[0] + len(rows)))
        plan.read = slice(rows[0], rows[0] + len(rows)) if consecutive else plan.rows
        plan.positions, plan.row_count, plan.length = positions, max(rows) + 1, length

    def _mask(self, positions: torch.Tensor) -> torch.Tensor | dict[str, torch.Tensor]:
        """Return (batch, 1, new, length) masks: a query sees its own row up to itself, or its window of that."""
        keys = torch.arange(self._plan.length, device=positions.device)
        full = (keys <= positions[:, :, None])[:, None]
        window = sliding_window(self._config)
        if window is None:
            return self._as_model_mask(full)
        near = full & (keys > positions[:, :, None] - window)[:, None]
        if getattr(self._config, "layer_types", None):
            return {"full_attention": self._as_model_mask(full), "sliding_attention": self._as_model_mask(near)}
        return self._as_model_mask(near)

    def _as_model_mask(self, mask: torch.Tensor) -> torch.Tensor:
        if self._config._attn_implementation == "sdpa":
            return mask
        dtype = self._model.dtype
        return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill(~mask, torch.finfo(dtype).min)

    @torch.inference_mode()
    def move(self, source: int, target: int, length: int) -> None:
        """Copy a row in every layer."""
        for layer in self._layers:
            layer.move(source, target, length)


class SequentialBackend:
    """One sequence at a time with the model's own cache, for models whose state is not plain keys and values."""

    max_rows = 1

    def __init__(self, model: PreTrainedModel) -> None:
        self._model = model
        self._cache: Any = None

    @torch.inference_mode()
    def forward(self, rows: list[int], chunks: list[list[int]], starts: list[int]) -> torch.Tensor:
        """Append to the only row; a start of 0 begins anew."""
        device = self._model.device
        if starts[0] == 0:
            self._cache = DynamicCache(config=self._model.config)
        ids = torch.tensor([chunks[0]], device=device)
        mask = torch.ones((1, starts[0] + len(chunks[0])), dtype=torch.long, device=device)
        output = self._model(input_ids=ids, attention_mask=mask, past_key_values=self._cache, use_cache=True)
        self._cache = getattr(output, "past_key_values", self._cache)
        logits: torch.Tensor = output.logits[:, -1].float()
        return logits

    def move(self, source: int, target: int, length: int) -> None:
        """Do nothing: there is one row."""


def sliding_window(config: Any) -> int | None:
    """Return the attention window in tokens, None when every layer attends to everything."""
    window = getattr(config, "sliding_window", None)
    types = getattr(config, "layer_types", None)
    if types and "sliding_attention" not in types:
        return None
    if getattr(config, "use_sliding_window", True) is False:
        return None
    return window if isinstance(window, int) and window > 0 else None


def choose_backend(model: PreTrainedModel, max_rows: int) -> Backend:
    """Return the batched backend when it provably agrees with the model's own forward pass, else the sequential one.

    The proof is made at load: two prompts of different lengths, one split into chunks, then one token more.
    """
    try:
        backend = SlotBackend(model, max_rows)
        if _is_batchable(model) and _agrees(model, backend):
            return SlotBackend(model, max_rows)
    except (TypeError, ValueError, RuntimeError, AttributeError, KeyError, IndexError) as error:
        log.info("slot_backend_refused error=%s", type(error).__name__)
    return SequentialBackend(model)


def _is_batchable(model: PreTrainedModel) -> bool:
    types = set(getattr(model.config.get_text_config(), "layer_types", None) or ["full_attention"])
    takes_positions = "position_ids" in inspect.signature(model.forward).parameters
    return takes_positions and types <= {"full_attention", "sliding_attention"}


@torch.inference_mode()
def _agrees(model: PreTrainedModel, backend: SlotBackend) -> bool:
    vocabulary = model.config.get_text_config().vocab_size
    generator = torch.Generator().manual_seed(0)
    long, short = (torch.randint(vocabulary, (size,), generator=generator).tolist() for size in (9, 4))
    backend.forward([0, 1], [long[:5], short[:3]], [0, 0])
    logits = backend.forward([0, 1], [long[5:], short[3:]], [5, 3])
    for row, ids in enumerate((long, short)):
        ids_tensor = torch.tensor([ids], device=model.device)
        expected = model(input_ids=ids_tensor, use_cache=False).logits[0, -1].float()
        scale = expected.abs().max().clamp(min=1e-6)
        tolerance = 1e-3 if model.dtype == torch.float32 else 5e-2
        if not torch.isfinite(logits[row]).all() or (logits[row] - expected).abs().max() > tolerance * scale:
            return False
    return True
