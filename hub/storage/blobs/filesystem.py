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
import threading
import uuid
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from blake3 import blake3

from hub.core.errors import Conflict, EntryNotFound, ServiceUnavailable, StorageFull, Unprocessable
from hub.storage.blobs.base import (
    IO_BLOCK_BYTES,
    SHA256_PATTERN,
    BlobStat,
    CheckFactory,
    ContentCheck,
    DigestCheck,
    ObjectCorrupt,
    Progress,
    StoredPart,
    SweepReport,
    require_sha256,
    storage_full_from,
)
from hub.storage.blobs.writeback import Writeback

log = logging.getLogger(__name__)

DEFAULT_MIN_FREE_BYTES = 10 * 1024**3
_MIN_FREE_FRACTION = 0.05
_SEALED_MTIME_NS = 1_000_000_000 * 1_000_000_000
_SEALED_MODE = 0o444
#: Uploads in order that are remembered at a time; each takes a few hundred bytes.
_MAX_CHAINS = 256


class FilesystemBlobStore:
    """A BlobStore in a folder; several processes may share it."""

    def __init__(self, root: Path, *, min_free_bytes: int | None = None, check: CheckFactory = DigestCheck) -> None:
        """``min_free_bytes`` None: the larger of 10 GiB and 5 % of the disk stays free."""
        self.root = root
        self.new_check = check
        self._min_free_bytes = min_free_bytes
        self._in_order = _InOrder()
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
        digest = self.new_check(sha256=sha256, size_bytes=None)
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
        folder = self._upload_dir(upload_id)
        return _FilePartWriter(self, self._in_order, folder, number, offset_bytes, size_bytes)

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
            stat = self._verify_upload(folder, sha256, size_bytes, on_progress)
            verified.touch()
            self.sync_dir(folder)
            self.publish(folder / "data", sha256)
            return stat

    def abort_multipart(self, upload_id: str) -> None:
        with contextlib.suppress(EntryNotFound):
            shutil.rmtree(self._upload_dir(upload_id), ignore_errors=True)

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

    def publish(self, source: Path, sha256: str) -> bool:
        """Move a verified, synced file to its name; return False when one was there, which stays as it is."""
        target = self.path_of(sha256)
        self._make_shard(target.parent)
        is_new = _link_new(source, target)
        source.unlink(missing_ok=True)
        self.sync_dir(target.parent)
        return is_new

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

    def _verify_upload(self, folder: Path, sha256: str, size_bytes: int, on_progress: Progress | None) -> BlobStat:
        with (folder / "data").open("r+b", buffering=0) as file:
            stat = self._known_stat(folder, file.fileno())
            if stat != BlobStat(sha256, size_bytes):
                digest = self.new_check(sha256=sha256, size_bytes=size_bytes)
                _hash_file(file.fileno(), digest, size_bytes, on_progress)
                stat = digest.finish()
            _seal(file.fileno())
            self.sync_file(file.fileno())
            return stat

    def _known_stat(self, folder: Path, fd: int) -> BlobStat | None:
        """The hash of an upload whose parts this process wrote in order, if the notes still say the same of each."""
        chain = self._in_order.take(folder.name)
        if chain is None or chain.parts != self.list_parts(folder.name):
            return None
        return chain.check.finish() if os.fstat(fd).st_size == chain.check.size_bytes else None


class _FileWriter:
    def __init__(self, store: FilesystemBlobStore, *, sha256: str | None, size_bytes: int | None) -> None:
        self._store = store
        self.check = store.new_check(sha256=sha256, size_bytes=size_bytes)
        self.is_new = False
        self._path = store.root / "tmp" / uuid.uuid4().hex
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        self._writeback = Writeback(self._fd)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        offset = self.check.size_bytes
        self.check.update(data)
        self._store.write_all(self._fd, data, offset)
        self._writeback.reached(self.check.size_bytes)

    def commit(self) -> BlobStat:
        stat = self.check.finish()
        if stat.size_bytes < self.check.size_bytes:
            os.ftruncate(self._fd, stat.size_bytes)
        _seal(self._fd)
        self._store.sync_file(self._fd)
        self._close()
        self.is_new = self._store.publish(self._path, stat.sha256)
        return stat

    def abort(self) -> None:
        self._close()
        self._path.unlink(missing_ok=True)

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


@dataclass(slots=True)
class _Chain:
    """The first parts of an upload, hashed as one while they came."""

    check: DigestCheck = field(default_factory=lambda: DigestCheck(sha256=None, size_bytes=None))
    parts: list[StoredPart] = field(default_factory=list)


