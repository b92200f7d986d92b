"""T67-T75 with real requests: hashes, sizes, what one repo learns of another, parts, resuming, quota."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from hub.accounts.models import Namespace
from hub.repos.models import Repo, RepoObject
from hub.repos.services import lfs
from hub.storage import blobs
from hub.storage.git.maintenance import collect_garbage
from hub.storage.lfs import transfer
from hub.storage.lfs.pointer import format_pointer
from hub.storage.models import LfsObject, UploadSession, UploadState
from tests.factories.accounts import bearer, make_token, make_user
from tests.factories.repos import commit_large_file, make_repo, upload_object
from tests.threats.live import WebServer, database_url

pytestmark = pytest.mark.usefixtures("no_errors")

MIB = 1024 * 1024
PART = transfer.PART_SIZE_BYTES


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class Sender:
    """One person's LFS client, by hand."""

    def __init__(self, web: WebServer, repo: Repo, secret: str) -> None:
        self.repo, self.api = repo, web.client(secret)
        self.root = f"{repo.urls.page}.git/info/lfs/objects"

    def batch(self, oid: str, size: Any, operation: str = "upload", **fields: Any) -> httpx.Response:
        body = {"operation": operation, "objects": [{"oid": oid, "size": size}], **fields}
        return self.api.post(f"{self.root}/batch", json=body, headers={"Accept": "application/vnd.git-lfs+json"})

    def actions(self, data: bytes, **fields: Any) -> dict[str, Any]:
        answer = self.batch(sha(data), len(data), **fields)
        assert answer.status_code == 200, answer.text
        return answer.json()["objects"][0]["actions"]

    def put(self, url: str, data: bytes, **headers: str) -> httpx.Response:
        return httpx.put(url, content=data, headers=headers, timeout=60)

    def parts_of(self, data: bytes) -> tuple[str, list[str]]:
        """(completion URL, part URLs) of an upload in parts."""
        upload = self.actions(data, transfers=["multipart"])["upload"]
        return upload["href"], [upload["header"][key] for key in sorted(upload["header"]) if key.isdigit()]

    def complete(self, url: str, oid: str, etags: list[tuple[int, str]]) -> httpx.Response:
        parts = [{"partNumber": number, "etag": etag} for number, etag in etags]
        return httpx.post(url, json={"oid": oid, "parts": parts}, timeout=60)

    def commit(self, path: str, oid: str, size: int) -> httpx.Response:
        lines = [
            {"key": "header", "value": {"summary": "x"}},
            {"key": "lfsFile", "value": {"path": path, "oid": oid, "algo": "sha256", "size": size}},
        ]
        return self.api.post(
            f"/api/models/{self.repo.repo_id}/commit/main", content="\n".join(json.dumps(line) for line in lines)
        )


@pytest.fixture
def sender(web, person):
    def make(**fields: Any) -> Sender:
        owner, secret = person()
        made.append(Sender(web, make_repo(owner, **fields), secret))
        return made[-1]

    made: list[Sender] = []
    yield make
    for one in made:
        one.api.close()


# --- hashes and sizes ------------------------------------------------------------------------------------------------


def test_t67_other_bytes_than_the_name_says_are_422_and_stay_unknown(sender):
    one, data = sender(), os.urandom(100_000)
    url = one.actions(data)["upload"]["href"]
    flipped = bytes([data[0] ^ 1]) + data[1:]
    assert one.put(url, flipped).status_code == 422
    assert not blobs.get_blob_store().exists(sha(data))
    assert not blobs.get_blob_store().exists(sha(flipped))
    assert LfsObject.objects.count() == 0
    assert one.commit("x.bin", sha(data), len(data)).status_code == 400
    assert one.put(url, data).status_code == 200
    assert one.commit("x.bin", sha(data), len(data)).status_code == 200


def test_t67_a_stored_object_is_never_overwritten(sender):
    one, data = sender(), os.urandom(5000)
    url = one.actions(data)["upload"]["href"]
    assert one.put(url, data).status_code == 200
    path = blobs.get_blob_store().local_path(sha(data))
    inode = path.stat().st_ino
    assert one.put(url, data[::-1]).status_code in (404, 409, 422)
    assert one.put(url, data).status_code in (200, 404)
    two = sender()
    assert two.put(two.actions(data)["upload"]["href"], data).status_code == 200
    assert (path.read_bytes(), path.stat().st_ino) == (data, inode)


