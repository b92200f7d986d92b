"""Blobs in an S3 bucket.

    <prefix>objects/ab/cd/<sha256>   verified; written create-only
    <prefix>uploads/<name>           multipart uploads by presigned parts land here, are read back and hashed, and only
                                     then copied to their name inside the bucket

Calls are retried by botocore a bounded number of times; a read that is cut goes on from its offset.
"""

from __future__ import annotations

import contextlib
import logging
import tempfile
import uuid
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from hub.core.errors import Conflict, EntryNotFound, ServiceUnavailable, Unprocessable
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
)

log = logging.getLogger(__name__)

_MIN_PART_BYTES = 8 * 1024**2
_MAX_PARTS = 9_000
_READ_ATTEMPTS = 4
_MISSING_CODES = frozenset({"404", "NoSuchKey", "NotFound", "NoSuchUpload"})
_EXISTS_CODES = frozenset({"412", "PreconditionFailed", "409", "ConditionalRequestConflict"})


class S3BlobStore:
    """A BlobStore in a bucket; credentials come from the usual AWS places."""

    def __init__(
        self,
        *,
        bucket: str,
        spool_dir: Path,
        prefix: str = "",
        endpoint_url: str | None = None,
        public_endpoint_url: str | None = None,
        region: str | None = None,
        presign: bool = True,
        check: CheckFactory = DigestCheck,
        is_spooled: bool = False,
    ) -> None:
        """``is_spooled``: blobs are small, so each is gathered on disk and sent in one request."""
        self.bucket = bucket
        self._is_spooled = is_spooled
        self.new_check = check
        self._prefix = f"{prefix}/" if prefix else ""
        self._presign = presign
        self.spool_dir = spool_dir
        self.client = _make_client(endpoint_url, region)
        # Browsers may reach the bucket by another name than the server does; the host is part of the signature.
        self._signer = _make_client(public_endpoint_url, region) if public_endpoint_url else self.client

    # -- whole blobs

    def open_writer(self, *, sha256: str | None = None, size_bytes: int | None = None) -> _S3Writer | _S3SpooledWriter:
        if self._is_spooled:
            return _S3SpooledWriter(self, sha256=sha256, size_bytes=size_bytes)
        return _S3Writer(self, sha256=sha256, size_bytes=size_bytes)

    def stat(self, sha256: str) -> BlobStat:
        with _translated():
            answer = self.client.head_object(Bucket=self.bucket, Key=self.key_of(sha256))
        return BlobStat(sha256, int(answer["ContentLength"]))

    def exists(self, sha256: str) -> bool:
        try:
            self.stat(sha256)
        except EntryNotFound:
            return False
        return True

    def open_range(self, sha256: str, start: int = 0, stop: int | None = None) -> _S3Reader | _CheckedReader:
        size_bytes = self.stat(sha256).size_bytes
        end = size_bytes if stop is None else min(stop, size_bytes)
        reader = self._reader(self.key_of(sha256), start, end)
        if (start, end) != (0, size_bytes):
            return reader
        return _CheckedReader(reader, self.new_check(sha256=sha256, size_bytes=None), sha256, size_bytes)

    def verify(self, sha256: str) -> BlobStat:
        try:
            return self._hash_key(self.key_of(sha256), self.new_check(sha256=sha256, size_bytes=None))
        except Unprocessable as error:
            log.critical("object_corrupt", extra={"sha256": sha256})
            raise ObjectCorrupt(sha256=sha256) from error

    def delete(self, sha256: str) -> bool:
        found = self.exists(sha256)
        with _translated():
            self.client.delete_object(Bucket=self.bucket, Key=self.key_of(sha256))
        return found

    def iter_sha256(self) -> Iterator[str]:
        for entry in self._list(f"{self._prefix}objects/"):
            name = str(entry["Key"]).rpartition("/")[2]
            if SHA256_PATTERN.fullmatch(name):
                yield name

    def local_path(self, sha256: str) -> Path | None:
        return None

    def check_capacity(self, size_bytes: int) -> None:
        """A bucket has no bound of its own; quotas are the caller's."""

    # -- parts

    def begin_multipart(self, name: str) -> str:
        with _translated():
            answer = self.client.create_multipart_upload(Bucket=self.bucket, Key=self.staging_key(name))
        return f"{name}:{answer['UploadId']}"

    def open_part_writer(self, upload_id: str, *, number: int, offset_bytes: int, size_bytes: int) -> _S3PartWriter:
        return _S3PartWriter(self, self.upload_args(upload_id), number, size_bytes)

    def list_parts(self, upload_id: str) -> list[StoredPart]:
        paginator = self.client.get_paginator("list_parts")
        with _translated():
            pages = list(paginator.paginate(**self.upload_args(upload_id)))
        return [
            StoredPart(int(part["PartNumber"]), int(part["Size"]), str(part["ETag"]).strip('"'))
            for page in pages
            for part in page.get("Parts", [])
        ]

    def complete_multipart(
        self,
        upload_id: str,
        *,
        sha256: str,
        size_bytes: int,
        parts: list[StoredPart],
        on_progress: Progress | None = None,
    ) -> BlobStat:
        key = self.upload_args(upload_id)["Key"]
        self._join_parts(upload_id, parts)
        stat = self._hash_key(key, self.new_check(sha256=sha256, size_bytes=size_bytes), size_bytes, on_progress)
        if not self.exists(sha256):
            with _translated():
                self.client.copy({"Bucket": self.bucket, "Key": key}, self.bucket, self.key_of(sha256))
        return stat

    def abort_multipart(self, upload_id: str) -> None:
        arguments = self.upload_args(upload_id)
        with contextlib.suppress(EntryNotFound), _translated():
            self.client.abort_multipart_upload(**arguments)
        with _translated():
            self.client.delete_object(Bucket=self.bucket, Key=arguments["Key"])

    def presign_get(
        self,
        sha256: str,
        *,
        ttl_s: int,
        content_type: str = "",
        content_disposition: str = "",
        byte_range: tuple[int, int] | None = None,
    ) -> str | None:
        if not self._presign:
            return None
        parameters = {"Bucket": self.bucket, "Key": self.key_of(sha256)}
        if byte_range is not None:
            # The header becomes part of the signature: the URL serves this range and no other (T83).
            parameters["Range"] = f"bytes={byte_range[0]}-{byte_range[1]}"
        if content_type:
            parameters["ResponseContentType"] = content_type
        if content_disposition:
            parameters["ResponseContentDisposition"] = content_disposition
        return str(self._signer.generate_presigned_url("get_object", Params=parameters, ExpiresIn=ttl_s))

    def presign_put(self, name: str, *, size_bytes: int, ttl_s: int) -> str | None:
        if not self._presign:
            return None
        parameters = {"Bucket": self.bucket, "Key": self.staging_key(name), "ContentLength": size_bytes}
        return str(self._signer.generate_presigned_url("put_object", Params=parameters, ExpiresIn=ttl_s))

    def check_put(self, name: str, check: ContentCheck) -> str:
        key = self.staging_key(name)
        with _translated():
            head = self.client.head_object(Bucket=self.bucket, Key=key)
        # The URL for the PUT is still good: only what carries this tag is what was judged.
        tag = str(head["ETag"])
        reader = _S3Reader(self.client, self.bucket, key, 0, int(head["ContentLength"]), tag)
        stat = _run_check(reader, check)
        if stat.size_bytes != check.size_bytes:
            raise Unprocessable("Please send the content without a footer.")
        return tag

    def adopt(self, name: str, tag: str, sha256: str) -> bool:
        if self.exists(sha256):
            return False
        source = {"Bucket": self.bucket, "Key": self.staging_key(name)}
        with _translated():
            self.client.copy_object(
                CopySource=source, CopySourceIfMatch=tag, Bucket=self.bucket, Key=self.key_of(sha256)
            )
        return True

    def drop(self, name: str) -> None:
        with _translated():
            self.client.delete_object(Bucket=self.bucket, Key=self.staging_key(name))

    def presign_put_part(self, upload_id: str, *, number: int, size_bytes: int, ttl_s: int) -> str | None:
        if not self._presign:
            return None
        parameters = {**self.upload_args(upload_id), "PartNumber": number, "ContentLength": size_bytes}
        return str(self._signer.generate_presigned_url("upload_part", Params=parameters, ExpiresIn=ttl_s))

    def sweep(self, *, older_than: datetime, keep_uploads: frozenset[str], dry_run: bool = False) -> SweepReport:
        kept_names = {upload_id.partition(":")[0] for upload_id in keep_uploads}
        uploads = [
            upload
            for upload in self._list_uploads()
            if upload["Initiated"] < older_than and str(upload["Key"]).rpartition("/")[2] not in kept_names
        ]
        staged = [
            entry
            for entry in self._list(f"{self._prefix}uploads/")
            if entry["LastModified"] < older_than and str(entry["Key"]).rpartition("/")[2] not in kept_names
        ]
        if not dry_run:
            self._remove_stale(uploads, staged)
        return SweepReport(files=len(uploads) + len(staged), size_bytes=sum(int(entry["Size"]) for entry in staged))

    # -- shared with the writers

    def key_of(self, sha256: str) -> str:
        require_sha256(sha256)
        return f"{self._prefix}objects/{sha256[:2]}/{sha256[2:4]}/{sha256}"

    def upload_args(self, upload_id: str) -> dict[str, Any]:
        name, _, s3_id = upload_id.partition(":")
        return {"Bucket": self.bucket, "Key": self.staging_key(name), "UploadId": s3_id}

    def staging_key(self, name: str) -> str:
        return f"{self._prefix}uploads/{name}"

    def put_new(self, sha256: str, body: Any) -> bool:
        """Create an object in one request; return False when it was there, which stays as it is."""
        try:
            self.client.put_object(Bucket=self.bucket, Key=self.key_of(sha256), Body=body, IfNoneMatch="*")
        except ClientError as error:
            if not _says_it_exists(error):
                raise
            self.require_there(sha256)
            return False
        return True

    def require_there(self, sha256: str) -> None:
        """Hold a bucket that says "exists already" to its word. Raises: ServiceUnavailable when it does not (T185)."""
        if not self.exists(sha256):
            raise ServiceUnavailable("The storage of this hub is not answering. Please try again.")

    def _reader(self, key: str, start: int, stop: int) -> _S3Reader:
        return _S3Reader(self.client, self.bucket, key, start, stop)

    def _hash_key(
        self, key: str, digest: ContentCheck, total_bytes: int = 0, on_progress: Progress | None = None
    ) -> BlobStat:
        with _translated():
            size_bytes = int(self.client.head_object(Bucket=self.bucket, Key=key)["ContentLength"])
        return _run_check(self._reader(key, 0, size_bytes), digest, total_bytes, on_progress)

    def _join_parts(self, upload_id: str, parts: list[StoredPart]) -> None:
        arguments = self.upload_args(upload_id)
        listed = [{"PartNumber": part.number, "ETag": f'"{part.etag}"'} for part in parts]
        try:
            with _translated():
                self.client.complete_multipart_upload(**arguments, MultipartUpload={"Parts": listed})
        except EntryNotFound:
            # The reply to an earlier completion was lost: the joined object is there, else this raises again.
            with _translated():
                self.client.head_object(Bucket=self.bucket, Key=arguments["Key"])

    def _list(self, prefix: str) -> Iterator[dict[str, Any]]:
        with _translated():
            for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix):
                yield from page.get("Contents", [])

    def _list_uploads(self) -> Iterator[dict[str, Any]]:
        paginator = self.client.get_paginator("list_multipart_uploads")
        with _translated():
            for page in paginator.paginate(Bucket=self.bucket, Prefix=self._prefix):
                yield from page.get("Uploads", [])

    def _remove_stale(self, uploads: list[dict[str, Any]], staged: list[dict[str, Any]]) -> None:
        for upload in uploads:
            with contextlib.suppress(EntryNotFound), _translated():
                self.client.abort_multipart_upload(Bucket=self.bucket, Key=upload["Key"], UploadId=upload["UploadId"])
        for entry in staged:
            with _translated():
                self.client.delete_object(Bucket=self.bucket, Key=entry["Key"])


