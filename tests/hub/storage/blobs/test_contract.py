"""One contract, three stores (hub/storage/blobs)."""

from __future__ import annotations

import hashlib
import os
from datetime import UTC, datetime, timedelta

import pytest

from hub.core.errors import EntryNotFound, StorageFull, Unprocessable
from hub.storage.blobs import BlobStore, put, read_all
from hub.storage.blobs.filesystem import FilesystemBlobStore
from hub.storage.blobs.memory import MemoryBlobStore

PART = 5 * 1024**2
BIG = os.urandom(2 * PART + 12345)
BIG_SHA = hashlib.sha256(BIG).hexdigest()


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture(scope="module")
def s3_server():
    server_module = pytest.importorskip("moto.server")
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(params=["filesystem", "memory", "s3"])
def store(request, tmp_path, monkeypatch) -> BlobStore:
    if request.param == "filesystem":
        return FilesystemBlobStore(tmp_path / "blobs", min_free_bytes=0)
    if request.param == "memory":
        return MemoryBlobStore()
    from hub.storage.blobs.s3 import S3BlobStore

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    endpoint = request.getfixturevalue("s3_server")
    bucket = f"b{os.urandom(6).hex()}"
    made = S3BlobStore(bucket=bucket, spool_dir=tmp_path / "spool", endpoint_url=endpoint, region="us-east-1")
    made.client.create_bucket(Bucket=bucket)
    return made


def send_parts(store: BlobStore, upload_id: str, data: bytes, numbers: list[int]) -> None:
    for number in numbers:
        chunk = data[(number - 1) * PART : number * PART]
        writer = store.open_part_writer(
            upload_id, number=number, offset_bytes=(number - 1) * PART, size_bytes=len(chunk)
        )
        writer.write(chunk)
        writer.commit()


def test_put_then_read_ranges(store):
    stat = put(store, [b"hello ", b"world"], sha256=sha(b"hello world"), size_bytes=11)
    assert store.stat(stat.sha256) == stat
    assert read_all(store, stat.sha256) == b"hello world"
    assert read_all(store, stat.sha256, 6, 9) == b"wor"
    assert list(store.iter_sha256()) == [stat.sha256]
    assert store.verify(stat.sha256) == stat


def test_put_without_a_declared_hash(store):
    assert put(store, [BIG]).sha256 == BIG_SHA
    assert read_all(store, BIG_SHA, PART - 5, PART + 5) == BIG[PART - 5 : PART + 5]


def test_empty_blob(store):
    stat = put(store, [], sha256=sha(b""), size_bytes=0)
    assert read_all(store, stat.sha256) == b""


@pytest.mark.parametrize("data", [b"hello worle", b"hello worl", b"hello world!"])
def test_t67_t68_other_bytes_are_refused_and_leave_nothing(store, data):
    with pytest.raises(Unprocessable):
        put(store, [data], sha256=sha(b"hello world"), size_bytes=11)
    assert not store.exists(sha(b"hello world"))
    assert list(store.iter_sha256()) == []


def test_t67_an_existing_blob_is_never_overwritten(store):
    put(store, [b"one"], sha256=sha(b"one"))
    with pytest.raises(Unprocessable):
        put(store, [b"two"], sha256=sha(b"one"))
    put(store, [b"one"], sha256=sha(b"one"))
    assert read_all(store, sha(b"one")) == b"one"


@pytest.mark.parametrize("name", ["../../etc/passwd", "A" * 64, "a" * 63, "a" * 64 + "\n", ""])
def test_t72_names_that_are_no_sha256_are_refused(store, name):
    with pytest.raises((Unprocessable, EntryNotFound)):
        store.open_range(name)


def test_missing_blob(store):
    with pytest.raises(EntryNotFound):
        store.stat("0" * 64)
    assert store.delete("0" * 64) is False


def test_delete(store):
    put(store, [b"x"])
    assert store.delete(sha(b"x")) is True
    assert not store.exists(sha(b"x"))


def test_multipart_out_of_order_resumed_and_repeated(store):
    upload_id = store.begin_multipart("0a" * 16)
    send_parts(store, upload_id, BIG, [3, 1])
    assert [part.number for part in store.list_parts(upload_id)] == [1, 3]
    send_parts(store, upload_id, BIG, [2, 1])
    parts = store.list_parts(upload_id)
    seen = []
    stat = store.complete_multipart(
        upload_id, sha256=BIG_SHA, size_bytes=len(BIG), parts=parts, on_progress=lambda *step: seen.append(step)
    )
    assert stat.size_bytes == len(BIG)
    assert seen[-1] == (len(BIG), len(BIG))
    # The reply was lost: the same call again gives the same answer.
    store.complete_multipart(upload_id, sha256=BIG_SHA, size_bytes=len(BIG), parts=parts)
    assert sha(read_all(store, BIG_SHA)) == BIG_SHA


def test_t73_multipart_with_other_bytes_is_never_visible(store):
    upload_id = store.begin_multipart("0b" * 16)
    send_parts(store, upload_id, BIG[:-1] + bytes([BIG[-1] ^ 1]), [1, 2, 3])
    with pytest.raises(Unprocessable):
        store.complete_multipart(upload_id, sha256=BIG_SHA, size_bytes=len(BIG), parts=store.list_parts(upload_id))
    assert not store.exists(BIG_SHA)


def test_t73_abort_frees_the_parts(store):
    upload_id = store.begin_multipart("0c" * 16)
    send_parts(store, upload_id, BIG, [1])
    store.abort_multipart(upload_id)
    store.abort_multipart(upload_id)
    with pytest.raises(EntryNotFound):
        store.list_parts(upload_id)


def test_t159_sweep_takes_old_uploads_and_keeps_open_ones(store):
    kept, lost = store.begin_multipart("0d" * 16), store.begin_multipart("0e" * 16)
    soon = datetime.now(UTC) + timedelta(minutes=1)
    # The S3 stand-in dates every upload to 2010.
    assert store.sweep(older_than=datetime(2000, 1, 1, tzinfo=UTC), keep_uploads=frozenset()).files == 0
    assert store.sweep(older_than=soon, keep_uploads=frozenset({kept}), dry_run=True).files == 1
    store.sweep(older_than=soon, keep_uploads=frozenset({kept}))
    assert store.list_parts(kept) == []
    with pytest.raises(EntryNotFound):
        store.list_parts(lost)


def test_t181_full_memory_store_refuses():
    with pytest.raises(StorageFull):
        MemoryBlobStore(capacity_bytes=10).check_capacity(11)


def test_s3_presigned_urls_work(store):
    import httpx

    put(store, [b"presigned"])
    url = store.presign_get(sha(b"presigned"), ttl_s=60, content_disposition="attachment")
    if url is None:
        assert not hasattr(store, "client")
        return
    answer = httpx.get(url)
    assert (answer.content, answer.headers["content-disposition"]) == (b"presigned", "attachment")
    upload_id = store.begin_multipart("0f" * 16)
    put_url = store.presign_put_part(upload_id, number=1, size_bytes=4, ttl_s=60)
    assert httpx.put(put_url, content=b"part").headers["etag"].strip('"') == store.list_parts(upload_id)[0].etag
