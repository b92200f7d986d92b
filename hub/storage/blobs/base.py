"""The seam between the hub and the place where bytes lie.

A blob's name is the sha256 of its content, checked before the blob becomes visible; a blob never changes.
Everything here is synchronous: callers on an event loop run it in threads.

    writer:    open_writer > write … > commit (verify, make durable, make visible)
    multipart: begin_multipart > open_part_writer > write … > commit (durable) … > complete_multipart (verify, visible)
"""

from __future__ import annotations

import errno
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import ClassVar, Protocol, runtime_checkable

from hub.core.errors import HubError, StorageFull, Unprocessable

IO_BLOCK_BYTES = 1024 * 1024
SHA256_PATTERN = re.compile(r"[0-9a-f]{64}", re.ASCII)

Progress = Callable[[int, int], None]


class ObjectCorrupt(HubError):
    """Stored bytes no longer have the hash they are named by; they are never served."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "ObjectCorrupt"
    default_message: ClassVar[str] = "This file is damaged on our side and cannot be served. Its operator was told."


@dataclass(frozen=True, slots=True)
class BlobStat:
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class StoredPart:
    """A part that is durable; ``etag`` is without quotes."""

    number: int
    size_bytes: int
    etag: str


@dataclass(frozen=True, slots=True)
class SweepReport:
    """What a sweep of unfinished writes removed, or would remove."""

    files: int
    size_bytes: int


class BlobWriter(Protocol):
    """A blob on its way in. Exactly one of ``commit`` and ``abort`` ends it; ``abort`` may follow a failed commit.

    ``check`` has judged the content once ``commit`` is done, and ``is_new`` says whether this writer's bytes were kept
    (a blob that is there already stays as it is).
    """

    check: ContentCheck
    is_new: bool

    def write(self, data: bytes | bytearray | memoryview) -> None: ...

    def commit(self) -> BlobStat:
        """Verify, make durable and visible. Raises: Unprocessable when hash or size differ; StorageFull."""
        ...

    def abort(self) -> None: ...


class PartWriter(Protocol):
    """One part of a multipart upload on its way in."""

    def write(self, data: bytes | bytearray | memoryview) -> None: ...

    def commit(self) -> StoredPart: ...

    def abort(self) -> None: ...


class BlobReader(Protocol):
    """Sequential bytes of one range."""

    def read(self, size_bytes: int) -> bytes:
        """Return at most ``size_bytes``, empty at the end. Raises: ObjectCorrupt when the blob is cut short."""
        ...

    def close(self) -> None: ...


@runtime_checkable
class BlobStore(Protocol):
    """Verified, immutable bytes by name: a sha256, or what else ``new_check`` names content by."""

    @property
    def new_check(self) -> CheckFactory: ...

    def open_writer(self, *, sha256: str | None = None, size_bytes: int | None = None) -> BlobWriter:
        """Start a blob; ``None`` means not known yet and therefore not checked."""
        ...

    def stat(self, sha256: str) -> BlobStat:
        """Raises: EntryNotFound."""
        ...

    def exists(self, sha256: str) -> bool: ...

    def open_range(self, sha256: str, start: int = 0, stop: int | None = None) -> BlobReader:
        """Raises: EntryNotFound, ObjectCorrupt."""
        ...

    def verify(self, sha256: str) -> BlobStat:
        """Read the whole blob and compare its hash. Raises: EntryNotFound, ObjectCorrupt."""
        ...

    def delete(self, sha256: str) -> bool:
        """Remove; return whether it was there."""
        ...

    def iter_sha256(self) -> Iterator[str]: ...

    def local_path(self, sha256: str) -> Path | None:
        """Return a file that may be sent or hard-linked but never written, or None. Raises as ``open_range``."""
        ...

    def check_capacity(self, size_bytes: int) -> None:
        """Raises: StorageFull when ``size_bytes`` more would eat into the reserve."""
        ...

    def begin_multipart(self, name: str) -> str:
        """Start an upload of parts under a unique ``name``; return the store's own id for it."""
        ...

    def open_part_writer(self, upload_id: str, *, number: int, offset_bytes: int, size_bytes: int) -> PartWriter:
        """Raises: EntryNotFound (no such upload), Conflict (part being written now)."""
        ...

    def list_parts(self, upload_id: str) -> list[StoredPart]:
        """Return durable parts by number. Raises: EntryNotFound."""
        ...

    def complete_multipart(
        self,
        upload_id: str,
        *,
        sha256: str,
        size_bytes: int,
        parts: list[StoredPart],
        on_progress: Progress | None = None,
    ) -> BlobStat:
        """Verify the whole and make it visible; may be repeated.

        Raises: Unprocessable (hash or size; the parts are kept), Conflict (parts still arriving), EntryNotFound.
        """
        ...

    def abort_multipart(self, upload_id: str) -> None:
        """Free the parts; silent when there are none."""
        ...

    def presign_get(
        self,
        sha256: str,
        *,
        ttl_s: int,
        content_type: str = "",
        content_disposition: str = "",
        byte_range: tuple[int, int] | None = None,
    ) -> str | None:
        """Return a URL of the bucket itself, or None; ``byte_range`` (first, last) binds it to these bytes."""
        ...

    def presign_put(self, name: str, *, size_bytes: int, ttl_s: int) -> str | None:
        """Return where to PUT a whole blob straight into the bucket under a passing ``name``, or None."""
        ...

    def check_put(self, name: str, check: ContentCheck) -> str:
        """Read back what was PUT under ``name`` and let ``check`` judge it; return the tag of what was read.

        Raises: EntryNotFound (nothing arrived), Unprocessable.
        """
        ...

    def adopt(self, name: str, tag: str, sha256: str) -> bool:
        """Give what was PUT and judged its lasting name; return whether it is new. It stays until ``drop``.

        Raises: Conflict when something else was PUT since it was judged.
        """
        ...

    def drop(self, name: str) -> None:
        """Forget what was PUT under ``name``."""
        ...

    def presign_put_part(self, upload_id: str, *, number: int, size_bytes: int, ttl_s: int) -> str | None: ...

    def sweep(self, *, older_than: datetime, keep_uploads: frozenset[str], dry_run: bool = False) -> SweepReport:
        """Remove writes that were never finished and began before ``older_than``."""
        ...


