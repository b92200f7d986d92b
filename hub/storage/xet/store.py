"""Where xorbs lie: in the back end of all large files, under a folder of their own, named by xorb hash.

The contract is that of whole blobs (``hub.storage.blobs``); only the check differs: a xorb's name is the root over
its chunks, and each chunk is verified while it arrives.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Final

from hub.core.errors import Unprocessable
from hub.storage.blobs.base import BlobReader, BlobStat, BlobStore, BlobWriter, ContentCheck, ObjectCorrupt, iter_range
from hub.storage.blobs.configured import configured_url, open_blob_store
from hub.storage.xet.hashing import hash_text, parse_hash
from hub.storage.xet.xorb import InvalidXorb, XorbIndex, XorbReceiver

FOLDER: Final = "xorbs"


class XorbCheck:
    """The ContentCheck of the xorb store; ``index`` is there after ``finish``."""

    def __init__(self, *, sha256: str | None, size_bytes: int | None) -> None:
        """``sha256`` is the contract's word for the name: here the xorb hash in text form."""
        if sha256 is None:
            raise ValueError("a xorb is named before it is sent")
        self._name, self._declared = sha256, size_bytes
        self._receiver = XorbReceiver(parse_hash(sha256))
        self.size_bytes = 0
        self.index: XorbIndex | None = None

    def update(self, data: bytes | bytearray | memoryview) -> None:
        self.size_bytes += len(data)
        if self._declared is not None and self.size_bytes > self._declared:
            raise Unprocessable("More bytes arrived than were declared.")
        try:
            self._receiver.update(data)
        except InvalidXorb as error:
            raise Unprocessable(str(error)) from error

    def finish(self) -> BlobStat:
        if self._declared is not None and self.size_bytes != self._declared:
            raise Unprocessable(f"Expected {self._declared} bytes, received {self.size_bytes}.")
        try:
            self.index = self._receiver.finish()
        except InvalidXorb as error:
            raise Unprocessable(str(error)) from error
        return BlobStat(self._name, self._receiver.payload_bytes)


class XorbWriter:
    """A xorb on its way in; a BlobWriter whose ``commit`` gives the index of what was sent."""

    def __init__(self, xorb_hash: bytes, writer: BlobWriter) -> None:
        self._hash, self._writer = xorb_hash, writer

    @property
    def is_new(self) -> bool:
        """Whether this writer's bytes are the stored ones: one xorb has many serializations, the first one stays."""
        return self._writer.is_new

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._writer.write(data)

    def commit(self) -> XorbIndex:
        """Verify, make durable and visible. Raises: Unprocessable, StorageFull."""
        self._writer.commit()
        return _index_of(self._writer.check)

    def abort(self) -> None:
        self._writer.abort()


def _index_of(check: ContentCheck) -> XorbIndex:
    assert isinstance(check, XorbCheck)  # by the store
    assert check.index is not None  # after its end
    return check.index


class XorbStore:
    """The store of xorbs, in the words of Xet."""

    def __init__(self, blobs: BlobStore) -> None:
        self.blobs = blobs

    def open_writer(self, xorb_hash: bytes, *, size_bytes: int | None = None) -> XorbWriter:
        return XorbWriter(xorb_hash, self.blobs.open_writer(sha256=hash_text(xorb_hash), size_bytes=size_bytes))

    def put(self, xorb_hash: bytes, data: bytes) -> tuple[XorbIndex, bool]:
        """Store a xorb that is in memory; return its index and whether its bytes are new.

        Raises: Unprocessable, StorageFull.
        """
        writer = self.open_writer(xorb_hash, size_bytes=len(data))
        try:
            writer.write(data)
            return writer.commit(), writer.is_new
        except BaseException:
            writer.abort()
            raise

    def read_index(self, xorb_hash: bytes) -> XorbIndex:
        """Read a stored xorb whole and verify it. Raises: EntryNotFound, ObjectCorrupt."""
        check = XorbCheck(sha256=hash_text(xorb_hash), size_bytes=None)
        try:
            for block in iter_range(self.blobs, hash_text(xorb_hash)):
                check.update(block)
            check.finish()
        except Unprocessable as error:
            raise ObjectCorrupt(xorb_hash=hash_text(xorb_hash)) from error
        return _index_of(check)

    def upload_url(self, name: str, *, size_bytes: int, ttl_s: int) -> str | None:
        """Return where to PUT a xorb straight into the bucket, where there is one."""
        return self.blobs.presign_put(name, size_bytes=size_bytes, ttl_s=ttl_s)

    def check_put(self, name: str, xorb_hash: bytes) -> tuple[XorbIndex, str]:
        """Verify what was PUT into the bucket; return its index and the tag of what was read.

        Raises: EntryNotFound, Unprocessable.
        """
        check = XorbCheck(sha256=hash_text(xorb_hash), size_bytes=None)
        tag = self.blobs.check_put(name, check)
        return _index_of(check), tag

    def adopt(self, name: str, tag: str, xorb_hash: bytes) -> bool:
        """Keep what was verified; return whether its bytes are new. Raises: Conflict, EntryNotFound."""
        return self.blobs.adopt(name, tag, hash_text(xorb_hash))

    def drop(self, name: str) -> None:
        self.blobs.drop(name)

    def open_range(self, xorb_hash: bytes, start: int, stop: int) -> BlobReader:
        """Raises: EntryNotFound, ObjectCorrupt."""
        return self.blobs.open_range(hash_text(xorb_hash), start, stop)

    def local_path(self, xorb_hash: bytes) -> Path | None:
        return self.blobs.local_path(hash_text(xorb_hash))

    def exists(self, xorb_hash: bytes) -> bool:
        return self.blobs.exists(hash_text(xorb_hash))

    def presign_range(self, xorb_hash: bytes, first: int, last: int, *, ttl_s: int) -> str | None:
        """Return a URL of the bucket for these bytes (both ends inclusive), where there is a bucket."""
        return self.blobs.presign_get(hash_text(xorb_hash), ttl_s=ttl_s, byte_range=(first, last))


def get_xorb_store() -> XorbStore:
    """Return the process's store; one per URL."""
    return _open_cached(configured_url())


@lru_cache(maxsize=8)
def _open_cached(url: str) -> XorbStore:
    return XorbStore(open_blob_store(url, folder=FOLDER, check=XorbCheck))
