"""The door to the renderer: cache, worker, and the plain form when a text is refused."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from html import escape
from typing import Any, Final

import structlog
from django.conf import settings

from hub.core.markdown.document import MAX_SOURCE_BYTES, RENDERER_VERSION, Heading, LinkBase, RenderedMarkdown
from hub.core.markdown.pool import RENDERER, RendererFailed
from hub.core.markdown.words import in_words_of_reader
from hub.core.remembering import recall, remember

_CACHE_S: Final = 7 * 24 * 3600
# A refusal may be the machine's bad minute: asked again soon, but not by every visitor.
_REFUSAL_CACHE_S: Final = 600
_PLAIN_BYTES: Final = 64 * 1024

log = structlog.get_logger("hub.core.markdown")


def render_markdown(source: str, *, links: LinkBase | None = None) -> RenderedMarkdown:
    """Safe HTML of markdown that anyone may have written; never raises for its content.

    Too large, too deep or too slow (2 s, 256 MiB) → escaped text with ``is_plain``.
    """
    links = links or LinkBase()
    if not links.site:
        links = replace(links, site=settings.HUB_URL)
    if len(source.encode(errors="replace")) > MAX_SOURCE_BYTES:
        return _plain(source)
    key = cache_key(source, links)
    stored = recall(key)
    if stored is not None:
        rendered = _unpack(stored)
    else:
        rendered = _render(source, links)
        remember(key, _pack(rendered), _REFUSAL_CACHE_S if rendered.is_plain else _CACHE_S)
    return rendered if rendered.is_plain else replace(rendered, html=in_words_of_reader(rendered.html))


def cache_key(source: str, links: LinkBase) -> str:
    """Source, link targets and renderer version decide the result (T86)."""
    identity = json.dumps([RENDERER_VERSION, asdict(links), source])
    return f"markdown:{hashlib.sha256(identity.encode()).hexdigest()}"


def _render(source: str, links: LinkBase) -> RenderedMarkdown:
    # Half characters cannot be written to a page.
    source = source.encode(errors="replace").decode()
    try:
        answer = RENDERER.render(source, links)
    except RendererFailed as failure:
        log.warning("markdown_refused", reason=str(failure), size_bytes=len(source))
        return _plain(source)
    if "error" in answer:
        log.info("markdown_refused", reason=answer["error"], size_bytes=len(source))
        return _plain(source)
    return RenderedMarkdown(answer["html"], tuple(Heading(*heading) for heading in answer["headings"]))


def _plain(source: str) -> RenderedMarkdown:
    shown = source.encode(errors="replace")[:_PLAIN_BYTES].decode(errors="ignore")
    return RenderedMarkdown(f'<pre class="plain-text">{escape(shown, quote=False)}</pre>', is_plain=True)


def _pack(rendered: RenderedMarkdown) -> dict[str, Any]:
    return {
        "html": rendered.html,
        "headings": [(heading.level, heading.id, heading.text) for heading in rendered.headings],
        "is_plain": rendered.is_plain,
    }


def _unpack(stored: dict[str, Any]) -> RenderedMarkdown:
    return RenderedMarkdown(stored["html"], tuple(Heading(*item) for item in stored["headings"]), stored["is_plain"])
