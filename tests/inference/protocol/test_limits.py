"""docs/inference.md says what the code bounds."""

from __future__ import annotations

from pathlib import Path

import pytest

from inference.protocol import limits

PAGE = (Path(__file__).parents[3] / "docs" / "inference.md").read_text("utf-8")
ROWS = {
    "body": f"{limits.MAX_BODY_BYTES // 1024**2} MiB",
    "one text, or all messages together": f"{limits.MAX_TEXT_CHARS:,} characters",
    "texts in one call": f"{limits.MAX_BATCH}",
    "messages in one call": f"{limits.MAX_MESSAGES}",
    "new tokens": f"{limits.MAX_NEW_TOKENS:,} at most, {limits.DEFAULT_NEW_TOKENS} when not said",
    "stop strings": f"{limits.MAX_STOP_STRINGS}, of {limits.MAX_STOP_CHARS} characters",
    "labels (`top_k`)": f"{limits.MAX_TOP_K_LABELS:,}",
    "image": f"{limits.MAX_IMAGE_PIXELS // 10**6} million pixels at most, "
    f"{limits.MIN_IMAGE_SIDE} pixels a side at least",
}


@pytest.mark.parametrize(("name", "value"), ROWS.items())
def test_the_page_tells_the_limits_of_the_code(name, value):
    assert f"| {name} | {value} |" in PAGE
