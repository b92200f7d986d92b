"""Files and folders (hub-api §11.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hub.api.serializers.values import date_text
from hub.repos.content import LastChange
from hub.storage.git.objects import EntryType, TreeEntry


def entry_json(
    entry: TreeEntry, last: LastChange | None = None, xet_hashes: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """One entry; links are files that hold their target, submodules are empty folders to clients.

    ``xet_hashes``: SHA-256 to Xet hash of the large files that can be had by Xet.
    """
    is_folder = entry.type in (EntryType.DIRECTORY, EntryType.SUBMODULE)
    shown: dict[str, Any] = {
        "type": "directory" if is_folder else "file",
        "oid": entry.oid,
        "size": 0 if is_folder else entry.size,
        "path": entry.path,
    }
    if entry.lfs is not None:
        shown["lfs"] = lfs_json(entry)
        if xet_hashes and entry.lfs.sha256 in xet_hashes:
            shown["xetHash"] = xet_hashes[entry.lfs.sha256]
    if last is not None:
        shown["lastCommit"] = {"id": last.oid, "title": last.title, "date": date_text(last.date)}
    return shown


def lfs_json(entry: TreeEntry) -> dict[str, Any]:
    assert entry.lfs is not None  # the caller looked
    return {"oid": entry.lfs.sha256, "size": entry.lfs.size, "pointerSize": entry.lfs.pointer_size}


def sibling_json(entry: TreeEntry, *, with_blobs: bool) -> dict[str, Any]:
    """A file in the answer of repo info (hub-api §7.2)."""
    shown: dict[str, Any] = {"rfilename": entry.path}
    if with_blobs:
        shown |= {"size": entry.size, "blobId": entry.oid}
        if entry.lfs is not None:
            shown["lfs"] = {
                "sha256": entry.lfs.sha256,
                "size": entry.lfs.size,
                "pointerSize": entry.lfs.pointer_size,
            }
    return shown
