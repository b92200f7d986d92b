"""The content-addressed store on the wire, without a network (hub/storage/xet/cas.py)."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from urllib.parse import urlsplit

import pytest

from hub.storage.dataplane import application as data_plane
from hub.storage.lfs.objects import read_object
from hub.storage.models import DedupChunk, LfsObject, XetFile, XetRegistration, Xorb, XorbHolding
from hub.storage.xet import tokens
from hub.storage.xet.hashing import hash_text, protected_hash, range_hash
from hub.storage.xet.recipe import Recipe, Term
from hub.storage.xet.store import get_xorb_store
from tests.factories.xet import INPUTS, build_xorb, chunks_of, noise, pack, sample_file

pytestmark = pytest.mark.django_db(transaction=True)


def send_file(cas, data, **more):
    """Upload a file as a client does; returns (its line in the shard, its xorbs, the last line of the answer)."""
    file, xorbs = pack(data)
    for xorb in xorbs:
        assert cas.send_xorb(hash_text(xorb.xorb_hash), xorb.data, **more).status == 200
    answer = cas.send_shard([file], [(xorb.xorb_hash, xorb.index) for xorb in xorbs], **more)
    return file, xorbs, answer.lines()[-1]


def data_call(url, *, method="GET", body=b"", headers=()):
    from tests.hub.storage.xet.conftest import Client

    parts = urlsplit(url)
    return Client(data_plane, None)(method, parts.path, body, headers=headers, token="")


# --- upload ----------------------------------------------------------------------------------------------------------


def test_file_is_sent_and_read_back(cas, rules):
    data = noise(3_000_000)
    (file_hash, *_), xorbs, last = send_file(cas, data)
    assert last == {"type": "result", "result": 1}
    sha256 = hashlib.sha256(data).hexdigest()
    assert read_object(sha256, start=1_000, stop=2_000_000) == data[1_000:2_000_000]
    assert XetRegistration.objects.get().sha256 == sha256
    stored = LfsObject.objects.get()
    assert (stored.sha256, stored.is_whole, stored.xet_file.file_hash) == (sha256, False, hash_text(file_hash))
    assert XorbHolding.objects.filter(domain="ns1").count() == len(xorbs)


def test_grant_leads_to_a_signed_put_and_the_next_one_says_stored(cas):
    _file, (xorb,) = pack(noise(200_000))
    name = hash_text(xorb.xorb_hash)
    asked = json.dumps({"length": len(xorb.data), "checksum": {"algo": "crc64nvme", "value": "1"}}).encode()
    grant = cas("POST", f"/v1/xorb-grants/default/{name}", asked)
    assert grant.status == 201
    commit = f"/v1/xorb-commits/default/{name}/grant/{grant.json()['id']}"
    assert cas("POST", commit).status == 404  # nothing has arrived
    assert grant.json()["method"] == "PUT"
    assert data_call(grant.json()["url"], method="PUT", body=xorb.data).status == 200
    assert cas("POST", commit).status == 200
    assert cas("POST", commit).status == 200  # the answer was lost
    assert cas("POST", f"/v1/xorb-grants/default/{name}", asked).status == 200
    assert cas("POST", f"/v1/xorb-grants/default-merkledb/{name}", asked).status == 200


def test_signed_put_takes_its_xorb_and_no_other_t78(cas):
    _, (one,) = pack(noise(50_000, 1))
    _, (two,) = pack(noise(50_000, 2))
    asked = json.dumps({"length": len(one.data)}).encode()
    url = cas("POST", f"/v1/xorb-grants/default/{hash_text(one.xorb_hash)}", asked).json()["url"]
    assert len(one.data) == len(two.data)
    assert data_call(url, method="PUT", body=two.data).status == 422
    assert data_call(url, method="PUT", body=one.data[:-1]).status == 422
    assert Xorb.objects.count() == 0
    assert list(get_xorb_store().blobs.iter_sha256()) == []


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"length": -1}', b'{"length": true}', b'{"length": "9"}', b"\xff"]
)
def test_bad_grant_requests_are_refused(cas, body):
    assert cas("POST", f"/v1/xorb-grants/default/{'0' * 64}", body).status == 400


def test_too_large_xorbs_are_refused_before_they_are_read(cas):
    asked = json.dumps({"length": 68 * 1024**2 + 1}).encode()
    assert cas("POST", f"/v1/xorb-grants/default/{'0' * 64}", asked).status == 413
    headers = [(b"content-length", b"71303169"), (b"host", b"h")]
    assert cas("POST", f"/v1/xorbs/default/{'0' * 64}", b"", headers=[]).status in (400, 413)
    assert headers


def test_forged_xorbs_leave_nothing_t78(cas):
    name, data, _ = build_xorb([noise(9_000, 1), noise(9_000, 2)])
    for position in (0, 1, 4, 5, 8, len(data) - 1):
        forged = bytearray(data)
        forged[position] ^= 1
        assert cas.send_xorb(hash_text(name), bytes(forged)).status == 400, position
    assert cas.send_xorb(hash_text(name), data[:-1]).status == 400
    assert cas.send_xorb("0" * 64, data).status == 400
    assert (Xorb.objects.count(), list(get_xorb_store().blobs.iter_sha256())) == (0, [])


def test_repeated_xorb_changes_nothing_and_another_form_keeps_the_first_t78(cas):
    chunk = b"text " * 4000
    name, packed, _ = build_xorb([chunk])
    stored = b"\0" + len(chunk).to_bytes(3, "little") + b"\0" + len(chunk).to_bytes(3, "little") + chunk
    assert cas.send_xorb(hash_text(name), packed).json() == {"was_inserted": True}
    assert cas.send_xorb(hash_text(name), stored).json() == {"was_inserted": False}
    assert bytes(Xorb.objects.get().index) == get_xorb_store().read_index(name).to_bytes()
    assert Xorb.objects.get().size_bytes == len(packed)


def test_footer_of_a_xorb_is_not_kept(cas):
    name, data, _ = build_xorb([noise(9_000)])
    assert cas.send_xorb(hash_text(name), data + b"XETBLOB\x01" + bytes(130)).status == 200
    assert get_xorb_store().blobs.stat(hash_text(name)).size_bytes == len(data)


def test_shard_comes_twice_and_by_both_versions(cas):
    file, xorbs, _ = send_file(cas, noise(300_000))
    again = cas.send_shard([file], [(x.xorb_hash, x.index) for x in xorbs])
    assert again.lines()[-1]["type"] == "result"
    from tests.factories.xet import upload_shard

    assert cas("POST", "/v1/shards", upload_shard([file])).json() == {"result": 1}
    assert (XetFile.objects.count(), XetRegistration.objects.count(), LfsObject.objects.count()) == (1, 1, 1)


def test_empty_file(cas):
    sha256 = hashlib.sha256(b"").hexdigest()
    assert cas.send_shard([(bytes(32), (), (), sha256)]).lines()[-1]["type"] == "result"
    assert read_object(sha256) == b""


def lies(store, recipe, sha256):
    """Each field of a shard with a lie in it (T80)."""
    terms, ranges = (
        list(recipe.terms),
        [range_hash(store.indexes[t.xorb_hash].chunks(t.first, t.end)) for t in recipe.terms],
    )
    first = terms[0]
    truth = {"file_hash": None, "terms": terms, "ranges": ranges, "sha256": sha256}
    other = Term(b"\1" * 32, 0, 1, 100)
    yield "file hash", truth | {"file_hash": b"\2" * 32}
    yield "xorb", truth | {"terms": [other, *terms[1:]]}
    yield "start", truth | {"terms": [dataclasses.replace(first, first=first.first - 1), *terms[1:]]}
    yield "end", truth | {"terms": [dataclasses.replace(first, end=2**31), *terms[1:]]}
    yield "empty range", truth | {"terms": [dataclasses.replace(first, end=first.first), *terms[1:]]}
    yield "length", truth | {"terms": [dataclasses.replace(first, unpacked_bytes=first.unpacked_bytes - 1), *terms[1:]]}
    yield "range hash", truth | {"ranges": [b"\3" * 32, *ranges[1:]]}
    yield "order", truth | {"terms": terms[::-1], "ranges": ranges[::-1]}
    yield "missing term", truth | {"terms": terms[1:], "ranges": ranges[1:]}
    yield "sha256", truth | {"sha256": "4" * 64}


def test_lying_shards_register_nothing_t80(cas):
    from hub.storage.xet.hashing import MerkleTree, file_hash_of_root

    store, recipe, data = sample_file()
    for name, content in store.data.items():
        assert cas.send_xorb(hash_text(name), content).status == 200
    tree = MerkleTree()
    for term in recipe.terms:
        index = store.indexes[term.xorb_hash]
        tree.add(index.chunks(term.first, term.end), index.lengths(term.first, term.end))
    true_hash = file_hash_of_root(tree.root())
    sha256 = hashlib.sha256(data).hexdigest()
    for what, lie in lies(store, recipe, sha256):
        line = (lie["file_hash"] or true_hash, lie["terms"], lie["ranges"], lie["sha256"])
        last = cas.send_shard([line]).lines()[-1]
        assert (last["type"], last["retryable"]) == ("error", False), what
        assert last["message"], what
    assert (XetFile.objects.count(), LfsObject.objects.count(), XetRegistration.objects.count()) == (0, 0, 0)
    ranges = [range_hash(store.indexes[t.xorb_hash].chunks(t.first, t.end)) for t in recipe.terms]
    assert cas.send_shard([(true_hash, recipe.terms, ranges, sha256)]).lines()[-1]["type"] == "result"
    assert read_object(sha256) == data


def test_described_xorb_must_hold_what_is_stored_t80(cas):
    file, (xorb,), _ = send_file(cas, noise(100_000))
    _, (other,) = pack(noise(100_000, 5))
    last = cas.send_shard([file], [(xorb.xorb_hash, other.index)]).lines()[-1]
    assert last["type"] == "error"
    assert "other chunks" in last["message"]


def test_sha256_that_was_computed_once_is_held_against_later_claims_t80(cas):
    (file_hash, terms, ranges, _), _, _ = send_file(cas, noise(100_000))
    last = cas.send_shard([(file_hash, terms, ranges, "5" * 64)]).lines()[-1]
    assert last["type"] == "error"
    assert not LfsObject.objects.filter(sha256="5" * 64).exists()


def test_file_without_sha256_is_not_the_repos_t80(cas):
    (file_hash, terms, ranges, _), xorbs = pack(noise(100_000))
    cas.send_xorb(hash_text(xorbs[0].xorb_hash), xorbs[0].data)
    assert cas.send_shard([(file_hash, terms, ranges, None)]).lines()[-1]["type"] == "result"
    assert XetRegistration.objects.count() == 0


def test_others_chunks_cannot_be_used_t81_t69(cas, make_claims):
    data = noise(500_000)
    file, (xorb,), _ = send_file(cas, data)
    name = hash_text(xorb.xorb_hash)
    thief = make_claims(domain="repo7.u2", repo_key="repo:7", owner_key="namespace:2", user_key="2")
    last = cas.send_shard([file], [(xorb.xorb_hash, xorb.index)], claims=thief).lines()[-1]
    assert (last["type"], "missing" in last["message"]) == ("error", True)
    assert not XetRegistration.objects.filter(repo_key="repo:7").exists()
    # What is stored for others and what nobody has give one answer.
    asked = json.dumps({"length": len(xorb.data)}).encode()
    answers = [cas("POST", f"/v1/xorb-grants/default/{hash_}", asked, claims=thief) for hash_ in (name, "0" * 64)]
    assert [answer.status for answer in answers] == [201, 201]
    chunk = hash_text(xorb.index.chunk(0))
    answers = [cas("GET", f"/v1/chunks/default/{hash_}", claims=thief) for hash_ in (chunk, "0" * 64)]
    assert [answer.body for answer in answers] == [answers[0].body] * 2
    # With the bytes it may: they are proof, and are stored once.
    before = list(get_xorb_store().blobs.iter_sha256())
    assert cas.send_xorb(name, xorb.data, claims=thief).json() == {"was_inserted": True}
    assert cas.send_shard([file], claims=thief).lines()[-1]["type"] == "result"
    assert list(get_xorb_store().blobs.iter_sha256()) == before


def test_one_chunk_xorb_known_by_name_is_still_missing_t81(cas, make_claims):
    """The name of a xorb of one chunk is the chunk's hash: with it every check on hashes passes."""
    chunk = noise(20_000)
    file, (xorb,), _ = send_file(cas, chunk)
    assert xorb.xorb_hash == xorb.index.chunk(0)
    thief = make_claims(domain="repo7.u2", repo_key="repo:7")
    forged = (file[0], [Term(xorb.xorb_hash, 0, 1, 20_000)], [range_hash(xorb.xorb_hash)], file[3])
    assert "missing" in cas.send_shard([forged], claims=thief).lines()[-1]["message"]


