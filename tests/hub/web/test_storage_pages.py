"""The storage pages show the numbers of ``hub.repos.services.storage_usage``, to administrators alone."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from hub.accounts.auth import Viewer
from hub.accounts.models import User
from hub.repos.services import storage_usage
from hub.repos.services.commits import DeleteFile, create_commit
from tests.factories.accounts import make_organization, make_user
from tests.factories.repos import commit_large_file, make_repo

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ann() -> User:
    return make_user("ann", password=None)


@pytest.fixture
def client(ann: User) -> Client:
    client = Client()
    client.force_login(ann)
    return client


def _text(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200, path
    return answer.content.decode().replace("\xa0", " ")


def test_repo_page_says_what_takes_the_space_and_what_a_delete_frees(client: Client, ann: User) -> None:
    repo = make_repo(ann, "model")
    old = commit_large_file(repo, ann, "old.bin", b"o" * 20_000)
    new = commit_large_file(repo, ann, "new.bin", b"n" * 50_000)
    create_commit(repo, actor=Viewer(user=ann), revision="main", operations=[DeleteFile("old.bin")], message="Go")
    page = _text(client, "/ann/model/settings/storage")
    for words in ("50 kB", "20 kB", "In history only", "new.bin", "old.bin", 'href="/ann/model/blob/main/new.bin"'):
        assert words in page
    assert "What a delete would free" not in page
    preview = _text(client, f"/ann/model/settings/storage?sha256={new.sha256}&sha256={'0' * 64}")
    assert "What a delete would free" in preview
    assert "<dd>50 kB</dd>" in preview
    assert "is in use at the default branch" in preview
    history = _text(client, "/ann/model/settings/storage?history=1")
    assert "<dd>20 kB</dd>" in history
    assert old.sha256 in history
    assert "is in use at the default branch" not in history


def test_repo_page_goes_on(client: Client, ann: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.web.views.storage._PAGE", 2)
    repo = make_repo(ann, "model")
    for number in range(3):
        commit_large_file(repo, ann, f"{number}.bin", bytes([number]) * (100 + number))
    first = _text(client, "/ann/model/settings/storage")
    assert ("2.bin" in first, "1.bin" in first, "0.bin" in first) == (True, True, False)
    cursor = first.partition("?cursor=")[2].partition('"')[0]
    second = _text(client, f"/ann/model/settings/storage?cursor={cursor}")
    assert ("1.bin" in second, "0.bin" in second) == (False, True)
    assert client.get("/ann/model/settings/storage?cursor=x").status_code == 400


def _queries(client: Client, path: str) -> int:
    client.get(path)  # caches that live longer than a request
    with CaptureQueriesContext(connection) as asked:
        assert client.get(path).status_code == 200
    return len(asked)


def test_pages_take_the_same_number_of_queries_for_one_and_for_three(client: Client, ann: User) -> None:
    repo = make_repo(ann, "model")
    counts = []
    for number in range(3):
        commit_large_file(repo, ann, f"{number}.bin", bytes([number]) * 100)
        if number:
            make_repo(ann, f"model-{number}")
        counts.append((_queries(client, "/ann/model/settings/storage"), _queries(client, "/settings/storage")))
    assert counts[0] == counts[2]
    assert max(counts[0]) < 30


def test_namespace_page_shows_the_quota(client: Client, ann: User, settings: Any) -> None:
    settings.HUB_QUOTA_BYTES = 1_000_000
    repo = make_repo(ann, "model")
    commit_large_file(repo, ann, "a.bin", b"a" * 400_000)
    usage = storage_usage.namespace_usage(ann.namespace)
    page = _text(client, "/settings/storage")
    assert f"{usage.counted_bytes / 1000:.0f} kB of 1.0 MB" in page or "of 1 MB" in page
    settings.HUB_QUOTA_BYTES = 0
    assert "This hub has no quota." in _text(client, "/settings/storage")


def test_only_administrators_see_an_organisations_storage(client: Client, ann: User) -> None:
    make_organization("guild", admin=ann)
    make_repo(ann, "model", namespace="guild", is_private=True)
    assert 'href="/guild/model/settings/storage"' in _text(client, "/organizations/guild/storage")
    member = make_user("dora", password=None)
    make_organization("other", admin=member, members={ann: "write"})
    make_repo(member, "model", namespace="other")
    assert client.get("/organizations/other/storage").status_code == 403
    assert client.get("/other/model/settings/storage").status_code == 403
