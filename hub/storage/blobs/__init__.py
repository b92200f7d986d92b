"""Where bytes lie: one protocol, three backends, one configured store."""

from hub.storage.blobs.base import (
    IO_BLOCK_BYTES,
    BlobReader,
    BlobStat,
    BlobStore,
    BlobWriter,
    ObjectCorrupt,
    StoredPart,
    SweepReport,
    iter_range,
    put,
    read_all,
    require_sha256,
)
from hub.storage.blobs.configured import get_blob_store, open_blob_store

__all__ = [
    "IO_BLOCK_BYTES",
    "BlobReader",
    "BlobStat",
    "BlobStore",
    "BlobWriter",
    "ObjectCorrupt",
    "StoredPart",
    "SweepReport",
    "get_blob_store",
    "iter_range",
    "open_blob_store",
    "put",
    "read_all",
    "require_sha256",
]
