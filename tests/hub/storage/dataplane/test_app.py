"""The data plane from signed URL to stored bytes (hub/storage/dataplane, hub/storage/lfs)."""

from __future__ import annotations

import hashlib
import os
from datetime import timedelta

import httpx
import pytest
from django.utils import timezone

from hub.core.errors import EntryNotFound, StorageFull, Unprocessable
from hub.storage.blobs import get_blob_store, read_all
from hub.storage.dataplane import application
from hub.storage.gc import delete_unreferenced_objects, sweep_expired_uploads
from hub.storage.lfs import objects, transfer
from hub.storage.models import LfsObject, UploadSession, UploadState

PART = transfer.MIN_PART_SIZE_BYTES
DATA = os.urandom(2 * PART + 999)
SHA = hashlib.sha256(DATA).hexdigest()

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _small_reserve(settings, tmp_path):
    settings.HUB_STORAGE_URL = f"file://{tmp_path / 'blobs'}?min_free_bytes=0"


@pytest.fixture
def http():
    """Call the application in process, without a socket."""

    def call(method: str, url: str, **named) -> httpx.Response:
        import asyncio

        async def run() -> httpx.Response:
            transport = httpx.ASGITransport(app=application)
            async with httpx.AsyncClient(transport=transport, base_url="http://hub") as client:
                return await client.request(method, url, **named)

        return asyncio.run(run())

    return call


def begin(**named):
    given = {"sha256": SHA, "size_bytes": len(DATA), "repo_key": "r1", "owner_key": "o1", "part_size_bytes": PART}
    return transfer.begin_upload(**{**given, **named})


def send(http, session, numbers, data=DATA):
    urls = transfer.part_urls(session, numbers=numbers, base_url="")
    return {
        number: http("PUT", url, content=data[(number - 1) * PART : number * PART]).headers["etag"]
        for number, url in urls.items()
    }


def complete(http, session, etags):
    parts = [{"partNumber": number, "etag": etag} for number, etag in sorted(etags.items())]
    return http("POST", transfer.complete_url(session, base_url=""), json={"oid": session.sha256, "parts": parts})


def put_basic(http, data, **named):
    session = transfer.begin_basic_upload(
        sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data), repo_key="r1", owner_key="o1"
    )
    return http("PUT", transfer.basic_url(session, base_url=""), **{"content": data, **named})


def test_basic_upload_then_download(http):
    assert put_basic(http, b"0123456789").status_code == 200
    stored = objects.verify_object(hashlib.sha256(b"0123456789").hexdigest(), size_bytes=10)
    url = objects.download_url(stored, audience="u1", filename="a.bin", base_url="")
    whole = http("GET", url)
    assert (whole.status_code, whole.content, whole.headers["accept-ranges"]) == (200, b"0123456789", "bytes")
    part = http("GET", url, headers={"range": "bytes=2-4"})
    assert (part.status_code, part.content, part.headers["content-range"]) == (206, b"234", "bytes 2-4/10")
    assert http("GET", url, headers={"range": "bytes=10-"}).headers["content-range"] == "bytes */10"
    assert http("GET", url, headers={"range": "bytes=0-1,3-4"}).status_code == 200
    assert http("GET", url, headers={"range": "bytes=2-4", "if-range": '"x"'}).status_code == 200
    assert http("GET", url, headers={"if-none-match": whole.headers["etag"]}).status_code == 304
    head = http("HEAD", url)
    assert (head.content, head.headers["content-length"]) == (b"", "10")
    assert transfer.was_uploaded_to("r1", stored.sha256)
    assert not transfer.was_uploaded_to("r2", stored.sha256)


def test_t88_t89_t91_downloads_cannot_act_as_a_page(http):
    put_basic(http, b"<script>")
    stored = LfsObject.objects.get()
    url = objects.download_url(
        stored, audience="u", filename='a";x="b\r\nY: z.html', content_type="text/html", base_url=""
    )
    headers = http("GET", url).headers
    assert headers["content-type"] == "application/octet-stream"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert "y" not in headers
    assert headers["content-disposition"].count('"') == 2


@pytest.mark.parametrize("body", [b"012345678X", b"012345678", b"01234567890"])
def test_t67_t68_wrong_bytes_are_422_and_invisible(http, body):
    assert put_basic(http, b"0123456789", content=body).status_code == 422
    assert not LfsObject.objects.exists()
    assert list(get_blob_store().iter_sha256()) == []


def test_t68_without_length_411(http):
    async def stream():
        yield b"0123456789"

    answer = put_basic(http, b"0123456789", content=stream())
    assert answer.status_code == 411
    assert answer.headers["x-error-message"] == answer.json()["error"]


@pytest.mark.parametrize("size", [-1, 2**63, True, "5"])
def test_t68_declared_sizes(size):
    with pytest.raises(Unprocessable):
        begin(size_bytes=size)


