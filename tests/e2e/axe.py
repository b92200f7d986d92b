"""axe-core on a page: what it finds, in lines a person can act on."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

_SOURCE = Path(__file__).parent / "assets" / "axe.min.js"
_RUN = """() => axe.run(document, {
  resultTypes: ["violations"],
  runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
})"""


@lru_cache(maxsize=1)
def _source() -> str:
    return _SOURCE.read_text(encoding="utf-8")


def violations(page: Page) -> list[str]:
    """One line per rule: its first place, and how many there are.

    The script is evaluated by the debugger, so the page's own policy stays in force.
    """
    page.evaluate(_source())
    found: list[dict[str, Any]] = page.evaluate(_RUN)["violations"]
    return [f"{rule['id']} ({len(rule['nodes'])}): {_where(rule['nodes'][0])}" for rule in found]


def _where(node: dict[str, Any]) -> str:
    return f"{' '.join(map(str, node['target']))} — {node['html'][:160]} — {_why(node)}"


def _why(node: dict[str, Any]) -> str:
    checks = [*node["any"], *node["all"], *node["none"]]
    return "; ".join(check["message"] for check in checks)[:240]
