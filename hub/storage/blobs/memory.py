"""Blobs in memory: for tests and throw-away hubs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from hub.core.errors import EntryNotFound, StorageFull, Unprocessable
from hub.storage.blobs.base import (
    BlobStat,
    CheckFactory,
    ContentCheck,
    DigestCheck,
    ObjectCorrupt,
    Progress,
    StoredPart,
    SweepReport,
)


@dataclass(slots=True)
class _Upload:
    created_at: datetime
    parts: dict[int, tuple[int, bytes, str]] = field(default_factory=dict)


class _MemoryReader:
    def __init__(self, data: bytes) -> None:
        self._view = memoryview(data)

    def read(self, size_bytes: int) -> bytes:
        block, self._view = bytes(self._view[:size_bytes]), self._view[size_bytes:]
        return block

    def close(self) -> None:
        self._view = memoryview(b"")


class _MemoryWriter:
    def __init__(self, store: MemoryBlobStore, *, sha256: str | None, size_bytes: int | None) -> None:
        self._store = store
        self.check = store.new_check(sha256=sha256, size_bytes=size_bytes)
        self.is_new = False
        self._buffer = bytearray()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.check.update(data)
        self._buffer += data

    def commit(self) -> BlobStat:
        stat = self.check.finish()
        self.is_new = self._store.keep(stat.sha256, bytes(self._buffer[: stat.size_bytes]))
        return stat

    def abort(self) -> None:
        self._buffer.clear()


class _MemoryPartWriter:
    def __init__(self, upload: _Upload, *, number: int, offset_bytes: int, size_bytes: int) -> None:
        self._upload, self._number, self._offset = upload, number, offset_bytes
        self._digest = DigestCheck(sha256=None, size_bytes=size_bytes)
        self._buffer = bytearray()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._digest.update(data)
        self._buffer += data

    def commit(self) -> StoredPart:
        stat = self._digest.finish()
        self._upload.parts[self._number] = (self._offset, bytes(self._buffer), stat.sha256)
        return StoredPart(self._number, stat.size_bytes, stat.sha256)

    def abort(self) -> None:
        self._buffer.clear()


class MemoryBlobStore:
    """A BlobStore without a disk; ``capacity_bytes`` bounds it."""

    def __init__(self, *, capacity_bytes: int = 1 << 30, check: CheckFactory = DigestCheck) -> None:
        self.new_check = check
        self._capacity_bytes = capacity_bytes
        self._blobs: dict[str, bytes] = {}
        self._uploads: dict[str, _Upload] = {}
        self._lock = threading.Lock()

    def keep(self, sha256: str, data: bytes) -> bool:
        with self._lock:
            return self._blobs.setdefault(sha256, data) is data

    def open_writer(self, *, sha256: str | None = None, size_bytes: int | None = None) -> _MemoryWriter:
        self.check_capacity(size_bytes or 0)
        return _MemoryWriter(self, sha256=sha256, size_bytes=size_bytes)

    def stat(self, sha256: str) -> BlobStat:
        return BlobStat(sha256, len(self._get(sha256)))

    def exists(self, sha256: str) -> bool:
        return sha256 in self._blobs

    def open_range(self, sha256: str, start: int = 0, stop: int | None = None) -> _MemoryReader:
        return _MemoryReader(self._get(sha256)[start:stop])

    def verify(self, sha256: str) -> BlobStat:
        digest = self.new_check(sha256=sha256, size_bytes=None)
        digest.update(self._get(sha256))
        try:
            return digest.finish()
        except Unprocessable as error:
            raise ObjectCorrupt from error

    def delete(self, sha256: str) -> bool:
        with self._lock:
            return self._blobs.pop(sha256, None) is not None

    def iter_sha256(self) -> Iterator[str]:
        yield from sorted(self._blobs)

    def local_path(self, sha256: str) -> Path | None:
        return None

    def check_capacity(self, size_bytes: int) -> None:
        if sum(len(blob) for blob in self._blobs.values()) + size_bytes > self._capacity_bytes:
            raise StorageFull

    def begin_multipart(self, name: str) -> str:
        self._uploads[name] = _Upload(datetime.now(UTC))
        return name

    def open_part_writer(self, upload_id: str, *, number: int, offset_bytes: int, size_bytes: int) -> _MemoryPartWriter:
        self.check_capacity(size_bytes)
        return _MemoryPartWriter(
            self._upload(upload_id), number=number, offset_bytes=offset_bytes, size_bytes=size_bytes
        )

    def list_parts(self, upload_id: str) -> list[StoredPart]:
        parts = sorted(self._upload(upload_id).parts.items())
        return [StoredPart(number, len(data), etag) for number, (_, data, etag) in parts]

    def complete_multipart(
        self,
        upload_id: str,
        *,
        sha256: str,
        size_bytes: int,
        parts: list[StoredPart],
        on_progress: Progress | None = None,
    ) -> BlobStat:
        stored = sorted(self._upload(upload_id).parts.values())
        writer = self.open_writer(sha256=sha256, size_bytes=size_bytes)
        done = 0
        for _, data, _ in stored:
            writer.write(data)
            done += len(data)
            if on_progress is not None:
                on_progress(done, size_bytes)
        return writer.commit()

    def abort_multipart(self, upload_id: str) -> None:
        self._uploads.pop(upload_id, None)

    def presign_get(
        self,
        sha256: str,
        *,
        ttl_s: int,
        content_type: str = "",
        content_disposition: str = "",
        byte_range: tuple[int, int] | None = None,
    ) -> str | None:
        return None

    def presign_put(self, name: str, *, size_bytes: int, ttl_s: int) -> str | None:
        return None

    def check_put(self, name: str, check: ContentCheck) -> str:
        raise EntryNotFound("Nothing arrived under this name.")

    def adopt(self, name: str, tag: str, sha256: str) -> bool:
        raise EntryNotFound("Nothing arrived under this name.")

    def drop(self, name: str) -> None:
        """Nothing is ever PUT past this hub."""

    def presign_put_part(self, upload_id: str, *, number: int, size_bytes: int, ttl_s: int) -> str | None:
        return None

    def sweep(self, *, older_than: datetime, keep_uploads: frozenset[str], dry_run: bool = False) -> SweepReport:
        stale = {
            key: upload
            for key, upload in self._uploads.items()
            if upload.created_at < older_than and key not in keep_uploads
        }
        if not dry_run:
            for key in stale:
                self.abort_multipart(key)
        freed = sum(len(data) for upload in stale.values() for _, data, _ in upload.parts.values())
        return SweepReport(files=len(stale), size_bytes=freed)

    def _get(self, sha256: str) -> bytes:
        try:
            return self._blobs[sha256]
        except KeyError:
            raise EntryNotFound from None

    def _upload(self, upload_id: str) -> _Upload:
        try:
            return self._uploads[upload_id]
        except KeyError:
            raise EntryNotFound("This upload no longer exists.") from None
