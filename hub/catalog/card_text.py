"""Markdown to plain words, cheaply: for one-line summaries and for search, never for display as HTML."""

from __future__ import annotations

import re
from typing import Final

MAX_SUMMARY_CHARS: Final = 280
MAX_TEXT_CHARS: Final = 10_000
_MAX_READ_CHARS: Final = 60_000

_FENCE: Final = re.compile(r"^(```|~~~)[^\n]*\n.*?(?:^\1[^\n]*$|\Z)", re.MULTILINE | re.DOTALL)
_COMMENT: Final = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_HTML: Final = re.compile(r"</?[A-Za-z][^<>]{0,500}>")
_IMAGE: Final = re.compile(r"!\[[^\]\n]{0,200}\]\([^)\n]{0,1000}\)")
_LINK: Final = re.compile(r"\[([^\]\n]{0,300})\]\([^)\n]{0,1000}\)")
_FOOTNOTE: Final = re.compile(r"\[\^[^\]\n]{1,60}\]:?")
_MARKS: Final = re.compile(r"(\*\*|__|`|~~|(?<!\w)[*_](?=\w)|(?<=\w)[*_](?!\w))")
_NOT_PROSE: Final = re.compile(r"^\s*(#|>|\||[-*+] |\d+[.)] |-{3,}|={3,}|\$\$|\[!)")
_SPACE: Final = re.compile(r"\s+")


def plain_text(body: str) -> str:
    """The words of a card in one line, without code and markup; at most ``MAX_TEXT_CHARS``."""
    text = _words(body[:_MAX_READ_CHARS])
    text = re.sub(r"^[#>|\s*+-]+|\|", " ", text, flags=re.MULTILINE)
    return _SPACE.sub(" ", text).strip()[:MAX_TEXT_CHARS]


def summary_of(body: str) -> str:
    """The first paragraph of prose, cut at a word; empty when there is none."""
    for paragraph in re.split(r"\n\s*\n", _words(body[:_MAX_READ_CHARS])):
        lines = [line.strip() for line in paragraph.strip().splitlines()]
        prose = " ".join(line for line in lines if line and not _NOT_PROSE.match(line))
        prose = _SPACE.sub(" ", prose).strip()
        if len(prose) >= 20:
            return _cut(prose)
    return ""


def _words(text: str) -> str:
    text = _COMMENT.sub(" ", _FENCE.sub(" ", text))
    text = _HTML.sub(" ", _IMAGE.sub(" ", text))
    text = _FOOTNOTE.sub("", _LINK.sub(r"\1", text))
    return _MARKS.sub("", text)


def _cut(text: str) -> str:
    if len(text) <= MAX_SUMMARY_CHARS:
        return text
    return f"{text[:MAX_SUMMARY_CHARS].rsplit(' ', 1)[0].rstrip(' ,;:')}…"
