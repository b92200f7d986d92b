"""The pages of imports."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from hub.accounts.models import User
from hub.repos.models import RepoImport
from tests.factories.accounts import make_user
from tests.factories.repos import make_repo

pytestmark = pytest.mark.django_db(transaction=True)

FORM = {
    "endpoint": "https://hub.example",
    "repo_type": "model",
    "source": "ann/model",
    "revision": "",
    "token": "hf_secret",
    "namespace": "cid",
    "name": "copy",
    "visibility": "private",
}


@pytest.fixture
def cid() -> User:
    return make_user("cid", password=None)


@pytest.fixture
def client(cid: User) -> Client:
    client = Client()
    client.force_login(cid)
    return client


def _import(cid: User, **facts: Any) -> RepoImport:
    asked = {"endpoint": "https://hub.example", "source": "ann/model", "name": "copy", "repo_type": "model"}
    return RepoImport.objects.create(author=cid, namespace=cid.namespace, **asked | facts)


def test_form_starts_an_import_and_forgets_the_token(client: Client) -> None:
    answer = client.post("/new/import", FORM)
    job = RepoImport.objects.get()
    assert (answer.status_code, answer["Location"]) == (302, f"/settings/imports/{job.object_id}")
    assert (job.source, job.revision, job.visibility, job.target) == ("ann/model", "main", "private", "cid/copy")
    refused = client.post("/new/import", FORM | {"endpoint": "nowhere"})
    assert refused.status_code == 422
    assert "hf_secret" not in refused.content.decode()


@pytest.mark.parametrize("change", [{"endpoint": "ftp://x"}, {"source": "a/b/c"}, {"name": "-"}, {"namespace": "dora"}])
def test_form_says_what_is_wrong(client: Client, change: dict[str, str]) -> None:
    answer = client.post("/new/import", FORM | change)
    assert answer.status_code == 422
    assert not RepoImport.objects.exists()


def test_page_asks_for_itself_until_the_end(client: Client, cid: User) -> None:
    job = _import(
        cid,
        state="running",
        files_total=4,
        files_done=1,
        bytes_total=4_000_000,
        bytes_done=1_000_000,
        bytes_per_s=500_000,
        current_path="weights/a.bin",
    )
    part = client.get(f"/settings/imports/{job.object_id}/progress").content.decode().replace("\xa0", " ")
    assert "every 2s" in part
    assert "1 of 4 files, 1 MB of 4 MB" in part
    assert 'value="25"' in part
    assert "500 kB per second" in part
    assert "weights/a.bin" in part
    assert "<html" not in part
    RepoImport.objects.update(state="failed", error="The other hub has no such revision.", finished_at=timezone.now())
    part = client.get(f"/settings/imports/{job.object_id}/progress").content.decode().replace("\xa0", " ")
    assert "every 2s" not in part
    assert "The other hub has no such revision." in part
    assert f"/settings/imports/{job.object_id}/retry" in part


def test_cancel_and_retry(client: Client, cid: User) -> None:
    job = _import(cid)
    assert client.post(f"/settings/imports/{job.object_id}/cancel").status_code == 302
    job.refresh_from_db()
    assert job.state == "cancelled"
    assert client.post(f"/settings/imports/{job.object_id}/retry", {"token": "a b"}).status_code == 422
    assert client.post(f"/settings/imports/{job.object_id}/retry", {"token": "hf_new"}).status_code == 302
    job.refresh_from_db()
    assert (job.state, bool(job.sealed_token)) == ("queued", True)


def test_done_import_leads_to_its_repo(client: Client, cid: User) -> None:
    repo = make_repo(cid, "copy")
    job = _import(cid, repo=repo, state="succeeded", target_oid=repo.head_oid, files_total=2, bytes_total=2_000)
    page = client.get(f"/settings/imports/{job.object_id}").content.decode().replace("\xa0", " ")
    assert 'href="/cid/copy"' in page
    assert f'href="/cid/copy/commit/{repo.head_oid}"' in page
    assert "2 files, 2 kB" in page


def test_others_find_no_import_t33(cid: User) -> None:
    """T33."""
    job = _import(cid)
    stranger = Client()
    stranger.force_login(make_user("dora", password=None))
    for path in ("", "/progress"):
        assert stranger.get(f"/settings/imports/{job.object_id}{path}").status_code == 404
    for path in ("/cancel", "/retry"):
        assert stranger.post(f"/settings/imports/{job.object_id}{path}").status_code == 404
    job.refresh_from_db()
    assert job.state == "queued"


@pytest.mark.parametrize("count", [1, 3])
def test_list_takes_the_same_number_of_queries(
    client: Client, cid: User, count: int, django_assert_num_queries: Any
) -> None:
    repo = make_repo(cid, "copy")
    for _ in range(count):
        _import(cid, repo=repo)
    client.get("/settings/imports")
    with django_assert_num_queries(5):
        page = client.get("/settings/imports")
    assert page.content.decode().count("ann/model") == count