@pytest.mark.parametrize("size", [-1, 2**63, 2**63 - 1, 10**30, 1.5, "5", None, True, [], 500 * 10**9 + 1])
def test_t68_impossible_sizes_are_4xx(sender, size):
    one = sender()
    answer = one.batch("ab" * 32, size)
    if answer.status_code == 200:
        assert answer.json()["objects"][0]["error"]["code"] in (413, 422, 507)
    else:
        assert answer.status_code in (400, 422)
    assert UploadSession.objects.count() == 0


@pytest.mark.parametrize("difference", [-1, 1, -1000, 1000])
def test_t68_more_or_fewer_bytes_than_declared_are_422(sender, difference):
    one, data = sender(), os.urandom(5000)
    url = one.actions(data)["upload"]["href"]
    sent = data[:difference] if difference < 0 else data + bytes(difference)
    assert one.put(url, sent).status_code == 422
    # Declared as it should be, and then not kept: the connection ends early.
    parts = urlsplit(url)
    raw = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
    raw.putrequest("PUT", f"{parts.path}?{parts.query}" if parts.query else parts.path)
    raw.putheader("Content-Length", str(len(data)))
    raw.endheaders()
    raw.send(data[:-1])
    raw.close()
    assert not blobs.get_blob_store().exists(sha(data))
    assert one.put(url, data).status_code == 200


def test_t68_without_a_length_411_and_an_empty_file_is_fine(sender):
    one, data = sender(), os.urandom(100)
    url = one.actions(data)["upload"]["href"]
    assert httpx.put(url, content=iter([data])).status_code == 411
    empty = one.actions(b"")["upload"]["href"]
    assert one.put(empty, b"").status_code == 200
    assert one.commit("empty.bin", sha(b""), 0).status_code == 200


def test_t68_a_lie_about_the_size_does_not_reach_a_commit(sender):
    one, data = sender(), os.urandom(100)
    wrong = one.batch(sha(data), 99).json()["objects"][0]["actions"]["upload"]["href"]
    assert one.put(wrong, data).status_code == 422
    assert one.put(wrong, data[:99]).status_code == 422
    assert one.put(one.actions(data)["upload"]["href"], data).status_code == 200
    assert one.commit("x.bin", sha(data), 99).status_code == 422
    assert one.api.post(f"{one.root}/verify", json={"oid": sha(data), "size": 99}).status_code == 422
    assert one.api.post(f"{one.root}/verify", json={"oid": sha(data), "size": 100}).status_code == 200


# --- what one repo learns of another ---------------------------------------------------------------------------------


def test_t69_what_another_repo_holds_is_answered_as_unknown(sender):
    holder, one = sender(is_private=True), sender()
    held = commit_large_file(holder.repo, holder.repo.created_by, "a.bin", b"held" * 50)

    def shape(oid: str) -> Any:
        answer = one.batch(oid, 200)
        (item,) = answer.json()["objects"]
        verify = one.api.post(f"{one.root}/verify", json={"oid": oid, "size": 200})
        download = one.batch(oid, 200, "download").json()["objects"][0]
        commit = one.commit("x.bin", oid, 200)
        return (
            answer.status_code,
            sorted(item),
            {name: sorted(action) for name, action in item["actions"].items()},
            (verify.status_code, verify.json()),
            download["error"],
            (commit.status_code, commit.json()["error"].replace(oid, "OID")),
        )

    assert shape(held.sha256) == shape("cd" * 32)


@pytest.mark.django_db(transaction=True)
def test_t69_the_answer_costs_the_same_queries_held_or_not(client: Client):
    """Equal work, so that a clock tells nothing either."""
    holder, repo = make_repo(is_private=True), make_repo()
    held = commit_large_file(holder, holder.created_by, "a.bin", b"held" * 50)
    secret = make_token(repo.created_by)[1]

    def queries(oid: str) -> list[str]:
        body = json.dumps({"operation": "upload", "objects": [{"oid": oid, "size": 200}]})
        with CaptureQueriesContext(
            connection,
        ) as found:
            client.post(
                f"{repo.urls.page}.git/info/lfs/objects/batch", body, content_type="application/json", **bearer(secret)
            )
        return [query["sql"].split(" ")[0] for query in found.captured_queries]

    queries("ee" * 32)
    assert queries(held.sha256) == queries("cd" * 32)