class _PartCheck:
    """Size and etag of a part on its way in; each byte is hashed once.

    Of a part that goes on with a chain the etag says all bytes up to its end, of another one its own: both change
    with any byte, and whoever completes an upload only has to name what they were told.
    """

    def __init__(self, size_bytes: int, chain: _Chain | None) -> None:
        self._expected_size = size_bytes
        self._chain = chain
        self._own = blake3()
        self.size_bytes = 0

    def update(self, data: bytes | bytearray | memoryview) -> None:
        self.size_bytes += len(data)
        if self.size_bytes > self._expected_size:
            raise Unprocessable("More bytes arrived than were declared.")
        if self._chain is not None:
            self._chain.check.update(data)
        else:
            self._own.update(data)

    def finish(self) -> str:
        if self.size_bytes != self._expected_size:
            raise Unprocessable(f"Expected {self._expected_size} bytes, received {self.size_bytes}.")
        return self._chain.check.digest_so_far() if self._chain else self._own.hexdigest()


class _InOrder:
    """Uploads whose parts come one after the other, as most clients send them: their hash is known at the end, and
    the file need not be read again.  Others, and those of another process, are read."""

    def __init__(self) -> None:
        self._chains: OrderedDict[str, _Chain] = OrderedDict()
        self._lock = threading.Lock()

    def follow(self, upload_id: str, number: int, offset_bytes: int) -> _Chain | None:
        """The chain that this part goes on with, taken out until the part is stored; None when it does not follow."""
        if number == 1 and offset_bytes == 0:
            self.take(upload_id)
            return _Chain()
        with self._lock:
            chain = self._chains.get(upload_id)
            if chain is None or len(chain.parts) != number - 1 or chain.check.size_bytes != offset_bytes:
                return None
            return self._chains.pop(upload_id)

    def put(self, upload_id: str, chain: _Chain) -> None:
        with self._lock:
            self._chains[upload_id] = chain
            while len(self._chains) > _MAX_CHAINS:
                self._chains.popitem(last=False)

    def take(self, upload_id: str) -> _Chain | None:
        with self._lock:
            return self._chains.pop(upload_id, None)


class _FilePartWriter:
    """Writes one part in place. The note is emptied first, so a part half overwritten is a part not stored."""

    def __init__(
        self,
        store: FilesystemBlobStore,
        in_order: _InOrder,
        folder: Path,
        number: int,
        offset_bytes: int,
        size_bytes: int,
    ) -> None:
        self._store, self._in_order, self._number, self._offset = store, in_order, number, offset_bytes
        self._upload_id = folder.name
        self._stack = contextlib.ExitStack()
        with contextlib.ExitStack() as stack:
            stack.enter_context(_locked(folder / "lock", fcntl.LOCK_SH))
            self._note_fd = stack.enter_context(_locked(folder / f"part-{number:05d}", fcntl.LOCK_EX, create=True))
            self._data_fd = _open_data(folder / "data")
            stack.callback(os.close, self._data_fd)
            os.ftruncate(self._note_fd, 0)
            store.sync_file(self._note_fd)
            self._stack = stack.pop_all()
        self._writeback = Writeback(self._data_fd, offset_bytes)
        self._chain = in_order.follow(self._upload_id, number, offset_bytes)
        self._check = _PartCheck(size_bytes, self._chain)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        offset = self._offset + self._check.size_bytes
        self._check.update(data)
        self._store.write_all(self._data_fd, data, offset)
        self._writeback.reached(offset + len(data))

    def commit(self) -> StoredPart:
        part = StoredPart(self._number, self._check.size_bytes, self._check.finish())
        self._store.sync_file(self._data_fd)
        self._store.write_all(self._note_fd, f"{part.number} {part.size_bytes} {part.etag}\n".encode(), 0)
        self._store.sync_file(self._note_fd)
        if self._chain is not None:
            self._chain.parts.append(part)
            self._in_order.put(self._upload_id, self._chain)
        self._stack.close()
        return part

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


def _link_new(source: Path, target: Path) -> bool:
    """Give a file its second name unless that is taken: of two writers at the same moment one wins."""
    try:
        os.link(source, target)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK):
            raise
        # A file system without hard links: the moment between look and move is unguarded there.
        if target.exists():
            return False
        source.rename(target)
    return True


def _open_data(path: Path) -> int:
    """Open the parts file. Raises: Conflict when it was published in the meantime."""
    try:
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        raise Conflict("This upload is already complete.") from None


def _seal(fd: int) -> None:
    os.fchmod(fd, _SEALED_MODE)
    os.utime(fd, ns=(_SEALED_MTIME_NS, _SEALED_MTIME_NS))


def _hash_file(fd: int, digest: ContentCheck, total_bytes: int = 0, on_progress: Progress | None = None) -> None:
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
