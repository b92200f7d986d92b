"""Choose the next token of each running sequence from its logits."""

from __future__ import annotations

from collections import Counter

import torch

from inference.protocol.requests import GenerateRequest

_LOWEST_LOGPROB = -1e4


class Sampler:
    """One sequence's way of choosing; its own generator makes `seed` independent of who else runs."""

    def __init__(self, request: GenerateRequest, prompt_ids: list[int], device: torch.device) -> None:
        self._request = request
        self._counts: Counter[int] = Counter()
        self._seen = set(prompt_ids) if request.repetition_penalty != 1.0 else set[int]()
        self._generator = torch.Generator(device=device)
        if request.seed is None:
            self._generator.seed()
        else:
            self._generator.manual_seed(request.seed)

    @property
    def is_plain_greedy(self) -> bool:
        """Say whether the argmax is the answer."""
        request = self._request
        penalised = request.presence_penalty or request.frequency_penalty or request.repetition_penalty != 1.0
        return request.temperature == 0.0 and not penalised

    def count(self, token_id: int) -> None:
        """Remember a token that was generated."""
        self._counts[token_id] += 1
        if self._request.repetition_penalty != 1.0:
            self._seen.add(token_id)

    def choose(self, logits: torch.Tensor) -> int:
        """Return a token id from (vocabulary,) logits."""
        logits = self._penalised(logits)
        request = self._request
        if request.temperature == 0.0:
            return int(logits.argmax())
        logits = logits / request.temperature
        if 0 < request.top_k < logits.numel():
            logits = logits.masked_fill(logits < logits.topk(request.top_k).values[-1], float("-inf"))
        probabilities = logits.softmax(-1)
        if request.top_p < 1.0:
            ordered, indices = probabilities.sort(descending=True)
            # The token that crosses the threshold stays, so the best token always does.
            ordered[ordered.cumsum(-1) - ordered >= request.top_p] = 0.0
            return int(indices[torch.multinomial(ordered, 1, generator=self._generator)])
        return int(torch.multinomial(probabilities, 1, generator=self._generator))

    def _penalised(self, logits: torch.Tensor) -> torch.Tensor:
        request = self._request
        if self._seen:
            ids = torch.tensor(sorted(self._seen), device=logits.device)
            seen = logits[ids]
            penalty = request.repetition_penalty
            logits = logits.index_put((ids,), torch.where(seen < 0, seen * penalty, seen / penalty))
        if self._counts and (request.presence_penalty or request.frequency_penalty):
            ids = torch.tensor(list(self._counts), device=logits.device)
            counts = torch.tensor(list(self._counts.values()), device=logits.device, dtype=logits.dtype)
            logits = logits.index_add(0, ids, -(request.presence_penalty + request.frequency_penalty * counts))
        return logits


def choose_tokens(logits: torch.Tensor, samplers: list[Sampler]) -> tuple[list[int], list[float]]:
    """Return one token per row of (batch, vocabulary) logits, and its log-probability by the logits as they are."""
    best = logits.argmax(-1).tolist()
    tokens = [
        token if sampler.is_plain_greedy else sampler.choose(row)
        for token, row, sampler in zip(best, logits, samplers, strict=True)
    ]
    chosen = logits.gather(1, torch.tensor(tokens, device=logits.device)[:, None])[:, 0]
    logprobs = (chosen - logits.logsumexp(-1)).clamp(max=0.0)
    # A broken model's NaN and -inf have no place on the wire.
    return tokens, logprobs.nan_to_num(nan=_LOWEST_LOGPROB, neginf=_LOWEST_LOGPROB).tolist()
