"""What changed inside a file that lines do not show: tensors of safetensors, keys of JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import structlog
from django.utils.translation import gettext as _

from hub.core.errors import HubError
from hub.repos.content import Snapshot, get_file, read_text
from hub.repos.models import Repo
from hub.storage.git.diffs import FileDiff
from hub.web.viewers.tensors import read_header

MAX_ROWS: Final = 200
MAX_KEYS: Final = 50_000
MAX_JSON_BYTES: Final = 2 * 1024 * 1024
_MAX_VALUE: Final = 160

log = structlog.get_logger("hub.web.changes")


@dataclass(frozen=True, slots=True)
class KeyChange:
    """``kind`` is added, removed or changed; the absent side is empty."""

    kind: str
    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class InsideChange:
    """``is_tensors``: the keys are tensors, their values type and shape. ``problem``: why nothing can be said."""

    is_tensors: bool
    rows: list[KeyChange]
    added: int
    removed: int
    changed: int
    problem: str = ""

    @property
    def total(self) -> int:
        return self.added + self.removed + self.changed


def change_inside(repo: Repo, file: FileDiff, old_oid: str, new_oid: str) -> InsideChange | None:
    """What a file's keys were and are; None for files of other kinds."""
    read = _READERS.get(file.path.rsplit(".", 1)[-1].lower())
    if read is None or file.path.lower().endswith(".ipynb"):
        return None
    is_tensors = read is _tensors
    try:
        before = read(Snapshot(repo, old_oid, old_oid), file.old_path) if file.old_oid and old_oid else {}
        after = read(Snapshot(repo, new_oid, new_oid), file.path) if file.new_oid else {}
    except (ValueError, TypeError, RecursionError, OSError, HubError) as error:
        log.info("change_not_read", repo=repo.pk, reason=type(error).__name__)
        return InsideChange(is_tensors, [], 0, 0, 0, _("What is inside this file cannot be compared."))
    rows = list(_compare(before, after))
    added, removed, changed = (sum(row.kind == kind for row in rows) for kind in ("added", "removed", "changed"))
    return InsideChange(is_tensors, rows[:MAX_ROWS], added, removed, changed)


def _compare(before: dict[str, str], after: dict[str, str]) -> Iterator[KeyChange]:
    for name in sorted(before.keys() | after.keys()):
        if name not in before:
            yield KeyChange("added", name, "", _clip(after[name]))
        elif name not in after:
            yield KeyChange("removed", name, _clip(before[name]), "")
        elif before[name] != after[name]:
            yield KeyChange("changed", name, _clip(before[name]), _clip(after[name]))


def _tensors(snapshot: Snapshot, path: str) -> dict[str, str]:
    header = read_header(snapshot, get_file(snapshot, path))
    facts = header.pop("__metadata__", None)
    found = {name: _tensor(value) for name, value in header.items()}
    if isinstance(facts, dict):
        found |= {f"__metadata__.{key}": str(value) for key, value in facts.items()}
    return found


def _tensor(value: Any) -> str:
    if not isinstance(value, dict):
        return ""
    shape = value.get("shape")
    sizes = " × ".join(str(size) for size in shape) if isinstance(shape, list) else ""
    return f"{value.get('dtype', '')} [{sizes}]"


def _keys(snapshot: Snapshot, path: str) -> dict[str, str]:
    entry = get_file(snapshot, path)
    if entry.size > MAX_JSON_BYTES:
        raise ValueError("too large")
    text = read_text(snapshot, path, MAX_JSON_BYTES)
    found: dict[str, str] = {}
    for name, value in _flat(json.loads(text or "")):
        if len(found) >= MAX_KEYS:
            raise ValueError("too many keys")
        found[name] = value
    return found


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Leaves by their dotted name; a list is one value."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _flat(inner, f"{name}.{key}" if name else str(key))
    else:
        yield name, json.dumps(value, ensure_ascii=False)


def _clip(text: str) -> str:
    return text if len(text) <= _MAX_VALUE else f"{text[:_MAX_VALUE]}…"


_READERS: Final[dict[str, Callable[[Snapshot, str], dict[str, str]]]] = {"safetensors": _tensors, "json": _keys}
