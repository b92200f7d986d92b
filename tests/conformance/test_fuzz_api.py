"""T106, T111, T114: schemathesis over the whole document of the API: no 5xx, no hang, whatever is sent.

HUB_FUZZ_SECONDS is the time for all of it: three minutes here, thirty by ``make fuzz``.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import CommitOperationAdd, HfApi

from tests.conformance.fuzz_hooks import OWNER
from tests.e2e.live_hub import LiveHub

ROOT = Path(__file__).resolve().parents[2]
FUZZ_S = int(os.environ.get("HUB_FUZZ_SECONDS", "180"))
#: Nothing may take longer; what does counts as a hang.
PATIENCE_S = 10
#: A signed-in caller reaches more.
_SHARE = {"token": 2 / 3, "anonymous": 1 / 3}
#: Over the budget by the last cases, their reports and the start of the tool.
_SLACK_S = 240
_ENOUGH_FAILURES = 10

pytestmark = [pytest.mark.slow, pytest.mark.timeout(FUZZ_S + 2 * _SLACK_S)]


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveHub]:
    # The limits are tested elsewhere; here they would hide what lies behind them.
    limits = dict.fromkeys(("HUB_RATE_API", "HUB_RATE_RESOLVE", "HUB_RATE_PAGES", "HUB_INFERENCE_RPM"), "10000000")
    hub = LiveHub(tmp_path_factory.mktemp("fuzz") / "data", limits)
    try:
        hub.start()
        hub.create_user(OWNER)
        hub.manage("createorg", "guild", "--admin", OWNER)
        yield hub
    finally:
        hub.stop()


@pytest.fixture(scope="module")
def token(hub: LiveHub) -> str:
    """A person with a repository that has files, a branch and a discussion."""
    secret = hub.create_token(OWNER)
    api = HfApi(endpoint=hub.url, token=secret)
    repo_id = f"{OWNER}/fuzz"
    api.create_repo(repo_id)
    files = {"README.md": b"---\nlicense: mit\n---\n# fuzz\n", "data/a.txt": b"a\n", "b.bin": bytes(range(256))}
    api.create_commit(
        repo_id,
        operations=[CommitOperationAdd(path, content) for path, content in files.items()],
        commit_message="Files to ask for",
    )
    api.create_branch(repo_id, branch="dev")
    api.create_discussion(repo_id, title="To talk about")
    return secret


@pytest.mark.parametrize("who", ["token", "anonymous"])
def test_nothing_breaks_or_hangs_the_api(hub: LiveHub, token: str, who: str, tmp_path: Path) -> None:
    arguments = [
        *("--phases", "examples,coverage,fuzzing"),
        *("--checks", "not_a_server_error"),
        *("--max-time", str(max(int(FUZZ_S * _SHARE[who]), 10))),
        *("--max-response-time", str(PATIENCE_S)),
        *("--request-timeout", str(2 * PATIENCE_S)),
        *("--max-failures", str(_ENOUGH_FAILURES)),
        *("--suppress-health-check", "all"),
        *("--generation-database", "none"),
        *("--max-redirects", "0"),
        *("--workers", "1"),  # CPython 3.11's parser, which hypothesis uses, fails at times when two threads use it
        *("--warnings", "off"),
        "--no-shrink",
        "--no-color",
    ]
    if who == "token":
        arguments += ["-H", f"Authorization: Bearer {token}"]
    done = subprocess.run(
        [str(Path(sys.executable).with_name("schemathesis")), "run", f"{hub.url}/api/openapi.json", *arguments],
        cwd=tmp_path,
        env={**os.environ, "SCHEMATHESIS_HOOKS": "tests.conformance.fuzz_hooks", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=FUZZ_S + _SLACK_S,
    )
    told = done.stdout[-12_000:] + done.stderr[-2_000:]
    assert done.returncode == 0, told
    cases = re.search(r"(\d+) (?:generated|passed)", done.stdout)
    assert cases is not None, told
    assert int(cases[1]) > 0
    assert hub.is_ready()
