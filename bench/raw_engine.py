"""The in-process limit: the same engine without a hub around it. Commands on stdin, one JSON answer a line on stdout.

    embed ANSWERS CALLERS   answers per second, tokenisation included, batches as large as the callers allow
    first_token             seconds from the prompt to the first token
Run by bench.hosted with the folder of a snapshot; the process stays, so that rounds alternate with the hub's.
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import asdict
from pathlib import Path

import torch

from bench.inputs import EMBED_TEXT, PROMPT
from inference.engines.base import Engine, EngineSpec
from inference.engines.registry import load_engine
from inference.protocol.events import TokenEvent
from inference.protocol.requests import EmbedRequest, GenerateRequest
from inference.workers.model_host import inspect_folder


def _load(folder: Path) -> Engine:
    torch.set_num_threads(os.cpu_count() or 1)
    facts = inspect_folder(folder)
    return load_engine(
        EngineSpec(
            path=str(folder),
            pipeline_tag=facts.pipeline_tag or "",
            context_length=facts.context_length,
            sentence_modules=tuple(asdict(module) for module in facts.sentence_modules),
        )
    )


def _embed(engine: Engine, answers: int, callers: int) -> float:
    begun = time.perf_counter()
    for start in range(0, answers, callers):
        for number in range(start, min(start + callers, answers)):
            engine.submit(str(number), EmbedRequest(texts=(EMBED_TEXT,)))
        while engine.has_work:
            engine.step()
    return answers / (time.perf_counter() - begun)


def _first_token(engine: Engine) -> float:
    begun = time.perf_counter()
    engine.submit("one", GenerateRequest(messages=({"role": "user", "content": PROMPT},), max_new_tokens=8))
    while not any(isinstance(event, TokenEvent) for event in engine.step()):
        pass
    took_s = time.perf_counter() - begun
    engine.cancel("one")
    return took_s


def main() -> None:
    engine = _load(Path(sys.argv[1]))
    for line in sys.stdin:
        match line.split():
            case ["embed", answers, callers]:
                value = _embed(engine, int(answers), int(callers))
            case ["first_token"]:
                value = _first_token(engine)
        sys.stdout.write(json.dumps(value) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
