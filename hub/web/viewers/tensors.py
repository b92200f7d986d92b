"""The header of a safetensors file as a table; tensors are never read.

The header is checked by ``hub.core.safetensors_header``; this reads names, dtypes and shapes for people.
"""

from __future__ import annotations

import json
import math
import struct
from dataclasses import dataclass
from typing import Any, Final

from hub.core.safetensors_header import check_safetensors
from hub.repos.content import Snapshot, read_range
from hub.storage.git.objects import TreeEntry
from hub.web.viewers.structured import encodable

#: A header of this size lists about 40,000 tensors; larger ones are not shown.
MAX_HEADER_BYTES: Final = 4 * 1024 * 1024
MAX_TENSORS: Final = 1_000
_MAX_METADATA: Final = 20


@dataclass(frozen=True, slots=True)
class Tensor:
    name: str
    dtype: str
    shape: str
    parameters: int


@dataclass(frozen=True, slots=True)
class SafetensorsTable:
    tensors: list[Tensor]
    tensor_count: int
    parameters: int
    parameters_by_dtype: dict[str, int]
    metadata: list[tuple[str, str]]
    #: Why the header does not fit the file; "" when it does.
    problem: str = ""


def read_header(snapshot: Snapshot, entry: TreeEntry) -> dict[str, Any]:
    """The header as it is written. Raises: ValueError, TypeError when there is none that can be read."""
    (length,) = struct.unpack("<Q", read_range(snapshot, entry, 0, 8).ljust(8, b"\0"))
    if not 2 <= length <= min(MAX_HEADER_BYTES, entry.size):
        raise ValueError("header length")
    header = json.loads(read_range(snapshot, entry, 8, 8 + length))
    if not isinstance(header, dict):
        raise TypeError("header is no object")
    return header


def safetensors_table(snapshot: Snapshot, entry: TreeEntry) -> SafetensorsTable:
    """Raises: ValueError when there is no readable header."""
    header = read_header(snapshot, entry)
    metadata = header.pop("__metadata__", None)
    tensors = [_tensor(name, value) for name, value in header.items()]
    return SafetensorsTable(
        tensors=tensors[:MAX_TENSORS],
        tensor_count=len(tensors),
        parameters=sum(tensor.parameters for tensor in tensors),
        parameters_by_dtype=_by_dtype(tensors),
        metadata=_pairs(metadata),
        problem=_problem(snapshot, entry),
    )


def _tensor(name: str, value: Any) -> Tensor:
    """Raises: KeyError, TypeError, ValueError for what is no tensor, or one of more values than a file can hold."""
    shape = [int(n) for n in value["shape"][:8]]
    count = math.prod(shape)
    if not 0 <= count < 2**63:
        raise ValueError("shape")
    return Tensor(encodable(name)[:300], encodable(str(value["dtype"]))[:20], " × ".join(str(n) for n in shape), count)


def _by_dtype(tensors: list[Tensor]) -> dict[str, int]:
    found: dict[str, int] = {}
    for tensor in tensors:
        found[tensor.dtype] = found.get(tensor.dtype, 0) + tensor.parameters
    return found


def _pairs(metadata: Any) -> list[tuple[str, str]]:
    if not isinstance(metadata, dict):
        return []
    return [
        (encodable(str(key))[:100], encodable(str(value))[:300])
        for key, value in list(metadata.items())[:_MAX_METADATA]
    ]


def _problem(snapshot: Snapshot, entry: TreeEntry) -> str:
    try:
        check_safetensors(entry.size, lambda offset, length: read_range(snapshot, entry, offset, offset + length))
    except ValueError as error:
        return str(error)
    return ""