def test_quota_is_said_in_words_and_judged_before_reading(cas, rules):
    rules.room_bytes = 99_999
    _, _, last = send_file(cas, noise(100_000))
    assert last == {"type": "error", "message": "No room is left.", "retryable": False}
    assert XetFile.objects.count() == 0


def test_small_shard_that_describes_a_huge_file_is_refused(cas, settings):
    settings.HUB_MAX_FILE_BYTES = 10**9
    name, data, index = build_xorb([bytes(131_072)])
    cas.send_xorb(hash_text(name), data)
    terms = [Term(name, 0, 1, 131_072)] * 8_000
    last = cas.send_shard([(b"\1" * 32, terms, [range_hash(index.chunk(0))] * 8_000, "1" * 64)]).lines()[-1]
    assert "not accepted" in last["message"]


def test_unused_xorbs_count_against_the_room_that_is_left_t75(cas, make_claims):
    tight = make_claims(room_bytes=0)
    big = [noise(131_072, seed) for seed in range(500)]
    name, data, _ = build_xorb(big)
    assert cas.send_xorb(hash_text(name), data, claims=tight).status == 200
    name, data, _ = build_xorb([noise(131_072, 1000 + seed) for seed in range(500)])
    answer = cas.send_xorb(hash_text(name), data, claims=tight)
    assert answer.status == 413
    assert "quota" in answer.json()["error"]


