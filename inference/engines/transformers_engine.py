"""Choose and load the engine on transformers for a snapshot."""

from __future__ import annotations

from pathlib import Path

from transformers import AutoModelForCausalLM, AutoModelForImageClassification, AutoModelForSequenceClassification

from inference.engines.base import Engine, EngineSpec
from inference.engines.encoders import EmbeddingEngine, TextClassificationEngine, load_sentence_encoder
from inference.engines.generation import GenerationEngine
from inference.engines.images import ImageClassificationEngine
from inference.engines.loading import best_device, load_image_processor, load_model, load_tokenizer


def load_transformers_engine(spec: EngineSpec) -> Engine:
    """Load weights and preparers of `spec` and return its engine."""
    folder, device = Path(spec.path), best_device()
    match spec.pipeline_tag:
        case "text-generation":
            model = load_model(AutoModelForCausalLM, folder, device)
            return GenerationEngine(model, load_tokenizer(folder), spec)
        case "text-classification":
            model = load_model(AutoModelForSequenceClassification, folder, device)
            return TextClassificationEngine(model, load_tokenizer(folder), spec)
        case "image-classification":
            model = load_model(AutoModelForImageClassification, folder, device)
            return ImageClassificationEngine(model, load_image_processor(folder))
        case _:
            return EmbeddingEngine(load_sentence_encoder(spec, device))
