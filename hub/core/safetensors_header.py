"""Read a safetensors header without its tensors, and check it against the file (T121).

Source: the safetensors format description: 8 bytes of header length (little endian), a JSON header, then data.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

MAX_HEADER_BYTES: Final = 25_000_000
DTYPE_BITS: Final = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "I16": 16, "U16": 16, "F16": 16, "BF16": 16,
    "I32": 32, "U32": 32, "F32": 32, "I64": 64, "U64": 64, "F64": 64, "C64": 64, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class SafetensorsInfo:
    """The facts of one checked header."""

    parameters_by_dtype: dict[str, int]
    tensor_count: int
    tensor_names: frozenset[str] = field(repr=False)


def check_safetensors(size: int, read: Callable[[int, int], bytes]) -> SafetensorsInfo:
    """Check a header against its file of ``size`` bytes; ``read(offset, length)`` returns bytes.

    Tensors must tile the data exactly: no gap, no overlap, no tail, each as long as dtype × shape says.
    Raises: ValueError with a short reason.
    """
    header, header_bytes = _header(size, read)
    spans, by_dtype = [], dict[str, int]()
    for entry in header.values():
        start, end, dtype, count = _tensor_span(entry)
        spans.append((start, end))
        by_dtype[dtype] = by_dtype.get(dtype, 0) + count
    _check_tiling(spans, size - header_bytes)
    return SafetensorsInfo(by_dtype, len(header), frozenset(header))


def _header(size: int, read: Callable[[int, int], bytes]) -> tuple[dict[str, Any], int]:
    if size < 10:
        raise ValueError("it is too short")
    (length,) = struct.unpack("<Q", read(0, 8))
    if length > MAX_HEADER_BYTES or length + 8 > size:
        raise ValueError("its header does not fit the file")
    try:
        header = json.loads(read(8, length).decode("utf-8"), object_pairs_hook=_unique_keys)
    except RecursionError as error:
        raise ValueError("its header is nested too deeply") from error
    except UnicodeDecodeError as error:
        raise ValueError("its header is not text") from error
    if not isinstance(header, dict):
        raise ValueError("its header is not an object")  # noqa: TRY004 -- the file is wrong, not the call
    header.pop("__metadata__", None)
    return header, 8 + length


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("its header repeats a key")
    return result


def _tensor_span(entry: Any) -> tuple[int, int, str, int]:
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise ValueError("a tensor is not described by dtype, shape and offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in DTYPE_BITS:
        raise ValueError("a tensor has an unknown dtype")
    if not _are_sizes(shape) or len(shape) > 8 or not _are_sizes(offsets) or len(offsets) != 2:
        raise ValueError("a tensor has a malformed shape or offsets")
    count = math.prod(shape)
    if (offsets[1] - offsets[0]) * 8 != count * DTYPE_BITS[dtype]:
        raise ValueError("a tensor's length differs from its dtype and shape")
    return offsets[0], offsets[1], dtype, count


def _are_sizes(values: Any) -> bool:
    return isinstance(values, list) and all(type(value) is int and 0 <= value < 2**63 for value in values)


def _check_tiling(spans: list[tuple[int, int]], data_bytes: int) -> None:
    position = 0
    for start, end in sorted(spans):
        if start != position:
            raise ValueError("its tensors overlap" if start < position else "there is a gap between its tensors")
        position = end
    if position != data_bytes:
        raise ValueError("data follows its last tensor" if position < data_bytes else "its tensors exceed the file")
