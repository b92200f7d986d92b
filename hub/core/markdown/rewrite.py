"""The last step, on the clean tree: links, images, headings, code blocks, formulas, tables.

The input is what nh3 wrote: well formed, allowed tags only.  Everything is escaped again on the way out.
"""

from __future__ import annotations

import re
import unicodedata
from html import escape
from html.parser import HTMLParser
from typing import Final

from hub.core.markdown.code import Highlighter
from hub.core.markdown.document import ID_PREFIX, MAX_HTML_BYTES, Heading, LinkBase, TooComplex
from hub.core.markdown.mathml import FormulaConverter

_VOID: Final = frozenset({"br", "hr", "img", "input", "wbr", "col"})
_NOT_SLUG: Final = re.compile(r"[^\w\- ]")
_MAX_HEADINGS: Final = 300
# A page has one h1 of its own: the card's begin one level below.
_HEADING_LEVELS: Final = {f"h{level}": min(level + 1, 6) for level in range(1, 7)}

Attributes = list[tuple[str, str | None]]


class Rewriter(HTMLParser):
    def __init__(self, links: LinkBase) -> None:
        super().__init__(convert_charrefs=True)
        self.headings: list[Heading] = []
        self._links = links
        self._out: list[str] = []
        self._size = 0
        self._anchors: list[bool] = []  # open <a>: whether each is a link
        self._heading: tuple[str, int, list[str]] | None = None  # tag, place in _out, text so far
        self._slugs: dict[str, int] = {}
        self._capture: tuple[str, dict[str, str], list[str]] | None = None  # tag, attributes, text of code or formula
        self._in_pre = False
        self._highlighter = Highlighter()
        self._formulas = FormulaConverter()

    def html(self) -> str:
        return "".join(self._out)

    # --- events -----------------------------------------------------------------------------------------------------

    def handle_starttag(self, tag: str, attrs: Attributes) -> None:
        if self._capture is not None:
            return
        attributes = {name: value or "" for name, value in attrs}
        if tag in _HEADING_LEVELS:
            self._open_heading(tag)
        elif tag == "a":
            self._open_link(attributes)
        elif tag == "img":
            self._image(attributes)
        elif tag == "pre":
            self._in_pre = True
        elif _is_captured(tag, attributes, in_pre=self._in_pre):
            self._capture = (tag, attributes, [])
        elif tag == "input":
            self._emit(_task_box("checked" in attributes))
        elif tag == "table":
            # Focusable, because a wide table scrolls by keyboard too.
            self._emit('<div class="table-scroll" tabindex="0"><table>')
        else:
            self._emit(_open_tag(tag, attributes))

    def handle_endtag(self, tag: str) -> None:
        if self._capture is not None:
            if tag == self._capture[0]:
                self._close_capture()
            return
        if tag in _VOID:
            return
        if tag in _HEADING_LEVELS:
            self._close_heading(tag)
        elif tag == "a":
            if self._anchors:
                self._emit("</a>" if self._anchors.pop() else "</span>")
        elif tag == "pre":
            self._in_pre = False
        elif tag == "table":
            self._emit("</table></div>")
        else:
            self._emit(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        if self._capture is not None:
            self._capture[2].append(data)
            return
        if self._heading is not None:
            self._heading[2].append(data)
        self._emit(escape(data, quote=False))

    def _emit(self, html: str) -> None:
        self._size += len(html)
        if self._size > MAX_HTML_BYTES:
            raise TooComplex
        self._out.append(html)

    # --- links and images -------------------------------------------------------------------------------------------

    def _open_link(self, attributes: dict[str, str]) -> None:
        href = self._links.link(attributes.get("href", ""))
        self._anchors.append(bool(href))
        kept: dict[str, str] = {
            key: attributes[key] for key in ("title", "class", "id", "aria-label") if key in attributes
        }
        if href:
            self._emit(_open_tag("a", {"href": href, "rel": "nofollow noopener ugc", **kept}))
        else:
            self._emit(_open_tag("span", kept))

    def _image(self, attributes: dict[str, str]) -> None:
        source = attributes.get("src", "")
        local = self._links.image(source)
        alt = attributes.get("alt", "")
        if local:
            kept: dict[str, str] = {
                key: attributes[key] for key in ("title", "width", "height", "align") if key in attributes
            }
            self._emit(_open_tag("img", {"src": local, "alt": alt, "loading": "lazy", "decoding": "async", **kept}))
            return
        # A picture from elsewhere would tell its host who reads: it becomes a link, or its words inside a link (T94).
        text = alt or attributes.get("title", "") or source.rsplit("/", 1)[-1].split("?")[0][:80]
        href = self._links.link(source)
        if self._heading is not None:
            self._heading[2].append(text)
        if not href or self._anchors:
            self._emit(f'<span class="remote-image">{escape(text, quote=False)}</span>')
        else:
            opening = _open_tag("a", {"href": href, "rel": "nofollow noopener ugc", "class": "remote-image"})
            self._emit(f"{opening}{escape(text, quote=False)}</a>")

    # --- headings ---------------------------------------------------------------------------------------------------

    def _open_heading(self, tag: str) -> None:
        if self._heading is not None:
            self._close_heading(self._heading[0])
        self._heading = (tag, len(self._out), [])
        self._emit("")  # the opening tag needs the text: written on close

    def _close_heading(self, tag: str) -> None:
        if self._heading is None:
            return
        opened, place, texts = self._heading
        self._heading = None
        level = _HEADING_LEVELS[opened]
        text = " ".join("".join(texts).split())
        identifier = self._unique_id(text)
        self._out[place] = f'<h{level} id="{escape(identifier)}">'
        self._emit(f"</h{level}>")
        if text and len(self.headings) < _MAX_HEADINGS:
            self.headings.append(Heading(level, identifier, text[:200]))

    def _unique_id(self, text: str) -> str:
        slug = _NOT_SLUG.sub("", unicodedata.normalize("NFC", text).lower()).strip().replace(" ", "-")[:80] or "section"
        seen = self._slugs.get(slug, 0)
        self._slugs[slug] = seen + 1
        return f"{ID_PREFIX}{slug}-{seen}" if seen else f"{ID_PREFIX}{slug}"

    # --- code and formulas ------------------------------------------------------------------------------------------

    def _close_capture(self) -> None:
        assert self._capture is not None
        _tag, attributes, texts = self._capture
        self._capture = None
        text = "".join(texts)
        if self._heading is not None:
            self._heading[2].append(text)
        style = attributes.get("data-math-style")
        if style:
            self._emit(self._formulas.convert(text, is_display=style == "display"))
            return
        language = attributes.get("class", "").removeprefix("language-").split(" ")[0]
        opening = _open_tag("div", {"class": "highlight", **({"data-language": language} if language else {})})
        code = self._highlighter.highlight(text, language)
        self._emit(f'{opening}<pre tabindex="0"><code>{code}</code></pre></div>')


def _is_captured(tag: str, attributes: dict[str, str], *, in_pre: bool) -> bool:
    """True for code blocks and formulas: their text is converted as a whole."""
    if tag == "code":
        return in_pre or "data-math-style" in attributes
    return tag == "span" and "data-math-style" in attributes


def _task_box(is_done: bool) -> str:
    """A task list's box: its text stands beside it, its state must be readable without eyes."""
    state = ' checked="" aria-label="done"' if is_done else ' aria-label="to do"'
    return f'<input type="checkbox" disabled=""{state}>'


def _open_tag(tag: str, attributes: dict[str, str]) -> str:
    return f"<{tag}" + "".join(f' {name}="{escape(value)}"' for name, value in attributes.items()) + ">"


def rewrite(clean_html: str, links: LinkBase) -> tuple[str, tuple[Heading, ...]]:
    """(HTML, headings).  Raises TooComplex when the result grows past its limit."""
    rewriter = Rewriter(links)
    rewriter.feed(clean_html)
    rewriter.close()
    return rewriter.html(), tuple(rewriter.headings)
