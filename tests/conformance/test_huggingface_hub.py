"""The client's own tests against a live hub (hub-api §34): all of suite/scope.txt but what docs/compat.md excuses.

The suite and its Python are fetched from the package index once and kept in ``.conformance/``.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from huggingface_hub import HfApi

from tests.e2e.live import wait_for
from tests.e2e.live_hub import LiveHub
from tests.inference.tiny_models import build_causal

ROOT = Path(__file__).resolve().parents[2]
RUNNER = Path(__file__).with_name("run.py")
SCOPE = Path(__file__).parent / "suite" / "scope.txt"
COMPAT = ROOT / "docs" / "compat.md"
MAX_EXCUSED = 10
SUITE_WITHIN_S = 1_800

# | `tests/test_x.py::TestY::test_z` | reason |
_EXCUSE = re.compile(r"^\| `(tests/test_\w+\.py::[\w:\[\]-]+)` \| (\S.*?) \|$", re.MULTILINE)


def excused_tests(text: str) -> dict[str, str]:
    """Test ids with their reasons, from the last table of docs/compat.md."""
    return dict(_EXCUSE.findall(text))


def scope() -> list[str]:
    return [line for line in SCOPE.read_text().splitlines() if line and not line.startswith("#")]


def test_excuses_are_few_and_name_tests_of_the_scope() -> None:
    excused = excused_tests(COMPAT.read_text(encoding="utf-8"))
    assert len(excused) <= MAX_EXCUSED
    assert sorted(set(excused) - set(scope())) == []


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveHub]:
    hub = LiveHub(tmp_path_factory.mktemp("conformance") / "data").start()
    try:
        yield hub
    finally:
        hub.stop()


def _person(hub: LiveHub, name: str, full_name: str) -> str:
    password = "correct horse battery staple"
    hub.manage("createuser", name, "--email", f"{name}@example.org", "--password", password, "--full-name", full_name)
    return f"{name}:{hub.create_token(name)}"


def _publish_a_generator(hub: LiveHub, folder: Path, token: str) -> None:
    """One model that the hub can run: a test asks for a recommended one."""
    build_causal(folder)
    (folder / "README.md").write_text("---\npipeline_tag: text-generation\n---\n# Tiny\n")
    api = HfApi(endpoint=hub.url, token=token)
    api.create_repo("org-admin/tiny-generator")
    api.upload_folder(repo_id="org-admin/tiny-generator", folder_path=folder)
    wait_for(
        lambda: httpx.get(f"{hub.url}/api/tasks").json()["text-generation"]["widgetModels"],
        within_s=90,
        what="a recommended model",
    )


def _run_suite(hub: LiveHub, report: Path) -> str:
    """Run the suite as its README asks; what it printed."""
    user = _person(hub, "dummy-user", "Dummy User")
    other, admin = _person(hub, "other-user", "Other User"), _person(hub, "org-admin", "Org Admin")
    hub.manage(
        "createorg", "valid_org_hub", "--admin", "org-admin", "--full-name", "Dummy Hub Org", "--member", "dummy-user"
    )
    _publish_a_generator(hub, report.parent / "generator", admin.partition(":")[2])
    hub.manage("createorg", "private-org", "--admin", "org-admin", "--private-by-default")
    command = [sys.executable, str(RUNNER), hub.url, "--user", user, "--other", other, "--org-admin", admin]
    command += ["--org", "private-org", "--work", str(ROOT / ".conformance"), "--report", str(report), "--jobs", "2"]
    # Proxies and tokens of whoever runs this are not the suite's.
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "PYTEST_"))}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=SUITE_WITHIN_S, check=False
    )
    assert report.exists(), f"the suite did not run:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


@pytest.mark.slow
@pytest.mark.timeout(SUITE_WITHIN_S + 300)
def test_clients_own_suite(hub: LiveHub, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    printed = _run_suite(hub, report)
    outcomes: dict[str, str] = json.loads(report.read_text())
    excused = excused_tests(COMPAT.read_text(encoding="utf-8"))
    assert sorted(outcomes) == sorted(scope())
    failed = {test: outcome for test, outcome in outcomes.items() if outcome != "passed"}
    unexpected = [f"{outcome}: {test}" for test, outcome in failed.items() if test not in excused]
    unexpected += [f"passed, though docs/compat.md excuses it: {test}" for test in excused if test not in failed]
    assert not unexpected, "\n".join([*unexpected, "", printed[-12_000:]])