# --- reading ---------------------------------------------------------------------------------------------------------


def rebuild(cas, path, first, last, **more):
    """Read a range as a client does: ask for terms, fetch each signed range, decode, cut."""
    from hub.storage.xet.xorb import decode_records

    answer = cas("GET", path, headers=[(b"range", f"bytes={first}-{last}".encode())], **more)
    assert answer.status == 200, answer.body
    found = answer.json()
    chunks = {}
    if "xorbs" in found:
        entries = [
            (x, e["url"], r["chunks"], r["bytes"]) for x, es in found["xorbs"].items() for e in es for r in e["ranges"]
        ]
    else:
        entries = [(x, e["url"], e["range"], e["url_range"]) for x, es in found["fetch_info"].items() for e in es]
    for xorb, url, run, span in entries:
        part = data_call(url, headers=[(b"range", f"bytes={span['start']}-{span['end']}".encode())])
        assert (part.status, len(part.body)) == (206, span["end"] - span["start"] + 1)
        for position, chunk in enumerate(decode_records(part.body), run["start"]):
            chunks[xorb, position] = bytes(chunk)
    terms = [(t["hash"], t["range"]["start"], t["range"]["end"], t["unpacked_length"]) for t in found["terms"]]
    parts = [b"".join(chunks[xorb, at] for at in range(start, end)) for xorb, start, end, _ in terms]
    assert [len(part) for part in parts] == [length for *_, length in terms]
    return b"".join(parts)[found["offset_into_first_range"] :][: last - first + 1]


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_ranges_come_back(cas, rules, version):
    data = INPUTS["F"] + noise(2_000_000) + INPUTS["a10000"]
    (file_hash, *_), _, _ = send_file(cas, data)
    rules.readable.add(hash_text(file_hash))
    path = f"/{version}/reconstructions/{hash_text(file_hash)}"
    size = len(data)
    for first, last in [(0, size - 1), (0, 0), (size - 1, size - 1), (70_000, 1_500_000), (14_751, 14_752)]:
        assert rebuild(cas, path, first, last) == data[first : last + 1], (first, last)
    assert rebuild(cas, path, 5, size + 1000) == data[5:]
    for value in (f"bytes={size}-", f"bytes={size}-{size + 5}"):
        assert cas("GET", path, headers=[(b"range", value.encode())]).status == 416
    assert cas("GET", path, headers=[(b"range", b"bytes=a-b")]).status == 400
    structure = [_without_urls(cas("GET", path).json()) for _ in range(2)]
    assert structure[0] == structure[1]


