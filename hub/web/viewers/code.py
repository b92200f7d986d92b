"""Source text as lines of safe HTML.

Colouring runs in the killable renderer of ``hub.core.markdown`` (T93): some lexers take exponential time on hostile
text.  What it refuses, or is too long for it, stays plain.
"""

from __future__ import annotations

import re
from html import escape
from typing import Final

from pygments.lexers import find_lexer_class_for_filename

from hub.core.markdown import render_markdown

#: The renderer leaves longer blocks plain; asking it would cost a round trip for nothing.
MAX_COLOURED_CHARS: Final = 50_000
MAX_LINES: Final = 5_000
_CODE: Final = re.compile(r"<pre[^>]*><code[^>]*>(.*)</code></pre>", re.DOTALL)
_SPAN: Final = re.compile(r"<span[^>]*>|</span>")
_FENCE: Final = re.compile(r"^ *(`{3,})", re.MULTILINE)


def language_of(path: str) -> str:
    """The name of the language of a file by its name; "" when it has none."""
    lexer = find_lexer_class_for_filename(path.rsplit("/", 1)[-1])
    return str(lexer.name) if lexer is not None else ""


def code_lines(text: str, path: str) -> list[str]:
    """Lines of ``text`` as HTML, coloured where that is quick. At most ``MAX_LINES``."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = "\n".join(text.split("\n", MAX_LINES)[:MAX_LINES])
    html = coloured(text, path) or escape(text, quote=False)
    lines = split_lines(html)
    return lines[:-1] if len(lines) > 1 and not lines[-1] else lines


def coloured(text: str, path: str) -> str:
    """HTML of ``text`` in the colours of its language; "" when there is none, or it was refused."""
    lexer = find_lexer_class_for_filename(path.rsplit("/", 1)[-1])
    if lexer is None or not lexer.aliases or len(text) > MAX_COLOURED_CHARS or "\0" in text:
        return ""
    # A fence that is longer than any in the text cannot be closed by it.
    fence = "`" * (1 + max((len(found) for found in _FENCE.findall(text)), default=2))
    rendered = render_markdown(f"{fence}{lexer.aliases[0]}\n{text}\n{fence}\n")
    match = None if rendered.is_plain else _CODE.search(rendered.html)
    html = match[1].removesuffix("\n") if match else ""
    # What does not come back whole is not shown as if it were.
    return html if html.count("\n") == text.removesuffix("\n").count("\n") + text.endswith("\n") else ""


def split_lines(html: str) -> list[str]:
    """Cut at line ends, closing and reopening the spans that cross them."""
    lines, open_spans = [], list[str]()
    for line in html.split("\n"):
        before = "".join(open_spans)
        for tag in _SPAN.findall(line):
            if tag == "</span>":
                if open_spans:
                    open_spans.pop()
            else:
                open_spans.append(tag)
        lines.append(f"{before}{line}{'</span>' * len(open_spans)}")
    return lines
