"""Blobs on a local or shared POSIX disk.

    root/objects/ab/cd/<sha256>     verified, sealed, read-only; created once, never written again
    root/tmp/<uuid>                 whole blobs on their way in
    root/uploads/<name>/data        parts, each at its own offset: completing copies nothing
    root/uploads/<name>/part-NNNNN  durable note of a stored part ("size etag"); empty while it is written
    root/uploads/<name>/lock        shared by part writers, exclusive for completion
    root/corrupt/<sha256>           set aside because the bytes changed

A sealed file carries a fixed modification time. Any later write gives it another, so a changed file is noticed by
one ``stat`` and is re-read in full before a byte of it is served.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import shutil
import uuid
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from hub.core.errors import Conflict, EntryNotFound, ServiceUnavailable, StorageFull, Unprocessable
from hub.storage.blobs.base import (
    IO_BLOCK_BYTES,
    SHA256_PATTERN,
    BlobStat,
    DigestCheck,
    ObjectCorrupt,
    Progress,
    StoredPart,
    SweepReport,
    require_sha256,
    storage_full_from,
)

log = logging.getLogger(__name__)

DEFAULT_MIN_FREE_BYTES = 10 * 1024**3
_MIN_FREE_FRACTION = 0.05
_SEALED_MTIME_NS = 1_000_000_000 * 1_000_000_000
_SEALED_MODE = 0o444


class FilesystemBlobStore:
    """A BlobStore in a folder; several processes may share it."""

    def __init__(self, root: Path, *, min_free_bytes: int | None = None) -> None:
        """``min_free_bytes`` None: the larger of 10 GiB and 5 % of the disk stays free."""
        self.root = root
        self._min_free_bytes = min_free_bytes
        self._broken = ""
        for name in ("objects", "tmp", "uploads", "corrupt"):
            (root / name).mkdir(parents=True, exist_ok=True)

    # -- whole blobs

    def open_writer(self, *, sha256: str | None = None, size_bytes: int | None = None) -> _FileWriter:
        self.check_capacity(size_bytes or 0)
        return _FileWriter(self, sha256=sha256, size_bytes=size_bytes)

    def stat(self, sha256: str) -> BlobStat:
        return BlobStat(sha256, self._existing(sha256)[1].st_size)

    def exists(self, sha256: str) -> bool:
        return self.path_of(sha256).exists()

    def open_range(self, sha256: str, start: int = 0, stop: int | None = None) -> _FileReader:
        path, stat = self._intact(sha256)
        return _FileReader(path, start, stat.st_size if stop is None else min(stop, stat.st_size))

    def verify(self, sha256: str) -> BlobStat:
        path, stat = self._existing(sha256)
        digest = DigestCheck(sha256=sha256, size_bytes=None)
        with path.open("rb", buffering=0) as file:
            _hash_file(file.fileno(), digest)
            try:
                found = digest.finish()
            except Unprocessable as error:
                self._set_aside(path)
                raise ObjectCorrupt(sha256=sha256) from error
            if stat.st_mtime_ns != _SEALED_MTIME_NS:
                _seal(file.fileno())
        return found

    def delete(self, sha256: str) -> bool:
        path = self.path_of(sha256)
        try:
            path.unlink()
        except FileNotFoundError:
            return False
        self.sync_dir(path.parent)
        return True

    def iter_sha256(self) -> Iterator[str]:
        for path in sorted((self.root / "objects").glob("??/??/*")):
            if SHA256_PATTERN.fullmatch(path.name):
                yield path.name

    def local_path(self, sha256: str) -> Path | None:
        return self._intact(sha256)[0]

    def check_capacity(self, size_bytes: int) -> None:
        self.check_writable()
        usage = shutil.disk_usage(self.root)
        reserve = self._min_free_bytes
        if reserve is None:
            reserve = max(int(usage.total * _MIN_FREE_FRACTION), DEFAULT_MIN_FREE_BYTES)
        if usage.free - size_bytes < reserve:
            raise StorageFull

    # -- parts

    def begin_multipart(self, name: str) -> str:
        folder = self.root / "uploads" / _safe_name(name)
        folder.mkdir(exist_ok=True)
        for file in ("data", "lock"):
            (folder / file).touch(exist_ok=True)
        self.sync_dir(folder)
        self.sync_dir(folder.parent)
        return name

    def open_part_writer(self, upload_id: str, *, number: int, offset_bytes: int, size_bytes: int) -> _FilePartWriter:
        self.check_capacity(size_bytes)
        return _FilePartWriter(self, self._upload_dir(upload_id), number, offset_bytes, size_bytes)

    def list_parts(self, upload_id: str) -> list[StoredPart]:
        notes = sorted(self._upload_dir(upload_id).glob("part-*"))
        parts = (_read_note(note) for note in notes)
        return [part for part in parts if part is not None]

    def complete_multipart(
        self,
        upload_id: str,
        *,
        sha256: str,
        size_bytes: int,
        parts: list[StoredPart],
        on_progress: Progress | None = None,
    ) -> BlobStat:
        folder = self._upload_dir(upload_id)
        with _locked(folder / "lock", fcntl.LOCK_EX):
            verified = folder / "verified"
            # A crash between the move below and the caller's own record leaves this note: the work is done.
            if verified.exists() and not (folder / "data").exists() and self.exists(sha256):
                return self.stat(sha256)
            stat = self._verify_upload(folder / "data", sha256, size_bytes, on_progress)
            verified.touch()
            self.sync_dir(folder)
            self.publish(folder / "data", sha256)
            return stat

    def abort_multipart(self, upload_id: str) -> None:
        with contextlib.suppress(EntryNotFound):
            shutil.rmtree(self._upload_dir(upload_id), ignore_errors=True)

    def presign_get(
        self, sha256: str, *, ttl_s: int, content_type: str = "", content_disposition: str = ""
    ) -> str | None:
        return None

    def presign_put_part(self, upload_id: str, *, number: int, size_bytes: int, ttl_s: int) -> str | None:
        return None

    def sweep(self, *, older_than: datetime, keep_uploads: frozenset[str], dry_run: bool = False) -> SweepReport:
        uploads = (path for path in (self.root / "uploads").iterdir() if path.name not in keep_uploads)
        candidates = [*(self.root / "tmp").iterdir(), *uploads]
        stale = [path for path in candidates if _newest_mtime(path) < older_than.timestamp()]
        freed = sum(_allocated_bytes(path) for path in stale)
        if not dry_run:
            for path in stale:
                _remove(path)
        return SweepReport(files=len(stale), size_bytes=freed)

    # -- shared with the writers

    def path_of(self, sha256: str) -> Path:
        require_sha256(sha256)
        return self.root / "objects" / sha256[:2] / sha256[2:4] / sha256

    def check_writable(self) -> None:
        """Raises: ServiceUnavailable after a failed fsync, until the process restarts (T183)."""
        if self._broken:
            raise ServiceUnavailable("Storage is read-only after a disk error. Its operator was told.")

    def publish(self, source: Path, sha256: str) -> None:
        """Move a verified, synced file to its name; an object that is already there stays as it is."""
        target = self.path_of(sha256)
        self._make_shard(target.parent)
        if target.exists():
            source.unlink()
        else:
            source.rename(target)
        self.sync_dir(target.parent)

    def sync_file(self, fd: int) -> None:
        try:
            os.fsync(fd)
        except OSError as error:
            self._translate(error)

    def sync_dir(self, path: Path) -> None:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self.sync_file(fd)
        finally:
            os.close(fd)

    def write_all(self, fd: int, data: bytes | bytearray | memoryview, offset_bytes: int) -> None:
        view = memoryview(data)
        try:
            while view:
                written = os.pwrite(fd, view, offset_bytes)
                view, offset_bytes = view[written:], offset_bytes + written
        except OSError as error:
            self._translate(error)

    def _translate(self, error: OSError) -> None:
        """Raise what a failed write or sync means. A failed sync is never retried: the kernel forgot the pages."""
        if full := storage_full_from(error):
            raise full from error
        if error.errno == errno.EIO:
            self._broken = "EIO"
            log.critical("storage_write_failed", extra={"errno": error.errno})
            raise ServiceUnavailable("Storage failed while writing. Nothing was stored.") from error
        raise error

    def _make_shard(self, folder: Path) -> None:
        if folder.is_dir():
            return
        folder.mkdir(parents=True, exist_ok=True)
        self.sync_dir(folder.parent)
        self.sync_dir(folder.parent.parent)

    def _existing(self, sha256: str) -> tuple[Path, os.stat_result]:
        path = self.path_of(sha256)
        try:
            return path, path.stat()
        except FileNotFoundError:
            if (self.root / "corrupt" / sha256).exists():
                raise ObjectCorrupt(sha256=sha256) from None
            raise EntryNotFound from None

    def _intact(self, sha256: str) -> tuple[Path, os.stat_result]:
        path, stat = self._existing(sha256)
        if stat.st_mtime_ns != _SEALED_MTIME_NS:
            self.verify(sha256)
        return path, stat

    def _set_aside(self, path: Path) -> None:
        path.rename(self.root / "corrupt" / path.name)
        log.critical("object_corrupt", extra={"sha256": path.name})

    def _upload_dir(self, upload_id: str) -> Path:
        folder = self.root / "uploads" / _safe_name(upload_id)
        if not folder.is_dir():
            raise EntryNotFound("This upload no longer exists.")
        return folder

    def _verify_upload(self, data: Path, sha256: str, size_bytes: int, on_progress: Progress | None) -> BlobStat:
        with data.open("r+b", buffering=0) as file:
            digest = DigestCheck(sha256=sha256, size_bytes=size_bytes)
            _hash_file(file.fileno(), digest, size_bytes, on_progress)
            stat = digest.finish()
            _seal(file.fileno())
            self.sync_file(file.fileno())
            return stat


class _FileWriter:
    def __init__(self, store: FilesystemBlobStore, *, sha256: str | None, size_bytes: int | None) -> None:
        self._store = store
        self._digest = DigestCheck(sha256=sha256, size_bytes=size_bytes)
        self._path = store.root / "tmp" / uuid.uuid4().hex
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        offset = self._digest.size_bytes
        self._digest.update(data)
        self._store.write_all(self._fd, data, offset)

    def commit(self) -> BlobStat:
        stat = self._digest.finish()
        _seal(self._fd)
        self._store.sync_file(self._fd)
        self._close()
        self._store.publish(self._path, stat.sha256)
        return stat

    def abort(self) -> None:
        self._close()
        self._path.unlink(missing_ok=True)

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class _FilePartWriter:
    """Writes one part in place. The note is emptied first, so a part half overwritten is a part not stored."""

    def __init__(
        self, store: FilesystemBlobStore, folder: Path, number: int, offset_bytes: int, size_bytes: int
    ) -> None:
        self._store, self._number, self._offset = store, number, offset_bytes
        self._digest = DigestCheck(sha256=None, size_bytes=size_bytes)
        self._stack = contextlib.ExitStack()
        with contextlib.ExitStack() as stack:
            stack.enter_context(_locked(folder / "lock", fcntl.LOCK_SH))
            self._note_fd = stack.enter_context(_locked(folder / f"part-{number:05d}", fcntl.LOCK_EX, create=True))
            self._data_fd = _open_data(folder / "data")
            stack.callback(os.close, self._data_fd)
            os.ftruncate(self._note_fd, 0)
            store.sync_file(self._note_fd)
            self._stack = stack.pop_all()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        offset = self._offset + self._digest.size_bytes
        self._digest.update(data)
        self._store.write_all(self._data_fd, data, offset)

    def commit(self) -> StoredPart:
        stat = self._digest.finish()
        self._store.sync_file(self._data_fd)
        self._store.write_all(self._note_fd, f"{self._number} {stat.size_bytes} {stat.sha256}\n".encode(), 0)
        self._store.sync_file(self._note_fd)
        self._stack.close()
        return StoredPart(self._number, stat.size_bytes, stat.sha256)

    def abort(self) -> None:
        self._stack.close()


class _FileReader:
    def __init__(self, path: Path, start: int, stop: int) -> None:
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._position, self._stop = start, stop

    def read(self, size_bytes: int) -> bytes:
        wanted = min(size_bytes, self._stop - self._position)
        if wanted <= 0:
            return b""
        block = os.pread(self._fd, wanted, self._position)
        if not block:
            raise ObjectCorrupt
        self._position += len(block)
        return block

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


@contextlib.contextmanager
def _locked(path: Path, mode: int, *, create: bool = False) -> Iterator[int]:
    """Hold an advisory lock that dies with the process. Raises: Conflict when taken, EntryNotFound when gone."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if create else 0), 0o600)
    except FileNotFoundError:
        raise EntryNotFound("This upload no longer exists.") from None
    try:
        fcntl.flock(fd, mode | fcntl.LOCK_NB)
        yield fd
    except BlockingIOError:
        raise Conflict("This upload is being written by another request. Please try again.") from None
    finally:
        os.close(fd)


