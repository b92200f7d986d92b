"""Child of ``hub.web.viewers.parquet``: reads schema and first rows; knows nothing of the hub.

stdout: ``{"offset", "length"}`` asks for bytes, anything else is the answer.  stdin: eight bytes of length, then bytes.
"""

from __future__ import annotations

import io
import json
import os
import resource
import sys
from typing import Any

_MEMORY_BYTES = 2 * 1024**3
_CPU_S = 6


class _Remote(io.RawIOBase):
    """The file, as the parent hands it out."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = 0, /) -> int:
        base = (0, self._at, self._size)[whence]
        self._at = max(0, base + offset)
        return self._at

    def read(self, size: int = -1, /) -> bytes:
        left = max(0, self._size - self._at)
        length = left if size is None or size < 0 else min(size, left)
        if not length:
            return b""
        _send({"offset": self._at, "length": length})
        (count,) = (int.from_bytes(sys.stdin.buffer.read(8), "big"),)
        data = sys.stdin.buffer.read(count)
        self._at += len(data)
        return data


def _send(message: dict[str, Any]) -> None:
    sys.stdout.buffer.write(json.dumps(message).encode() + b"\n")
    sys.stdout.buffer.flush()


def _text(value: Any) -> str | None:
    if value is None:
        return None
    text = f"({len(value)} bytes)" if isinstance(value, bytes) else str(value)
    return text[:400]


def _head(size: int, max_rows: int, max_columns: int) -> dict[str, Any]:
    import pyarrow as pa  # noqa: PLC0415 -- after the limits are set
    import pyarrow.parquet as pq  # noqa: PLC0415 -- as above

    file = pq.ParquetFile(pa.PythonFile(_Remote(size), mode="r"), thrift_string_size_limit=1 << 24)
    schema, metadata = file.schema_arrow, file.metadata
    names = schema.names[:max_columns]
    rows: list[list[str | None]] = []
    if metadata.num_rows and names:
        batch = next(file.iter_batches(batch_size=max_rows, columns=names, use_threads=False), None)
        if batch is not None:
            columns = [column.to_pylist() for column in batch.columns[:max_columns]]
            rows = [[_text(column[index]) for column in columns] for index in range(min(batch.num_rows, max_rows))]
    return {
        "columns": [[field.name[:200], str(field.type)] for field in list(schema)[: max_columns * 4]],
        "column_count": len(schema.names),
        "row_count": metadata.num_rows,
        "row_groups": metadata.num_row_groups,
        "created_by": str(metadata.created_by or ""),
        "rows": rows,
    }


def main() -> None:
    size, max_rows, max_columns = (int(text) for text in sys.argv[1:4])
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_S, _CPU_S))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.chdir("/")
    try:
        answer = _head(size, max_rows, max_columns)
    except Exception as error:
        answer = {"error": f"{type(error).__name__}: {error}"[:300]}
    _send(answer)


if __name__ == "__main__":
    main()