class ContentCheck(Protocol):
    """Judges a stream while it is written, and names it; what a name means is the check's business.

    ``finish`` may keep less than arrived (a tail that is no content): ``BlobStat.size_bytes`` is what stays.
    """

    size_bytes: int

    def update(self, data: bytes | bytearray | memoryview) -> None: ...

    def finish(self) -> BlobStat: ...


class CheckFactory(Protocol):
    """Makes the check of a store: SHA-256 for whole files, the chunk tree for xorbs."""

    def __call__(self, *, sha256: str | None, size_bytes: int | None) -> ContentCheck: ...


class DigestCheck:
    """Running sha256 and size of a stream, checked against what was declared."""

    def __init__(self, *, sha256: str | None, size_bytes: int | None) -> None:
        if sha256 is not None:
            require_sha256(sha256)
        self._expected_sha256 = sha256
        self._expected_size = size_bytes
        self._hash = hashlib.sha256()
        self.size_bytes = 0

    def update(self, data: bytes | bytearray | memoryview) -> None:
        """Raises: Unprocessable as soon as there is more than declared."""
        self.size_bytes += len(data)
        if self._expected_size is not None and self.size_bytes > self._expected_size:
            raise Unprocessable("More bytes arrived than were declared.")
        self._hash.update(data)

    def digest_so_far(self) -> str:
        """The sha256 of what came until now; more may come."""
        return self._hash.copy().hexdigest()

    def finish(self) -> BlobStat:
        """Raises: Unprocessable when size or hash differ from what was declared."""
        if self._expected_size is not None and self.size_bytes != self._expected_size:
            raise Unprocessable(f"Expected {self._expected_size} bytes, received {self.size_bytes}.")
        sha256 = self._hash.hexdigest()
        if self._expected_sha256 is not None and sha256 != self._expected_sha256:
            raise Unprocessable("The sha256 of the received bytes differs from the declared one.")
        return BlobStat(sha256=sha256, size_bytes=self.size_bytes)


def require_sha256(value: str) -> str:
    """Return the value. Raises: Unprocessable unless it is 64 lower-case hex digits (T72)."""
    if not isinstance(value, str) or SHA256_PATTERN.fullmatch(value) is None:
        raise Unprocessable("A sha256 must be 64 lower-case hexadecimal digits.")
    return value


def put(
    store: BlobStore, chunks: Iterable[bytes], *, sha256: str | None = None, size_bytes: int | None = None
) -> BlobStat:
    """Store a stream whole. Raises: Unprocessable, StorageFull."""
    writer = store.open_writer(sha256=sha256, size_bytes=size_bytes)
    try:
        for chunk in chunks:
            writer.write(chunk)
        return writer.commit()
    except BaseException:
        writer.abort()
        raise


def read_all(store: BlobStore, sha256: str, start: int = 0, stop: int | None = None) -> bytes:
    """Return a range in memory; for small blobs and headers only."""
    return b"".join(iter_range(store, sha256, start, stop))


def iter_range(
    store: BlobStore, sha256: str, start: int = 0, stop: int | None = None, *, block_bytes: int = IO_BLOCK_BYTES
) -> Iterator[bytes]:
    reader = store.open_range(sha256, start, stop)
    try:
        while block := reader.read(block_bytes):
            yield block
    finally:
        reader.close()


def storage_full_from(error: OSError) -> StorageFull | None:
    """Return the refusal that a full disk or an exhausted quota means, or None for other errors."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return StorageFull()
    return None