def test_t70_a_pointer_alone_adopts_nothing(sender, git_of):
    holder, one = sender(is_private=True), sender()
    held = commit_large_file(holder.repo, holder.repo.created_by, "a.bin", b"held" * 50)
    by_api = one.commit("stolen.bin", held.sha256, held.size_bytes)
    assert (by_api.status_code, "LFS object missing" in by_api.json()["error"]) == (400, True)
    text = format_pointer(held.sha256, held.size_bytes).decode()
    lines = [{"key": "header", "value": {"summary": "x"}}, {"key": "file", "value": {"path": "p.bin", "content": text}}]
    as_text = one.api.post(
        f"/api/models/{one.repo.repo_id}/commit/main", content="\n".join(json.dumps(line) for line in lines)
    )
    assert as_text.status_code == 400
    git = git_of(one.api.headers["authorization"].removeprefix("Bearer "))
    work = git.clone(one.repo.urls.page, "work")
    git.commit(work, {"stolen.dat": text.encode()})
    pushed = git("push", "origin", "HEAD:main", cwd=work, check=False)
    assert f"LFS object missing: {held.sha256}" in pushed.text
    assert not RepoObject.objects.filter(repo=one.repo).exists()


def test_t70_linking_needs_the_right_to_read_a_holder(sender):
    holder, one = sender(), sender()
    held = commit_large_file(holder.repo, holder.repo.created_by, "a.bin", b"public" * 50)
    Repo.objects.filter(pk=holder.repo.pk).update(gated="auto")
    assert one.commit("copy.bin", held.sha256, held.size_bytes).status_code == 400
    Repo.objects.filter(pk=holder.repo.pk).update(gated="")
    assert one.commit("copy.bin", held.sha256, held.size_bytes).status_code == 200
    # The link is this repo's own from here on.
    Repo.objects.filter(pk=holder.repo.pk).update(visibility="private")
    got = one.api.get(f"{one.repo.urls.page}/resolve/main/copy.bin", follow_redirects=True)
    assert got.content == b"public" * 50


def test_t71_downloads_are_bound_to_repo_and_link(sender, web):
    holder, one, hidden = sender(), sender(), sender(is_private=True)
    held = commit_large_file(holder.repo, holder.repo.created_by, "a.bin", b"x" * 100)
    secret = commit_large_file(hidden.repo, hidden.repo.created_by, "s.bin", b"s" * 100)
    assert "download" in holder.batch(held.sha256, 100, "download").json()["objects"][0]["actions"]
    for oid in (held.sha256, secret.sha256, "ef" * 32):
        item = one.batch(oid, 100, "download").json()["objects"][0]
        assert (item["error"]["code"], "actions" in item) == (404, False)
        assert one.api.post(f"{one.root}/verify", json={"oid": oid, "size": 100}).status_code == 404
    with web.client() as anybody:
        for page, status in (
            (hidden.repo.urls.page, 401),
            ("/nobody/nothing", 401),
            (f"{holder.repo.urls.page}x", 401),
        ):
            body = {"operation": "download", "objects": [{"oid": held.sha256, "size": 100}]}
            for end in ("batch", "verify"):
                answer = anybody.post(f"{page}.git/info/lfs/objects/{end}", json=body)
                assert (answer.status_code, "actions" in answer.text) == (status, False)
            assert anybody.get(f"{page}.git/info/lfs/locks").status_code == status


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"operation": "steal"}, 422),
        ({"operation": ""}, 422),
        ({"operation": None}, 400),
        ({"operation": ["upload"]}, 400),
        ({"hash_algo": "sha512"}, 409),
        ({"hash_algo": "../sha256"}, 409),
        ({"objects": [{"oid": "ab" * 32, "size": 1}] * 1001}, 413),
        ({"objects": {"oid": "x"}}, 400),
        ({"objects": ["x"]}, 400),
        ({"transfers": "basic"}, 400),
        ({"transfers": ["basic"] * 100}, 413),
    ],
)
def test_t72_words_of_a_batch(sender, fields, status):
    body = {"operation": "upload", "objects": [{"oid": "ab" * 32, "size": 1}], **fields}
    one = sender()
    assert one.api.post(f"{one.root}/batch", json=body).status_code == status
    assert UploadSession.objects.count() == 0


def test_t72_a_full_batch_is_answered(sender):
    one = sender()
    objects = [{"oid": f"{number:064x}", "size": 1} for number in range(1000)]
    answer = one.api.post(f"{one.root}/batch", json={"operation": "download", "objects": objects})
    assert {item["error"]["code"] for item in answer.json()["objects"]} == {404}
    assert len(answer.json()["objects"]) == 1000


