"""Encoders against the libraries whose semantics they implement."""

from __future__ import annotations

import io

import pytest

from inference.engines.base import EngineSpec
from inference.engines.registry import load_engine
from inference.protocol import arrays
from inference.protocol.errors import InvalidInput
from inference.protocol.events import ResultEvent
from inference.protocol.requests import ClassifyImageRequest, ClassifyTextRequest, EmbedRequest, SimilarityRequest
from inference.workers.model_host import inspect_folder
from tests.inference import tiny_models

torch = pytest.importorskip("torch")

TEXTS = ["the quick brown fox", "dog", " ".join(["lazy box jugs"] * 10), "中文 字符", "fox over the dog"]


def _engine(folder):
    from dataclasses import asdict

    found = inspect_folder(folder)
    assert found.servable, found.message
    modules = tuple(asdict(module) for module in found.sentence_modules)
    return load_engine(EngineSpec(str(folder), found.pipeline_tag, found.context_length, modules))


def _results(engine):
    results = {}
    while engine.has_work:
        results |= {event.request_id: event.output for event in engine.step() if isinstance(event, ResultEvent)}
    return results


@pytest.mark.parametrize("mode", ["mean", "cls", "max"])
@pytest.mark.parametrize("dense", [True, False])
def test_embeddings_equal_sentence_transformers(tmp_path, mode, dense):
    library = pytest.importorskip("sentence_transformers")
    folder = tiny_models.build_sentence_transformer(tmp_path / "model", mode=mode, dense=dense)
    expected = torch.tensor(library.SentenceTransformer(str(folder), device="cpu").encode(TEXTS))
    engine = _engine(folder)
    for index, text in enumerate(TEXTS):
        engine.submit(str(index), EmbedRequest(texts=(text,)))
    results = _results(engine)
    got = torch.tensor([arrays.unpack_rows(results[str(index)]["embeddings"])[0] for index in range(len(TEXTS))])
    assert got.shape == expected.shape
    assert torch.nn.functional.cosine_similarity(got, expected).min() > 0.9999
    assert torch.allclose(got, expected, atol=1e-5)


def test_similarity_is_the_cosine_of_embeddings(tmp_path):
    engine = _engine(tiny_models.build_sentence_transformer(tmp_path / "model"))
    engine.submit("s", SimilarityRequest("dog", ("dog", "the quick brown fox")))
    same, other = _results(engine)["s"]["scores"]
    assert same == pytest.approx(1.0, abs=1e-5)
    assert other < same


def test_wrong_dimensions_and_overlong_text_are_refused(tmp_path):
    engine = _engine(tiny_models.build_sentence_transformer(tmp_path / "model"))
    engine.submit("fits", EmbedRequest(texts=("dog",), dimensions=16))
    with pytest.raises(InvalidInput) as refused:
        engine.submit("a", EmbedRequest(texts=("dog",), dimensions=8))
    assert refused.value.param == "dimensions"
    with pytest.raises(InvalidInput) as refused:
        engine.submit("b", EmbedRequest(texts=("dog " * 50,), truncate=False))
    assert refused.value.code == "context_length_exceeded"


def test_text_classification_equals_the_pipeline(tmp_path):
    from transformers import pipeline

    folder = tiny_models.build_bert(tmp_path / "model", classifier=True)
    expected = pipeline("text-classification", model=str(folder), device="cpu", top_k=None)([TEXTS[0]])[0]
    engine = _engine(folder)
    engine.submit("a", ClassifyTextRequest(texts=tuple(TEXTS)))
    labels = _results(engine)["a"]["labels"]
    assert [len(row) for row in labels] == [3] * len(TEXTS)
    assert [item["label"] for item in labels[0]] == [item["label"] for item in expected]
    assert [item["score"] for item in labels[0]] == pytest.approx([item["score"] for item in expected], abs=1e-4)


def _png(size, colour=(200, 30, 30)):
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "PNG")
    return buffer.getvalue()


def test_image_classification_equals_the_model(tmp_path):
    from PIL import Image
    from transformers import AutoImageProcessor, AutoModelForImageClassification

    folder = tiny_models.build_vit(tmp_path / "model")
    engine = _engine(folder)
    data = _png((50, 40))
    engine.submit("a", ClassifyImageRequest(image=data, top_k=2))
    labels = _results(engine)["a"]["labels"][0]
    processor = AutoImageProcessor.from_pretrained(folder, backend="pil")
    pixels = processor(images=Image.open(io.BytesIO(data)), return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        scores = AutoModelForImageClassification.from_pretrained(folder)(pixels).logits.softmax(-1)[0]
    assert {item["label"]: pytest.approx(item["score"], abs=1e-5) for item in labels} == {
        "cat": float(scores[0]),
        "dog": float(scores[1]),
    }


@pytest.mark.parametrize("data", [b"not an image", _png((7, 100)), _png((8001, 5000))], ids=["junk", "small", "huge"])
def test_bad_images_are_refused(tmp_path, data):
    """T140: pixels are counted from the header, before they are decoded."""
    from inference.engines.images import decode_image

    with pytest.raises(InvalidInput):
        decode_image(data)
