"""The generation engine equals the model's own greedy generation, whoever else runs."""

from __future__ import annotations

import pytest

from inference.engines.base import EngineSpec
from inference.protocol.errors import InvalidInput
from inference.protocol.events import DoneEvent, ResultEvent, TokenEvent
from inference.protocol.requests import GenerateRequest
from tests.inference import tiny_models

torch = pytest.importorskip("torch")

PROMPTS = ["the quick", "pack my box with five dozen jugs the lazy dog jumps over", "中文", "dog", "é ü 🙂 fox " * 6]


def _engine(folder, **options):
    from inference.engines.registry import load_engine

    torch.set_num_threads(1)
    return load_engine(EngineSpec(str(folder), "text-generation", context_length=256, **options))


@pytest.fixture(scope="module", params=["llama", "sliding", "gpt2"])
def folder(request, tmp_path_factory):
    path = tmp_path_factory.mktemp(request.param)
    sliding = 16 if request.param == "sliding" else None
    return tiny_models.build_causal(path, sliding=sliding, kind=request.param)


@pytest.fixture
def engine(folder):
    return _engine(folder)


def _drain(engine):
    events = []
    while engine.has_work:
        events += engine.step()
    return events


def _text(events, request_id):
    return "".join(event.text for event in events if isinstance(event, TokenEvent) and event.request_id == request_id)


def _done(events, request_id):
    return next(event for event in events if isinstance(event, DoneEvent) and event.request_id == request_id)


def _reference(folder, prompt, count):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    inputs = tokenizer(prompt, return_tensors="pt")
    output = model.generate(**inputs, max_new_tokens=count, min_new_tokens=count, do_sample=False, pad_token_id=0)
    return tokenizer.decode(output[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)


def test_concurrent_greedy_equals_generate_alone(folder, engine):
    """Requests of different lengths join and leave at different steps and none changes another."""
    assert engine.max_batch == 32  # the batched backend proved itself
    counts = [5, 40, 17, 30, 24]
    events = []
    for index, (prompt, count) in enumerate(zip(PROMPTS, counts, strict=True)):
        engine.submit(str(index), GenerateRequest(prompt=prompt, max_new_tokens=count, temperature=0.0))
        events += engine.step()
    events += _drain(engine)
    for index, (prompt, count) in enumerate(zip(PROMPTS, counts, strict=True)):
        assert _text(events, str(index)) == _reference(folder, prompt, count)
        done = _done(events, str(index))
        assert (done.finish_reason, done.usage.completion_tokens) == ("length", count)
        result = next(e for e in events if isinstance(e, ResultEvent) and e.request_id == str(index))
        assert result.output["text"] == _text(events, str(index))


def test_cancel_stops_before_the_next_step(engine):
    """T142: no token is made for a cancelled request, its row is free, others go on."""
    for name in ("a", "b"):
        engine.submit(name, GenerateRequest(prompt="the quick", max_new_tokens=30, temperature=0.0))
    for _ in range(5):
        engine.step()
    engine.cancel("a")
    engine.cancel("a")
    events = _drain(engine)
    assert {event.request_id for event in events} == {"b"}
    assert _done(events, "b").usage.completion_tokens == 30


def test_seed_repeats_whoever_else_runs(engine):
    request = GenerateRequest(prompt="the quick", max_new_tokens=20, temperature=1.2, top_p=0.9, seed=7)
    engine.submit("alone", request)
    alone = _text(_drain(engine), "alone")
    engine.submit("other", GenerateRequest(prompt="pack my box", max_new_tokens=25, seed=1))
    engine.submit("again", request)
    engine.submit("different", GenerateRequest(prompt="the quick", max_new_tokens=20, temperature=1.2, seed=8))
    events = _drain(engine)
    assert _text(events, "again") == alone
    assert _text(events, "different") != alone


def test_stop_string_ends_and_is_not_shown(folder, engine):
    whole = _reference(folder, "the quick", 30)
    stop = whole[6:9]
    engine.submit("a", GenerateRequest(prompt="the quick", max_new_tokens=30, temperature=0.0, stop=(stop,)))
    events = _drain(engine)
    assert _text(events, "a") == whole[: whole.index(stop)]
    assert _done(events, "a").finish_reason == "stop_sequence"


def test_every_token_is_told_with_its_log_probability(folder, engine):
    """One event per token, and the number is the model's own: log-softmax of its logits, whoever else runs."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    engine.submit("other", GenerateRequest(prompt="pack my box with", max_new_tokens=9, seed=1))
    # Temperature and penalties choose, they do not change what the model believed.
    engine.submit("a", GenerateRequest(prompt="the quick", max_new_tokens=12, temperature=1.5, top_k=20, seed=2))
    events = _drain(engine)
    tokens = [event for event in events if isinstance(event, TokenEvent) and event.request_id == "a"]
    assert len(tokens) == _done(events, "a").usage.completion_tokens == 12
    assert [event.is_last for event in tokens] == [False] * 11 + [True]
    prompt = tokenizer("the quick")["input_ids"]
    ids = [*prompt, *(event.token_id for event in tokens)]
    with torch.no_grad():
        expected = model(torch.tensor([ids])).logits[0].log_softmax(-1)
    for position, event in enumerate(tokens, start=len(prompt)):
        assert event.logprob == pytest.approx(float(expected[position - 1, event.token_id]), abs=1e-3)


def test_frequency_penalty_forbids_repeats(engine):
    engine.submit("a", GenerateRequest(prompt="dog", max_new_tokens=30, temperature=0.0))
    plain = [e.token_id for e in _drain(engine) if isinstance(e, TokenEvent)]
    engine.submit("b", GenerateRequest(prompt="dog", max_new_tokens=30, temperature=0.0, repetition_penalty=10.0))
    penalised = [e.token_id for e in _drain(engine) if isinstance(e, TokenEvent)]
    assert len(set(penalised)) == len(penalised)
    assert plain != penalised


def test_context_bounds_prompt_and_answer(engine):
    """T141: the answer ends where the context does; a prompt that fills it is refused."""
    engine.submit("a", GenerateRequest(prompt="x" * 250, max_new_tokens=1000, temperature=0.0))
    done = _done(_drain(engine), "a")
    assert done.finish_reason == "length"
    assert done.usage.prompt_tokens + done.usage.completion_tokens == 256
    with pytest.raises(InvalidInput) as refused:
        engine.submit("b", GenerateRequest(prompt="x" * 300))
    assert refused.value.code == "context_length_exceeded"


def test_chat_renders_the_models_template(folder, engine):
    engine.submit(
        "a", GenerateRequest(messages=({"role": "user", "content": "dog"},), max_new_tokens=12, temperature=0.0)
    )
    assert _text(_drain(engine), "a") == _reference(folder, "<|user|>dog\n<|assistant|>", 12)


def test_small_budget_queues_instead_of_overrunning(folder):
    """The key-value store never holds more than its budget; everyone is served in the end."""
    engine = _engine(folder, kv_budget_bytes=100 * 2 * 4 * 2 * 2 * 16)
    for index in range(4):
        engine.submit(str(index), GenerateRequest(prompt="dog", max_new_tokens=40, temperature=0.0))
    engine.step()
    assert len(engine._running) <= 2
    events = _drain(engine)
    assert sum(isinstance(event, DoneEvent) for event in events) == 4