def _open_data(path: Path) -> int:
    """Open the parts file. Raises: Conflict when it was published in the meantime."""
    try:
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        raise Conflict("This upload is already complete.") from None


def _seal(fd: int) -> None:
    os.fchmod(fd, _SEALED_MODE)
    os.utime(fd, ns=(_SEALED_MTIME_NS, _SEALED_MTIME_NS))


def _hash_file(fd: int, digest: DigestCheck, total_bytes: int = 0, on_progress: Progress | None = None) -> None:
    buffer = bytearray(IO_BLOCK_BYTES)
    view = memoryview(buffer)
    while count := os.preadv(fd, [buffer], digest.size_bytes):
        digest.update(view[:count])
        if on_progress is not None:
            on_progress(digest.size_bytes, total_bytes)


def _read_note(path: Path) -> StoredPart | None:
    with contextlib.suppress(ValueError, FileNotFoundError):
        number, size, etag = path.read_text("ascii").split()
        return StoredPart(int(number), int(size), etag)
    return None


def _safe_name(name: str) -> str:
    if not name or not name.replace("-", "").isalnum() or not name.isascii():
        raise EntryNotFound("This upload no longer exists.")
    return name


def _newest_mtime(path: Path) -> float:
    """Return the time of the last write in a file or upload folder; a vanished one counts as new."""
    try:
        files = [path, *path.iterdir()] if path.is_dir() else [path]
        return max(file.stat().st_ctime for file in files)
    except FileNotFoundError:
        return float("inf")


def _allocated_bytes(path: Path) -> int:
    files = list(path.iterdir()) if path.is_dir() else [path]
    return sum(file.stat().st_blocks * 512 for file in files)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