# --- parts -----------------------------------------------------------------------------------------------------------

BIG = os.urandom(2 * PART + 12_345)


def _pieces(data: bytes) -> list[bytes]:
    return [data[at : at + PART] for at in range(0, len(data), PART)]


@pytest.mark.slow
def test_t73_completion_checks_the_list_the_sizes_and_the_whole(sender):
    one, oid = sender(), sha(BIG)
    complete, urls = one.parts_of(BIG)
    pieces = _pieces(BIG)
    assert one.put(urls[0], pieces[2]).status_code == 422  # too short
    assert one.complete(complete, oid, []).status_code == 422
    swapped = [one.put(urls[number], pieces[other]).headers["etag"] for number, other in ((0, 1), (1, 0), (2, 2))]
    listed = [(number + 1, etag) for number, etag in enumerate(swapped)]
    assert one.complete(complete, oid, listed[:2]).status_code == 422  # missing
    assert one.complete(complete, oid, [*listed, listed[0]]).status_code == 422  # repeated
    assert one.complete(complete, oid, [listed[1], listed[0], listed[2]]).status_code == 422  # out of order
    assert one.complete(complete, oid, [(1, '"x"'), *listed[1:]]).status_code == 422  # another etag
    assert one.complete(complete, "ab" * 32, listed).status_code == 422  # another file
    assert one.complete(complete, oid, listed).status_code == 422  # parts that were swapped: the whole differs
    assert LfsObject.objects.count() == 0
    right = [
        (number + 1, one.put(url, piece).headers["etag"])
        for number, (url, piece) in enumerate(zip(urls, pieces, strict=True))
    ]
    assert one.complete(complete, oid, right).status_code == 200
    assert one.complete(complete, oid, right).status_code == 200  # the reply was lost: asked again
    assert one.commit("big.bin", oid, len(BIG)).status_code == 200


@pytest.mark.slow
def test_t73_the_upload_of_another_is_out_of_reach(sender):
    """Links are made for one upload of one person into one repo, and every byte of them is signed."""
    one, two = sender(), sender()
    complete, urls = one.parts_of(BIG)
    other_complete, other_urls = two.parts_of(BIG)
    assert {*urls, complete}.isdisjoint({*other_urls, other_complete})
    etags = [
        (number + 1, one.put(url, piece).headers["etag"])
        for number, (url, piece) in enumerate(zip(urls, _pieces(BIG), strict=True))
    ]
    # The other's parts are not these, though the bytes would be the same.
    assert two.complete(other_complete, sha(BIG), etags).status_code == 422
    mine, theirs = (
        UploadSession.objects.get(repo_key=lfs.repo_key(one.repo)),
        UploadSession.objects.get(repo_key=lfs.repo_key(two.repo)),
    )
    for url in (complete, urls[0]):
        for forged in (url.replace(str(mine.pk), str(theirs.pk)), url[:-1] + ("A" if url[-1] != "A" else "B")):
            if forged != url:
                assert httpx.request("POST" if url == complete else "PUT", forged, content=b"x").status_code in (
                    403,
                    404,
                )
    assert not two.api.post(f"{two.root}/verify", json={"oid": sha(BIG), "size": len(BIG)}).is_success
    assert one.complete(complete, sha(BIG), etags).status_code == 200
    assert two.commit("x.bin", sha(BIG), len(BIG)).status_code == 400  # one's file is not two's to name
    assert httpx.put(complete, content=b"").status_code == 405
    assert httpx.post(urls[0], content=b"").status_code == 405


def test_t74_a_wrong_offset_is_416(sender):
    one, data = sender(), os.urandom(1000)
    url = one.actions(data)["upload"]["href"]
    for span in ("bytes 1-1000/1001", "bytes 0-999/1000", "bytes */1000", "nonsense"):
        assert one.put(url, data, **{"Content-Range": span}).status_code == 416
    assert LfsObject.objects.count() == 0
    assert one.put(url, data).status_code == 200