def test_multipart_resumes_after_closing_the_tab(http):
    etags = send(http, begin(), [2])
    resumed = begin()
    assert UploadSession.objects.count() == 1
    assert [part.number for part in transfer.stored_parts(resumed)] == [2]
    etags |= send(http, resumed, [1, 3])
    assert complete(http, resumed, etags).json() == {"oid": SHA, "size": len(DATA)}
    assert complete(http, resumed, etags).status_code == 200
    assert read_all(get_blob_store(), SHA) == DATA
    assert list((get_blob_store().root / "uploads").iterdir()) == []


def test_t73_completion_checks_list_etags_and_hash(http):
    session = begin()
    etags = send(http, session, [1, 2])
    assert complete(http, session, etags).status_code == 422
    etags |= send(http, session, [3])
    swapped = {1: etags[2], 2: etags[1], 3: etags[3]}
    assert complete(http, session, swapped).status_code == 422
    assert complete(http, session, {1: etags[1]}).status_code == 422
    assert complete(http, session, etags).status_code == 200

    other = begin(repo_key="r2")
    etags = send(http, other, [1, 2, 3], DATA[:-1] + bytes([DATA[-1] ^ 1]))
    assert complete(http, other, etags).status_code == 422
    assert not transfer.was_uploaded_to("r2", SHA)


def test_t69_bytes_held_for_another_repo_are_asked_for_again(http):
    first = begin()
    complete(http, first, send(http, first, [1, 2, 3]))
    second = begin(repo_key="r2", owner_key="o2")
    assert (second.pk != first.pk, transfer.stored_parts(second)) == (True, [])


def test_t73_a_part_of_an_aborted_upload_is_404(http):
    session = begin()
    url = transfer.part_urls(session, base_url="")[1]
    transfer.abort_upload(session)
    assert http("PUT", url, content=DATA[:PART]).status_code == 404
    assert begin().pk != session.pk


def test_t42_every_changed_byte_is_403(http):
    put_basic(http, b"secret")
    url = objects.download_url(LfsObject.objects.get(), audience="u", filename="ab", base_url="")
    assert http("GET", url).status_code == 200
    for position in range(len("/_d/blob/"), len(url), 3):
        changed = "A" if url[position] != "A" else "B"
        assert http("GET", url[:position] + changed + url[position + 1 :]).status_code == 403
    assert http("GET", url.replace("/blob/", "/put/")).status_code == 403
    assert http("PUT", url, content=b"x").status_code == 405


def test_t42_expiry(http):
    put_basic(http, b"secret")
    stored = LfsObject.objects.get()
    within = objects.download_url(stored, audience="u", ttl_s=-50, base_url="")
    after = objects.download_url(stored, audience="u", ttl_s=-62, base_url="")
    assert (http("GET", within).status_code, http("GET", after).status_code) == (200, 403)


def test_t75_refused_reservation_leaves_no_session():
    def refuse(_size):
        raise StorageFull

    with pytest.raises(StorageFull):
        begin(reserve=refuse)
    assert transfer.reserved_bytes("o1") == 0
    begin()
    assert transfer.reserved_bytes("o1") == len(DATA)


def test_t159_sweep_frees_expired_uploads(http):
    session = begin()
    send(http, session, [1])
    later = timezone.now() + timedelta(hours=50)
    assert sweep_expired_uploads(later, dry_run=True).sessions == 1
    assert sweep_expired_uploads(later).unfinished_files == 1
    assert transfer.reserved_bytes("o1") == 0
    with pytest.raises(EntryNotFound):
        transfer.get_session(session.pk)


def test_gc_takes_only_old_unnamed_objects(http):
    put_basic(http, b"named")
    put_basic(http, b"loose")
    named, loose = (hashlib.sha256(data).hexdigest() for data in (b"named", b"loose"))

    def find_referenced(names):
        return {named} & set(names)

    UploadSession.objects.filter(state=UploadState.COMPLETE).delete()
    assert delete_unreferenced_objects(find_referenced).objects == 0
    later = timezone.now() + timedelta(hours=49)
    assert delete_unreferenced_objects(find_referenced, now=later, dry_run=True).size_bytes == 5
    assert delete_unreferenced_objects(find_referenced, now=later).objects == 1
    assert (get_blob_store().exists(named), get_blob_store().exists(loose)) == (True, False)


def test_t184_a_damaged_file_is_500_and_never_its_bytes(http):
    put_basic(http, b"0123456789")
    stored = LfsObject.objects.get()
    path = get_blob_store().path_of(stored.sha256)
    path.chmod(0o644)
    path.write_bytes(b"012345678X")
    answer = http("GET", objects.download_url(stored, audience="u", base_url=""), headers={"range": "bytes=0-3"})
    assert (answer.status_code, answer.headers["x-error-code"]) == (500, "ObjectCorrupt")
