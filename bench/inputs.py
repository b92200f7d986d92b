"""What both sides of a comparison are given."""

from __future__ import annotations

#: About 24 tokens, a sentence as people search with.
EMBED_TEXT = "A small harbour town wakes up before the sun does, and the first boats are already on their way out."
PROMPT = "What is the capital of France?"
EMBEDDER = "agora-demo/all-MiniLM-L6-v2"
GENERATOR = "agora-demo/SmolLM2-135M-Instruct"
