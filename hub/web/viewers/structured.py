"""Heads of CSV, JSON and notebooks as plain values; the templates escape them."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

MAX_ROWS: Final = 100
MAX_COLUMNS: Final = 60
MAX_CELL_CHARS: Final = 300
MAX_CELLS: Final = 200


@dataclass(frozen=True, slots=True)
class Table:
    """The first rows; ``is_cut`` when there is more."""

    columns: list[str]
    rows: list[list[str]]
    is_cut: bool = False


def encodable(text: str) -> str:
    """JSON can spell half a character (``"\\ud800"``), which no page can carry (T106)."""
    return text.encode("utf-8", "replace").decode()


def clip(value: Any) -> str:
    text = encodable(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str))
    return text if len(text) <= MAX_CELL_CHARS else f"{text[:MAX_CELL_CHARS]}…"


def csv_head(text: str, delimiter: str, *, is_cut: bool) -> Table:
    """The first rows, the first of them as the header. Raises: ValueError."""
    if is_cut:  # the last line may be half
        text = text[: text.rfind("\n") + 1] or text
    try:
        rows = list(islice(csv.reader(io.StringIO(text), delimiter=delimiter), MAX_ROWS + 2))
    except csv.Error as error:
        raise ValueError(str(error)) from error
    if not rows or not rows[0]:
        raise ValueError("no rows")
    has_more = is_cut or len(rows) > MAX_ROWS + 1 or len(rows[0]) > MAX_COLUMNS
    shown = [[clip(cell) for cell in row[:MAX_COLUMNS]] for row in rows[: MAX_ROWS + 1]]
    return Table(shown[0], [row for row in shown[1:] if row], has_more)


def jsonl_head(text: str, *, is_cut: bool) -> Table:
    """The first records as a table of their keys. Raises: ValueError for what is not one object per line."""
    lines = [line for line in text.split("\n") if line.strip()]
    if is_cut:
        lines = lines[:-1]
    records = [json.loads(line) for line in lines[:MAX_ROWS]]
    if not records or not all(isinstance(record, dict) for record in records):
        raise ValueError("not one object per line")
    columns = list(dict.fromkeys(key for record in records for key in record))
    rows = [[clip(record[key]) if key in record else "" for key in columns[:MAX_COLUMNS]] for record in records]
    return Table(
        [clip(key) for key in columns[:MAX_COLUMNS]],
        rows,
        is_cut or len(lines) > MAX_ROWS or len(columns) > MAX_COLUMNS,
    )


def json_text(text: str) -> str:
    """JSON laid out for reading; what has line breaks already stays as its author wrote it. Raises: ValueError."""
    value = json.loads(text)
    return text if text.strip().count("\n") > 2 else encodable(json.dumps(value, indent=2, ensure_ascii=False))


@dataclass(frozen=True, slots=True)
class NotebookCell:
    """``kind``: markdown, code or raw; outputs as plain text only, for a notebook's HTML may do anything (T88)."""

    kind: str
    source: str
    outputs: tuple[str, ...] = ()


def notebook_cells(text: str) -> list[NotebookCell]:
    """Cells of a Jupyter notebook. Raises: ValueError, KeyError, TypeError."""
    cells = json.loads(text)["cells"]
    if not isinstance(cells, list):
        raise TypeError("cells is no list")
    return [
        NotebookCell(encodable(str(cell.get("cell_type", "raw"))), _joined(cell.get("source")), tuple(_outputs(cell)))
        for cell in cells[:MAX_CELLS]
        if isinstance(cell, dict)
    ]


def _outputs(cell: dict[str, Any]) -> list[str]:
    found = []
    for output in (cell.get("outputs") or [])[:10]:
        if not isinstance(output, dict):
            continue
        data = output.get("data")
        text = output.get("text") or (data.get("text/plain") if isinstance(data, dict) else None)
        if text:
            found.append(_joined(text)[:10_000])
    return found


def _joined(value: Any) -> str:
    return encodable("".join(str(part) for part in value) if isinstance(value, list) else str(value or ""))
