"""Hosted inference against the same engine in process: answers per second, and time to the first token."""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.hub import BenchHub, Caller, request_bytes
from bench.inputs import EMBED_TEXT, EMBEDDER, GENERATOR, PROMPT

CALLERS = 32


@dataclass(frozen=True, slots=True)
class Compared:
    """Medians of alternating rounds; ``ratio`` is the median of the rounds' own ratios, so that slow minutes cancel."""

    ours: float
    raw: float
    ratio: float


def _compared(pairs: list[tuple[float, float]]) -> Compared:
    ours, raw = (statistics.median(side) for side in zip(*pairs, strict=True))
    return Compared(ours, raw, statistics.median(our / other for our, other in pairs))


def _alternate(rounds: int, ours: Callable[[], float], raw: Callable[[], float]) -> list[tuple[float, float]]:
    """Measure both sides in turn, which one first changing; what comes out is told as it comes."""
    pairs = []
    for number in range(rounds):
        if number % 2:
            other = raw()
            pairs.append((ours(), other))
        else:
            pairs.append((ours(), raw()))
        print("round {}: {:.4g} / {:.4g}".format(number + 1, *pairs[-1]), file=sys.stderr, flush=True)
    return pairs


class _Raw:
    """bench.raw_engine in a process of its own, idle while the hub is measured."""

    def __init__(self, folder: Path) -> None:
        argv = [sys.executable, "-m", "bench.raw_engine", str(folder)]
        self._process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, words: str) -> float:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(words + "\n")
        self._process.stdin.flush()
        return float(json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


def embeddings(hub: BenchHub, *, rounds: int, answers: int) -> Compared:
    """Answers per second at 32 callers, and of the engine alone in batches of 32."""
    asyncio.run(_embed_round(hub, CALLERS * 2))
    raw = _Raw(hub.snapshot(EMBEDDER))
    try:
        raw.ask(f"embed {CALLERS * 2} {CALLERS}")
        return _compared(
            _alternate(
                rounds, lambda: asyncio.run(_embed_round(hub, answers)), lambda: raw.ask(f"embed {answers} {CALLERS}")
            )
        )
    finally:
        raw.close()


async def _embed_round(hub: BenchHub, answers: int) -> float:
    body: dict[str, object] = {"model": EMBEDDER, "input": EMBED_TEXT}
    requests = [request_bytes(hub.port, token, "/v1/embeddings", body) for token in hub.tokens]
    callers = [await Caller.connect(hub.port) for _ in range(CALLERS)]
    left = iter(range(answers))

    async def call(caller: Caller, request: bytes) -> None:
        for _ in left:
            status = await caller.ask(request)
            if status != 200:
                raise SystemExit(f"a call was answered {status}")

    begun = time.perf_counter()
    await asyncio.gather(*(call(caller, requests[i % len(requests)]) for i, caller in enumerate(callers)))
    return answers / (time.perf_counter() - begun)


def first_token(hub: BenchHub, *, rounds: int) -> Compared:
    """Seconds to the first token of a warm generator, one caller."""
    asyncio.run(_first_token_round(hub))
    raw = _Raw(hub.snapshot(GENERATOR))
    try:
        raw.ask("first_token")
        return _compared(
            _alternate(rounds, lambda: asyncio.run(_first_token_round(hub)), lambda: raw.ask("first_token"))
        )
    finally:
        raw.close()


async def _first_token_round(hub: BenchHub) -> float:
    body: dict[str, object] = {
        "model": GENERATOR,
        "messages": [{"role": "user", "content": PROMPT}],
        "max_tokens": 8,
        "stream": True,
    }
    caller = await Caller.connect(hub.port)
    return await caller.first_data(request_bytes(hub.port, hub.tokens[0], "/v1/chat/completions", body))
