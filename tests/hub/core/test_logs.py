"""What a log line may hold: T23 (secrets), T149 (injection)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hub.core.logs import clean_event, escape_control, mask

ROOT = Path(__file__).resolve().parents[3]
TOKEN = "hf_" + "AbCdEfGh12345678"


@pytest.mark.parametrize(
    "text",
    [
        f"GET /x?token={TOKEN}",
        f"Authorization: Bearer {TOKEN}",
        "Authorization: Basic AbCdEfGh12345678",
        "git clone https://ada:AbCdEfGh12345678@hub/x",
        "PUT /_d/up?sig=AbCdEfGh12345678&exp=1",
        "https://s3/x?X-Amz-Signature=AbCdEfGh12345678",
        "Cookie: session=AbCdEfGh12345678; theme=dark",
    ],
)
def test_secrets_in_text_are_masked(text: str) -> None:
    assert "AbCdEfGh12345678" not in mask(text)


def test_secrets_in_fields_are_masked_at_any_depth() -> None:
    event = clean_event(
        None, "", {"event": "x", "password": "p1", "headers": {"Authorization": "p2", "accept": "kept"}}
    )

    assert "p1" not in str(event)
    assert "p2" not in str(event)
    assert event["headers"]["accept"] == "kept"


def test_counts_of_tokens_are_no_secrets() -> None:
    assert clean_event(None, "", {"event": "x", "max_new_tokens": 5})["max_new_tokens"] == 5


def test_control_bytes_are_written_out() -> None:
    assert escape_control("a\nb\x1b[2Jc\u2028") == "a\\nb\\x1b[2Jc\\u2028"


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_one_event_is_one_line_whatever_it_holds(log_format: str) -> None:
    """A real process, its real stderr: neither the event, a field nor the standard library's logging forges a line."""
    code = (
        "import logging, structlog; from hub.core.logs import configure; "
        f"configure({{'level': 'INFO', 'format': {log_format!r}}}); "
        "structlog.contextvars.bind_contextvars(request_id='r-1'); "
        "structlog.get_logger('t').info('seen\\nforged', name='a\\nforged\\x1b[2J'); "
        "logging.getLogger('lib').warning('old %s', 'b\\nforged')"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    lines = done.stderr.splitlines()

    assert len(lines) == 2, lines
    assert all("r-1" in line and "\x1b" not in line for line in lines)
    if log_format == "json":
        assert [json.loads(line)["level"] for line in lines] == ["info", "warning"]


@pytest.mark.parametrize(("name", "is_shown"), [("hub.storage.blobs", True), ("django.server", False)])
def test_fields_of_our_standard_loggers_are_shown_and_masked(name: str, is_shown: bool) -> None:
    """``extra`` is how modules without structlog give fields; libraries hang whole requests on theirs."""
    code = (
        "import logging; from hub.core.logs import configure; configure({'level': 'INFO', 'format': 'json'}); "
        f"logging.getLogger({name!r}).info('seen', extra={{'position': 7, 'token': {TOKEN!r}}})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=os.environ, capture_output=True, text=True, timeout=60, check=True
    )

    line = json.loads(done.stderr.strip())
    assert (line["event"], "position" in line) == ("seen", is_shown)
    assert TOKEN not in done.stderr