def _without_urls(value):
    if isinstance(value, dict):
        return {key: _without_urls(item) for key, item in value.items() if key != "url"}
    return [_without_urls(item) for item in value] if isinstance(value, list) else value


def test_files_of_other_repos_are_missing_t83(cas, rules):
    (file_hash, *_), _, _ = send_file(cas, noise(100_000))
    names = (hash_text(file_hash), "0" * 64)
    answers = [cas("GET", f"/v2/reconstructions/{name}") for name in names]
    assert [(answer.status, answer.body) for answer in answers] == [(404, answers[0].body)] * 2


def test_signed_range_gives_its_bytes_and_no_more_t83(cas, rules):
    data = noise(400_000)
    (file_hash, *_), (xorb,), _ = send_file(cas, data)
    rules.readable.add(hash_text(file_hash))
    answer = cas("GET", f"/v2/reconstructions/{hash_text(file_hash)}", headers=[(b"range", b"bytes=200000-200010")])
    (entry,) = next(iter(answer.json()["xorbs"].values()))
    span = entry["ranges"][0]["bytes"]
    first, last = span["start"], span["end"]
    assert 0 < first < last < len(xorb.data) - 1

    def ask(value):
        return data_call(entry["url"], headers=[(b"range", value.encode())] if value else [])

    assert ask(f"bytes={first}-{last}").body == xorb.data[first : last + 1]
    assert ask("").body == xorb.data[first : last + 1]
    assert ask(f"bytes={first + 5}-{first + 9}").body == xorb.data[first + 5 : first + 10]
    wider = [f"bytes={first - 1}-{last}", f"bytes={first}-{last + 1}", f"bytes={first}-", "bytes=0-0", "bytes=-5", "x"]
    wider += [f"bytes={first}-{last},0-1", f"bytes={last}-{first}", "bytes=0-99999999999999999999999"]
    for value in wider:
        assert ask(value).status == 403, value
    assert data_call(entry["url"][:-2] + "AA").status == 403
    assert data_call(entry["url"], method="PUT", body=b"x").status == 405


