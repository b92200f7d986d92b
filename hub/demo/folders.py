"""Commit a folder of this machine to a repo: the steps of an upload, without the HTTP between them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from hub.accounts.auth import Viewer
from hub.repos.models import Repo
from hub.repos.services import lfs
from hub.repos.services.commits import AddBytes, AddPointer, CommitResult, Operation, create_commit
from hub.repos.upload_mode import Attributes, choose_upload_mode, default_attributes
from hub.storage import blobs
from hub.storage.lfs import transfer

_BLOCK_BYTES: Final = 1024 * 1024
_SAMPLE_BYTES: Final = 512


def commit_folder(repo: Repo, folder: Path, *, actor: Viewer, message: str) -> CommitResult:
    """Add every file below ``folder`` in one commit on the default branch. Raises: what ``create_commit`` raises."""
    operations = [_addition(repo, path, path.relative_to(folder).as_posix()) for path in _files(folder)]
    return create_commit(repo, actor=actor, revision=repo.default_branch, operations=operations, message=message)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def _addition(repo: Repo, source: Path, path: str) -> Operation:
    size = source.stat().st_size
    with source.open("rb") as file:
        sample = file.read(_SAMPLE_BYTES)
    attributes = Attributes.parse(default_attributes(repo.type))
    if size == 0 or choose_upload_mode(attributes, path, size, sample) != "lfs":
        return AddBytes(path, source.read_bytes())
    with source.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    if not lfs.is_present(repo, sha256):
        session = lfs.begin_upload(repo, sha256=sha256, size_bytes=size, in_parts=False)
        stat = blobs.put(blobs.get_blob_store(), _blocks(source), sha256=sha256, size_bytes=size)
        transfer.finish_basic_upload(session.pk, stat)
    return AddPointer(path, sha256, size)


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            yield block
