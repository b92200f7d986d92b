"""Pipeline tag → engine. Imports are lazy: an engine drags in libraries that only a runner may hold."""

from __future__ import annotations

from inference.engines.base import Engine, EngineSpec

SERVED_PIPELINE_TAGS = (
    "text-generation",
    "text-classification",
    "feature-extraction",
    "sentence-similarity",
    "image-classification",
)
ECHO_TAG = "echo"


def load_engine(spec: EngineSpec) -> Engine:
    """Load the engine that serves `spec.pipeline_tag`. Raises: LookupError for a tag nobody serves."""
    if spec.pipeline_tag == ECHO_TAG:
        from inference.engines.echo import EchoEngine  # noqa: PLC0415 -- leaf

        return EchoEngine(spec)
    if spec.pipeline_tag not in SERVED_PIPELINE_TAGS:
        raise LookupError(spec.pipeline_tag)
    from inference.engines.transformers_engine import load_transformers_engine  # noqa: PLC0415 -- slow import

    return load_transformers_engine(spec)
