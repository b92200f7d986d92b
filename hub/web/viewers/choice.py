"""Which viewer shows a file: by what it is in git, by its extension, by its size, and by its first bytes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from hub.core.errors import EntryNotFound, HubError
from hub.repos.cards import read_card, render_card
from hub.repos.content import Snapshot, has_content, read_head
from hub.repos.upload_mode import is_binary
from hub.storage.git.objects import EntryType, TreeEntry
from hub.web.viewers.code import code_lines, language_of
from hub.web.viewers.gguf import gguf_facts
from hub.web.viewers.parquet import parquet_head
from hub.web.viewers.structured import csv_head, json_text, jsonl_head, notebook_cells
from hub.web.viewers.tensors import safetensors_table

log = structlog.get_logger("hub.web.viewers")

#: Text beyond this is cut, with a note; one page of it is about what a browser draws well.
MAX_TEXT_BYTES: Final = 512 * 1024
MAX_MARKDOWN_BYTES: Final = 256 * 1024
MAX_IMAGE_BYTES: Final = 32 * 1024 * 1024
MAX_STRUCTURED_BYTES: Final = 1024 * 1024

_IMAGES: Final = frozenset({"png", "jpg", "jpeg", "gif", "webp", "avif", "bmp"})
_MARKDOWN: Final = frozenset({"md", "markdown", "mdx"})


@dataclass(frozen=True, slots=True)
class Preview:
    """``kind`` names the template; ``is_cut`` says that only the beginning is shown; ``reason`` why nothing is."""

    kind: str
    data: dict[str, Any] = field(default_factory=dict)
    is_cut: bool = False
    reason: str = ""

    @property
    def template(self) -> str:
        return f"repos/viewers/{self.kind}.html"


Viewer = Callable[[Snapshot, TreeEntry], Preview]


def preview(snapshot: Snapshot, entry: TreeEntry, *, plain: bool = False) -> Preview:
    """Look into a file for its page; never raises for what the file holds. ``plain`` shows markdown as written."""
    if entry.type is EntryType.SUBMODULE:
        return Preview("submodule")
    if entry.type is EntryType.SYMLINK:
        return Preview("symlink", {"target": _text(read_head(snapshot, entry, 4096))})
    if not has_content(snapshot.repo, entry):
        return Preview("none", reason="missing")
    if entry.size == 0:
        return Preview("none", reason="empty")
    viewer = _text_view if plain else _viewer_for(entry)
    try:
        return viewer(snapshot, entry)
    except _CannotShow as refusal:
        log.info("preview_refused", path=entry.path, reason=str(refusal))
        return _text_view(snapshot, entry) if viewer in _TEXTUAL else Preview("none", reason="failed")


class _CannotShow(Exception):
    """The file is not what its name says, or passes a limit."""


def _guarded(work: Callable[[], Any]) -> Any:
    """Whatever a parser of strangers' bytes raises ends as "cannot preview"."""
    try:
        return work()
    except EntryNotFound:
        raise
    except (HubError, ValueError, KeyError, TypeError, RecursionError, OverflowError, OSError, MemoryError) as error:
        raise _CannotShow(f"{type(error).__name__}: {error}"[:200]) from error


def _viewer_for(entry: TreeEntry) -> Viewer:
    name = entry.path.rsplit("/", 1)[-1].lower()
    extension = name.rsplit(".", 1)[-1] if "." in name else ""
    if extension in _IMAGES:
        return _image
    if extension in _MARKDOWN and entry.size <= MAX_MARKDOWN_BYTES:
        return _markdown
    return _BY_EXTENSION.get(extension, _text_view)


# --- viewers ---------------------------------------------------------------------------------------------------------


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _text_view(snapshot: Snapshot, entry: TreeEntry) -> Preview:
    data = read_head(snapshot, entry, MAX_TEXT_BYTES)
    if is_binary(data):
        return Preview("none", reason="binary")
    return _code(_text(data), entry.path, is_cut=entry.size > len(data))


def _code(text: str, path: str, *, is_cut: bool) -> Preview:
    lines = code_lines(text, path)
    return Preview("code", {"lines": lines, "language": language_of(path)}, is_cut=is_cut)


def _markdown(snapshot: Snapshot, entry: TreeEntry) -> Preview:
    card = read_card(_text(read_head(snapshot, entry, MAX_MARKDOWN_BYTES)))
    html = render_card(card.body, urls=snapshot.repo.urls, revision=snapshot.revision, path=entry.path)
    return Preview("markdown", {"card": card, "html": html.html, "is_plain": html.is_plain})


def _image(snapshot: Snapshot, entry: TreeEntry) -> Preview:
    if entry.size > MAX_IMAGE_BYTES:
        return Preview("none", reason="large")
    return Preview("image", {"src": snapshot.repo.urls.resolve(snapshot.revision, entry.path)})


def _csv(snapshot: Snapshot, entry: TreeEntry) -> Preview:
    data = read_head(snapshot, entry, MAX_TEXT_BYTES)
    delimiter = "\t" if entry.path.lower().endswith(".tsv") else ","
    table = _guarded(lambda: csv_head(_require_text(data), delimiter, is_cut=entry.size > len(data)))
    return Preview("table", {"table": table}, is_cut=table.is_cut)


def _json(snapshot: Snapshot, entry: TreeEntry) -> Preview:
    if entry.size > MAX_STRUCTURED_BYTES:
        return _text_view(snapshot, entry)
    data = read_head(snapshot, entry, MAX_STRUCTURED_BYTES)
    text = _guarded(lambda: json_text(_require_text(data)))
    return _code(text[:MAX_TEXT_BYTES], "a.json", is_cut=len(text) > MAX_TEXT_BYTES)


def _jsonl(snapshot: Snapshot, entry: TreeEntry) -> Preview:
    data = read_head(snapshot, entry, MAX_TEXT_BYTES)
    table = _guarded(lambda: jsonl_head(_require_text(data), is_cut=entry.size > len(data)))
    return Preview("table", {"table": table}, is_cut=table.is_cut)


def _notebook(snapshot: Snapshot, entry: TreeEntry) -> Preview:
    if entry.size > MAX_STRUCTURED_BYTES:
        raise _CannotShow("too large")
    data = read_head(snapshot, entry, MAX_STRUCTURED_BYTES)
    cells = _guarded(lambda: notebook_cells(_require_text(data)))
    return Preview("notebook", {"cells": cells})


def _parquet(snapshot: Snapshot, entry: TreeEntry) -> Preview:
    return Preview("parquet", {"parquet": _guarded(lambda: parquet_head(snapshot, entry))}, is_cut=True)


def _safetensors(snapshot: Snapshot, entry: TreeEntry) -> Preview:
    return Preview("safetensors", {"header": _guarded(lambda: safetensors_table(snapshot, entry))})


def _gguf(snapshot: Snapshot, entry: TreeEntry) -> Preview:
    return Preview("gguf", {"gguf": _guarded(lambda: gguf_facts(snapshot, entry))})


def _require_text(data: bytes) -> str:
    if is_binary(data):
        raise ValueError("not text")
    return _text(data)


_BY_EXTENSION: Final[dict[str, Viewer]] = {
    "csv": _csv,
    "tsv": _csv,
    "json": _json,
    "jsonl": _jsonl,
    "ndjson": _jsonl,
    "ipynb": _notebook,
    "parquet": _parquet,
    "safetensors": _safetensors,
    "gguf": _gguf,
}
# When one of these fails, the file may still be read as the text that it is.
_TEXTUAL: Final = frozenset({_csv, _json, _jsonl, _notebook})
