"""Markdown that strangers wrote, as HTML that may stand on our pages.

source → comrak (GFM) → nh3 (allow-list) → rewrite (links, headings, code, mathematics on the clean tree) → HTML
The whole line runs in a killable worker process with little memory (T85, T107); see ``rendering.render_markdown``.
"""

from hub.core.markdown.document import Heading, LinkBase, RenderedMarkdown
from hub.core.markdown.rendering import render_markdown

__all__ = ["Heading", "LinkBase", "RenderedMarkdown", "render_markdown"]
