"""The commit payload (hub-api §13.1): one JSON object a line, files inside as base64.

    body → lines (bounded) → header, operations; contents beyond 8 MiB wait on disk

The body may hold a gigabyte; what is in memory is one line at a time.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, Any, Final

from hub.api.requests import Fields, parse_json
from hub.core.errors import BadRequest, PayloadTooLarge, Unprocessable
from hub.core.ids import is_sha256
from hub.repos.services.commits import (
    MAX_OPERATIONS,
    UNKNOWN_SIZE,
    AddBytes,
    AddPointer,
    AddStream,
    CopyEntry,
    DeleteEntry,
    DeleteFile,
    DeleteFolder,
    LazyReader,
    MoveEntry,
    Operation,
)
from hub.storage.git.commits import MAX_PLAIN_BLOB_BYTES

#: A plain file of the largest size in base64, and its path.
MAX_LINE_BYTES: Final = MAX_PLAIN_BLOB_BYTES * 4 // 3 + 64 * 1024
MAX_CONTENT_BYTES: Final = 1024**3
#: Contents beyond this total wait on disk until git has stored them.
SPOOL_BYTES: Final = 8 * 1024 * 1024
_TINY_BYTES: Final = 1024
#: Files that the hub reads before the commit is made.
_LOOKED_INTO: Final = frozenset({"README.md", ".gitattributes"})

_PARENT: Final = re.compile(r"[0-9a-fA-F]{5,40}")


@dataclass(slots=True)
class CommitPayload:
    """What a client wants committed; close it to free the files on disk."""

    summary: str = ""
    description: str = ""
    parent_oid: str | None = None
    operations: list[Operation] = field(default_factory=list)
    files: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> CommitPayload:
        return self

    def __exit__(self, *_: object) -> None:
        self.files.close()


def read_payload(stream: IO[bytes], *, spool_dir: Path | None = None) -> CommitPayload:
    """Read a commit. Raises: BadRequest, Unprocessable, PayloadTooLarge."""
    reader = _Reader(spool_dir)
    with ExitStack() as stack:
        stack.enter_context(reader.payload.files)
        for line in _lines(stream):
            reader.take(Fields.from_value(parse_json(line)))
        stack.pop_all()
    return reader.finish()


def read_legacy_payload(data: bytes) -> CommitPayload:
    """Read the one JSON object that old clients send. Raises: as ``read_payload``."""
    fields = Fields.from_value(parse_json(data))
    reader = _Reader(None)
    reader.take_header(fields)
    for name, key in (("files", "file"), ("lfsFiles", "lfsFile"), ("deletedEntries", "deletedEntry")):
        for value in fields.items(name, max_items=MAX_OPERATIONS):
            reader.take(Fields({"key": key, "value": value}))
    return reader.finish()


def _lines(stream: IO[bytes]) -> Iterator[bytes]:
    while line := stream.readline(MAX_LINE_BYTES + 1):
        if len(line) > MAX_LINE_BYTES:
            raise PayloadTooLarge(
                f"A file in the commit is larger than {MAX_PLAIN_BLOB_BYTES >> 20} MiB. Large files go through LFS."
            )
        if line.strip():
            yield line


class _Reader:
    def __init__(self, spool_dir: Path | None) -> None:
        self.payload = CommitPayload()
        self._spool_dir = spool_dir
        self._spool: IO[bytes] | None = None
        self._content_bytes = 0
        self._memory_bytes = 0

    def take(self, line: Fields) -> None:
        key = line.text("key")
        value = Fields.from_value(line.raw("value"))
        if key == "header":
            self.take_header(value)
            return
        make = _MAKERS.get(key)
        if make is None:
            raise BadRequest(f"Unknown key in the commit: {key[:60]!r}")
        if len(self.payload.operations) >= MAX_OPERATIONS:
            raise PayloadTooLarge(f"A commit has at most {MAX_OPERATIONS} operations. Please split it.")
        self.payload.operations += make(self, value)

    def take_header(self, value: Fields) -> None:
        self.payload.summary = value.text("summary", max_length=65_536)
        self.payload.description = value.text("description", "", max_length=65_536)
        parent = value.text("parentCommit", "")
        if parent and not _PARENT.fullmatch(parent):
            raise BadRequest("parentCommit must be a commit id.", param="parentCommit")
        self.payload.parent_oid = parent.lower() or None

    def finish(self) -> CommitPayload:
        if not self.payload.summary.strip():
            self.payload.files.close()
            raise BadRequest("The commit has no header with a summary.")
        return self.payload

    def file(self, value: Fields) -> list[Operation]:
        path, former = value.text("path"), value.text("oldPath", "")
        if former and "content" not in value:
            return [MoveEntry(former, path)]
        data = _decode(value, path)
        self._content_bytes += len(data)
        if self._content_bytes > MAX_CONTENT_BYTES:
            raise PayloadTooLarge(f"The files of one commit exceed {MAX_CONTENT_BYTES >> 20} MiB. Please split it.")
        moved: list[Operation] = [DeleteFile(former)] if former and former != path else []
        return [*moved, self._addition(path, data)]

    def _addition(self, path: str, data: bytes) -> Operation:
        """Keep small contents in memory up to a total, the rest in one file on disk."""
        if path in _LOOKED_INTO or len(data) <= _TINY_BYTES or self._memory_bytes + len(data) <= SPOOL_BYTES:
            self._memory_bytes += len(data)
            return AddBytes(path, data)
        if self._spool is None:
            self._spool = self.payload.files.enter_context(tempfile.TemporaryFile(dir=self._spool_dir))  # noqa: SIM115 -- closed by `files`
        offset = self._spool.seek(0, os.SEEK_END)
        self._spool.write(data)
        self._spool.flush()
        return AddStream(path, LazyReader(partial(os.pread, self._spool.fileno(), len(data), offset)), len(data))

    def large_file(self, value: Fields) -> list[Operation]:
        path, sha256 = value.text("path"), value.text("oid")
        if value.text("algo", "sha256") != "sha256":
            raise BadRequest("Large files are named by their sha256.", param="algo")
        if not is_sha256(sha256):
            raise Unprocessable("oid must be 64 lower-case hexadecimal digits.")
        size = value.integer("size") if "size" in value else UNKNOWN_SIZE
        former = value.text("oldPath", "")
        moved: list[Operation] = [DeleteFile(former)] if former and former != path else []
        return [*moved, AddPointer(path, sha256, size)]


def _decode(value: Fields, path: str) -> bytes:
    content: Any = value.raw("content")
    if not isinstance(content, str):
        raise BadRequest(f"{path[:200]}: content must be a string.")
    encoding = value.text("encoding", "utf-8")
    if encoding == "utf-8":
        return content.encode()
    if encoding != "base64":
        raise BadRequest(f"{path[:200]}: the encoding is neither base64 nor utf-8.")
    try:
        return base64.b64decode(content, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadRequest(f"{path[:200]}: the content is not valid base64.") from error


_MAKERS: Final[dict[str, Callable[[_Reader, Fields], list[Operation]]]] = {
    "file": _Reader.file,
    "lfsFile": _Reader.large_file,
    "deletedFile": lambda _, value: [DeleteFile(value.text("path"))],
    "deletedFolder": lambda _, value: [DeleteFolder(value.text("path"))],
    "deletedEntry": lambda _, value: [DeleteEntry(value.text("path"))],
    "copyFile": lambda _, value: [CopyEntry(value.text("srcPath"), value.text("path"))],
}
