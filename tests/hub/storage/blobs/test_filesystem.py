"""hub/storage/blobs/filesystem.py: what only a disk can do wrong."""

from __future__ import annotations

import errno
import hashlib
import os

import pytest

from hub.core.errors import Conflict, ServiceUnavailable, StorageFull, Unprocessable
from hub.storage.blobs import ObjectCorrupt, put, read_all
from hub.storage.blobs.filesystem import FilesystemBlobStore


@pytest.fixture
def store(tmp_path):
    return FilesystemBlobStore(tmp_path / "blobs", min_free_bytes=0)


def test_t184_a_flipped_byte_is_never_served(store):
    name = put(store, [b"weights" * 1000]).sha256
    path = store.path_of(name)
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.seek(100)
        file.write(b"\x00")
    for attempt in (lambda: store.open_range(name, 0, 5), lambda: store.local_path(name)):
        with pytest.raises(ObjectCorrupt):
            attempt()
    assert (store.root / "corrupt" / name).exists()
    put(store, [b"weights" * 1000])
    assert read_all(store, name, 0, 7) == b"weights"


def test_a_restored_file_is_read_once_and_sealed_again(store):
    name = put(store, [b"restored"]).sha256
    os.utime(store.path_of(name))
    assert read_all(store, name) == b"restored"
    assert store.path_of(name).stat().st_mtime == 1_000_000_000


def test_t74_two_writers_of_one_part_one_wins(store):
    upload_id = store.begin_multipart("aa")
    first = store.open_part_writer(upload_id, number=1, offset_bytes=0, size_bytes=4)
    with pytest.raises(Conflict):
        store.open_part_writer(upload_id, number=1, offset_bytes=0, size_bytes=4)
    with pytest.raises(Conflict):
        store.complete_multipart(upload_id, sha256="0" * 64, size_bytes=4, parts=[])
    first.write(b"good")
    first.commit()
    sha256 = hashlib.sha256(b"good").hexdigest()
    assert store.complete_multipart(upload_id, sha256=sha256, size_bytes=4, parts=[]).size_bytes == 4


def test_t74_a_part_overwritten_halfway_is_not_stored(store):
    upload_id = store.begin_multipart("ab")
    for data in (b"good", b"ba"):
        writer = store.open_part_writer(upload_id, number=1, offset_bytes=0, size_bytes=4)
        writer.write(data)
        if len(data) == 4:
            writer.commit()
        else:
            writer.abort()
    assert store.list_parts(upload_id) == []


PARTS = [b"first", b"second", b"last"]
WHOLE = hashlib.sha256(b"".join(PARTS)).hexdigest()


def _write_part(store, upload_id, number, data):
    offset = sum(len(part) for part in PARTS[: number - 1])
    writer = store.open_part_writer(upload_id, number=number, offset_bytes=offset, size_bytes=len(PARTS[number - 1]))
    writer.write(data)
    return writer.commit()


def _complete(store, upload_id):
    size = sum(map(len, PARTS))
    return store.complete_multipart(upload_id, sha256=WHOLE, size_bytes=size, parts=store.list_parts(upload_id))


def test_parts_in_order_are_hashed_once(store, monkeypatch):
    upload_id = store.begin_multipart("order")
    for number, data in enumerate(PARTS, 1):
        _write_part(store, upload_id, number, data)

    def refuse(*_args):
        raise AssertionError("the file was read again")

    monkeypatch.setattr(os, "preadv", refuse)
    assert _complete(store, upload_id).sha256 == WHOLE
    assert store.path_of(WHOLE).read_bytes() == b"".join(PARTS)


@pytest.mark.parametrize("order", [(3, 1, 2), (2, 1, 3), (1, 2, 3, 1), (1, 1, 2, 3), (1, 2, 2, 3)])
def test_parts_in_any_order_make_the_file(store, order):
    upload_id = store.begin_multipart("any")
    for number in order:
        _write_part(store, upload_id, number, PARTS[number - 1])
    assert _complete(store, upload_id).sha256 == WHOLE


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("is_elsewhere", [False, True])
def test_a_part_that_was_replaced_is_noticed(store, number, is_elsewhere):
    """T73: what was hashed on arrival counts only while every note says the same of its part."""
    upload_id = store.begin_multipart("again")
    for position, data in enumerate(PARTS, 1):
        _write_part(store, upload_id, position, data)
    other = FilesystemBlobStore(store.root, min_free_bytes=0) if is_elsewhere else store
    _write_part(other, upload_id, number, PARTS[number - 1].upper())
    with pytest.raises(Unprocessable):
        _complete(store, upload_id)
    _write_part(other, upload_id, number, PARTS[number - 1])
    assert _complete(store, upload_id).sha256 == WHOLE


def test_a_part_begun_in_order_and_given_up_is_read_again(store):
    upload_id = store.begin_multipart("gone")
    _write_part(store, upload_id, 1, PARTS[0])
    writer = store.open_part_writer(upload_id, number=2, offset_bytes=5, size_bytes=6)
    writer.write(b"sec")
    writer.abort()
    _write_part(store, upload_id, 2, PARTS[1])
    _write_part(store, upload_id, 3, PARTS[2])
    assert _complete(store, upload_id).sha256 == WHOLE


def test_t181_reserve_is_kept_free(tmp_path):
    store = FilesystemBlobStore(tmp_path, min_free_bytes=1 << 62)
    with pytest.raises(StorageFull):
        store.open_writer()


def test_t181_a_full_disk_refuses_and_leaves_old_data(store, monkeypatch):
    name = put(store, [b"old"]).sha256

    def full(*_args):
        raise OSError(errno.ENOSPC, "full")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        with pytest.raises(StorageFull):
            put(store, [b"new"])
    assert list((store.root / "tmp").iterdir()) == []
    assert read_all(store, name) == b"old"
    put(store, [b"new"])


def test_t183_a_failed_fsync_stores_nothing_and_stops_writes(store, monkeypatch):
    name = put(store, [b"old"]).sha256

    def fail(_fd):
        raise OSError(errno.EIO, "io")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(ServiceUnavailable):
            put(store, [b"new"])
    assert not store.exists(hashlib.sha256(b"new").hexdigest())
    with pytest.raises(ServiceUnavailable):
        put(store, [b"more"])
    assert read_all(store, name) == b"old"
