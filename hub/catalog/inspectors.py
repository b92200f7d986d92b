"""Who looks into a model's files and says whether it can be run; filled by the inference package, which is above us."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, is_dataclass
from typing import Any

ReadRange = Callable[[str, int, int], bytes]
#: ``(files: path → bytes, read(path, offset, length)) → dataclass or dict`` with ``servable`` and whatever it found.
Inspector = Callable[[Mapping[str, int], ReadRange], Any]

_inspectors: list[Inspector] = []


def register(inspector: Inspector) -> None:
    """Use ``inspector`` for every model that is indexed from now on; the latest wins."""
    _inspectors[:] = [inspector]


def inspect(files: Mapping[str, int], read: ReadRange) -> dict[str, Any]:
    """The finding as JSON values; empty where this hub runs no models."""
    if not _inspectors:
        return {}
    found = _inspectors[0](files, read)
    return _plain(asdict(found) if is_dataclass(found) and not isinstance(found, type) else found)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    return value
