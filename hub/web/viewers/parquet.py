"""Schema and first rows of a Parquet file, read in a child process that can be killed (T93).

The child asks for byte ranges over its pipe; we serve them from the store, up to a budget.  A hostile file can at
worst make it die: its memory and time are capped, and it has no secret, no file and no request of ours.
"""

from __future__ import annotations

import hashlib
import json
import select
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from django.core.cache import cache

from hub.repos.content import Snapshot, read_range
from hub.storage.git.objects import TreeEntry
from hub.web.viewers.structured import MAX_COLUMNS, MAX_ROWS, Table, clip

MAX_READ_BYTES: Final = 48 * 1024 * 1024
MAX_RANGES: Final = 400
TIMEOUT_S: Final = 8.0
_MAX_ANSWER_BYTES: Final = 2 * 1024 * 1024
_CACHE_S: Final = 24 * 3600
_WORKER: Final = Path(__file__).with_name("parquet_worker.py")


@dataclass(frozen=True, slots=True)
class ParquetHead:
    """``columns`` are (name, type); ``table`` holds the first rows as text."""

    columns: list[tuple[str, str]]
    column_count: int
    row_count: int
    row_groups: int
    created_by: str
    table: Table


def parquet_head(snapshot: Snapshot, entry: TreeEntry) -> ParquetHead:
    """Raises: ValueError when the file cannot be read within the limits."""
    key = f"parquet:{hashlib.sha256(f'1:{entry.oid}'.encode()).hexdigest()}"
    answer = cache.get(key)
    if answer is None:
        answer = _ask(snapshot, entry)
        cache.set(key, answer, _CACHE_S)
    return _head(answer)


def _head(answer: dict[str, Any]) -> ParquetHead:
    if "error" in answer:
        raise ValueError(str(answer["error"])[:200])
    rows = [[clip(cell) if cell is not None else "" for cell in row] for row in answer["rows"]]
    columns = [(str(name), str(kind)[:120]) for name, kind in answer["columns"]]
    return ParquetHead(
        columns=columns,
        column_count=answer["column_count"],
        row_count=answer["row_count"],
        row_groups=answer["row_groups"],
        created_by=str(answer["created_by"])[:120],
        table=Table([name for name, _ in columns[:MAX_COLUMNS]], rows, answer["row_count"] > MAX_ROWS),
    )


def _ask(snapshot: Snapshot, entry: TreeEntry) -> dict[str, Any]:
    child = subprocess.Popen(
        [sys.executable, "-I", str(_WORKER), str(entry.size), str(MAX_ROWS), str(MAX_COLUMNS)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={"OMP_NUM_THREADS": "1", "ARROW_IO_THREADS": "1", "LC_ALL": "C.UTF-8"},
        close_fds=True,
    )
    try:
        return _serve(child, snapshot, entry)
    except (BrokenPipeError, OSError) as error:
        return {"error": f"the reader stopped: {type(error).__name__}"}
    finally:
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                pipe.close()


def _serve(child: subprocess.Popen[bytes], snapshot: Snapshot, entry: TreeEntry) -> dict[str, Any]:
    """Answer the child's range requests until it sends its result."""
    stdin, stdout = child.stdin, child.stdout
    assert stdin is not None
    assert stdout is not None
    deadline = time.monotonic() + TIMEOUT_S
    budget = MAX_READ_BYTES
    for _ in range(MAX_RANGES):
        message = json.loads(_line(stdout, deadline))
        if "offset" not in message:
            return dict(message)
        start, length = int(message["offset"]), int(message["length"])
        budget -= length
        if start < 0 or length < 0 or budget < 0:
            return {"error": "more bytes are needed than a preview may read"}
        piece = read_range(snapshot, entry, start, start + length)
        stdin.write(len(piece).to_bytes(8, "big") + piece)
        stdin.flush()
    return {"error": "too many reads"}


def _line(stdout: IO[bytes], deadline: float) -> bytes:
    """One line within the time left. Raises: ValueError."""
    line = bytearray()
    while not line.endswith(b"\n"):
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([stdout], [], [], left)[0]:
            raise ValueError("it took too long")
        piece = stdout.read1(1 << 16)
        if not piece:
            raise ValueError("the reader stopped")
        line += piece
        if len(line) > _MAX_ANSWER_BYTES:
            raise ValueError("the answer is too long")
    return bytes(line)
