"""T184: a byte that changed in any store: never a complete reply with wrong bytes, and fsck says where it is used."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.core.management import call_command

from hub.repos.content import at_revision, get_file
from hub.repos.models import Repo, RepoObject
from hub.repos.services.fsck import check_all
from hub.storage import blobs
from hub.storage.git.maintenance import collect_garbage
from hub.storage.models import LfsObject, XetFile, XetFileXorb, Xorb
from hub.storage.xet import registry
from hub.storage.xet.hashing import hash_text
from hub.storage.xet.packing import pack_file
from hub.storage.xet.store import get_xorb_store
from tests.factories.repos import commit_files, commit_large_file, make_repo
from tests.threats.live import WebServer, database_url

MIB = 1024 * 1024
TEXT = b"".join(b"line %06d of a file in git\n" % number for number in range(4000))
LARGE = os.urandom(3 * MIB)


def flip(path: Path, at: float = 0.5) -> None:
    """Change one byte in the middle of a file, as a failing disk does."""
    path.chmod(0o600)
    data = bytearray(path.read_bytes())
    data[int(len(data) * at)] ^= 0x10
    path.write_bytes(data)


class Reply:
    """What a client has in its hand: the bytes, and whether the reply ended as it should."""

    def __init__(self, client: httpx.Client, path: str, **headers: str) -> None:
        self.data, self.status, self.is_complete = b"", 0, False
        try:
            with client.stream("GET", path, headers=headers, follow_redirects=True) as answer:
                self.status = answer.status_code
                for block in answer.iter_raw():
                    self.data += block
            self.is_complete = self.status in (200, 206)
        except httpx.HTTPError:
            pass


def _never_wrong(client: httpx.Client, path: str, truth: bytes) -> None:
    """Whole and ranges: the right bytes, or no complete reply."""
    spans = [None, (0, 99), (len(truth) // 2 - 50, len(truth) // 2 + 50), (len(truth) - 100, len(truth) - 1)]
    for span in spans:
        headers = {} if span is None else {"Range": f"bytes={span[0]}-{span[1]}"}
        reply = Reply(client, path, **headers)
        right = truth if span is None else truth[span[0] : span[1] + 1]
        assert not reply.is_complete or reply.data == right, (span, reply.status)
        assert reply.status < 600


def _fsck() -> tuple[int, str]:
    """(exit status, what is printed) of ``manage.py fsck --deep``."""
    out = io.StringIO()
    try:
        call_command("fsck", "--deep", stdout=out)
    except SystemExit as end:
        return int(end.code or 0), out.getvalue()
    return 0, out.getvalue()


@pytest.fixture
def scene(web, person):
    owner, secret = person()
    repo = make_repo(owner, files={"README.md": b"# card\n", "dir/data.txt": TEXT})
    return owner, repo, secret


def test_t184_a_changed_blob_on_disk(web, scene):
    owner, repo, secret = scene
    commit_large_file(repo, owner, "weights/w.bin", LARGE)
    sha256 = hashlib.sha256(LARGE).hexdigest()
    with web.client(secret) as client:
        path = f"{repo.urls.page}/resolve/main/weights/w.bin"
        assert Reply(client, path).data == LARGE
        flip(blobs.get_blob_store().path_of(sha256))
        _never_wrong(client, path, LARGE)
        answer = client.get(path, follow_redirects=True)
        assert (answer.status_code, answer.headers.get("x-error-code")) == (500, "ObjectCorrupt")
    code, said = _fsck()
    assert code == 1
    (line,) = [line for line in said.splitlines() if "blob_corrupt" in line]
    commit = at_revision(Repo.objects.get(pk=repo.pk)).oid
    for word in (sha256, repo.repo_id, "weights/w.bin", commit):
        assert word in line
    # Sent again, it is whole again.
    commit_large_file(repo, owner, "weights/w2.bin", LARGE)
    with web.client(secret) as client:
        assert Reply(client, path).data == LARGE


def _stored_object(repo: Repo, path: str) -> tuple[str, Path]:
    oid = get_file(at_revision(Repo.objects.get(pk=repo.pk)), path).oid
    return oid, repo.git_path / "objects" / oid[:2] / oid[2:]


@pytest.mark.parametrize("at", [0.1, 0.5, 0.99])
def test_t184_a_changed_loose_object(web, scene, git_of, at):
    _owner, repo, secret = scene
    oid, path = _stored_object(repo, "dir/data.txt")
    commit = at_revision(Repo.objects.get(pk=repo.pk)).oid
    flip(path, at)
    with web.client(secret) as client:
        for door in ("resolve", "raw"):
            _never_wrong(client, f"{repo.urls.page}/{door}/main/dir/data.txt", TEXT)
        assert client.get(f"{repo.urls.page}/resolve/main/README.md").content == b"# card\n"
        assert client.get(f"{repo.urls.page}/blob/main/dir/data.txt").status_code in (200, 404, 500, 503)
    git = git_of(secret)
    assert git("clone", "-q", git.remote(repo.urls.page), "copy", check=False).returncode != 0
    code, said = _fsck()
    assert code == 1
    line = next(line for line in said.splitlines() if "git_damaged" in line and oid in line)
    for word in (repo.repo_id, "dir/data.txt", commit):
        assert word in line


def test_t184_a_changed_pack(web, scene, git_of):
    _owner, repo, secret = scene
    collect_garbage(repo.git_path, prune_age_s=0)
    (pack,) = (repo.git_path / "objects" / "pack").glob("*.pack")
    flip(pack)
    with web.client(secret) as client:
        _never_wrong(client, f"{repo.urls.page}/resolve/main/dir/data.txt", TEXT)
        _never_wrong(client, f"{repo.urls.page}/raw/main/README.md", b"# card\n")
    git = git_of(secret)
    assert git("clone", "-q", git.remote(repo.urls.page), "copy", check=False).returncode != 0
    code, said = _fsck()
    assert (code, repo.repo_id in said) == (1, True)


def test_t184_other_repos_are_served_as_ever(web, scene, person):
    _owner, repo, secret = scene
    other = make_repo(_owner, files={"a.txt": b"fine"})
    _oid, path = _stored_object(repo, "dir/data.txt")
    flip(path)
    codes = {finding.code: finding.subject for finding in check_all(deep=True)}
    assert set(codes.values()) == {repo.repo_id}
    with web.client(secret) as client:
        assert client.get(f"{other.urls.page}/resolve/main/a.txt").content == b"fine"
    commit_files(other, _owner, {"b.txt": b"b"})


# --- xorbs -----------------------------------------------------------------------------------------------------------


def make_xet_only(repo: Repo, path: str, data: bytes) -> LfsObject:
    """A committed large file that lies in xorbs only, as Xet clients leave it."""
    owner = repo.created_by
    stored = commit_large_file(repo, owner, path, data)
    packing = pack_file([data])
    while True:
        try:
            xorb = next(packing)
        except StopIteration as end:
            packed = end.value
            break
        index, is_new = get_xorb_store().put(xorb.xorb_hash, xorb.data)
        registry.record_xorb("test", xorb.xorb_hash, index, is_new=is_new)
    file = XetFile.objects.create(
        file_hash=hash_text(packed.file_hash),
        size_bytes=len(data),
        recipe=packed.recipe.to_bytes(),
        sha256=stored.sha256,
    )
    for raw in packed.recipe.xorb_hashes:
        XetFileXorb.objects.create(file=file, xorb=Xorb.objects.get(xorb_hash=hash_text(raw)))
    LfsObject.objects.filter(pk=stored.pk).update(is_whole=False, xet_file=file)
    blobs.get_blob_store().delete(stored.sha256)
    return LfsObject.objects.get(pk=stored.pk)


def test_t184_a_changed_xorb(web, scene):
    _owner, repo, secret = scene
    stored = make_xet_only(repo, "x.bin", LARGE)
    (xorb,) = stored.xet_file.xorbs.all()
    with web.client(secret) as client:
        path = f"{repo.urls.page}/resolve/main/x.bin"
        assert Reply(client, path).data == LARGE
        flip(get_xorb_store().blobs.path_of(xorb.xorb_hash))
        _never_wrong(client, path, LARGE)
        assert not Reply(client, path).is_complete
    code, said = _fsck()
    assert code == 1
    lines = [line for line in said.splitlines() if "DEFECT" in line]
    assert {line.split()[1] for line in lines} >= {"recipe_unreadable", "xorb_corrupt"} or "xorb_missing" in said
    for word in (xorb.xorb_hash, stored.sha256, repo.repo_id, "x.bin"):
        assert word in said


# --- a bucket --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bucket_server(django_db_setup, tmp_path_factory) -> Iterator[Any]:
    """A hub whose large files lie in a bucket and pass through it."""
    import boto3
    from moto.server import ThreadedMotoServer

    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    client = boto3.client("s3", endpoint_url=f"http://{host}:{port}", region_name="us-east-1",
                          aws_access_key_id="test", aws_secret_access_key="test")  # fmt: skip
    client.create_bucket(Bucket="hub")
    url = f"s3://hub?endpoint=http://{host}:{port}&presign=0"
    server = WebServer(
        tmp_path_factory.mktemp("bucket") / "data", database_url(), settings={"HUB_STORAGE_URL": url, **keys}
    )
    try:
        yield server.start(), url, client
    finally:
        server.stop()
        moto.stop()


def test_t184_a_changed_object_in_the_bucket(bucket_server, transactional_db, settings, monkeypatch):
    from tests.factories.accounts import make_token, make_user

    server, url, s3 = bucket_server
    settings.HUB_DATA_DIR, settings.HUB_STORAGE_URL = server.data_dir, url
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    owner = make_user(password=None)
    secret = make_token(owner)[1]
    repo = make_repo(owner)
    stored = commit_large_file(repo, owner, "w.bin", LARGE)
    with server.client(secret) as client:
        path = f"{repo.urls.page}/resolve/main/w.bin"
        assert Reply(client, path).data == LARGE
        assert Reply(client, path, Range="bytes=10-20").data == LARGE[10:21]
        changed = bytearray(LARGE)
        changed[len(changed) // 2] ^= 0x10
        s3.put_object(Bucket="hub", Key=blobs.get_blob_store().key_of(stored.sha256), Body=bytes(changed))
        assert not Reply(client, path).is_complete
        s3.put_object(Bucket="hub", Key=blobs.get_blob_store().key_of(stored.sha256), Body=LARGE[:-1])
        reply = Reply(client, path)
        assert (reply.is_complete, reply.status) == (False, 500)
    assert RepoObject.objects.filter(repo=repo).count() == 1
    code, said = _fsck()
    assert code == 1
    assert "w.bin" in next(line for line in said.splitlines() if stored.sha256 in line)
