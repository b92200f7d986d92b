"""Which large files a repository's commits name: a scan of all small blobs that some tips lead to.

    rev-list (blobs below the pointer's size, with one path each) > cat-file > parse

Two git processes read what Python would take minutes for; both are bounded in time and in objects.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Container, Iterator, Sequence
from pathlib import Path
from typing import Final

from hub.core.errors import ServiceUnavailable
from hub.storage.git.repository import git_environment, git_executable
from hub.storage.lfs.pointer import MAX_POINTER_BYTES, parse_pointer

MAX_BLOBS: Final = 1_000_000
TIMEOUT_S: Final = 20.0
_HEADER: Final = b"version https://"


def find_pointers(
    repo_path: Path | str, tips: Sequence[str], *, without: Sequence[str] = (), timeout_s: float = TIMEOUT_S
) -> dict[str, str]:
    """SHA-256 of every large file that commits reachable from ``tips`` (oids) name → a path that one of them has.

    ``without``: commits whose history is not looked into; a file that both name may still be found.

    Raises: ServiceUnavailable when there is too much to look at.
    """
    if not tips:
        return {}
    paths = _small_blobs(repo_path, tips, without, timeout_s)
    found: dict[str, str] = {}
    for oid, data in _contents(repo_path, list(paths), timeout_s):
        pointer = parse_pointer(data)
        if pointer is not None:
            found.setdefault(pointer.sha256, paths[oid])
    return found


def find_pointer_blobs(
    repo_path: Path | str, tips: Sequence[str], sha256s: Container[str], *, timeout_s: float = TIMEOUT_S
) -> set[str]:
    """Blobs that point to one of these files, whatever else their text says, in all history of ``tips``.

    Raises: ServiceUnavailable when there is too much to look at.
    """
    if not tips:
        return set()
    paths = _small_blobs(repo_path, tips, (), timeout_s)
    return {
        oid
        for oid, data in _contents(repo_path, list(paths), timeout_s)
        if (pointer := parse_pointer(data)) is not None and pointer.sha256 in sha256s
    }


def _small_blobs(
    repo_path: Path | str, tips: Sequence[str], without: Sequence[str], timeout_s: float
) -> dict[str, str]:
    """Blob oid → path."""
    wanted = "".join(f"{oid}\n" for oid in tips) + "".join(f"^{oid}\n" for oid in without)
    blobs = f"--filter=combine:blob:limit={MAX_POINTER_BYTES + 1}+object:type=blob"
    output = _run(
        repo_path, wanted.encode(), timeout_s, "rev-list", "--objects", "--filter-provided-objects", blobs, "--stdin"
    )
    lines = output.splitlines()
    if len(lines) > MAX_BLOBS:
        raise _too_much()
    pairs = (line.decode("utf-8", "replace").partition(" ") for line in lines)
    return {oid: path for oid, _, path in pairs if path}


def _contents(repo_path: Path | str, oids: list[str], timeout_s: float) -> Iterator[tuple[str, bytes]]:
    """Yield those blobs whose beginning says that they may be pointers."""
    wanted = "".join(f"{oid}\n" for oid in oids).encode()
    output = _run(repo_path, wanted, timeout_s, "cat-file", "--batch", "--buffer")
    position = 0
    while position < len(output):
        end = output.index(b"\n", position)
        oid, kind, size = output[position:end].split(b" ")
        start, position = end + 1, end + 1 + int(size) + 1
        if kind == b"blob" and output.startswith(_HEADER, start):
            yield oid.decode(), output[start : start + int(size)]


def _run(repo_path: Path | str, given: bytes, timeout_s: float, *arguments: str) -> bytes:
    try:
        done = subprocess.run(
            [git_executable(), *arguments],
            cwd=repo_path,
            env=git_environment() | {"GIT_DIR": os.fspath(Path(repo_path).resolve())},
            input=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=timeout_s,
            check=True,
        )
    except subprocess.TimeoutExpired as error:
        raise _too_much() from error
    return done.stdout


def _too_much() -> ServiceUnavailable:
    return ServiceUnavailable("The history of this repository is too long to be looked through now.")
