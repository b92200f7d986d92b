"""The renderer's own process: reads a request, writes an answer, knows nothing of the hub; ends when stdin closes."""

from __future__ import annotations

import resource
import sys
from typing import Any, Final

from hub.core.markdown.document import LinkBase, TooComplex
from hub.core.markdown.frames import read_frame, write_frame
from hub.core.markdown.rewrite import rewrite
from hub.core.markdown.sanitize import to_clean_html

MEMORY_BYTES: Final = 256 * 1024 * 1024


def render(source: str, links: LinkBase) -> dict[str, Any]:
    """The answer to one request: ``html`` and ``headings``, or ``error``."""
    try:
        html, headings = rewrite(to_clean_html(source), links)
    except (TooComplex, MemoryError, RecursionError) as error:
        return {"error": type(error).__name__}
    return {"html": html, "headings": [[heading.level, heading.id, heading.text] for heading in headings]}


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))
    write_frame(sys.stdout.buffer, {"ready": True})
    while (request := read_frame(sys.stdin.buffer)) is not None:
        write_frame(sys.stdout.buffer, render(request["source"], LinkBase(**request["links"])))
