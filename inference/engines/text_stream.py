"""Tokens → text as it grows: whole characters only, stop strings never shown."""

from __future__ import annotations

from transformers import PreTrainedTokenizerBase


class TextStream:
    """Turn one sequence's tokens into pieces of text.

    A token may hold part of a character, and a tokenizer may treat a token's leading space by what precedes it: so a
    short window of tokens is decoded twice, without and with the new one, and the difference is the new text.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, stop: tuple[str, ...]) -> None:
        self._tokenizer = tokenizer
        self._stop = stop
        self._ids: list[int] = []
        self._window = 0
        self._read = 0
        self._held = ""
        self.text = ""
        self.stopped = False

    def push(self, token_id: int) -> str:
        """Add a token; return the text that may be shown now, possibly none."""
        self._ids.append(token_id)
        before = self._decode(self._window, self._read)
        after = self._decode(self._window, len(self._ids))
        if len(after) <= len(before) or after.endswith("\ufffd"):
            return ""
        self._window, self._read = self._read, len(self._ids)
        return self._show(after[len(before) :])

    def finish(self) -> str:
        """Return what is left when no token follows: an unfinished character, or the start of a stop string."""
        if self.stopped:
            return ""
        before = self._decode(self._window, self._read)
        tail = self._decode(self._window, len(self._ids))[len(before) :]
        shown = self._show(tail) + ("" if self.stopped else self._held)
        self.text += "" if self.stopped else self._held
        self._held = ""
        return shown

    def _decode(self, start: int, end: int) -> str:
        return str(self._tokenizer.decode(self._ids[start:end], skip_special_tokens=True))

    def _show(self, piece: str) -> str:
        text = self._held + piece
        found = min((at for stop in self._stop if (at := text.find(stop)) >= 0), default=-1)
        if found >= 0:
            self.stopped = True
            shown, self._held = text[:found], ""
        else:
            held = max((_overlap(text, stop) for stop in self._stop), default=0)
            shown, self._held = text[: len(text) - held], text[len(text) - held :]
        self.text += shown
        return shown


def _overlap(text: str, stop: str) -> int:
    """Return how many of `text`'s last characters may begin `stop`."""
    for size in range(min(len(text), len(stop) - 1), 0, -1):
        if text.endswith(stop[:size]):
            return size
    return 0