@pytest.mark.slow
def test_t74_two_resumers_end_in_the_right_bytes(sender):
    """Both send all parts at once; whoever comes second to a part is told 409 or stores the same bytes."""
    one, oid = sender(), sha(BIG)
    complete, urls = one.parts_of(BIG)
    pieces = _pieces(BIG)
    with ThreadPoolExecutor(6) as pool:
        jobs = [pool.submit(one.put, url, piece) for _ in range(2) for url, piece in zip(urls, pieces, strict=True)]
        statuses = [job.result().status_code for job in jobs]
    assert set(statuses) <= {200, 409}
    assert all(200 in (statuses[number], statuses[number + 3]) for number in range(3))
    session = UploadSession.objects.get()
    etags = [(part.number, part.etag) for part in transfer.stored_parts(session)]
    with ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(one.complete, complete, oid, etags) for _ in range(2)]
        codes = sorted(answer.result().status_code for answer in answers)
    assert codes[0] == 200
    assert set(codes) <= {200, 409}
    assert blobs.get_blob_store().verify(oid).size_bytes == len(BIG)
    assert UploadSession.objects.get().state == UploadState.COMPLETE


# --- quota -----------------------------------------------------------------------------------------------------------

QUOTA = 100 * MIB


@pytest.fixture(scope="module")
def tight_server(django_db_setup, tmp_path_factory):
    server = WebServer(
        tmp_path_factory.mktemp("tight") / "data", database_url(), settings={"HUB_QUOTA_BYTES": str(QUOTA)}
    )
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture
def tight(tight_server, transactional_db, settings):
    settings.HUB_DATA_DIR, settings.HUB_STORAGE_URL = tight_server.data_dir, tight_server.storage_url
    settings.HUB_QUOTA_BYTES = QUOTA
    owner = make_user(password=None)
    repo = make_repo(owner)
    # 95 % are taken; what is taken need not lie on this disk.
    Repo.objects.filter(pk=repo.pk).update(storage_bytes=QUOTA * 95 // 100)
    return tight_server, owner, repo, make_token(owner)[1]


def _held(namespace: Namespace) -> int:
    key = f"namespace:{namespace.pk}"
    return lfs.stored_bytes(namespace.pk) + transfer.reserved_bytes(key)


def test_t75_twenty_uploads_at_95_percent_do_not_overshoot(tight):
    server, _owner, repo, secret = tight
    one = Sender(server, repo, secret)
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda number: one.batch(f"{number:064x}", QUOTA // 100), range(20)))
    items = [answer.json()["objects"][0] for answer in answers]
    granted = [item for item in items if "actions" in item]
    refused = [item["error"] for item in items if "error" in item]
    assert (len(granted), len(refused)) == (5, 15)
    assert {error["code"] for error in refused} == {413}
    assert all("quota" in error["message"] for error in refused)
    assert _held(repo.namespace) == QUOTA
    one.api.close()


def test_t75_twenty_commits_of_what_others_hold_do_not_overshoot(tight):
    """Linking is a second way to fill a quota: by naming objects that are public elsewhere."""
    server, _owner, repo, secret = tight
    source = make_repo()
    held = [upload_object(source, os.urandom(MIB)) for _ in range(20)]
    RepoObject.objects.bulk_create(RepoObject(repo=source, sha256=item.sha256, size_bytes=MIB) for item in held)
    one = Sender(server, repo, secret)
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda pair: one.commit(f"{pair[0]}.bin", pair[1].sha256, MIB), enumerate(held)))
    statuses = [answer.status_code for answer in answers]
    assert set(statuses) == {200, 413}
    linked = RepoObject.objects.filter(repo=repo).count()
    assert linked <= 5
    assert statuses.count(200) == linked
    assert lfs.stored_bytes(repo.namespace_id) <= QUOTA
    one.api.close()


def test_t75_t64_git_pushes_stop_at_the_quota(tight, tmp_path):
    from tests.threats.live import Git

    server, _owner, repo, secret = tight
    git = Git(tmp_path / "home", server.url, secret)
    work = git.clone(repo.urls.page, "work")
    git.commit(work, {f"r{number}": os.urandom(MIB) for number in range(6)})
    refused = git("push", "origin", "HEAD:main", cwd=work, check=False)
    assert refused.returncode != 0
    Repo.objects.filter(pk=repo.pk).update(storage_bytes=QUOTA)
    git("reset", "-q", "--hard", "HEAD~1", cwd=work)
    git.commit(work, {"small": b"x"})
    refused = git("push", "origin", "HEAD:main", cwd=work, check=False)
    assert "quota" in refused.text
    collect_garbage(repo.git_path, prune_age_s=0)
    Repo.objects.filter(pk=repo.pk).update(storage_bytes=0)
    git("push", "-q", "origin", "HEAD:main", cwd=work)
    assert Repo.objects.get(pk=repo.pk).storage_bytes > 0
