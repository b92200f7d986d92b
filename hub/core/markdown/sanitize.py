"""comrak and nh3: from markdown to a clean tree.  What is not on the lists here does not pass (T85, T92)."""

from __future__ import annotations

import re
from typing import Final

import comrak
import nh3

from hub.core.markdown.document import ID_PREFIX, MAX_DEPTH, TooComplex

_TAGS: Final = {
    *"h1 h2 h3 h4 h5 h6 p br hr div span section blockquote center details summary".split(),
    *"ul ol li dl dt dd input table thead tbody tfoot tr th td caption colgroup col".split(),
    *"a img code pre kbd samp var em strong b i u s del ins mark small sub sup q cite abbr dfn".split(),
    *"figure figcaption ruby rt rp bdi bdo wbr".split(),
}
_DROPPED_WITH_CONTENT: Final = {"script", "style", "template", "noscript", "iframe", "object", "svg", "math", "title"}
_ATTRIBUTES: Final[dict[str, set[str]]] = {
    "a": {"href", "title", "class", "id", "aria-label"},
    "img": {"src", "alt", "title", "width", "height", "align"},
    "code": {"class", "data-math-style"},
    "pre": {"class"},
    "span": {"class", "data-math-style"},
    "div": {"class", "align"},
    "p": {"class", "align"},
    "section": {"class"},
    "sup": {"class"},
    "li": {"id", "class"},
    "ol": {"start"},
    "td": {"align", "colspan", "rowspan"},
    "th": {"align", "colspan", "rowspan", "scope"},
    "table": {"align"},
    "input": {"checked"},
    "details": {"open"},
    "abbr": {"title"},
    "bdo": {"dir"},
    **{f"h{level}": {"align"} for level in range(1, 7)},
}
_CLASSES: Final = {
    "markdown-alert", "markdown-alert-note", "markdown-alert-tip", "markdown-alert-important", "markdown-alert-warning",
    "markdown-alert-caution", "markdown-alert-title", "footnotes", "footnote-ref", "footnote-backref",
}  # fmt: skip
_LANGUAGE_CLASS: Final = re.compile(r"language-[A-Za-z0-9_+#.-]{1,40}")
_NUMBER: Final = re.compile(r"[0-9]{1,4}%?")
_NUMERIC: Final = {"width", "height", "colspan", "rowspan", "start"}
_ALIGNMENTS: Final = {"left", "center", "right"}
_FOOTNOTE_ID: Final = re.compile(rf"({ID_PREFIX})?fn(ref)?-[\w-]{{1,80}}")
# Deeper quotes say nothing and cost the sanitiser quadratic time.
_QUOTES: Final = re.compile(r"^([ \t]*(?:>[ \t]?){20})(?:>[ \t]?)+", re.MULTILINE)

_VOID: Final = frozenset("area base br col embed hr img input link meta param source track wbr".split())
# Tags that a parser closes by itself, so that a count of open ones says nothing about nesting.
_SELF_CLOSING: Final = frozenset("p li dt dd td th tr thead tbody tfoot option colgroup caption rt rp".split())
_TAG: Final = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9]*)")

_EMPTY_HEADER: Final = re.compile(r"<th((?: [^<>]*)?)>\s*</th>")


def _extensions() -> comrak.ExtensionOptions:
    options = comrak.ExtensionOptions()
    for name in ("table", "strikethrough", "tasklist", "autolink", "footnotes", "alerts", "math_dollars", "math_code"):
        setattr(options, name, True)
    options.cjk_friendly_emphasis = True
    return options


def _rendering() -> comrak.RenderOptions:
    options = comrak.RenderOptions()
    options.unsafe_ = True  # raw HTML passes here because nh3 comes next
    return options


_EXTENSIONS: Final = _extensions()
_RENDERING: Final = _rendering()


def to_clean_html(source: str) -> str:
    """Markdown → HTML of allowed tags and attributes only.  Raises TooComplex."""
    html = comrak.render_markdown(_QUOTES.sub(r"\1", source), extension_options=_EXTENSIONS, render_options=_RENDERING)
    check_depth(html)
    clean = nh3.clean(
        html,
        tags=_TAGS,
        clean_content_tags=_DROPPED_WITH_CONTENT,
        attributes=_ATTRIBUTES,
        attribute_filter=_filter_attribute,
        set_tag_attribute_values={"input": {"type": "checkbox", "disabled": ""}},
        link_rel=None,  # set by the rewriter on the links that stay
        url_schemes={"http", "https", "mailto"},
        id_prefix=ID_PREFIX,
    )
    check_depth(clean)
    # A header cell without words names nothing to those who hear the table.
    return _EMPTY_HEADER.sub(r"<td\1></td>", clean)


def check_depth(html: str) -> None:
    """Raises TooComplex where tags nest deeper than pages and sanitisers bear (T107); a scan, no parser."""
    depth = 0
    for match in _TAG.finditer(html):
        name = match[2].lower()
        if name in _VOID or name in _SELF_CLOSING:
            continue
        depth = max(depth - 1, 0) if match[1] else depth + 1
        if depth > MAX_DEPTH:
            raise TooComplex


def _filter_attribute(tag: str, attribute: str, value: str) -> str | None:
    if attribute == "class":
        return _allowed_classes(tag, value)
    if attribute == "id":
        # Footnotes alone keep an id; headings get theirs from the rewriter.
        return value if _FOOTNOTE_ID.fullmatch(value) else None
    if attribute in _NUMERIC:
        return value if _NUMBER.fullmatch(value) else None
    if attribute == "align":
        return value.lower() if value.lower() in _ALIGNMENTS else None
    if attribute == "data-math-style":
        return value if value in {"inline", "display"} else None
    return value


def _allowed_classes(tag: str, value: str) -> str | None:
    names = value.split()[:10]
    if tag in {"code", "pre"}:
        kept = [name for name in names if _LANGUAGE_CLASS.fullmatch(name)]
    else:
        kept = [name for name in names if name in _CLASSES]
    return " ".join(kept) or None