class _S3Writer:
    """Hashes while uploading to the final key; nothing is visible until the multipart upload is completed."""

    def __init__(self, store: S3BlobStore, *, sha256: str | None, size_bytes: int | None) -> None:
        self._store = store
        self.check = store.new_check(sha256=sha256, size_bytes=size_bytes)
        self.is_new = False
        self._part_bytes = max(_MIN_PART_BYTES, -(-(size_bytes or 0) // _MAX_PARTS))
        self._buffer = bytearray()
        self._parts: list[dict[str, Any]] = []
        self._upload: dict[str, Any] | None = None
        # Without a declared hash the final key is unknown until the end: stage under a name of its own.
        self._key = store.key_of(sha256) if sha256 else ""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.check.update(data)
        self._buffer += data
        while len(self._buffer) > self._part_bytes:
            self._send_part(self._part_bytes)

    def commit(self) -> BlobStat:
        stat = self.check.finish()
        with _translated():
            if self._upload is None:
                self._put_small(stat.sha256)
            else:
                self._send_part(len(self._buffer))
                self._finish_large(stat.sha256)
        self._upload = None
        return stat

    def abort(self) -> None:
        self._buffer.clear()
        if self._upload is not None:
            with contextlib.suppress(EntryNotFound), _translated():
                self._store.client.abort_multipart_upload(**self._upload)
            self._upload = None

    def _send_part(self, size_bytes: int) -> None:
        with _translated():
            if self._upload is None:
                self._upload = self._begin()
            number = len(self._parts) + 1
            body = bytes(memoryview(self._buffer)[:size_bytes])
            answer = self._store.client.upload_part(**self._upload, PartNumber=number, Body=body)
        self._parts.append({"PartNumber": number, "ETag": answer["ETag"]})
        del self._buffer[:size_bytes]

    def _begin(self) -> dict[str, Any]:
        key = self._key or self._store.staging_key(uuid.uuid4().hex)
        answer = self._store.client.create_multipart_upload(Bucket=self._store.bucket, Key=key)
        return {"Bucket": self._store.bucket, "Key": key, "UploadId": answer["UploadId"]}

    def _put_small(self, sha256: str) -> None:
        self.is_new = self._store.put_new(sha256, bytes(self._buffer))

    def _finish_large(self, sha256: str) -> None:
        assert self._upload is not None
        parts = {"Parts": self._parts}
        client, bucket, key = self._store.client, self._store.bucket, self._upload["Key"]
        if self._key:
            with _already_there_is_fine():
                client.complete_multipart_upload(**self._upload, MultipartUpload=parts, IfNoneMatch="*")
                self.is_new = True
            if not self.is_new:
                self._store.require_there(sha256)
            return
        client.complete_multipart_upload(**self._upload, MultipartUpload=parts)
        if not self._store.exists(sha256):
            client.copy({"Bucket": bucket, "Key": key}, bucket, self._store.key_of(sha256))
            self.is_new = True
        client.delete_object(Bucket=bucket, Key=key)


class _S3SpooledWriter:
    """Gathers a small blob on disk while it is judged; memory stays flat, whatever the number of writers."""

    def __init__(self, store: S3BlobStore, *, sha256: str | None, size_bytes: int | None) -> None:
        store.spool_dir.mkdir(parents=True, exist_ok=True)
        self._store = store
        self.check = store.new_check(sha256=sha256, size_bytes=size_bytes)
        self.is_new = False
        self._spool = tempfile.TemporaryFile(dir=store.spool_dir)  # noqa: SIM115 -- closed by commit or abort

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.check.update(data)
        self._spool.write(data)

    def commit(self) -> BlobStat:
        stat = self.check.finish()
        self._spool.truncate(stat.size_bytes)
        self._spool.seek(0)
        with _translated():
            self.is_new = self._store.put_new(stat.sha256, self._spool)
        self._spool.close()
        return stat

    def abort(self) -> None:
        self._spool.close()


class _S3PartWriter:
    """Spools one part to disk, since S3 wants its length and may want it again; memory stays flat."""

    def __init__(self, store: S3BlobStore, arguments: dict[str, Any], number: int, size_bytes: int) -> None:
        store.spool_dir.mkdir(parents=True, exist_ok=True)
        self._store, self._arguments, self._number = store, arguments, number
        self._digest = DigestCheck(sha256=None, size_bytes=size_bytes)
        # Unlinked from birth: a killed process leaves nothing behind.
        self._spool = tempfile.TemporaryFile(dir=store.spool_dir)  # noqa: SIM115 -- closed by commit or abort

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._digest.update(data)
        self._spool.write(data)

    def commit(self) -> StoredPart:
        stat = self._digest.finish()
        self._spool.seek(0)
        with _translated():
            answer = self._store.client.upload_part(**self._arguments, PartNumber=self._number, Body=self._spool)
        self._spool.close()
        return StoredPart(self._number, stat.size_bytes, str(answer["ETag"]).strip('"'))

    def abort(self) -> None:
        self._spool.close()


class _S3Reader:
    """Reads on from its offset when the bucket cuts a reply, a bounded number of times."""

    def __init__(self, client: Any, bucket: str, key: str, start: int, stop: int, tag: str = "") -> None:
        """``tag``: read nothing but the object that carries it."""
        self._client, self._bucket, self._key = client, bucket, key
        self._condition = {"IfMatch": tag} if tag else {}
        self._position, self._stop = start, stop
        self._body: Any = None
        self._attempts_left = _READ_ATTEMPTS

    def read(self, size_bytes: int) -> bytes:
        wanted = min(size_bytes, self._stop - self._position)
        while wanted > 0:
            block = self._read_once(wanted)
            if block:
                self._position += len(block)
                return block
            self.close()
            self._attempts_left -= 1
            if self._attempts_left == 0:
                raise ServiceUnavailable("The storage behind this file stopped answering.")
        return b""

    def close(self) -> None:
        if self._body is not None:
            self._body.close()
            self._body = None

    def _read_once(self, wanted: int) -> bytes:
        """Return some bytes, or none when the connection was cut."""
        if self._body is None:
            span = f"bytes={self._position}-{self._stop - 1}"
            with _translated():
                answer = self._client.get_object(Bucket=self._bucket, Key=self._key, Range=span, **self._condition)
                self._body = answer["Body"]
        try:
            return bytes(self._body.read(wanted))
        except (BotoCoreError, OSError):
            log.warning("s3_read_cut", extra={"key": self._key, "position": self._position})
            return b""


class _CheckedReader:
    """A whole object: its last block is given out only when all of them make the hash it is named by (T184)."""

    def __init__(self, reader: _S3Reader, check: ContentCheck, name: str, size_bytes: int) -> None:
        self._reader, self._check, self._name = reader, check, name
        self._left = size_bytes

    def read(self, size_bytes: int) -> bytes:
        block = self._reader.read(size_bytes)
        try:
            self._check.update(block)
            self._left -= len(block)
            if block and not self._left:
                self._check.finish()
        except Unprocessable as error:
            log.critical("object_corrupt", extra={"sha256": self._name})
            raise ObjectCorrupt(sha256=self._name) from error
        return block

    def close(self) -> None:
        self._reader.close()


def _run_check(
    reader: _S3Reader, check: ContentCheck, total_bytes: int = 0, on_progress: Progress | None = None
) -> BlobStat:
    try:
        while block := reader.read(IO_BLOCK_BYTES):
            check.update(block)
            if on_progress is not None:
                on_progress(check.size_bytes, total_bytes)
    finally:
        reader.close()
    return check.finish()


def _make_client(endpoint_url: str | None, region: str | None) -> Any:
    config = Config(
        retries={"max_attempts": 4, "mode": "standard"},
        connect_timeout=5,
        read_timeout=60,
        signature_version="s3v4",
        max_pool_connections=32,
    )
    return boto3.session.Session().client(
        "s3", endpoint_url=endpoint_url, region_name=region or "us-east-1", config=config
    )


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """Turn the vendor's errors into ours; nothing of the bucket's answer reaches a caller."""
    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code in _MISSING_CODES:
            raise EntryNotFound from error
        if code in ("412", "PreconditionFailed"):
            raise Conflict("The stored object is not the one that was looked at.") from error
        if code in ("InvalidPart", "InvalidPartOrder", "EntityTooSmall"):
            raise Conflict("The stored parts differ from the listed ones.") from error
        log.exception("s3_call_failed", extra={"code": code})
        raise ServiceUnavailable("The storage of this hub is not answering. Please try again.") from error
    except BotoCoreError as error:
        log.exception("s3_unreachable")
        raise ServiceUnavailable("The storage of this hub is not answering. Please try again.") from error


@contextlib.contextmanager
def _already_there_is_fine() -> Iterator[None]:
    """The name is the content's hash: somebody else having stored it first is success."""
    try:
        yield
    except ClientError as error:
        if not _says_it_exists(error):
            raise


def _says_it_exists(error: ClientError) -> bool:
    return str(error.response.get("Error", {}).get("Code", "")) in _EXISTS_CODES
