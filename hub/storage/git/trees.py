"""Raw tree objects: the fastest way to look at a folder, and the only one that sees names as they were pushed.

Source: git, ``Documentation/gitformat-index``/"tree object": ``mode SP name NUL oid[20]``, repeated.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import pygit2
from pygit2.enums import ObjectType

from hub.core.errors import PayloadTooLarge

# Names looked at when two trees are compared: a few kilobytes of objects can spell out any number (T65).
COMPARED_NAMES = 200_000

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


class Change(NamedTuple):
    """A file, link or submodule that differs between two trees; None on the side that lacks it."""

    path: str
    old: RawEntry | None
    new: RawEntry | None


def changed_entries(
    repo: pygit2.Repository, old: str | None, new: str | None, *, budget: int = COMPARED_NAMES
) -> Iterator[Change]:
    """Yield what differs between two trees, opening only folders that differ.

    Raises: PayloadTooLarge when that takes more than ``budget`` names.
    """
    stack: list[tuple[str, str | None, str | None]] = [("", old, new)]
    while stack:
        prefix, old_oid, new_oid = stack.pop()
        was = {entry.name: entry for entry in read_tree(repo, old_oid)} if old_oid else {}
        now = {entry.name: entry for entry in read_tree(repo, new_oid)} if new_oid else {}
        for name in was.keys() | now.keys():
            before, after = was.get(name), now.get(name)
            if before == after:
                continue
            budget -= 1
            if budget < 0:
                raise PayloadTooLarge("These commits differ in too many files to be compared.")
            path = prefix + name.decode(errors="replace")
            old_folder, new_folder = (entry.oid if entry and entry.is_tree else None for entry in (before, after))
            if old_folder or new_folder:
                stack.append((f"{path}/", old_folder, new_folder))
            old_file, new_file = (entry if entry and not entry.is_tree else None for entry in (before, after))
            if old_file or new_file:
                yield Change(path, old_file, new_file)
