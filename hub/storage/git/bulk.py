"""Store many blobs as one pack through ``git fast-import``: one fsync instead of one per file."""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Protocol

from hub.core.errors import StorageFull
from hub.storage.git.repository import git_environment, git_executable

CHUNK_BYTES = 1 << 18


class ByteSource(Protocol):
    """What content is read from: an open binary file, or what reads like one."""

    def read(self, size: int, /) -> bytes: ...


def write_blobs(repo_path: Path | str, contents: Iterable[tuple[bytes | ByteSource, int]]) -> list[str]:
    """Store blobs given as (bytes or open file, size in bytes); return their oids in order.

    Raises: ValueError when a file is shorter than its size; StorageFull when git cannot store the pack.
    """
    # A file, not a pipe, takes the messages: nobody reads them while the input is written.
    with tempfile.TemporaryFile() as messages:
        process = subprocess.Popen(
            [git_executable(), "fast-import", "--quiet", "--done", "--force"],
            cwd=repo_path,
            env=git_environment({"fastimport.unpackLimit": "1"}) | {"GIT_DIR": str(repo_path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=messages,
        )
        try:
            oids = _feed(process.stdin, contents)
        except BrokenPipeError:
            oids = []
        except BaseException:
            process.kill()
            process.wait()
            raise
        if process.wait() != 0:
            raise StorageFull("The files could not be stored.")
    return oids


def _feed(stdin: IO[bytes] | None, contents: Iterable[tuple[bytes | ByteSource, int]]) -> list[str]:
    assert stdin is not None  # Popen was given a pipe
    oids = []
    with stdin:
        for content, size in contents:
            stdin.write(b"blob\ndata %d\n" % size)
            digest = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
            for chunk in _chunks(content, size):
                digest.update(chunk)
                stdin.write(chunk)
            stdin.write(b"\n")
            oids.append(digest.hexdigest())
        stdin.write(b"done\n")
    return oids


def _chunks(content: bytes | ByteSource, size: int) -> Iterator[bytes]:
    if isinstance(content, bytes):
        yield content
        return
    left = size
    while left:
        chunk = content.read(min(CHUNK_BYTES, left))
        if not chunk:
            raise ValueError("the file is shorter than its declared size")
        left -= len(chunk)
        yield chunk
