"""Code blocks in colour: Pygments by class names, so that the stylesheet decides and no style attribute is needed."""

from __future__ import annotations

from functools import lru_cache
from html import escape
from typing import Final

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

#: Longer blocks, and blocks after so much colour in one text, stay plain: Pygments needs 2 ms per 20 lines.
MAX_BLOCK_CHARS: Final = 50_000
MAX_TOTAL_CHARS: Final = 100_000
_FORMATTER: Final = HtmlFormatter(nowrap=True)


@lru_cache(maxsize=64)
def _lexer(language: str) -> Lexer | None:
    try:
        return get_lexer_by_name(language, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return None


class Highlighter:
    """Colours the blocks of one text within its budget."""

    def __init__(self) -> None:
        self._chars_left = MAX_TOTAL_CHARS

    def highlight(self, code: str, language: str) -> str:
        """Escaped HTML of ``code``, with ``<span class>`` where the language is known."""
        lexer = _lexer(language.lower()) if language else None
        if lexer is None or len(code) > min(MAX_BLOCK_CHARS, self._chars_left):
            return escape(code, quote=False)
        self._chars_left -= len(code)
        return highlight(code, lexer, _FORMATTER)
