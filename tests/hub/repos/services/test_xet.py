"""Files that came whole become Xet files, and what nothing needs is freed again."""

from __future__ import annotations

import hashlib
import random
from datetime import timedelta

import pytest
from django.utils import timezone

from hub.repos.models import RepoObject
from hub.repos.services.lfs import referenced_objects
from hub.repos.services.xet import convert_files
from hub.storage.gc import delete_unreferenced_objects
from hub.storage.lfs.objects import iter_object, read_object
from hub.storage.models import LfsObject, UploadSession, XetFile, XetRegistration, Xorb
from hub.storage.xet import collect, registry
from hub.storage.xet.chunking import Chunker
from hub.storage.xet.hashing import chunk_hash, file_hash, hash_text
from hub.storage.xet.store import get_xorb_store
from tests.factories.repos import commit_large_file, make_repo

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _at_once(settings):
    settings.HUB_XET_WHOLE_COPY_HOURS = 0
    registry.indexes.clear()


def _noise(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)


def _expected_hash(data: bytes) -> str:
    chunker = Chunker()
    chunks = [*chunker.feed(data), *chunker.finish()]
    return hash_text(file_hash([(chunk_hash(chunk), len(chunk)) for chunk in chunks]))


def _is_whole_stored(sha256: str) -> bool:
    return LfsObject.objects.get(sha256=sha256).is_whole


def test_a_converted_file_has_the_clients_hash_and_reads_back() -> None:
    repo, data = make_repo(), _noise(3_000_000)
    stored = commit_large_file(repo, repo.created_by, "w.bin", data)

    assert convert_files() == 1

    row = LfsObject.objects.get(sha256=stored.sha256)
    assert (row.xet_file.file_hash, row.is_whole) == (_expected_hash(data), False)
    assert b"".join(iter_object(stored.sha256)) == data
    for start, stop in ((0, 1), (8_191, 140_000), (2_999_999, 3_000_000), (1_000_000, 2_500_000)):
        assert read_object(stored.sha256, start=start, stop=stop) == data[start:stop]
    assert convert_files() == 0


def test_the_whole_copy_stays_until_its_grace_is_over(settings) -> None:
    settings.HUB_XET_WHOLE_COPY_HOURS = 1
    repo = make_repo()
    stored = commit_large_file(repo, repo.created_by, "w.bin", _noise(300_000))
    convert_files()
    assert _is_whole_stored(stored.sha256)
    LfsObject.objects.update(converted_at=timezone.now() - timedelta(hours=2))
    convert_files()
    assert not _is_whole_stored(stored.sha256)


def test_conversion_can_be_switched_off(settings) -> None:
    settings.HUB_XET_CONVERT = False
    repo = make_repo()
    stored = commit_large_file(repo, repo.created_by, "w.bin", _noise(300_000))
    assert convert_files() == 0
    assert _is_whole_stored(stored.sha256)


def test_a_new_version_stores_only_what_changed() -> None:
    """A fine-tune that changes one layer stores only that layer's chunks."""
    repo, first = make_repo(), _noise(6_000_000)
    second = first[:3_000_000] + _noise(200_000, seed=1) + first[3_200_000:]
    for number, data in enumerate((first, second)):
        commit_large_file(repo, repo.created_by, f"{number}.bin", data)
        convert_files()
    sizes = list(Xorb.objects.order_by("pk").values_list("unpacked_bytes", flat=True))
    assert sizes[0] == len(first)
    assert sum(sizes[1:]) < 500_000
    assert b"".join(iter_object(hashlib.sha256(second).hexdigest())) == second


def test_namespaces_share_bytes_but_not_what_they_may_refer_to() -> None:
    """T69, T81: the same content of two owners lies once, and each may refer to its own only."""
    data = _noise(400_000)
    repos = [make_repo(), make_repo()]
    commit_large_file(repos[0], repos[0].created_by, "w.bin", data)
    convert_files()
    xorb = Xorb.objects.get()
    domains = set(xorb.holdings.values_list("domain", flat=True))
    assert domains == {f"ns{repos[0].namespace_id}"}
    assert not registry.is_held(f"ns{repos[1].namespace_id}", bytes.fromhex(xorb.xorb_hash))


def _forget(repo) -> None:
    """As a permanent delete and two quiet days leave it."""
    RepoObject.objects.filter(repo=repo).delete()
    long_ago = timezone.now() - timedelta(days=40)
    UploadSession.objects.all().delete()
    XetRegistration.objects.all().delete()
    LfsObject.objects.update(verified_at=long_ago)
    XetFile.objects.update(created_at=long_ago)
    Xorb.objects.update(used_at=long_ago)


def test_what_nothing_names_is_freed_and_the_preview_says_so_before() -> None:
    repo = make_repo()
    stored = commit_large_file(repo, repo.created_by, "w.bin", _noise(2_000_000))
    convert_files()
    size = Xorb.objects.get().size_bytes
    assert collect.collect() == collect.XetReport()
    _forget(repo)

    foreseen = collect.preview(without={stored.sha256})
    delete_unreferenced_objects(referenced_objects)
    freed = collect.collect()

    assert foreseen == freed == collect.XetReport(files=1, xorbs=1, size_bytes=size)
    assert not list(get_xorb_store().blobs.iter_sha256())


def test_a_lease_keeps_a_xorb_that_clients_may_refer_to(settings) -> None:
    repo = make_repo()
    commit_large_file(repo, repo.created_by, "w.bin", _noise(500_000))
    convert_files()
    _forget(repo)
    Xorb.objects.update(used_at=timezone.now() - timedelta(days=20))
    delete_unreferenced_objects(referenced_objects)
    assert collect.collect().xorbs == 0
    # A new epoch makes clients forget: older leases end with it, the grace stays.
    registry.start_epoch()
    assert collect.collect().xorbs == 1


def test_collection_beside_uploads_takes_nothing_that_was_acknowledged_t84() -> None:
    """T84: rounds of upload, delete and collection in random order; every file that is linked can be read."""
    dice = random.Random(84)
    repo = make_repo()
    pool = [_noise(60_000, seed) for seed in range(6)]
    live: dict[str, bytes] = {}
    for number in range(60):
        act = dice.choice(("upload", "upload", "delete", "collect"))
        if act == "upload":
            data = b"".join(dice.sample(pool, 2))
            stored = commit_large_file(repo, repo.created_by, f"{number}.bin", data)
            live[stored.sha256] = data
            if dice.random() < 0.7:
                convert_files()
        elif act == "delete" and live:
            sha256 = dice.choice(sorted(live))
            del live[sha256]
            RepoObject.objects.filter(repo=repo, sha256=sha256).delete()
            UploadSession.objects.filter(sha256=sha256).delete()
            XetRegistration.objects.filter(sha256=sha256).delete()
            long_ago = timezone.now() - timedelta(days=40)
            LfsObject.objects.filter(sha256=sha256).update(verified_at=long_ago)
            XetFile.objects.update(created_at=long_ago)
            Xorb.objects.update(used_at=long_ago)
        else:
            delete_unreferenced_objects(referenced_objects)
            collect.collect()
        for sha256, data in live.items():
            assert b"".join(iter_object(sha256)) == data