def test_several_ranges_come_as_multipart(cas, rules):
    data = noise(300_000)
    (file_hash, *_), (xorb,), _ = send_file(cas, data)
    rules.readable.add(hash_text(file_hash))
    (entry,) = next(iter(cas("GET", f"/v2/reconstructions/{hash_text(file_hash)}").json()["xorbs"].values()))
    answer = data_call(entry["url"], headers=[(b"range", b"bytes=10-19, 100000-100004")])
    assert answer.status == 206
    boundary = answer.headers["content-type"].partition("boundary=")[2]
    assert len(answer.body) == int(answer.headers["content-length"])
    parts = answer.body.split(f"\r\n--{boundary}".encode())
    bodies = [part.partition(b"\r\n\r\n") for part in parts[1:-1]]
    assert [body for *_, body in bodies] == [xorb.data[10:20], xorb.data[100_000:100_005]]
    assert b"Content-Range: bytes 10-19/" in bodies[0][0]


# --- dedup -----------------------------------------------------------------------------------------------------------


def test_first_chunk_finds_the_neighbourhood_in_its_domain_alone_t82(cas, make_claims):
    big = noise(70 * 1024**2)
    _, xorbs, last = send_file(cas, big)
    assert (len(xorbs), last["type"]) == (2, "result")
    answer = cas("GET", f"/v1/chunks/default/{hash_text(xorbs[0].index.chunk(0))}")
    assert answer.status == 200
    key = answer.body[-200:][72:104]
    for xorb in xorbs:
        assert xorb.xorb_hash in answer.body
        assert protected_hash(key, xorb.index.chunk(3)) in answer.body
        assert xorb.index.chunk(3) not in answer.body
    other = cas("GET", f"/v1/chunks/default/{hash_text(xorbs[0].index.chunk(0))}")
    assert other.body[-200:][72:104] != key
    assert cas("GET", f"/v1/chunks/default/{hash_text(xorbs[0].index.chunk(1))}").status == 404
    elsewhere = make_claims(domain="ns2")
    assert cas("GET", f"/v1/chunks/default/{hash_text(xorbs[0].index.chunk(0))}", claims=elsewhere).status == 404


def test_neighbours_of_one_chunk_are_not_named_t81(cas):
    first, (xorb_a,) = pack(noise(300_000, 1))
    second, (xorb_b,) = pack(noise(5_000, 2))
    for xorb in (xorb_a, xorb_b):
        cas.send_xorb(hash_text(xorb.xorb_hash), xorb.data)
    cas.send_shard([first, second], [(x.xorb_hash, x.index) for x in (xorb_a, xorb_b)])
    body = cas("GET", f"/v1/chunks/default/{hash_text(xorb_a.index.chunk(0))}").body
    assert xorb_a.xorb_hash in body
    assert xorb_b.xorb_hash not in body
    assert cas("GET", f"/v1/chunks/default/{hash_text(xorb_b.index.chunk(0))}").status == 200


