"""hub/storage/blobs/filesystem.py: what only a disk can do wrong."""

from __future__ import annotations

import errno
import hashlib
import os

import pytest

from hub.core.errors import Conflict, ServiceUnavailable, StorageFull
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
