"""Downloads: headers, ranges, conditions, redirects, counting."""

from __future__ import annotations

import pytest
from django.test import Client

from hub.accounts.auth import ServiceGrant, Viewer, sign_service_token
from hub.repos.models import Repo
from hub.repos.services import repos
from tests.factories.accounts import bearer
from tests.factories.repos import commit_files, commit_large_file, make_repo

pytestmark = pytest.mark.django_db(transaction=True)
TEXT = b"0123456789" * 10


@pytest.fixture
def repo() -> Repo:
    repo = make_repo(files={"dir/a.txt": TEXT})
    commit_large_file(repo, repo.created_by, "w.bin", b"\1" * 5000)
    return repo


def test_head_and_get_agree(client: Client, repo: Repo) -> None:
    url = repo.urls.resolve("main", "dir/a.txt")
    head, got = client.head(url), client.get(url)
    for name in ("X-Repo-Commit", "ETag", "Content-Length", "Accept-Ranges", "Content-Disposition", "Content-Type"):
        assert head[name] == got[name]
    assert b"".join(got) == TEXT
    assert head["X-Repo-Commit"] == repo.head_oid
    assert head["Content-Disposition"] == "inline; filename*=UTF-8''a.txt; filename=\"a.txt\";"


@pytest.mark.parametrize(
    ("header", "status", "body"),
    [
        ("bytes=2-4", 206, b"234"),
        ("bytes=95-", 206, b"56789"),
        ("bytes=-3", 206, b"789"),
        ("bytes=90-500", 206, b"0123456789"),
        ("lines=1-2", 200, TEXT),
    ],
)
def test_ranges(client: Client, repo: Repo, header: str, status: int, body: bytes) -> None:
    response = client.get(repo.urls.resolve("main", "dir/a.txt"), HTTP_RANGE=header)
    assert (response.status_code, b"".join(response)) == (status, body)


def test_range_past_the_end(client: Client, repo: Repo) -> None:
    response = client.get(repo.urls.resolve("main", "dir/a.txt"), HTTP_RANGE="bytes=100-")
    assert (response.status_code, response["Content-Range"]) == (416, "bytes */100")


@pytest.mark.parametrize("header", ["bytes=0-0", "bytes=-1", "bytes=5-"])
def test_empty_file_tells_its_size_to_those_who_ask_for_a_part(client: Client, header: str) -> None:
    """The JavaScript client learns sizes from ``bytes=0-0``; with 416 no snapshot with an ``__init__.py`` came down."""
    repo = make_repo(files={"__init__.py": b""})
    response = client.get(repo.urls.resolve("main", "__init__.py"), HTTP_RANGE=header)
    assert (response.status_code, response["Content-Range"], response["Content-Length"]) == (200, "bytes */0", "0")
    assert b"".join(response) == b""
    assert not client.get(repo.urls.resolve("main", "__init__.py")).has_header("Content-Range")


def test_unchanged_file_is_304(client: Client, repo: Repo) -> None:
    url = repo.urls.resolve("main", "w.bin")
    etag = client.head(url)["ETag"]
    response = client.get(url, HTTP_IF_NONE_MATCH=f'"x", W/{etag}')
    assert (response.status_code, response["ETag"]) == (304, etag)


def test_large_file_is_sent_on_with_all_headers(client: Client, repo: Repo) -> None:
    url = repo.urls.resolve("main", "w.bin")
    head, got = client.head(url), client.get(url)
    assert (head.status_code, head["Content-Length"], got.status_code) == (200, "5000", 307)
    assert got["Location"].startswith("http://testserver/_d/blob/")
    for response in (head, got):
        assert response["X-Linked-Size"] == "5000"
        assert response["X-Linked-Etag"] == response["ETag"]
        assert response["X-Repo-Commit"] == repo.head_oid


def test_missing_file_names_the_commit(client: Client, repo: Repo) -> None:
    for path in ("none", "dir", "dir/a.txt/x"):
        response = client.head(repo.urls.resolve("main", path))
        assert (response.status_code, response["X-Error-Code"]) == (404, "EntryNotFound")
        assert response["X-Repo-Commit"] == repo.head_oid
    assert client.get(repo.urls.resolve("none", "dir/a.txt"))["X-Error-Code"] == "RevisionNotFound"


def test_raw_of_a_large_file_is_its_pointer(client: Client, repo: Repo) -> None:
    body = b"".join(client.get(repo.urls.raw("main", "w.bin")))
    assert body.startswith(b"version https://git-lfs.github.com/spec/v1\noid sha256:")


@pytest.mark.parametrize("name", ["page.html", "image.svg", "data.xml", "doc.pdf", "script.js"])
def test_files_never_act_as_pages_t88(client: Client, name: str) -> None:
    repo = make_repo(files={name: b"<script>alert(1)</script>"})
    for url in (repo.urls.resolve("main", name), repo.urls.raw("main", name)):
        response = client.get(url)
        assert response["Content-Type"] == "application/octet-stream"
        assert response["Content-Security-Policy"] == "default-src 'none'; sandbox"
        assert response["X-Content-Type-Options"] == "nosniff"


def test_former_address_redirects_with_everything_kept_t46(client: Client, repo: Repo) -> None:
    former = repo.urls
    repos.move_repo(Viewer(user=repo.created_by), repo, to_namespace=repo.namespace.name, to_name="fresh")
    response = client.get(former.resolve("main", "dir/a.txt") + "?download=true")
    assert response.status_code == 307
    assert response["Location"] == f"/{repo.namespace.name}/fresh/resolve/main/dir/a.txt?download=true"
    response = client.post(f"{former.api}/paths-info/refs%2Fheads%2Fmain", {"paths": "dir"})
    assert response["Location"].startswith(f"/api/models/{repo.namespace.name}/fresh/paths-info/refs")


def test_workers_token_sees_one_commit_of_one_repo(client: Client) -> None:
    repo = make_repo(is_private=True, files={"a.txt": b"1"})
    former = repo.head_oid
    commit_files(repo, repo.created_by, {"a.txt": b"2"})
    other = make_repo(files={"a.txt": b"x"})
    headers = bearer(sign_service_token(ServiceGrant(repo.pk, former)))
    assert b"".join(client.get(repo.urls.resolve(former, "a.txt"), **headers)) == b"1"
    assert client.get(f"{repo.urls.api}/tree/{former}", **headers).status_code == 200
    assert client.get(f"{repo.urls.api}/revision/{former}", **headers).status_code == 200
    for url in (repo.urls.resolve("main", "a.txt"), f"{repo.urls.api}/tree/main", repo.urls.api):
        assert client.get(url, **headers)["X-Error-Code"] == "RevisionNotFound"
    assert client.get(other.urls.resolve("main", "a.txt"), **headers)["X-Error-Code"] == "RepoNotFound"
    assert client.post(f"{repo.urls.api}/like", **headers).status_code == 401


def test_workers_token_opens_files_and_nothing_else_t129() -> None:
    repo = make_repo(files={"a.txt": b"a"})
    headers = bearer(sign_service_token(ServiceGrant(repo.pk, repo.head_oid)))
    client = Client()
    repo_id = repo.repo_id
    assert client.get(f"/api/models/{repo_id}/revision/{repo.head_oid}", **headers).status_code == 200
    assert client.get(f"/{repo_id}/resolve/{repo.head_oid}/a.txt", **headers).status_code == 200
    for path in (f"/{repo_id}", f"/{repo_id}/blob/main/a.txt", "/api/whoami-v2", "/", "/settings/tokens", "/admin/"):
        assert client.get(path, **headers).status_code == 403