def test_answer_renews_the_lease(cas):
    from datetime import timedelta

    from django.utils import timezone

    _, (xorb,), _ = send_file(cas, noise(300_000))
    long_ago = timezone.now() - timedelta(days=20)
    Xorb.objects.update(used_at=long_ago)
    assert cas("GET", f"/v1/chunks/default/{hash_text(xorb.index.chunk(0))}").status == 200
    assert Xorb.objects.get().used_at > timezone.now() - timedelta(minutes=1)


def test_only_chunks_that_may_be_asked_for_are_findable_t82(cas):
    _, xorbs, _ = send_file(cas, noise(3_000_000))
    assert DedupChunk.objects.count() == 1 + sum(
        int.from_bytes(x.index.chunk(i)[24:], "little") % 1024 == 0
        for x in xorbs
        for i in range(1, x.index.chunk_count)
    )


# --- tokens ----------------------------------------------------------------------------------------------------------

WRITES = [
    ("POST", f"/v1/xorb-grants/default/{'0' * 64}"),
    ("POST", f"/v1/xorb-commits/default/{'0' * 64}/grant/{'0' * 24}"),
    ("POST", f"/v1/xorbs/default/{'0' * 64}"),
    ("HEAD", f"/v1/xorbs/default/{'0' * 64}"),
    ("POST", "/v1/shards"),
    ("POST", "/v2/shards"),
]
READS = [
    ("GET", f"/v1/reconstructions/{'0' * 64}"),
    ("GET", f"/v2/reconstructions/{'0' * 64}"),
    ("GET", f"/v1/chunks/default/{'0' * 64}"),
    ("HEAD", f"/v1/files/{'0' * 64}"),
]


@pytest.mark.parametrize(("method", "path"), WRITES + READS)
def test_token_matrix_t77(cas, make_claims, method, path):
    signed = tokens.sign(make_claims())
    late = make_claims(expires_at=int(time.time()) - tokens.GRACE_S - 1)
    assert cas(method, path, token="").status == 401
    assert cas(method, path, token="hf_abc").status == 401
    assert cas(method, path, token=signed[:-1] + ("A" if signed[-1] != "A" else "B")).status == 401
    assert cas(method, path, claims=late).status == 401
    # Made for another address: another domain, another epoch.
    for other in (make_claims(domain="ns2"), make_claims(epoch=1)):
        assert cas(method, path, token=tokens.sign(other)).status == 403
    read = cas(method, path, claims=make_claims(scope=tokens.Scope.READ)).status
    assert (read == 403) == ((method, path) in WRITES)


def test_token_that_expired_on_the_way_is_good_for_a_moment_t77(cas, make_claims):
    late = make_claims(expires_at=int(time.time()) - tokens.GRACE_S + 20)
    assert cas("GET", f"/v1/chunks/default/{'0' * 64}", claims=late).status == 404


@pytest.mark.parametrize(
    "path",
    ["/v1/xorbs/other/" + "0" * 64, "/v1/xorbs/default/" + "A" * 64, "/v1/xorbs/default/../x", "/v3/shards", "/v1/"],
)
def test_unknown_paths_are_missing(cas, path):
    assert cas("POST", path).status == 404


def test_wrong_method_is_said(cas):
    assert cas("DELETE", "/v2/shards").status == 405


def test_telemetry_answers_at_once_without_a_token(cas):
    answer = cas("POST", "/anything/v1/telemetry", b'{"event": 1}', token="")
    assert answer.status == 404 or answer.json() == {}
    from hub.storage.xet.cas import CasApp  # noqa: F401
    from tests.hub.storage.xet.conftest import Client

    assert Client(cas.app, None)("POST", "/telemetry/v1/telemetry", b"{}", token="").status == 200


def test_recipe_of_a_known_file_stays(cas):
    """Two clients pack one file differently: one file hash, and the first recipe, whose xorbs are kept for it."""
    data = noise(600_000)
    file, _, _ = send_file(cas, data)
    before = bytes(XetFile.objects.get().recipe)
    chunks = chunks_of(data)
    names = []
    for chunk in chunks:
        name, content, index = build_xorb([chunk])
        cas.send_xorb(hash_text(name), content)
        names.append((Term(name, 0, 1, len(chunk)), range_hash(index.chunk(0))))
    line = (file[0], [term for term, _ in names], [raw for _, raw in names], file[3])
    assert cas.send_shard([line]).lines()[-1]["type"] == "result"
    assert bytes(XetFile.objects.get().recipe) == before
    assert Recipe.from_bytes(before).size_bytes == 600_000
