"""The store that ``HUB_STORAGE_URL`` names.

``file:///path``, ``memory://`` or ``s3://bucket[/prefix]?endpoint=…&region=…&presign=0&public_endpoint=…``.
``min_free_bytes=N`` (or ``HUB_MIN_FREE_BYTES``) sets the reserve of a file store; by default it is the larger
of 10 GiB and 5 % of the disk.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from hub.storage.blobs.base import BlobStore, CheckFactory, DigestCheck
from hub.storage.blobs.filesystem import FilesystemBlobStore
from hub.storage.blobs.memory import MemoryBlobStore


def get_blob_store() -> BlobStore:
    """Return the process's store; one per URL."""
    return _open_cached(configured_url())


def configured_url() -> str:
    """Return where large files lie: ``HUB_STORAGE_URL``, else a folder of the data directory."""
    return settings.HUB_STORAGE_URL or f"file://{Path(settings.HUB_DATA_DIR).absolute() / 'blobs'}"


def open_blob_store(url: str, *, folder: str = "", check: CheckFactory = DigestCheck) -> BlobStore:
    """Return a new store, in ``folder`` below the place that ``url`` names.

    Raises: ImproperlyConfigured for a URL that names none.
    """
    parts = urlsplit(url)
    options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    if parts.scheme == "file" and not parts.netloc and parts.path:
        given = options.get("min_free_bytes") or settings.HUB_MIN_FREE_BYTES
        min_free = None if given == "" else int(given)
        return FilesystemBlobStore(Path(unquote(parts.path)) / folder, min_free_bytes=min_free, check=check)
    if parts.scheme == "memory":
        return MemoryBlobStore(check=check)
    if parts.scheme == "s3" and parts.netloc:
        prefix = "/".join(part for part in (parts.path.strip("/"), folder) if part)
        return _open_s3(parts.netloc, prefix, options, check)
    raise ImproperlyConfigured("HUB_STORAGE_URL must be file:///path or s3://bucket?endpoint=…")


_open_cached = lru_cache(maxsize=8)(open_blob_store)


def _open_s3(bucket: str, prefix: str, options: dict[str, str], check: CheckFactory) -> BlobStore:
    from hub.storage.blobs.s3 import S3BlobStore  # noqa: PLC0415 -- slow import, and only where S3 is configured

    return S3BlobStore(
        bucket=bucket,
        prefix=prefix,
        endpoint_url=options.get("endpoint") or None,
        public_endpoint_url=options.get("public_endpoint") or None,
        region=options.get("region") or None,
        presign=options.get("presign", "1") not in ("0", "false", "no"),
        spool_dir=Path(settings.HUB_DATA_DIR).absolute() / "spool",
        check=check,
        is_spooled=check is not DigestCheck,
    )
