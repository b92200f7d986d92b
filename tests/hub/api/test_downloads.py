"""What counts as a download, door by door (T50)."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
from pathlib import Path
from urllib.request import Request, urlopen

import httpx
import pytest
from django.core.cache import cache
from django.test import Client

from hub.accounts.auth import ServiceGrant, sign_service_token
from hub.accounts.enums import Role
from hub.core.ids import RepoType
from hub.repos.models import DownloadDay, Repo, RepoObject
from hub.storage.dataplane import application
from tests.factories.accounts import bearer, make_organization, make_token, make_user
from tests.factories.repos import commit_large_file, make_repo
from tests.hub.api.conftest import LiveHub
from tests.hub.api.test_xet_live import _client, _upload

pytestmark = pytest.mark.django_db(transaction=True)
LARGE = bytes(range(256)) * 2000
SMALL = b"\1" * 999


@pytest.fixture
def repo() -> Repo:
    repo = make_repo(files={"README.md": b"# Card\n", "config.json": b"{}", "head.onnx": SMALL})
    commit_large_file(repo, repo.created_by, "w.safetensors", LARGE)
    return repo


def counted(repo: Repo) -> tuple[int, int, int]:
    """(downloads, those of members, those of robots), all in all."""
    days = list(DownloadDay.objects.filter(repo=repo))
    return sum(day.count for day in days), sum(day.members for day in days), sum(day.robots for day in days)


def follow(url: str, method: str = "GET", **headers: str) -> tuple[int, bytes]:
    """Ask the data plane for a signed URL."""

    async def run() -> httpx.Response:
        transport = httpx.ASGITransport(app=application)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            return await client.request(method, url, headers=headers)

    answer = asyncio.run(run())
    return answer.status_code, answer.content


def fetch(client: Client, repo: Repo, path: str = "w.safetensors", span: str = "", **more: str) -> bytes:
    """Resolve and follow, as clients do."""
    given = {"HTTP_RANGE": span} if span else {}
    answer = client.get(repo.urls.resolve("main", path), **given, **more)
    if answer.status_code != 307:
        return b"".join(answer)
    return follow(answer["Location"], **({"Range": span} if span else {}))[1]


def test_a_download_counts_when_the_last_byte_has_left_t50(client: Client, repo: Repo) -> None:
    answer = client.get(repo.urls.resolve("main", "w.safetensors"))
    assert counted(repo) == (0, 0, 0)
    assert follow(answer["Location"]) == (200, LARGE)
    assert counted(repo) == (1, 0, 0)
    found = Repo.objects.get(pk=repo.pk)
    assert (found.downloads, found.downloads_all_time) == (1, 1)


def test_small_weights_from_git_count_when_they_were_read_to_the_end(client: Client, repo: Repo) -> None:
    answer = client.get(repo.urls.resolve("main", "head.onnx"))
    assert counted(repo) == (0, 0, 0)
    assert b"".join(answer) == SMALL
    assert counted(repo) == (1, 0, 0)


def test_cards_and_configuration_do_not_count(client: Client, repo: Repo) -> None:
    for path in ("README.md", "config.json"):
        fetch(client, repo, path)
    assert counted(repo) == (0, 0, 0)


def test_rows_of_a_dataset_count(client: Client) -> None:
    repo = make_repo(repo_type=RepoType.DATASET, files={"README.md": b"#", "rows.csv": b"a,b\n1,2\n"})
    fetch(client, repo, "README.md")
    assert counted(repo) == (0, 0, 0)
    fetch(client, repo, "rows.csv")
    assert counted(repo) == (1, 0, 0)


def test_heads_readers_of_headers_and_cached_files_do_not_count_t50(client: Client, repo: Repo) -> None:
    url = repo.urls.resolve("main", "w.safetensors")
    location = client.get(url)["Location"]
    etag = client.head(url)["ETag"]
    client.get(url, HTTP_IF_NONE_MATCH=etag)
    for _ in range(20):
        assert follow(location, "HEAD")[0] == 200
        assert follow(location, Range="bytes=0-99999")[0] == 206
        assert follow(location, **{"If-None-Match": etag})[0] == 304
    assert counted(repo) == (0, 0, 0)


def test_ranges_make_a_download_when_together_they_are_the_file(client: Client, repo: Repo) -> None:
    half = len(LARGE) // 2
    assert fetch(client, repo, span=f"bytes=0-{half - 1}") + fetch(client, repo, span=f"bytes={half}-") == LARGE
    assert counted(repo) == (1, 0, 0)


def test_once_per_account_or_network_and_day_t50(client: Client, repo: Repo) -> None:
    reader = bearer(make_token(make_user(password=None))[1])
    addresses = ("192.0.2.1", "192.0.2.250", "2001:db8:1::1", "2001:db8:1:ffff::9", "::ffff:192.0.2.7")
    for address in addresses:
        fetch(client, repo, REMOTE_ADDR=address)
    assert counted(repo) == (2, 0, 0)  # 192.0.2.0/24, 2001:db8:1::/48
    fetch(client, repo, REMOTE_ADDR="198.51.100.1")
    fetch(client, repo, REMOTE_ADDR="2001:db8:2::1")
    for address in addresses:
        fetch(client, repo, REMOTE_ADDR=address, **reader)
    assert counted(repo) == (5, 0, 0)


@pytest.mark.parametrize("has_cache", [True, False])
def test_ten_thousand_replays_count_once_t50(client: Client, repo: Repo, has_cache: bool) -> None:
    """A signed URL asked for again and again, and again with a cache that has forgotten everything."""
    first = client.get(repo.urls.resolve("main", "head.onnx"))
    b"".join(first)
    location = client.get(repo.urls.resolve("main", "w.safetensors"), REMOTE_ADDR="198.51.100.7")["Location"]

    async def run(times: int) -> None:
        transport = httpx.ASGITransport(app=application)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            for _ in range(times):
                assert (await client.get(location)).status_code == 200

    for _ in range(10):
        asyncio.run(run(1000 if has_cache else 20))
        if not has_cache:
            cache.clear()
    assert counted(repo) == (2, 0, 0)


def test_members_and_robots_are_counted_apart_t50(client: Client) -> None:
    owner, member = make_user("head", password=None), make_user("hand", password=None)
    make_organization("lab", admin=owner, members={member: Role.READ})
    repo = make_repo(owner, "w", namespace="lab", files={"a.onnx": SMALL})
    for user in (owner, member):
        fetch(client, repo, "a.onnx", **bearer(make_token(user)[1]))
    fetch(client, repo, "a.onnx", HTTP_USER_AGENT="Googlebot/2.1", REMOTE_ADDR="192.0.2.9")
    fetch(client, repo, "a.onnx", **bearer(sign_service_token(ServiceGrant(repo.pk, repo.head_oid))))
    assert counted(repo) == (0, 2, 1)
    assert Repo.objects.get(pk=repo.pk).downloads == 0
    fetch(client, repo, "a.onnx", HTTP_USER_AGENT="python-requests/2", REMOTE_ADDR="192.0.2.9")
    assert counted(repo) == (1, 2, 1)


def test_the_door_of_git_lfs_counts_alike(client: Client, repo: Repo) -> None:
    sha256 = hashlib.sha256(LARGE).hexdigest()

    def links(**more: object) -> str:
        body = {"operation": "download", "objects": [{"oid": sha256, "size": len(LARGE)}], **more}
        answer = client.post(
            f"{repo.urls.page}.git/info/lfs/objects/batch",
            json.dumps(body),
            content_type="application/vnd.git-lfs+json",
        )
        return answer.json()["objects"][0]["actions"]["download"]["href"]

    follow(links(ref={"name": "refs/pr/1"}))
    assert counted(repo) == (0, 0, 0)
    RepoObject.objects.update(payer=make_user(password=None).namespace)  # only a stranger's pull request has it
    follow(links())
    assert counted(repo) == (0, 0, 0)
    RepoObject.objects.update(payer=None)
    for _ in range(3):
        follow(links())
    assert counted(repo) == (1, 0, 0)


@pytest.mark.slow
def test_the_door_of_xet_counts_when_a_client_has_it_all(live_hub: LiveHub, tmp_path: Path) -> None:
    """The stock client over Xet, as somebody else than the owner; a reader of the beginning has downloaded nothing."""
    repo_id = "alice/counted"
    _client(live_hub, tmp_path / "make", f"api.create_repo('{repo_id}')")
    file = tmp_path / "model.bin"
    file.write_bytes(random.Random(5).randbytes(12_000_000))
    _upload(live_hub, tmp_path / "up", repo_id, file)

    def downloads() -> int:
        with urlopen(f"{live_hub.url}/api/models/{repo_id}") as answer:
            return int(json.loads(answer.read())["downloads"])

    with urlopen(Request(f"{live_hub.url}/{repo_id}/resolve/main/model.bin", headers={"Range": "bytes=0-999"})) as part:
        part.read()
    assert downloads() == 0
    got = tmp_path / "got"
    code = f"api.token = False\napi.hf_hub_download({repo_id!r}, 'model.bin', local_dir={str(got)!r}, token=False)"
    for home in ("one", "two"):
        _client(live_hub, tmp_path / home, code, HF_HUB_DISABLE_IMPLICIT_TOKEN="1")
    assert (got / "model.bin").read_bytes() == file.read_bytes()
    assert downloads() == 1
