"""T126: a worker with libraries below the floors hosts nothing."""

from __future__ import annotations

import pytest

from inference.workers.floors import FLOORS, outdated_libraries


def test_what_is_installed_here_is_new_enough_t126():
    assert outdated_libraries() == {}
    assert set(FLOORS) == {"torch", "transformers"}


@pytest.mark.parametrize("floors", [{"torch": "999"}, {"no-such-library": "1"}])
def test_old_and_missing_libraries_are_named_t126(floors):
    [(name, words)] = outdated_libraries(floors).items()
    assert name in floors
    assert words.endswith(f"needs {floors[name]}")


def test_a_worker_with_old_libraries_starts_no_host_t126(monkeypatch, settings):
    from inference.workers import runtime

    settings.HUB_INFERENCE_ENABLED = True
    monkeypatch.setattr(runtime, "outdated_libraries", lambda: {"torch": "2.0, needs 2.10"})
    worker = runtime.Runtime("test")
    worker.start()
    assert not hasattr(worker, "_host")
    worker.stop()
