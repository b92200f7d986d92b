"""Micro-batching: callers answered together are waited for, a lone caller never waits."""

from __future__ import annotations

from inference.engines.batching import MicroBatcher
from inference.protocol.events import DoneEvent, ResultEvent
from inference.protocol.requests import EmbedRequest


class Lengths(MicroBatcher[str]):
    """Answer each text with its length, and remember the batches."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[int] = []

    def prepare(self, request):
        return list(request.texts), [len(text) for text in request.texts], 0

    def run_batch(self, items, requests):
        self.batches.append(len(items))
        return [len(item) for item in items]

    def finish(self, request, outputs):
        return {"lengths": outputs}


def _submit(engine, count):
    for index in range(count):
        engine.submit(str(index), EmbedRequest(texts=("x" * (index + 1),)))


def test_a_lone_caller_is_never_waited_with():
    engine = Lengths()
    for _ in range(3):
        _submit(engine, 1)
        assert engine.linger_s == 0.0
        engine.step()


def test_callers_answered_together_are_expected_back_together():
    engine = Lengths()
    _submit(engine, 8)
    engine.step()
    _submit(engine, 7)
    assert 0 < engine.linger_s <= 0.01
    _submit(engine, 1)
    assert engine.linger_s == 0.0


def test_every_text_gets_its_own_answer_whatever_the_batches():
    engine = Lengths()
    texts = tuple("x" * (1 + 97 * index % 400) for index in range(32))
    engine.submit("many", EmbedRequest(texts=texts))
    engine.submit("gone", EmbedRequest(texts=("y",)))
    engine.submit("one", EmbedRequest(texts=("abc",)))
    engine.cancel("gone")
    events = engine.step()
    results = {event.request_id: event.output["lengths"] for event in events if isinstance(event, ResultEvent)}
    assert results == {"many": [len(text) for text in texts], "one": [3]}
    assert sum(isinstance(event, DoneEvent) for event in events) == 2
    assert max(engine.batches) <= 32
