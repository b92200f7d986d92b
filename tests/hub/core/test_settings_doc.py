from __future__ import annotations

from pathlib import Path

from django.conf import settings

from hub.core.management.commands.settings_doc import render
from hub.env import OPTIONS


def _rows(text: str) -> dict[str, str]:
    """Option name → kind and help; defaults depend on where the tests run."""
    found = {}
    for line in text.splitlines():
        if line.startswith("| `"):
            name, kind, _default, help_text = (cell.strip() for cell in line.strip("| ").split(" | "))
            found[name] = f"{kind}: {help_text}"
    return found


def test_settings_page_lists_every_option_as_declared():
    written = (Path(settings.BASE_DIR) / "docs" / "settings.md").read_text(encoding="utf-8")

    assert _rows(written) == _rows(render())
    assert set(_rows(written)) == {f"`{name}`" for name in OPTIONS}
