"""LaTeX to MathML, which browsers draw themselves.

The converter passes markup, links and styles of its input through, so its tree is written out here, by an allow-list.
"""

from __future__ import annotations

import re
from html import escape, unescape
from typing import Any, Final

from latex2mathml.converter import convert_to_element

MAX_FORMULA_CHARS: Final = 4_000
MAX_FORMULAS: Final = 500
MAX_NODES: Final = 5_000

_TAGS: Final = frozenset(
    """
    math mrow mi mn mo ms mtext mspace mfrac msqrt mroot mstyle mpadded mphantom mfenced menclose merror msub msup
    msubsup munder mover munderover mmultiscripts mprescripts none mtable mtr mtd mlabeledtr
    """.split()
)
_WORDS: Final = re.compile(r"[A-Za-z -]{1,60}")
_LENGTH: Final = re.compile(r"-?[0-9]{1,2}(\.[0-9]{1,4})?(em|ex|px|pt|mu|%)?")
_COLOUR: Final = re.compile(r"#[0-9A-Fa-f]{3,8}|[A-Za-z]{3,20}")
_LEVEL: Final = re.compile(r"[+-]?[0-9]")
_ATTRIBUTES: Final[dict[str, re.Pattern[str]]] = {
    **dict.fromkeys(
        "mathvariant displaystyle stretchy fence separator symmetric accent accentunder form largeop movablelimits "
        "columnalign rowalign columnlines rowlines notation open close separators display".split(),
        _WORDS,
    ),
    **dict.fromkeys(
        "width height depth lspace rspace voffset linethickness minsize maxsize mathsize rowspacing "
        "columnspacing".split(),
        _LENGTH,
    ),
    "mathcolor": _COLOUR,
    "scriptlevel": _LEVEL,
}


class FormulaConverter:
    """Converts the formulas of one text within its budget."""

    def __init__(self) -> None:
        self._left = MAX_FORMULAS

    def convert(self, latex: str, *, is_display: bool) -> str:
        """Safe MathML; a formula that cannot be read is shown as its LaTeX."""
        self._left -= 1
        if self._left < 0 or len(latex) > MAX_FORMULA_CHARS:
            return _as_source(latex)
        try:
            element = convert_to_element(latex, display="block" if is_display else "inline")
            return _write(element, latex)
        except Exception:
            return _as_source(latex)


def _as_source(latex: str) -> str:
    return f'<code class="math-source">{escape(latex, quote=False)}</code>'


def _write(root: Any, latex: str) -> str:
    budget = [MAX_NODES]
    inner = "".join([_text(root.text), *(_node(child, budget) for child in root)])
    display = ' display="block"' if root.get("display") == "block" else ""
    # Readers by ear and by copy get the source.
    annotation = f'<annotation encoding="application/x-tex">{escape(latex, quote=False)}</annotation>'
    return f"<math{display}><semantics><mrow>{inner}</mrow>{annotation}</semantics></math>"


def _node(element: Any, budget: list[int]) -> str:
    budget[0] -= 1
    if budget[0] < 0:
        raise ValueError("formula too long")
    tag = element.tag
    inner = "".join([_text(element.text), *(_node(child, budget) for child in element)])
    tail = _text(element.tail)
    if tag not in _TAGS:
        return inner + tail
    attributes = "".join(
        f' {name}="{escape(value)}"'
        for name, value in element.attrib.items()
        if name in _ATTRIBUTES and _ATTRIBUTES[name].fullmatch(value)
    )
    return f"<{tag}{attributes}>{inner}</{tag}>{tail}"


def _text(text: str | None) -> str:
    return escape(unescape(text), quote=False) if text else ""
