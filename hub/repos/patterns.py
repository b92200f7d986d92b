"""Path patterns of ``.gitattributes`` and ``.gitignore``, matched in linear time.

People write these files, so a pattern may be hostile: every ``*`` becomes an atomic group that never backtracks,
and ``**`` is walked with a set of positions instead of by recursion (T110).

Source: git documentation, ``gitattributes`` and ``gitignore``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

MAX_LINES: Final = 5_000
MAX_PATTERN_LENGTH: Final = 512

_CLASSES: Final = {"[[:space:]]": r"\s", "[[:digit:]]": r"\d", "[[:alpha:]]": "[A-Za-z]", "[[:alnum:]]": "[A-Za-z0-9]"}


@dataclass(frozen=True, slots=True)
class Pattern:
    """One glob; ``segments`` hold a regex each, ``None`` for ``**``."""

    segments: tuple[re.Pattern[str] | None, ...]
    is_name_only: bool  # no slash: matches the last part of a path, wherever it is

    def matches(self, parts: list[str]) -> bool:
        if self.is_name_only:
            segment = self.segments[0]
            return segment is None or segment.fullmatch(parts[-1]) is not None
        return self._walk(parts)

    def _walk(self, parts: list[str]) -> bool:
        """Advance all possible positions in ``segments`` together, part by part."""
        positions = self._closure({0})
        for part in parts:
            following = set()
            for position in positions:
                if position == len(self.segments):
                    continue
                segment = self.segments[position]
                if segment is None:
                    following.add(position)
                elif segment.fullmatch(part):
                    following.add(position + 1)
            positions = self._closure(following)
        # A closing ``**`` stands for at least one part: `dir/**` is what lies in `dir`.
        last = len(self.segments)
        if self.segments and self.segments[-1] is None:
            return last - 1 in positions and last - 1 < len(parts)
        return last in positions

    def _closure(self, positions: set[int]) -> set[int]:
        """Add the positions reached when ``**`` stands for nothing."""
        found = set(positions)
        for position in sorted(positions):
            while position < len(self.segments) - 1 and self.segments[position] is None:
                position += 1
                found.add(position)
        return found


@lru_cache(maxsize=4096)
def compile_pattern(text: str) -> Pattern | None:
    """Return the pattern, or None for one that can match nothing."""
    if not text or len(text) > MAX_PATTERN_LENGTH:
        return None
    is_name_only = "/" not in text
    parts = text.strip("/").split("/") if text.strip("/") else []
    if not parts:
        return None
    return Pattern(tuple(None if part == "**" else _compile_segment(part) for part in parts), is_name_only)


def _compile_segment(text: str) -> re.Pattern[str]:
    pieces: list[str] = [""]
    index = 0
    while index < len(text):
        token, index = _token(text, index)
        if token is None:
            pieces.append("")
        else:
            pieces[-1] += token
    if len(pieces) == 1:
        return re.compile(pieces[0], re.DOTALL)
    head, *middle, tail = pieces
    # The first place where a middle piece fits is always as good as any later one.
    atoms = "".join(f"(?>.*?{piece})" for piece in middle if piece)
    return re.compile(f"{head}{atoms}.*{tail}", re.DOTALL)


def _token(text: str, index: int) -> tuple[str | None, int]:
    """Return the regex of the next token (None for ``*``) and where the one after it begins."""
    character = text[index]
    if character == "*":
        while index < len(text) and text[index] == "*":
            index += 1
        return None, index
    if character == "?":
        return ".", index + 1
    if character == "\\" and index + 1 < len(text):
        return re.escape(text[index + 1]), index + 2
    if character == "[":
        return _class(text, index)
    return re.escape(character), index + 1


def _class(text: str, index: int) -> tuple[str, int]:
    for name, regex in _CLASSES.items():
        if text.startswith(name, index):
            return regex, index + len(name)
    end = text.find("]", index + 2 if text[index + 1 : index + 2] in ("!", "^") else index + 1)
    inside = text[index + 1 : end]
    if end < 0 or not inside.lstrip("!^"):
        return re.escape("["), index + 1
    is_negated = inside[0] in "!^"
    body = re.sub(r"([\\\[\]^&~|])", r"\\\1", inside[1:] if is_negated else inside)
    regex = f"[{'^' if is_negated else ''}{body}]"
    try:
        re.compile(regex)
    except re.error:  # such as a range that runs backwards
        return re.escape(text[index : end + 1]), end + 1
    return regex, end + 1
