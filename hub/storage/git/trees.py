"""Raw tree objects: the fastest way to look at a folder, and the only one that sees names as they were pushed.

Source: git, ``Documentation/gitformat-index``/"tree object": ``mode SP name NUL oid[20]``, repeated.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import pygit2
from pygit2.enums import ObjectType

MODE_TREE = 0o040000
MODE_FILE = 0o100644
MODE_EXECUTABLE = 0o100755
MODE_SYMLINK = 0o120000
MODE_SUBMODULE = 0o160000

_ENTRY = re.compile(rb"([0-7]{5,6}) ([^\0]+)\0(.{20})", re.DOTALL)


class RawEntry(NamedTuple):
    """One entry of a tree object; `oid` is 40 hex digits."""

    mode: int
    name: bytes
    oid: str

    @property
    def is_tree(self) -> bool:
        return self.mode == MODE_TREE

    @property
    def text(self) -> str:
        return self.name.decode(errors="replace")


def parse_tree(data: bytes) -> list[RawEntry]:
    """Split the content of a tree object. Raises: ValueError when bytes are left over."""
    found = _ENTRY.findall(data)
    if sum(len(mode) + len(name) + 22 for mode, name, _ in found) != len(data):
        raise ValueError("malformed tree object")
    return [RawEntry(int(mode, 8), name, oid.hex()) for mode, name, oid in found]


def read_tree(repo: pygit2.Repository, oid: str) -> list[RawEntry]:
    """Return the entries of tree `oid`. Raises: KeyError when there is no such tree."""
    kind, data = repo.odb.read(oid)
    if kind != ObjectType.TREE:
        raise KeyError(oid)
    return parse_tree(data)
