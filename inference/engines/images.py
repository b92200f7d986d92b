"""Image classification: bytes are decoded here, inside the sandbox, with the pixels counted before they are made."""

from __future__ import annotations

import io
import warnings
from typing import Any

import torch
from PIL import Image, ImageOps
from transformers import PreTrainedModel

from inference.engines.batching import MicroBatcher
from inference.engines.encoders import scores_to_labels
from inference.protocol import limits
from inference.protocol.errors import InvalidInput
from inference.protocol.requests import ClassifyImageRequest, Request

_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")


def decode_image(data: bytes) -> Image.Image:
    """Return an upright RGB image. Raises: InvalidInput for what is no image, too large or too small."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(data), formats=_FORMATS)
        width, height = image.size
        if width * height > limits.MAX_IMAGE_PIXELS:
            raise InvalidInput("inputs", "The image has more than 40 million pixels.", status=413)
        if min(width, height) < limits.MIN_IMAGE_SIDE:
            raise InvalidInput("inputs", f"The image must be at least {limits.MIN_IMAGE_SIDE} pixels wide and high.")
        return ImageOps.exif_transpose(image).convert("RGB")
    except InvalidInput:
        raise
    except Exception as error:  # decoders raise whatever their codec raised
        raise InvalidInput("inputs", "The image could not be read (PNG, JPEG, WebP, GIF, BMP and TIFF are).") from error


class ImageClassificationEngine(MicroBatcher[Any]):
    """Labels for images, micro-batched."""

    max_items = 16

    def __init__(self, model: PreTrainedModel, processor: Any) -> None:
        super().__init__()
        self._model, self._processor = model, processor

    def prepare(self, request: Request) -> tuple[list[Any], list[int], int]:
        """Decode and resize the image."""
        if not isinstance(request, ClassifyImageRequest):
            raise InvalidInput("task", "This model classifies images.", code="unsupported_task")
        pixels = self._processor(images=decode_image(request.image), return_tensors="pt")["pixel_values"][0]
        return [pixels], [1], 0

    @torch.inference_mode()
    def run_batch(self, items: list[Any], requests: list[Request]) -> list[Any]:
        """Return labels per image."""
        pixels = torch.stack(items).to(self._model.device, self._model.dtype)
        logits = self._model(pixel_values=pixels).logits.float().cpu()
        config = self._model.config
        return [
            scores_to_labels(row, config.id2label, config.problem_type, request)
            for row, request in zip(logits, requests, strict=True)
        ]

    def finish(self, request: Request, outputs: list[Any]) -> dict[str, Any]:
        """Return `{"labels": [[{label, score}…]]}`."""
        return {"labels": outputs}
