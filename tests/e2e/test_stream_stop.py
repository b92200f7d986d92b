"""Journey 2: text streams into the page, Stop ends it midway, and the worker stops with it, within one token."""

from __future__ import annotations

import json
import time

import httpx
import psutil
import pytest
from playwright.sync_api import Browser

from tests.e2e.live import FullHub, wait_for
from tests.e2e.screenshots import LOOKS, look_at, sign_in

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

MODEL = "ada/murmur"
# Its step takes longer than the word "stop" needs to reach the worker, so tokens can be told apart.
SLOW_MODEL = "ada/ponder"
# Processor time comes in ticks of 10 ms, and the runner answers pings.
CLOCK_S = 0.03


@pytest.fixture(scope="module")
def generator(full_hub: FullHub) -> FullHub:
    """The hub with the generators loaded."""
    for model in (MODEL, SLOW_MODEL):
        full_hub.until_inspected(model)
        answer = httpx.post(
            f"{full_hub.url}/v1/completions",
            headers=full_hub.bearer("inference"),
            json={"model": model, "prompt": "the quick", "max_tokens": 1},
            timeout=120,
        )
        assert answer.status_code == 200, answer.text
    return full_hub


def _runner(hub: FullHub, model: str = MODEL) -> psutil.Process:
    pid = wait_for(lambda: hub.model_beat(model).get("runner_pid"), within_s=5, what="a heartbeat with the runner")
    return psutil.Process(pid)


def _cpu_s(runner: psutil.Process) -> float:
    family = [runner, *runner.children(recursive=True)]
    return sum(process.cpu_times().user + process.cpu_times().system for process in family)


def _assert_idle_soon(runner: psutil.Process, spent_at_stop: float, more_s: float) -> None:
    """After the stop the runner spends at most ``more_s`` seconds of processor time; then nothing."""

    def spent_when_idle() -> float:
        before = _cpu_s(runner)
        time.sleep(1)
        after = _cpu_s(runner)
        return after if after - before <= 0.05 else 0.0  # a ping and the clock's ticks are let pass

    spent = wait_for(spent_when_idle, within_s=15, what="the runner's rest")
    assert spent - spent_at_stop <= more_s


def _place_is_free(hub: FullHub, model_id: str = MODEL) -> bool:
    model = hub.model_beat(model_id)
    return model.get("running") == 0 and model.get("waiting") == 0


def test_leaving_a_stream_stops_the_worker_within_one_token(generator: FullHub) -> None:
    """T142: measured in the runner itself, by the processor time that it spends after its caller has left.

    The token that is being computed is finished; at most one more has begun while the word was on its way.
    """
    runner = _runner(generator, SLOW_MODEL)
    body = {"model": SLOW_MODEL, "prompt": "the quick brown fox", "max_tokens": 200, "stream": True}
    before, pieces = 0.0, 0
    with httpx.stream(
        "POST", f"{generator.url}/v1/completions", headers=generator.bearer("inference"), json=body, timeout=60
    ) as answer:
        for line in answer.iter_lines():
            pieces += line.startswith("data: {")
            if pieces == 2:
                before = before or _cpu_s(runner)
            if pieces == 22:
                break
        spent = _cpu_s(runner)
    step_cpu_s = (spent - before) / 20

    assert step_cpu_s > 0.03, "too quick a model to tell tokens apart"
    assert json.loads(line.removeprefix("data: "))["choices"][0]["finish_reason"] is None
    _assert_idle_soon(runner, spent, 2 * step_cpu_s + CLOCK_S)
    wait_for(lambda: _place_is_free(generator, SLOW_MODEL), within_s=3, what="a free place")
    assert psutil.pid_exists(runner.pid)


def test_stop_in_the_playground_stops_the_worker(generator: FullHub, browser: Browser) -> None:
    runner = _runner(generator)
    context = look_at(browser, generator.url, LOOKS[0], sign_in(browser, generator.url))
    page = context.new_page()
    page.goto(f"{generator.url}/{MODEL}")
    playground = page.locator("[data-playground]")
    playground.locator(".playground__settings summary").click()
    playground.locator("[data-parameter^=max]").first.fill("1024")
    playground.locator("textarea").first.fill("the quick brown fox")
    playground.locator("[data-run]").click()
    output = playground.locator("[data-output], [data-thread]").filter(visible=True).first
    page.wait_for_function("element => element.textContent.length > 60", arg=output.element_handle())

    playground.locator("[data-stop]").click()
    spent = _cpu_s(runner)

    playground.locator("[data-run]").wait_for(state="visible")
    text = output.text_content()
    # A tiny model makes several tokens while a click travels; 1,024 were ordered, which would be seconds.
    _assert_idle_soon(runner, spent, 0.5)
    assert output.text_content() == text
    wait_for(lambda: _place_is_free(generator), within_s=3, what="a free place")
    context.close()
