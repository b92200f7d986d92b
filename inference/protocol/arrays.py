"""Float arrays on the wire: little-endian float32 bytes and a shape, readable without numpy."""

from __future__ import annotations

import base64
import math
import sys
from array import array
from typing import Any

from inference.protocol.frames import FrameError


def pack_floats(data: bytes, shape: tuple[int, ...]) -> dict[str, Any]:
    """Describe contiguous little-endian float32 `data` of `shape`."""
    return {"dtype": "float32", "shape": list(shape), "data": data}


def unpack_rows(packed: Any) -> list[list[float]]:
    """Return the rows of a packed two-dimensional array. Raises: FrameError when it lies about its shape."""
    rows, columns, data = _checked(packed)
    values = array("f", data)
    if sys.byteorder == "big":
        values.byteswap()
    return [values[start : start + columns].tolist() for start in range(0, rows * columns, columns)]


def base64_rows(packed: Any) -> list[str]:
    """Return each row as base64 of its little-endian float32 bytes, the OpenAI encoding."""
    rows, columns, data = _checked(packed)
    width = columns * 4
    return [base64.b64encode(data[row * width : (row + 1) * width]).decode("ascii") for row in range(rows)]


def _checked(packed: Any) -> tuple[int, int, bytes]:
    try:
        rows, columns = packed["shape"]
        data = packed["data"]
        honest = packed["dtype"] == "float32" and rows >= 0 and columns > 0
        honest = honest and isinstance(data, bytes) and len(data) == 4 * math.prod((rows, columns))
    except (KeyError, TypeError, ValueError) as error:
        raise FrameError("malformed array") from error
    if not honest:
        raise FrameError("malformed array")
    return rows, columns, data
