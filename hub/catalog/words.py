"""Text to index terms: Latin words as they are, Chinese, Japanese and Korean runs as bigrams, names as trigrams.

The same functions cut documents and queries, so a tokenizer that splits at spaces is all the index needs.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

_CJK: Final = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
_TOKEN: Final = re.compile(rf"[{_CJK}]+|[^\W_{_CJK}]+")
_CJK_RUN: Final = re.compile(rf"[{_CJK}]+")
_HAN: Final = re.compile("[\u4e00-\u9fff]+")
_GRAM: Final = 3
MAX_QUERY_CHARS: Final = 200
MAX_QUERY_WORDS: Final = 8


def is_cjk(word: str) -> bool:
    return bool(_CJK_RUN.fullmatch(word))


def terms(text: str) -> list[str]:
    """Words in order: ``语音识别 Model-2`` → 语音, 音识, 识别, model, 2."""
    found: list[str] = []
    for token in _TOKEN.findall(text.lower()):
        found += bigrams(token) if is_cjk(token) else [token]
    return found


def bigrams(run: str) -> list[str]:
    return [run] if len(run) < 2 else [run[place : place + 2] for place in range(len(run) - 1)]


def trigrams(text: str) -> list[str]:
    """Every three characters in a row; a phrase of them is a substring."""
    return [text[place : place + _GRAM] for place in range(len(text) - _GRAM + 1)]


def query_words(text: str) -> tuple[str, ...]:
    """What a person typed, as folded words; long input is cut, for it costs but does not narrow."""
    return tuple(without_nul(text[:MAX_QUERY_CHARS]).lower().split()[:MAX_QUERY_WORDS])


def without_nul(text: str) -> str:
    """``text`` without NUL, which no name or card holds and PostgreSQL refuses to look for."""
    return text.replace("\0", " ")


def pinyin(text: str) -> str:
    """Runs of Chinese in Latin letters without tones, joined: 语音识别 → ``yuyinshibie``; runs are parted by spaces."""
    return " ".join(_pinyin_of(run[:12]) for run in _HAN.findall(text)[:20])


@lru_cache(maxsize=4096)
def _pinyin_of(run: str) -> str:
    from pypinyin import lazy_pinyin  # noqa: PLC0415 -- slow import, needed for Chinese text only

    return "".join(lazy_pinyin(run))
