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


@pytest.fixture(scope="module")
def generator(full_hub: FullHub) -> FullHub:
    """The hub with the generator loaded."""
    full_hub.until_inspected(MODEL)
    answer = httpx.post(
        f"{full_hub.url}/v1/completions",
        headers=full_hub.bearer("inference"),
        json={"model": MODEL, "prompt": "the quick", "max_tokens": 1},
        timeout=120,
    )
    assert answer.status_code == 200, answer.text
    return full_hub


def _runner(hub: FullHub) -> psutil.Process:
    pid = wait_for(lambda: hub.model_beat(MODEL).get("runner_pid"), within_s=5, what="a heartbeat with the runner")
    return psutil.Process(pid)


def _cpu_s(runner: psutil.Process) -> float:
    family = [runner, *runner.children(recursive=True)]
    return sum(process.cpu_times().user + process.cpu_times().system for process in family)


def _assert_idle_soon(runner: psutil.Process, spent_at_stop: float, step_cpu_s: float) -> None:
    """The step in flight ends, and on a busy machine those that begin while the word is on its way; then nothing.

    1,024 tokens were ordered: a worker that goes on would be seen by hundreds of steps.
    """

    def spent_when_idle() -> float:
        before = _cpu_s(runner)
        time.sleep(1)
        after = _cpu_s(runner)
        return after if after - before <= 0.05 else 0.0  # a ping and the clock's ticks are let pass

    spent = wait_for(spent_when_idle, within_s=15, what="the runner's rest")
    assert spent - spent_at_stop <= 4 * step_cpu_s + 0.1


def _place_is_free(hub: FullHub) -> bool:
    model = hub.model_beat(MODEL)
    return model.get("running") == 0 and model.get("waiting") == 0


def test_leaving_a_stream_stops_the_worker_within_one_token(generator: FullHub) -> None:
    """T142: measured in the runner itself, by the processor time that it spends after its caller has left."""
    runner = _runner(generator)
    body = {"model": MODEL, "prompt": "the quick brown fox", "max_tokens": 1024, "stream": True}
    before, pieces = _cpu_s(runner), 0
    with httpx.stream(
        "POST", f"{generator.url}/v1/completions", headers=generator.bearer("inference"), json=body, timeout=60
    ) as answer:
        for line in answer.iter_lines():
            pieces += line.startswith("data: {")
            if pieces == 60:
                break
        spent = _cpu_s(runner)
    step_cpu_s = (spent - before) / pieces

    assert json.loads(line.removeprefix("data: "))["choices"][0]["finish_reason"] is None
    _assert_idle_soon(runner, spent, step_cpu_s)
    wait_for(lambda: _place_is_free(generator), within_s=3, what="a free place")
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
    _assert_idle_soon(runner, spent, 0.1)
    assert output.text_content() == text
    wait_for(lambda: _place_is_free(generator), within_s=3, what="a free place")
    context.close()
