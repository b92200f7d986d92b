"""T185: a bucket on a bad day: 500, SlowDown, a body that is cut, a reply that is lost, 409 and 412, lists that lag.

Calls are repeated a bounded number of times, nothing counts as stored before it was read back and hashed, and no reader
takes half a file for a whole one.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest

from hub.core.errors import Conflict, EntryNotFound, ServiceUnavailable, Unprocessable
from hub.repos.models import RepoObject
from hub.storage import blobs
from hub.storage.blobs import BlobStore, ObjectCorrupt, put, read_all
from hub.storage.blobs.s3 import S3BlobStore
from hub.storage.models import LfsObject, UploadSession, UploadState
from tests.factories.accounts import make_token, make_user
from tests.factories.repos import make_repo
from tests.threats.faulty_bucket import FaultyBucket, Rule
from tests.threats.live import WebServer, database_url
from tests.threats.test_corruption import Reply
from tests.threats.test_lfs import Sender

MIB = 1024 * 1024
SMALL = os.urandom(50_000)
LARGE = os.urandom(9 * MIB)  # above one part of the writer
PART = 5 * MIB
#: A call is tried so often in all.
ATTEMPTS = 4


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture(scope="module")
def proxy() -> Iterator[FaultyBucket]:
    from moto.server import ThreadedMotoServer

    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    made = FaultyBucket(f"http://{host}:{port}").start()
    yield made
    made.stop()
    moto.stop()


@pytest.fixture(autouse=True)
def _keys(monkeypatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")


@pytest.fixture
def store(proxy, tmp_path, _keys) -> Iterator[S3BlobStore]:
    proxy.order()
    bucket = f"b{os.urandom(6).hex()}"
    made = S3BlobStore(bucket=bucket, spool_dir=tmp_path / "spool", endpoint_url=proxy.url, region="us-east-1")
    made.client.create_bucket(Bucket=bucket)
    yield made
    proxy.order()


def _uploads(store: S3BlobStore) -> list[Any]:
    return list(store.client.list_multipart_uploads(Bucket=store.bucket).get("Uploads", []))


def _parts(store: BlobStore, name: str, data: bytes) -> str:
    upload_id = store.begin_multipart(name)
    for number, at in enumerate(range(0, len(data), PART), 1):
        writer = store.open_part_writer(upload_id, number=number, offset_bytes=at, size_bytes=len(data[at : at + PART]))
        writer.write(data[at : at + PART])
        writer.commit()
    return upload_id


@pytest.mark.parametrize("fault", ["500", "SlowDown", "drop"])
@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "large"])
def test_t185_passing_failures_are_waited_out(store, proxy, fault, data):
    proxy.order(Rule(fault, "^PUT", 2), Rule(fault, "^POST", 2), Rule(fault, "^GET", 2), Rule(fault, "^HEAD", 1))
    stat = put(store, [data], sha256=sha(data))
    assert read_all(store, stat.sha256) == data
    assert store.verify(stat.sha256).size_bytes == len(data)
    assert _uploads(store) == []


@pytest.mark.parametrize("fault", ["500", "SlowDown", "drop", "403"])
@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "large"])
def test_t185_lasting_failures_end_soon_and_store_nothing(store, proxy, fault, data):
    proxy.order(Rule(fault, "^(PUT|POST)", 1000))
    with pytest.raises(ServiceUnavailable):
        put(store, [data], sha256=sha(data))
    assert len(proxy.log) <= 2 * ATTEMPTS
    proxy.order()
    assert not store.exists(sha(data))
    assert _uploads(store) == []
    assert put(store, [data], sha256=sha(data)).size_bytes == len(data)


@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "large"])
def test_t185_a_lost_reply_is_no_second_object(store, proxy, data):
    """The bucket has done it and the answer never came: asking again finds what is there (412 for create-only keys)."""
    proxy.order(Rule("lost reply", "^PUT", 1), Rule("lost reply", "^POST .*uploadId", 1))
    stat = put(store, [data], sha256=sha(data))
    assert proxy.left() == [rule for rule in proxy.rules if data is SMALL and rule.line.startswith("^POST")]
    assert read_all(store, stat.sha256) == data
    assert list(store.iter_sha256()) == [sha(data)]


@pytest.mark.parametrize("fault", ["409", "412"])
def test_t185_somebody_else_was_faster(store, proxy, fault):
    """A create-only key that is taken holds the same bytes, for its name is their hash: that is success."""
    put(store, [SMALL], sha256=sha(SMALL))
    proxy.order(Rule(fault, "^PUT .*objects/", 5))
    assert put(store, [SMALL], sha256=sha(SMALL)).size_bytes == len(SMALL)
    proxy.order()
    assert read_all(store, sha(SMALL)) == SMALL


@pytest.mark.parametrize("fault", ["409", "412"])
def test_t185_taken_is_believed_only_when_something_is_there(store, proxy, fault):
    """412 for a key that does not exist is a fault of the bucket: not stored, and not reported as stored."""
    proxy.order(Rule(fault, "^PUT .*objects/", 50))
    with pytest.raises(ServiceUnavailable):
        put(store, [SMALL], sha256=sha(SMALL))
    proxy.order()
    assert not store.exists(sha(SMALL))


@pytest.mark.parametrize("times", [1, 3])
def test_t185_a_cut_body_is_read_on_from_where_it_ended(store, proxy, times):
    put(store, [LARGE], sha256=sha(LARGE))
    proxy.order(Rule("cut", "^GET .*objects/", times))
    assert read_all(store, sha(LARGE)) == LARGE
    assert read_all(store, sha(LARGE), 100, 200) == LARGE[100:200]


def test_t185_a_body_that_is_always_cut_is_an_error_and_no_short_file(store, proxy):
    put(store, [LARGE], sha256=sha(LARGE))
    proxy.order(Rule("drop", "^GET .*objects/", 1000))
    with pytest.raises(ServiceUnavailable):
        read_all(store, sha(LARGE))
    assert len(proxy.log) < 50


def test_t185_an_upload_in_parts_survives_each_fault(store, proxy):
    faults = ("500", "SlowDown", "drop", "lost reply")
    for number, fault in enumerate(faults):
        data = LARGE[number:]
        proxy.order(Rule(fault, "^PUT", 1), Rule(fault, "^POST .*uploadId", 1), Rule(fault, "^GET", 1))
        upload_id = _parts(store, f"{number:032x}", data)
        parts = store.list_parts(upload_id)
        stat = store.complete_multipart(upload_id, sha256=sha(data), size_bytes=len(data), parts=parts)
        assert (stat.size_bytes, store.verify(sha(data)).size_bytes) == (len(data), len(data))


def test_t185_nothing_is_stored_before_it_was_read_back(store, proxy):
    """The join succeeds, reading back fails: the object is not visible until a later completion has hashed it."""
    upload_id = _parts(store, "ab" * 16, LARGE)
    parts = store.list_parts(upload_id)
    proxy.order(Rule("500", "^GET .*uploads/", 1000))
    with pytest.raises(ServiceUnavailable):
        store.complete_multipart(upload_id, sha256=sha(LARGE), size_bytes=len(LARGE), parts=parts)
    proxy.order()
    assert not store.exists(sha(LARGE))
    store.complete_multipart(upload_id, sha256=sha(LARGE), size_bytes=len(LARGE), parts=parts)
    assert read_all(store, sha(LARGE)) == LARGE


def test_t185_wrong_bytes_in_the_bucket_are_never_published(store, proxy):
    upload_id = _parts(store, "cd" * 16, LARGE[:-1] + bytes([LARGE[-1] ^ 1]))
    with pytest.raises((Unprocessable, Conflict)):
        store.complete_multipart(upload_id, sha256=sha(LARGE), size_bytes=len(LARGE), parts=store.list_parts(upload_id))
    assert not store.exists(sha(LARGE))


def test_t185_stale_answers_are_doubt_and_doubt_is_no(store, proxy):
    """A bucket that does not see yet what it has: missing, never an empty file."""
    put(store, [SMALL], sha256=sha(SMALL))
    proxy.order(Rule("stale", "objects/", 1))
    with pytest.raises(EntryNotFound):
        read_all(store, sha(SMALL))
    assert read_all(store, sha(SMALL)) == SMALL
    proxy.order(Rule("empty list", "^GET .*list-type=2", 1))
    assert list(store.iter_sha256()) == []
    assert list(store.iter_sha256()) == [sha(SMALL)]
    # A sweep over a list that lags takes nothing that is in use.
    kept = store.begin_multipart("ef" * 16)
    proxy.order(Rule("empty list", "^GET", 2))
    store.sweep(older_than=datetime.now(UTC) + timedelta(days=1), keep_uploads=frozenset({kept}))
    proxy.order()
    assert store.list_parts(kept) == []


def test_t185_orphans_are_aborted(store, proxy):
    """Parts of uploads that nobody finishes, and joined objects that nobody verified, go with the sweep."""
    lost = _parts(store, "aa" * 16, LARGE)
    joined = _parts(store, "bb" * 16, LARGE)
    proxy.order(Rule("500", "^GET .*uploads/", 1000))
    with pytest.raises(ServiceUnavailable):
        store.complete_multipart(joined, sha256=sha(LARGE), size_bytes=len(LARGE), parts=store.list_parts(joined))
    proxy.order()
    store.sweep(older_than=datetime.now(UTC) + timedelta(days=1), keep_uploads=frozenset())
    assert _uploads(store) == []
    assert store.client.list_objects_v2(Bucket=store.bucket).get("KeyCount") == 0
    with pytest.raises(EntryNotFound):
        store.list_parts(lost)


# --- the same through the hub ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bucket_hub(proxy, django_db_setup, tmp_path_factory) -> Iterator[tuple[WebServer, str]]:
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    boto3.client("s3", endpoint_url=proxy.url, region_name="us-east-1", **keys).create_bucket(Bucket="hub")
    url = f"s3://hub?endpoint={proxy.url}&presign=0"
    environment = {"HUB_STORAGE_URL": url, **{name.upper(): value for name, value in keys.items()}}
    server = WebServer(tmp_path_factory.mktemp("bad-bucket") / "data", database_url(), settings=environment)
    try:
        yield server.start(), url
    finally:
        server.stop()


@pytest.fixture
def sender(bucket_hub, proxy, transactional_db, settings) -> Iterator[Sender]:
    server, url = bucket_hub
    settings.HUB_DATA_DIR, settings.HUB_STORAGE_URL = server.data_dir, url
    owner = make_user(password=None)
    made = Sender(server, make_repo(owner), make_token(owner)[1])
    proxy.order()
    yield made
    proxy.order()
    made.api.close()


@pytest.mark.parametrize("fault", ["500", "SlowDown", "drop"])
def test_t185_an_upload_through_a_failing_bucket_is_503_and_leaves_nothing(sender, proxy, fault):
    data = os.urandom(60_000)
    url = sender.actions(data)["upload"]["href"]
    proxy.order(Rule(fault, "^PUT", 1000))
    answer = sender.put(url, data)
    assert (answer.status_code, b"Traceback" in answer.content) == (503, False)
    assert sender.api.post(f"{sender.root}/verify", json={"oid": sha(data), "size": len(data)}).status_code == 404
    assert sender.commit("w.bin", sha(data), len(data)).status_code == 400
    assert not LfsObject.objects.filter(sha256=sha(data)).exists()
    proxy.order(Rule(fault, "^PUT", 1))
    assert sender.put(url, data).status_code == 200
    assert sender.commit("w.bin", sha(data), len(data)).status_code == 200
    assert RepoObject.objects.get(repo=sender.repo).sha256 == sha(data)


@pytest.mark.parametrize("fault", ["500", "cut", "drop"])
def test_t185_no_reader_takes_half_a_file_for_a_whole_one(sender, proxy, fault):
    data = os.urandom(2 * MIB)
    assert sender.put(sender.actions(data)["upload"]["href"], data).status_code == 200
    assert sender.commit("w.bin", sha(data), len(data)).status_code == 200
    path = f"{sender.repo.urls.page}/resolve/main/w.bin"
    for times in (1, 2, 1000):
        for headers, right in (({}, data), ({"Range": "bytes=5-1500000"}, data[5:1_500_001])):
            proxy.order(Rule(fault, "^GET .*objects/", times))
            reply = Reply(sender.api, path, **headers)
            assert not reply.is_complete or reply.data == right
            assert reply.is_complete or times > 1
            assert reply.status in (0, 200, 206, 500, 503)
    proxy.order()
    assert Reply(sender.api, path).data == data


def test_t185_a_completion_whose_reply_was_lost_is_asked_again(sender, proxy):
    """Joining has happened in the bucket; the hub fails; the client's second try verifies and records."""
    data = os.urandom(64 * MIB + 5)
    complete, urls = sender.parts_of(data)
    pieces = [data[: 64 * MIB], data[64 * MIB :]]
    etags = [
        (number, sender.put(url, piece).headers["etag"])
        for number, (url, piece) in enumerate(zip(urls, pieces, strict=True), 1)
    ]
    proxy.order(Rule("500", "^GET .*uploads/", 1000))
    assert sender.complete(complete, sha(data), etags).status_code == 503
    assert not LfsObject.objects.filter(sha256=sha(data)).exists()
    proxy.order()
    assert sender.complete(complete, sha(data), etags).status_code == 200
    assert UploadSession.objects.get(sha256=sha(data)).state == UploadState.COMPLETE
    assert blobs.get_blob_store().verify(sha(data)).size_bytes == len(data)


def test_t185_a_damaged_object_is_no_file(sender):
    data = os.urandom(40_000)
    sender.put(sender.actions(data)["upload"]["href"], data)
    store = blobs.get_blob_store()
    store.client.put_object(Bucket="hub", Key=store.key_of(sha(data)), Body=data[::-1])
    with pytest.raises(ObjectCorrupt):
        read_all(store, sha(data))
    with pytest.raises(ObjectCorrupt):
        store.verify(sha(data))
